"""The pack: what goes in, what is refused, checksums, and pip asked for other computers (with small wheels)."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from recsys_lab import doctor
from recsys_lab.cli import app
from recsys_lab.room import RoomError, install, logs, pack, start, wheels

ROOT = Path(__file__).resolve().parents[2]
HERE = install.host()


def wheel(folder: Path, name: str, tag: str, *needs: str) -> None:
    """A wheel with nothing in it but what it needs."""
    about = f"{name}-1.0.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {need}" for need in needs)]
    with zipfile.ZipFile(folder / f"{name}-1.0-{tag}.whl", "w") as file:
        file.writestr(f"{about}/METADATA", "\n".join(lines) + "\n")
        file.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        file.writestr(f"{about}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip knows."""
    folder = tmp_path / "index"
    folder.mkdir()
    for key, value in {"CONFIG_FILE": "/dev/null", "NO_INDEX": "1", "FIND_LINKS": str(folder)}.items():
        monkeypatch.setenv(f"PIP_{key}", value)
    return folder


def test_another_computers_conditions_decide(index: Path) -> None:
    wheel(index, "app", "py3-none-any", 'winonly; sys_platform == "win32"', 'maconly; platform_system == "Darwin"')
    wheel(index, "winonly", "cp311-cp311-win_amd64")
    wheel(index, "maconly", "cp311-cp311-macosx_11_0_arm64")
    names = {name: wheels.resolve(["app==1.0"], name, "3.11").files for name in ("win_amd64", "macosx_arm64")}
    assert names["win_amd64"] == ("app-1.0-py3-none-any.whl", "winonly-1.0-cp311-cp311-win_amd64.whl")
    assert names["macosx_arm64"] == ("app-1.0-py3-none-any.whl", "maconly-1.0-cp311-cp311-macosx_11_0_arm64.whl")


def test_what_has_no_wheel_is_named_and_the_rest_is_resolved(index: Path, tmp_path: Path) -> None:
    wheel(index, "fine", "py3-none-any")
    wheel(index, "linuxonly", "cp311-cp311-manylinux_2_17_x86_64")
    found = wheels.resolve(["fine==1.0", "linuxonly==1.0"], "win_amd64", "3.11")
    assert found.missing == ("linuxonly==1.0",) and found.files == ("fine-1.0-py3-none-any.whl",)
    wheel(index, "top", "py3-none-any", "linuxonly")
    assert wheels.resolve(["top==1.0"], "win_amd64", "3.11").missing == ("linuxonly",)
    with pytest.raises(RoomError, match=r"^win_amd64, Python 3\.11: there is no wheel of linuxonly"):
        wheels.download(["linuxonly==1.0"], tmp_path / "wheels", "win_amd64", "3.11")


def test_wheels_are_downloaded_for_several_computers_into_one_folder(index: Path, tmp_path: Path) -> None:
    for tag in ("cp312-cp312-win_amd64", "cp312-cp312-macosx_12_0_arm64"):
        wheel(index, "both", tag)
    for target in ("win_amd64", "macosx_arm64"):
        wheels.download(["both==1.0"], tmp_path / "wheels", target, "3.12")
    assert len(list((tmp_path / "wheels").glob("both-1.0-cp312-*.whl"))) == 2


@pytest.mark.parametrize("retries", ["0", "1"])
def test_no_network_is_one_clear_line(retries: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {
        "CONFIG_FILE": "/dev/null",
        "INDEX_URL": "http://127.0.0.1:9/simple",
        "RETRIES": retries,
        "FIND_LINKS": "",
    }
    for key, value in {**settings, "EXTRA_INDEX_URL": "", "NO_INDEX": ""}.items():
        monkeypatch.setenv(f"PIP_{key}", value)
    with pytest.raises(RoomError, match="a pack is made with a network, and used without one"):
        wheels.download(["numpy==2.4.6"], tmp_path, HERE, wheels.running())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"platforms": ["solaris"]}, "--platform solaris: nobody knows it; there are "),
        ({"pythons": ["3.10"]}, "--python 3.10: the course needs 3.11 or newer, below 3.14"),
        ({"pythons": ["3"]}, "--python 3: the course needs"),
        ({"root": Path("/")}, "a pack is made from the course's folder"),
        ({"out": ROOT / "docs"}, "it is not empty, and nothing is written over"),
        ({"out": ROOT / "README.md"}, "it is not empty"),
        ({"out": ROOT / "notebooks" / "stick"}, "it is inside the notebooks"),
    ],
)
def test_what_cannot_be_packed_is_one_clear_error(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    asked = {"platforms": [], "pythons": [], "out": tmp_path / "out", "with_encoder": False, **given}
    with pytest.raises(RoomError) as caught:
        pack.plan(**asked)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_small_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "free", lambda folder: 20_000_000)
    said = CliRunner().invoke(app, ["pack", "--out", str(tmp_path / "out")])
    assert said.exit_code == 1 and not (tmp_path / "out").exists()
    assert said.output.startswith("error: --out") and "20 MB are free there and about 1.5 GB are needed" in said.output


def test_torch_goes_along_only_when_asked(tmp_path: Path) -> None:
    plain = pack.requirements(pack.plan([], [], tmp_path, False))
    names = {line.partition("==")[0] for line in plain}
    assert not names & doctor.ONLY_FOR_THE_ENCODER and {"numpy", "uvicorn[standard]", "hatchling"} <= names
    assert not any("#" in line for line in plain)
    assert set(pack.requirements(pack.Pack(tmp_path, with_encoder=True, root=ROOT))) - set(plain) == {
        line
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line.partition("==")[0] in doctor.ONLY_FOR_THE_ENCODER
    }


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pack.Packed]:
    """A pack whose wheels are one small one; all else is real."""
    folder = tmp_path_factory.mktemp("stick")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wheels, "download", lambda lines, folder, target, python: wheel(folder, "app", "py3-none-any"))
        patch.setattr(wheels, "build_own", lambda root, folder: wheel(folder, "recsys_lab", "py3-none-any"))
        patch.setattr(
            wheels, "resolve", lambda lines, target, python: wheels.Resolved(target, python, ("a",), ("b==1",))
        )
        log = folder / "log.zip"
        log.write_text("a log")
        patch.setattr(logs, "at_hand", lambda: {next(iter(doctor.LOGS.values())): log})
        done = pack.make(pack.plan([], [], folder / "out", False), lambda line: None)
    return folder / "out", done


def test_everything_is_in_the_pack_and_nothing_else(packed: tuple[Path, pack.Packed]) -> None:
    out, done = packed
    there = {"README.txt", "SHA256SUMS", "install.py", "install.sh", "install.bat", "pack.json", "requirements.txt"}
    built = {name for name in ("slides", "site") if (ROOT / "build" / name).is_dir()}
    assert {path.name for path in out.iterdir()} == there | {"course", "wheels", "logs"} | built
    for name in ("benchmarks/results/home.json", "data/shop/events.parquet", "recsys_lab/cli.py", "pyproject.toml"):
        assert (out / "course" / name).read_bytes() == (ROOT / name).read_bytes()
    names = [path.name for path in (ROOT / "notebooks").glob("*.ipynb")]
    for name in names:
        delivered = out / "course" / "notebooks" / name
        assert start.is_delivered(start.read(delivered.read_bytes()))
        assert (out / "course" / "notebooks" / start.COPIES / name).read_bytes() == delivered.read_bytes()
    assert not list(out.rglob("__pycache__")) and not list(out.rglob("answers-*"))
    assert {"course", "wheels", "logs"} <= done.parts.keys()


def test_readme_names_the_command_the_sizes_and_what_is_not_there(packed: tuple[Path, pack.Packed]) -> None:
    text = (packed[0] / "README.txt").read_text()
    assert "sh install.sh" in text and "install.bat" in text and "--no-index --find-links wheels" in text
    assert HERE in text and "no wheel of b==1" in text and "in all" in text
    assert "not packed: the text encoder (torch)" in text and "10.24432/C5QK7X" in text
    assert (packed[0] / "install.bat").read_bytes().count(b"\r\n") > 3


def test_checksums_find_what_is_changed_and_missing(packed: tuple[Path, pack.Packed], tmp_path: Path) -> None:
    out = tmp_path / "copy"
    shutil.copytree(packed[0], out)
    call = [sys.executable, str(out / "install.py"), "--verify"]
    assert subprocess.run(call, check=True, capture_output=True, text=True).stdout.endswith("as they were packed.\n")
    (out / ".venv" / "bin").mkdir(parents=True)
    (out / ".venv" / "bin" / "python").write_text("what an installation adds does not count")
    with (out / "course" / "LICENSE").open("a") as file:
        file.write(" ")
    (out / "course" / "README.md").unlink()
    done = subprocess.run(call, check=False, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("recsys-lab: 2 files are not as packed:")
    assert "course/LICENSE: not as it was packed" in done.stderr and "course/README.md: missing" in done.stderr
    said = CliRunner().invoke(app, ["pack", "--verify", str(out)])
    assert said.exit_code == 1 and "course/LICENSE" in said.output
    (out / "SHA256SUMS").unlink()
    assert "no finished pack" in CliRunner().invoke(app, ["pack", "--verify", str(out)]).output


def test_sha256sum_reads_the_checksums_too(packed: tuple[Path, pack.Packed]) -> None:
    if shutil.which("sha256sum") is None:
        pytest.skip("there is no sha256sum here")
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=packed[0], check=True)


def test_what_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RoomError("no wheel")

    monkeypatch.setattr(wheels, "download", fail)
    for out in (tmp_path / "new", tmp_path):
        with pytest.raises(RoomError, match="no wheel"):
            pack.make(pack.plan([], [], out, False), lambda line: None)
        assert not (tmp_path / "new").exists() and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("pythons", "platforms", "said"),
    [(["3.9"], [HERE], "the wheels here are for 3.9"), ([wheels.running()], ["amiga"], f"this computer is {HERE}")],
)
def test_the_wrong_python_or_computer_is_turned_away(pythons: list[str], platforms: list[str], said: str) -> None:
    with pytest.raises(install.Problem, match=said):
        install.check_python({"pythons": pythons, "platforms": platforms})


def test_an_old_python_can_read_the_installation() -> None:
    ast.parse(Path(install.__file__).read_text(encoding="utf-8"), feature_version=(3, 6))


def test_logs_go_into_the_cache_and_never_over_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RECSYS_LAB_DATA", raising=False)
    for place in doctor.LOGS.values():
        (tmp_path / "logs" / place).parent.mkdir(parents=True)
        (tmp_path / "logs" / place).write_text("from the stick")
    assert logs.at_hand() == {}
    assert len(logs.keep(tmp_path / "logs")) == 2 and len(logs.at_hand()) == 2
    (first, *_) = logs.at_hand().values()
    first.write_text("their own")
    assert logs.keep(tmp_path / "logs") == [] and first.read_text() == "their own"


def test_the_command_wants_a_folder() -> None:
    said = CliRunner().invoke(app, ["pack"])
    assert said.exit_code == 2 and "--out: name the folder to write" in said.output
