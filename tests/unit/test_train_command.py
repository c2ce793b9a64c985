"""`python -m recsys_lab train item2vec`: any log in, artefacts out, and one line for everything that can go wrong."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from recsys_lab.cli import app
from recsys_lab.datasets import DataError, Event
from recsys_lab.item2vec import Item2Vec, Vectors, sequences
from recsys_lab.item2vec.train import check_folder, read_sequences, read_shop
from recsys_lab.recommender import Context

runner = CliRunner()
QUICK = ["--dim", "6", "--epochs", "3", "--negative", "3"]
FILES = ["out_vectors.json", "out_vectors.npy", "sequences.jsonl", "settings.json", "vectors.json", "vectors.npy"]


def log() -> pd.DataFrame:
    """Eight shoppers walk the same way twice, a day apart; 007 and NA are products as good as others."""
    rows: list[tuple[Any, ...]] = []
    for user in range(8):
        for day in range(2):
            for at, item in enumerate(["007", "007", "NA", "b,c", "d"][user % 2 :]):
                rows.append((f"u{user}", item, "clicked_on", 1_700_000_000_000 + day * 86_400_000 + at * 60_000))
    return pd.DataFrame(rows, columns=["user_id", "item_id", "event_type", "timestamp"])


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.csv"
    log().to_csv(path, index=False)
    return path


def run(*arguments: object) -> tuple[int, str, str]:
    done = runner.invoke(app, ["train", "item2vec", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def refused(*arguments: object) -> str:
    code, out, err = run(*arguments)
    assert code == 1 and out == "" and err.startswith("error: ") and err.count("\n") == 1, (code, out, err)
    return err


def test_it_writes_sequences_vectors_and_settings(events: Path, tmp_path: Path) -> None:
    out = tmp_path / "made" / "here"
    code, said, _ = run("--events", events, "--out", out, *QUICK, "--window", 2, "--seed", 5)
    assert code == 0
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert all(f"wrote {out / name} (" in said for name in FILES)
    assert "72 events, 4 products, 8 shoppers, 16 sequences, 64 clicks in sequences, 4 products with a vector" in said
    visits = read_sequences(out)
    assert visits == sequences(read_shop(events)) == [["007", "NA", "b,c", "d"]] * 16
    vectors = Vectors.load(out)
    assert (set(vectors.ids), vectors.dim) == ({"007", "NA", "b,c", "d"}, 6)
    held = json.loads((out / "settings.json").read_text(encoding="utf-8"))
    assert held["method"] == "Item2Vec"
    wanted = {"dim": 6, "window": 2, "epochs": 3, "negative": 3, "random_state": 5, "skip_gram": True, "ask": "cosine"}
    assert {name: held["parameters"][name] for name in wanted} == wanted
    file = {"file": "events.csv", "sha256": hashlib.sha256(events.read_bytes()).hexdigest()}
    assert held["input"] == {"events": file}
    assert set(held["versions"]) == {"python", "numpy", "gensim", "recsys-lab"}
    assert str(tmp_path) not in json.dumps(held)


def test_the_same_from_parquet_with_products_and_dates(events: Path, tmp_path: Path) -> None:
    rows = log()
    rows["timestamp"] = pd.to_datetime(rows["timestamp"], unit="ms", utc=True)
    rows.to_parquet(tmp_path / "events.parquet")
    rows.assign(timestamp=rows["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_csv(tmp_path / "dates.csv")
    products = pd.DataFrame({"item_id": ["007", "NA", "b,c", "d", "e"], "category": [1, 1, 2, 2, 2]})
    products.to_csv(tmp_path / "products.csv", index=False)
    made = {}
    for name in ("events.csv", "events.parquet", "dates.csv"):
        out = tmp_path / f"from {name}"
        assert run("--events", tmp_path / name, "--out", out, *QUICK)[0] == 0
        made[name] = Vectors.load(out).fingerprint
    assert len(set(made.values())) == 1
    out = tmp_path / "sided"
    arguments = ("--events", events, "--products", tmp_path / "products.csv", "--out", out, "--side", "category")
    assert run(*arguments, *QUICK, "--cbow", "--ask", "next")[0] == 0
    held = json.loads((out / "settings.json").read_text(encoding="utf-8"))
    assert set(held["input"]) == {"events", "products"} and held["counts"]["products"] == 5
    vectors = Vectors.load(out)
    assert set(vectors.ids) == {"007", "NA", "b,c", "d"} and vectors.fingerprint not in made.values()
    model = Item2Vec.load(out, read_shop(events, tmp_path / "products.csv"))
    assert (model.ask, model.side, model.skip_gram) == ("next", "category", False)
    visit = (Event("x", "d", "clicked_on", 0, "s"),)
    assert len(model.recommend(Context(None, 10**13, visit, viewed="d"))) == 3


def test_session_ids_and_other_events(events: Path, tmp_path: Path) -> None:
    rows = log().assign(session_id=lambda frame: frame["user_id"], event_type="buy")
    rows.to_csv(tmp_path / "bought.csv", index=False)
    out = tmp_path / "out"
    assert "'clicked_on' events of different products" in refused("--events", tmp_path / "bought.csv", "--out", out)
    assert not out.exists()
    assert run("--events", tmp_path / "bought.csv", "--out", out, "--event-type", "buy", *QUICK)[0] == 0
    assert len(read_sequences(out)) == 8


def test_a_folder_is_not_written_over(events: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert run("--events", events, "--out", out, *QUICK)[0] == 0  # an empty one is fine
    first = Vectors.load(out).fingerprint
    assert "the folder is not empty; name another one, or add --force" in refused("--events", events, "--out", out)
    assert run("--events", events, "--out", out, *QUICK, "--seed", 1, "--force")[0] == 0
    assert Vectors.load(out).fingerprint != first
    with pytest.raises(DataError, match="it is a file; name a folder"):
        check_folder(events, force=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "cannot be read as csv file: No columns"),
        (
            "user_id,item_id,event_type\nu,a,buy\n",
            "the column 'timestamp' is missing; it has to hold whole milliseconds",
        ),
        ("item,timestamp\na,1\n", "the column 'item_id' is missing"),
        ("item_id,event_type,timestamp\na,buy,1\n", "the column 'user_id' is missing"),
        ("user_id,item_id,event_type,timestamp\nu,a,view,1700000000000\n", "events.event_type: row 0 has 'view'"),
        ("user_id,item_id,event_type,timestamp\nu,a,buy,1700000000\n", "look like seconds"),
        (
            "user_id,item_id,event_type,timestamp\nu,a,buy,yesterday\n",
            "timestamp: row 0 has 'yesterday'; give whole milliseconds",
        ),
        ("user_id,item_id,event_type,timestamp\nu,,buy,1700000000000\n", "events.item_id: row 0 has no value"),
        ("user_id,item_id,event_type,timestamp\n", "there is no event in it"),
        ("a,b\n1,2,3\n4\n5,6,7,8\n", "cannot be read as csv file: "),
    ],
)
def test_logs_that_cannot_be_used(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(content, encoding="utf-8")
    line = refused("--events", path, "--out", tmp_path / "out")
    assert "mine.csv" in line
    assert pd.Series([line]).str.contains(said).item(), line
    assert not (tmp_path / "out").exists()


def test_other_things_that_go_wrong(events: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    assert "there is no such file" in refused("--events", tmp_path / "none.csv", "--out", out)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 is not all it takes")
    assert "cannot be read as parquet file" in refused("--events", tmp_path / "bad.parquet", "--out", out)
    pd.DataFrame({"item_id": ["007"]}).to_csv(tmp_path / "few.csv", index=False)
    assert "not in products" in refused("--events", events, "--products", tmp_path / "few.csv", "--out", out)
    assert "no column 'category'" in refused("--events", events, "--side", "category", "--out", out)
    assert "min_count: no product stands" in refused("--events", events, "--min-count", 1000, "--out", out)
    for wrong in (["--dim", "0"], ["--shrink-windows"], ["--ask", "dot"], ["--seed", "-1"], ["--sample", "-1"]):
        assert run("--events", events, "--out", out, *wrong)[0] == 2
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    assert "pip install" in refused("--events", events, "--out", out)
    assert not out.exists()


def test_damaged_sequences_are_one_clear_error(tmp_path: Path) -> None:
    for content, said in (
        ("[1,", "cannot be read as sequences"),
        ("{}\n", "line 1 is no list"),
        (None, "cannot be read"),
    ):
        path = tmp_path / "sequences.jsonl"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(content)
        with pytest.raises(DataError, match=said):
            read_sequences(tmp_path)
