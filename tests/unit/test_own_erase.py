"""Erasing a shopper: nothing of them is left in files, log, state, stores and models, and nobody else notices."""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from recsys_lab import methods
from recsys_lab.bandit import TasteFeatures
from recsys_lab.cli import app
from recsys_lab.datasets import DataError, Event, Shop
from recsys_lab.factors import Factors
from recsys_lab.item2vec import Vectors
from recsys_lab.own import erase, erase_files, import_shop, open_shop
from recsys_lab.own.erase_files import read_report
from recsys_lab.patterns import Patterns, refresh_shop, rollback_shop
from recsys_lab.patterns.nightly import SHOPPERS
from recsys_lab.preferences import ShopperVectors
from recsys_lab.ranking import Ranker
from recsys_lab.ranking.sources import Seen, Source
from recsys_lab.realtime import Live, LiveError, Popularity, Visit
from recsys_lab.recommender import Context, ScoringRecommender
from recsys_lab.shop import Engine, Settings
from recsys_lab.shop.backend import READ
from recsys_lab.shop.memo import IDLE_MS, RECENT
from recsys_lab.shop.unlearn import copied, names
from recsys_lab.shop.unlearn import without as taken_out
from recsys_lab.shop.waiting import Waiting
from recsys_lab.spaces import SpaceIndex
from recsys_lab.spaces.aspects import aspects_of
from recsys_lab.stores import BaseStore, StoreError, open_store, versions
from tests.erasing import ADA, PEOPLE, START, closed, private_shop, save, traces, without

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
runner = CliRunner()
WITHOUT_QDRANT = "qdrant_client is not installed"
SMALL = {"factors": 4, "iterations": 3}
END = START + 50 * 86_400_000


@pytest.fixture(scope="module")
def shop() -> Shop:
    return private_shop()


def rows_of(shop: Shop) -> dict[str, int]:
    tables = {"events": shop.events, "impressions": shop.impressions, "shoppers": shop.shoppers}
    return {f"folder: rows of {name}.parquet": int((frame["user_id"] == ADA).sum()) for name, frame in tables.items()}


# -- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("compression", "categories"), [(None, False), ("snappy", False), ("zstd", True), (None, True)]
)
def test_a_folder_without_a_shopper(shop: Shop, tmp_path: Path, compression: str | None, categories: bool) -> None:
    folder = save(shop, tmp_path / "shop", compression, categories)
    products = (folder / "products.parquet").read_bytes()
    before = {path.name: pd.read_parquet(path) for path in folder.iterdir()}
    assert traces(tmp_path)
    done = erase(ADA, folder=folder)
    assert done.removed == rows_of(shop) and min(done.removed.values()) > 0
    assert traces(tmp_path) == [] and [one.name for one in tmp_path.iterdir()] == ["shop"]
    assert open_shop(folder).fingerprint == without(shop).fingerprint
    assert (folder / "products.parquet").read_bytes() == products
    for name, frame in before.items():
        after = pd.read_parquet(folder / name)
        assert after.dtypes.astype(str).to_dict() == frame.dtypes.astype(str).to_dict()
        kept = frame if "user_id" not in frame.columns else frame[frame["user_id"].astype(str) != ADA]
        pd.testing.assert_frame_equal(after.astype(str), kept.astype(str).reset_index(drop=True))


def test_again_and_somebody_unknown_change_nothing(shop: Shop, tmp_path: Path) -> None:
    folder = save(shop, tmp_path / "shop")
    inodes = {path.name: path.stat().st_ino for path in folder.iterdir()}
    for nobody in ("nobody", "u", "U1", "p1", "private-ada@hom", "1"):
        assert erase(nobody, folder=folder).total == 0
    assert inodes == {path.name: path.stat().st_ino for path in folder.iterdir()}  # not even written anew
    assert erase(ADA, folder=folder).total == sum(rows_of(shop).values())
    inodes = {path.name: path.stat().st_ino for path in folder.iterdir()}
    again = erase(ADA, folder=folder)
    assert again.total == 0 and set(again.removed) == set(rows_of(shop))
    assert inodes == {path.name: path.stat().st_ino for path in folder.iterdir()}
    assert erase("u1", folder=folder).total > 0  # the next one


def test_ids_that_are_numbers_and_rows_without_one(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    events = pd.DataFrame({"user_id": [17, 170, 17, 1], "item_id": ["a"] * 4, "event_type": ["buy"] * 4})
    events["timestamp"] = START
    events.to_parquet(folder / "events.parquet")
    pd.DataFrame({"item_id": ["a"]}).to_parquet(folder / "products.parquet")
    pd.DataFrame({"user_id": ["17", None, "1"]}).to_parquet(folder / "shoppers.parquet")
    done = erase("17", folder=folder)
    assert done.removed == {"folder: rows of events.parquet": 2, "folder: rows of shoppers.parquet": 1}
    assert pd.read_parquet(folder / "events.parquet")["user_id"].tolist() == [170, 1]
    assert pd.read_parquet(folder / "shoppers.parquet")["user_id"].fillna("-").tolist() == ["-", "1"]


def test_a_folder_that_may_not_be_touched(shop: Shop, tmp_path: Path) -> None:
    for folder, words in ((tmp_path / "none", "no such folder"), (tmp_path, "no folder of a shop")):
        with pytest.raises(DataError, match=words):
            erase(ADA, folder=folder)
    folder = save(shop, tmp_path / "shop")
    (folder / "live.db-wal").touch()
    with pytest.raises(DataError, match="a database is open"):
        erase(ADA, folder=folder)
    (folder / "live.db-wal").rename(folder / "truth.npz")
    with pytest.raises(DataError, match="the simulated shop with its truth"):
        erase(ADA, folder=folder)
    (folder / "truth.npz").rename(folder / "notes.txt")
    (tmp_path / ".shop.77.old").mkdir()
    remains = " ".join(erase(ADA, folder=folder).remains)
    assert "notes.txt in the folder" in remains and ".shop.77.old: left by an import" in remains
    (folder / "shoppers.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match=r"shoppers\.parquet: this table cannot be read"):
        erase(ADA, folder=folder)
    with pytest.raises(ValueError, match="no place"):
        erase(ADA)
    for nobody in ("", 5):
        with pytest.raises(ValueError, match="is no id"):
            erase(nobody, folder=folder)  # type: ignore[arg-type]


def imported(shop: Shop, tmp_path: Path) -> Path:
    """A folder of an import whose report names Ada in every way that it can."""
    rows = shop.events.rename(columns={"user_id": "visitorid", "timestamp": "ts"})[
        ["visitorid", "item_id", "event_type", "ts", "session_id"]
    ]
    long = pd.DataFrame({
        "visitorid": ADA, "item_id": "p1", "event_type": "clicked_on", "ts": START + np.arange(1500) * 1000,
        "session_id": f"{ADA}/long",
    })  # fmt: skip
    bad = pd.DataFrame(
        {
            "visitorid": [ADA, "u3"],
            "item_id": ["p1", "p2"],
            "event_type": "clicked_on",
            "ts": -5,
            "session_id": ["x1", "x2"],
        }
    )
    twice = rows[rows["visitorid"] == ADA].head(2)
    pd.concat([rows, long, bad, twice]).to_csv(tmp_path / "events.csv", index=False)
    people = shop.shoppers[shop.shoppers["user_id"] != ADA]
    people.to_csv(tmp_path / "people.csv", index=False)
    shop.products.to_csv(tmp_path / "products.csv", index=False)
    import_shop(
        tmp_path / "events.csv", tmp_path / "shop", tmp_path / "products.csv", tmp_path / "people.csv",
        columns={"visitorid": "user_id", "ts": "timestamp"}, now_ms=END,
    )  # fmt: skip
    return tmp_path / "shop"


def test_the_report_of_an_import_names_nobody_who_is_gone(shop: Shop, tmp_path: Path) -> None:
    folder = imported(shop, tmp_path)
    named = [name for name in erase_files.REPORT_FILES if ADA in (folder / name).read_text()]
    assert "report.json" in named and "report.md" in named
    before = read_report(folder)
    done = erase(ADA, folder=folder)
    assert (
        done.removed["folder: lines of the import's report"] > 2
        and done.removed["folder: rows of events.parquet"] > 1500
    )
    assert traces(folder) == []
    after = read_report(folder)
    assert before is not None and after is not None
    assert [one.rows for one in after.dropped] == [one.rows for one in before.dropped]
    assert after.chapters == before.chapters and after.shop == before.shop
    assert (folder / "report.md").read_text() == after.to_markdown()
    assert any("(erased)" in line for line in after.noticed)
    assert any("events.csv" in one and "next import brings them back" in one for one in done.remains)
    assert erase(ADA, folder=folder).total == 0
    open_shop(folder)
    columns = {"visitorid": "user_id", "ts": "timestamp"}
    import_shop(tmp_path / "events.csv", folder, columns=columns, now_ms=END, force=True)  # it is still an import's own
    assert traces(folder)  # and the files that were imported bring her back, as the report says


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from recsys_lab.own import erase, erase_files as files

shopper, way, saved, out = sys.argv[1:]
left = 0

def step(function):
    def stepped(*arguments, **named):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return stepped

def child(folder):
    for name in ("write_without", "_swap", "_to_disk"):
        setattr(files, name, step(getattr(files, name)))
    files.shutil.rmtree = step(shutil.rmtree)
    if way == "two renames":
        files.ctypes.CDLL = lambda name: None
        Path.rename = step(Path.rename)
    erase(shopper, folder=folder)

for at in range(60):
    folder = Path(out) / str(at) / "shop"
    shutil.copytree(saved, folder)
    left, pid = at, os.fork()
    if not pid:
        try:
            child(folder)
            os._exit(0)
        except BaseException as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(code, flush=True)
    if code != -signal.SIGKILL:
        break
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes that it forks, which this system cannot")
@pytest.mark.parametrize("way", ["one step", "two renames"])
def test_kill_9_leaves_the_old_folder_or_the_new_one(shop: Shop, tmp_path: Path, way: str) -> None:
    """Killed at every step once: whoever opens the folder finds one or the other, and the next call does the rest."""
    saved = save(shop, tmp_path / "saved")
    old = {path.name: path.read_bytes() for path in saved.iterdir()}
    fresh = save(shop, tmp_path / "fresh")
    erase(ADA, folder=fresh)
    new = {path.name: path.read_bytes() for path in fresh.iterdir()}
    assert old != new
    command = [sys.executable, "-c", KILLED, ADA, way, str(saved), str(tmp_path / "out")]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    codes = [int(code) for code in ended.stdout.split()]
    assert codes == [-signal.SIGKILL] * (len(codes) - 1) + [0] and len(codes) > 10, ended.stderr
    seen = []
    for at in range(len(codes)):
        folder = tmp_path / "out" / f"{at}" / "shop"
        held = {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else None
        assert held in (old, new) or (held is None and way == "two renames"), at
        seen.append("old" if held == old else "new" if held == new else "between")
        erase(ADA, folder=folder)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == new
        assert [one.name for one in folder.parent.iterdir()] == ["shop"] and traces(folder.parent) == []
    assert set(seen) == ({"old", "new"} if way == "one step" else {"old", "new", "between"})
    assert seen == sorted(seen, key=["old", "between", "new"].index)  # once it is the new one, it stays that


def test_a_disk_that_is_full_changes_nothing(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save(shop, tmp_path / "shop")
    before = open_shop(folder).fingerprint

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(erase_files, "_to_disk", full)
    with pytest.raises(DataError, match=r"No space left.*nothing was erased"):
        erase(ADA, folder=folder)
    assert open_shop(folder).fingerprint == before and [one.name for one in tmp_path.iterdir()] == ["shop"]


# -- log, state and what waits ----------------------------------------------------------------------------------------


def stream(many: int = 300) -> list[Event]:
    kinds, made = ["clicked_on", "impression", "put_to_cart", "buy"], []
    for at in range(many):
        user = PEOPLE[at % 7]
        made.append(Event(user, f"p{at % 11}", kinds[at % 4], START + at * 1000, f"{user}/1", id=f"{user}/{at}"))
    return made


@pytest.mark.parametrize("of", ["the live shop", "the course"])
def test_log_and_state_by_their_address(tmp_path: Path, of: str) -> None:
    url = f"sqlite://{tmp_path}/live.db"
    way: dict[str, Any] = (
        {"accumulators": [*READ], "idle_ms": IDLE_MS, "recent": RECENT} if of == "the live shop" else {}
    )
    with Live(url, **way) as live:
        live.take_many(stream())
    waiting = Waiting(tmp_path / "waiting.db")
    waiting.add([Event(user, "p1", "clicked_on", START, "s", id=f"{user}/waits") for user in (ADA, "u1")])
    waiting.close()
    dry = erase(ADA, live=url, dry_run=True)
    assert dry.dry and traces(tmp_path)
    done = erase(ADA, live=url)
    mine = sum(event.user_id == ADA for event in stream())
    assert done.removed == dry.removed == {"waiting: events": 1, "log: events": mine, "live state: records": 1}
    assert traces(tmp_path) == []
    with Live(url, **way) as live:
        with Live("memory://", **way) as never:
            never.take_many([event for event in stream() if event.user_id != ADA])
            assert live.state() == never.state()
        assert live.replay().state() == live.state()  # a replay does not bring them back
        assert live.visit(ADA, START) == Visit(ADA) and not any(event.user_id == ADA for event in live.log())
    with closing(Waiting(tmp_path / "waiting.db")) as waiting:
        assert [event.user_id for event in waiting.first(10)] == ["u1"]
    for shopper in (ADA, "nobody"):
        assert set(erase(shopper, live=url).removed.values()) == {0}


def test_a_state_of_ones_own_has_to_be_opened(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/live.db"
    with Live(url, accumulators=[Popularity()]) as live:
        live.take_many(stream())
        with pytest.raises(LiveError, match="accumulators of your own"):
            erase(ADA, live=url)
        before = live.table("popularity")
        assert erase(ADA, live=live).removed["log: events"] > 0
        assert sum(before.values()) > sum(live.table("popularity").values()) > 0
        assert set(erase(ADA, live=live).removed.values()) == {0}
    assert traces(tmp_path) == []


def test_addresses_where_nothing_is_make_nothing(tmp_path: Path) -> None:
    (tmp_path / "other.db").write_bytes(b"")
    for url in (
        f"sqlite://{tmp_path}/no.db",
        f"sqlite://{tmp_path}/other.db",
        "memory://",
        "postgresql://u:secret@h/d",
    ):
        with pytest.raises(LiveError) as error:
            erase(ADA, live=url)
        assert "secret" not in str(error.value)
    for url in (f"qdrant://{tmp_path}/no", f"postgresql+embedded://{tmp_path}/no", "memory://", "qdrant://"):
        with pytest.raises(StoreError):
            erase(ADA, store=url)
    with pytest.raises(DataError, match="no waiting events"):
        erase(ADA, waiting=tmp_path / "waiting.db")
    with pytest.raises(DataError, match="no such folder"):
        erase(ADA, models=[tmp_path / "no"])
    with pytest.raises(DataError, match="no saved model"):
        erase(ADA, models=[tmp_path])
    assert [one.name for one in tmp_path.iterdir()] == ["other.db"]


def test_an_event_that_a_running_shop_hands_on_meanwhile(tmp_path: Path) -> None:
    """The courier of a running shop holds an event in its hand while the queue and the log are cleaned."""
    with Live(f"sqlite://{tmp_path}/live.db") as live:
        live.take_many(stream(20))
        forget, in_hand = live.forget, [Event(ADA, "p3", "buy", START + 10**6, "s", id="late")]

        def slow(shopper: str) -> int:
            gone = forget(shopper)
            live.take_many(in_hand)
            in_hand.clear()
            return gone

        live.forget = slow  # type: ignore[method-assign]
        mine = sum(event.user_id == ADA for event in stream(20))
        assert erase(ADA, live=live).removed["log: events"] == mine + 1
        assert traces(tmp_path) == []


# -- stores -----------------------------------------------------------------------------------------------------------


def answers(store: BaseStore, people: list[str]) -> list[object]:
    ask = Patterns(store.alias("items"), store.alias(SHOPPERS), likeness=store.alias("likeness"))
    told: list[object] = [
        [ask.for_you(user), ask.buy_again(user, END), ask.for_you(user, owned=False)] for user in people
    ]
    return [
        *told,
        *([one for one in ask.lookalikes(user, 40).item_ids if one != ADA] for user in people),
        ask.popular(),
    ]


@pytest.mark.parametrize("kind", ["memory", "qdrant"])
def test_every_generation_in_a_store(shop: Shop, tmp_path: Path, kind: str) -> None:
    if kind == "qdrant":
        pytest.importorskip("qdrant_client", reason=WITHOUT_QDRANT)
    url = f"qdrant://{tmp_path}/store" if kind == "qdrant" else "memory://"
    models = [Factors(**SMALL, random_state=seed).fit(shop) for seed in range(3)]
    with open_store(url) as store:
        for model in models:
            refresh_shop(store, shop, model, keep=2)
        other = store.collection("my_shoppers", dim=2)
        other.upsert([ADA, "u1"], [[1, 0], [0, 1]], [{"note": "hers"}, {"note": "his"}])
        goods = store.collection("goods", dim=2)
        goods.upsert([ADA], [[1, 0]])  # a product of the same name is not a shopper
        assert len(versions(store, SHOPPERS)) == 3
        if kind == "qdrant":  # some builds of SQLite overwrite what is deleted, whatever they are told
            for one in store.client._client.collections.values():  # type: ignore[attr-defined]
                one.storage.storage.execute("PRAGMA secure_delete=OFF")
        people = PEOPLE[1:6]
        before = answers(store, people)
        assert erase(ADA, store=store, dry_run=True).total == 4 == len(store.alias(SHOPPERS).get([ADA])) + 3
        done = erase(ADA, store=store)
        places = [f"store: points of {name}" for name in ["my_shoppers", *versions(store, SHOPPERS)]]
        assert done.removed == dict.fromkeys(places, 1)
        assert any("'goods'" in one for one in done.remains)
        assert answers(store, people) == before
        with pytest.raises(KeyError):
            Patterns(store.alias("items"), store.alias(SHOPPERS)).for_you(ADA)
        for _ in range(2):  # nor does any older version bring them back
            rollback_shop(store)
            assert store.alias(SHOPPERS).get([ADA]) == {}
        again = erase(ADA, store=store, collections=["goods"])
        assert again.removed == {**dict.fromkeys(places, 0), "store: points of goods": 1}
        assert erase("nobody", store=store).total == 0
        with pytest.raises(StoreError, match="has no 'cellar'"):
            erase(ADA, store=store, collections=["cellar"])
    assert traces(tmp_path) == []
    if kind == "qdrant":
        with open_store(url) as store:
            assert store.alias(SHOPPERS).get([ADA, "u1"]).keys() == {"u1"}


# -- models -----------------------------------------------------------------------------------------------------------


def fitted(name: str, make: Any, shop: Shop) -> Any:
    model = make()
    for setting, value in {"factors": 8, "iterations": 3, "epochs": 2, "days": 12, "k": 4, "dim": 8}.items():
        if isinstance(getattr(model, setting, None), int) or (setting == "iterations" and hasattr(model, setting)):
            setattr(model, setting, value)
    return model.fit(shop)


MAKES = {
    f"{board} {name}": make
    for board, rows in methods.ROWS.items()
    if board in ("home", "next", "basket", "owned", "retail any")
    for name, make in rows.items()
    if not name.startswith(("ranker", "random"))
}
SOURCES = {"seen": Source(Seen, "counts"), "popular": Source(methods.base.Popular, "counts")}
MAKES["ranker"] = lambda: Ranker("home", SOURCES, each=20, share=0.5)
KNOW_NOBODY = re.compile("(home|next|basket|owned|retail any) (popular|recent)")


@pytest.mark.parametrize("name", MAKES)
def test_a_model_that_never_knew_them(shop: Shop, name: str) -> None:
    model = fitted(name, MAKES[name], shop)
    contexts = [Context(user, END) for user in PEOPLE[1:]]
    before = model.recommend_many(contexts, 10)
    hers = model.recommend(Context(ADA, END), 10)
    knew = names(closed(model), ADA)
    other = copied(model)
    done = erase(ADA, models=[model])
    assert not names(closed(model), ADA) and done.total == taken_out(other, ADA)
    after = model.recommend_many(contexts, 10)
    if not name.endswith("they bought"):  # there she was a neighbour, whose purchases were shown to others
        assert (after[0] == before[0]).all() and (after[1] == before[1]).all()  # nobody else notices
    nobody = model.recommend(Context("nobody", END), 10)
    assert model.recommend(Context(ADA, END), 10) == nobody == other.recommend(Context(ADA, END), 10)
    assert (done.total > 0) == knew == (not KNOW_NOBODY.fullmatch(name)) and (knew or hers == nobody)
    assert erase(ADA, models=[model]).total == 0 and erase("nobody", models=[model]).total == 0
    closed(model), closed(other)


def test_fold_in_features_and_vectors(shop: Shop) -> None:
    factors, taste = Factors(**SMALL).fit(shop), TasteFeatures(("category",)).fit(shop)
    index = SpaceIndex(aspects_of(shop.products)).add(shop.products)
    vectors = ShopperVectors(index)
    vectors.register(ADA, "p1")
    vectors.update(Event(ADA, "p1", "buy", START, "s"))
    clicks = (Event(ADA, "p3", "clicked_on", END, "new"), Event(ADA, "p4", "buy", END, "new"))
    asked = [Context(user, END, session=clicks) for user in (ADA, "nobody")]
    assert not np.array_equal(*map(factors.shopper_vector, asked))
    assert erase(ADA, models=[factors, taste, vectors]).total == 3
    assert factors.shopper_vector(Context(ADA, END)).tolist() == [0.0] * 4
    assert np.array_equal(*map(factors.shopper_vector, asked))  # she is new: only what she does now counts
    assert np.array_equal(*taste(asked, ["p1", "p2", "p3"]))
    assert vectors.profile(ADA) == {}
    assert not any(names(model, ADA) for model in (factors, taste, vectors))


class Mine(ScoringRecommender):
    """A learner's own model: nobody can know where it keeps people."""

    def _learn(self, shop: Shop) -> None:
        self.favourite_ = dict(zip(shop.events["user_id"], shop.events["item_id"], strict=True))

    def _score(self, contexts: Any) -> Any:
        return np.zeros((len(contexts), len(self.items_)))


def test_a_model_of_ones_own_is_named(shop: Shop) -> None:
    done = erase(ADA, models=[Mine().fit(shop)])
    assert any("Mine is no model of this package, and keeps the shopper" in one for one in done.remains)
    done = erase(ADA, models=[Mine().fit(without(shop))])
    assert not any("keeps the shopper" in one for one in done.remains)


def test_saved_factors(shop: Shop, tmp_path: Path) -> None:
    model = Factors(**SMALL).fit(shop)
    model.save(tmp_path / "model")
    users, items = model.user_vectors_, model.item_vectors_
    hers = users[ADA].tobytes()
    assert traces(tmp_path) and hers in (tmp_path / "model" / "user_vectors.npy").read_bytes()
    assert erase(ADA, models=[tmp_path / "model"], dry_run=True).total == 1
    assert erase(ADA, models=[str(tmp_path / "model")]).removed == {"saved model model: vectors": 1}
    assert traces(tmp_path) == [] and [one.name for one in tmp_path.iterdir()] == ["model"]
    assert hers not in (tmp_path / "model" / "user_vectors.npy").read_bytes()
    again = Factors.load(tmp_path / "model", without(shop))
    assert again.item_vectors_.fingerprint == items.fingerprint and ADA not in again.user_vectors_
    assert all((again.user_vectors_[user] == users[user]).all() for user in again.user_vectors_.ids)
    assert len(again.user_vectors_) == len(users) - 1
    assert erase(ADA, models=[tmp_path / "model"]).total == 0
    (tmp_path / "sums").mkdir()
    (tmp_path / "sums" / "settings.json").write_text("{}")
    Vectors(("p1",), np.eye(1)).save(tmp_path / "sums")
    assert erase(ADA, models=[tmp_path / "sums"]).total == 0  # a model of products alone


# -- all places, and back by none of them -----------------------------------------------------------------------------


def test_they_come_back_by_no_way(shop: Shop, tmp_path: Path) -> None:
    pytest.importorskip("qdrant_client", reason=WITHOUT_QDRANT)
    folder, url, store_url = save(shop, tmp_path / "shop"), f"sqlite://{tmp_path}/live.db", f"qdrant://{tmp_path}/store"
    model = Factors(**SMALL).fit(shop)
    with open_store(store_url) as store:
        refresh_shop(store, shop, model, keep=1)
        refresh_shop(store, shop, Factors(**SMALL, random_state=1).fit(shop), keep=1)
    with Live(url) as live:
        live.take_many(stream())
    model.save(tmp_path / "model")
    with closing(Waiting(tmp_path / "waiting.db")) as waiting:
        waiting.add(stream(7))
    places: dict[str, Any] = {
        "folder": folder, "live": url, "store": store_url, "models": [model, tmp_path / "model"],
    }  # fmt: skip
    dry = erase(ADA, **places, dry_run=True)
    assert erase(ADA, **places).removed == dry.removed and dry.total > 100 and len(dry.removed) == 10
    assert traces(tmp_path) == []
    again = open_shop(folder)
    with open_store(store_url) as store, Live(url) as live, closing(Waiting(tmp_path / "waiting.db")) as waiting:
        live.take_many(waiting.first(100))  # what waited is handed on
        rollback_shop(store)
        assert store.alias(SHOPPERS).get([ADA]) == {}
        fresh = Factors(**SMALL).fit(again)
        refresh_shop(store, again, fresh)  # the nightly refresh, from the folder
        assert store.alias(SHOPPERS).get([ADA]) == {} and store.alias(SHOPPERS).count() == len(PEOPLE) - 1
        assert live.replay().visit(ADA, START) == Visit(ADA)
    loaded = Factors.load(tmp_path / "model", again)
    for one in (model, fresh, loaded):
        assert one.recommend(Context(ADA, END)) == one.recommend(Context("nobody", END))
    assert traces(tmp_path) == [] and erase(ADA, **places).total == 0


# -- the command ------------------------------------------------------------------------------------------------------


def run(*arguments: object) -> tuple[int, str, str]:
    done = runner.invoke(app, ["erase", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_the_command(shop: Shop, tmp_path: Path) -> None:
    folder = save(shop, tmp_path / "shop")
    with Live(f"sqlite://{tmp_path}/live.db") as live:
        live.take_many(stream())
    before = {path: path.read_bytes() for path in folder.iterdir()}
    places = ["--shop", folder, "--live", f"sqlite://{tmp_path}/live.db"]
    code, told, hint = run("--shopper", ADA, *places)
    assert code == 0 and "would be removed (nothing was)" in told and "--yes" in hint
    assert before == {path: path.read_bytes() for path in folder.iterdir()} and traces(tmp_path)
    code, done, hint = run("--shopper", ADA, *places, "--yes", "--json")
    assert code == 0 and not hint and traces(tmp_path) == []
    held = json.loads(done)
    assert held["total"] == sum(held["removed"].values()) > 100 and not held["dry"]
    assert f"{held['total']:,} entries would be" in told
    assert all(f"{count:,}  {place}" in told for place, count in held["removed"].items())
    code, done, _ = run("--shopper", ADA, *places, "--yes")
    assert code == 0 and f"shopper {ADA!r}: 0 entries removed" in done and "backups" in done


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--shopper", ADA], "name at least one place"),
        (["--shopper", "", "--shop", "x"], "it is empty"),
        (["--shopper", ADA, "--shop", "no/such/place"], "no such folder"),
        (["--shopper", ADA, "--live", "sqlite:///no/live.db"], "no log and state here"),
        (["--shopper", ADA, "--store", "memory://"], "kept nowhere"),
        (["--shopper", ADA, "--shop", "x", "--collection", "y"], "--store"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], words: str) -> None:
    code, told, error = run(*arguments, "--yes")
    assert code != 0 and not told and words in " ".join(error.replace("│", " ").split())


# -- the live shop ----------------------------------------------------------------------------------------------------


def live_shop(shop: Shop, tmp_path: Path, **more: Any) -> Engine:
    settings = Settings(
        state=f"sqlite://{tmp_path}/live.db", folder=tmp_path, encoder=False,
        switch=("live", "repeat", "item-knn", "event-weighted", "als"), **more,
    )  # fmt: skip
    return Engine(shop, settings, lambda: END)


def lists(engine: Engine, shopper: str) -> list[tuple[str, ...]]:
    return [engine.for_you(shopper, by=name).item_ids for name in engine.settings.switch]


def test_the_live_shop_forgets_by_name_too(shop: Shop, tmp_path: Path) -> None:
    """Fitted recommenders answer by what their training saw: of somebody forgotten they have to know nothing."""
    with live_shop(shop, tmp_path) as engine:
        engine.take(ADA, "clicked_on", "p3")
        others, nobody = [lists(engine, user) for user in PEOPLE[1:4]], lists(engine, "nobody")
        assert all(one != two for one, two in zip(lists(engine, ADA)[1:], nobody[1:], strict=True))
        old = engine._backend.now
        assert engine.forget(ADA) == 1
        assert lists(engine, ADA) == nobody and engine.buy_again(ADA).item_ids == ()
        assert [lists(engine, user) for user in PEOPLE[1:4]] == others
        now = engine._backend.now
        kept = [*now.trained.recommenders.values(), now.trained.factors, now.trained.shop, engine._backend.base]
        assert not any(names(one, ADA) for one in kept) and ADA not in now.trained.shoppers
        assert names([*old.trained.recommenders.values()], ADA)  # who was answering at that moment has the old ones
        live = engine._backend.state.held
        assert live is not None and not names(live.facts._traits, ADA)
        engine.forget("never seen")
        assert engine._backend.now.trained is now.trained  # nothing is copied for who is in no model
        engine.refresh()
        assert lists(engine, ADA) == lists(engine, "nobody")
    assert traces(tmp_path) == []


def test_who_is_forgotten_while_a_refresh_trains_stays_away(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live_shop(shop, tmp_path) as engine:
        backend = engine._backend
        written, reached, go_on = backend._written, threading.Event(), threading.Event()

        def slow(*given: Any) -> Any:
            made = written(*given)
            reached.set()
            assert go_on.wait(60)
            return made

        monkeypatch.setattr(backend, "_written", slow)
        refreshing = threading.Thread(target=engine.refresh)
        refreshing.start()
        assert reached.wait(120)  # trained and published with her, not yet swapped
        engine.forget(ADA)
        go_on.set()
        refreshing.join()
        assert lists(engine, ADA) == lists(engine, "nobody")
        now = backend.now
        assert not names([*now.trained.recommenders.values(), now.trained.factors, now.trained.shop], ADA)
        assert ADA not in engine.lookalikes("u1", 100).item_ids
        assert now.store is not None and now.store.alias(SHOPPERS).get([ADA]) == {}


def test_the_live_shop_s_older_generations_and_erase_after_it(shop: Shop, tmp_path: Path) -> None:
    pytest.importorskip("qdrant_client", reason=WITHOUT_QDRANT)
    url = f"qdrant://{tmp_path}/store"
    with open_store(url) as store:  # a refresh that was killed has left a version behind
        refresh_shop(store, shop, Factors(**SMALL).fit(shop))
    with live_shop(shop, tmp_path, store=url) as engine:
        engine.take(ADA, "buy", "p1")
        held = engine._backend._server.held
        assert held is not None
        left = held.collection("shoppers__000099", 4)
        left.upsert([ADA, "u1"], np.eye(2, 4))
        engine.forget(ADA)
        assert left.get([ADA]) == {} and left.count() == 1
        assert held.alias(SHOPPERS).get([ADA]) == {}
    done = erase(ADA, live=f"sqlite://{tmp_path}/live.db", store=url)
    assert done.total == 0 and traces(tmp_path) == []


def test_pickles_of_copies_are_whole(shop: Shop) -> None:
    model = fitted("als", MAKES["home als"], shop)
    made = pickle.loads(pickle.dumps(copied(model)))
    assert made.recommend(Context("u1", END)) == model.recommend(Context("u1", END))
