"""One model of a public framework, in that framework's own environment: python inside.py FOLDER JOB.json OUT.npz

It needs pandas, pyarrow and the framework, and nothing of this project. FOLDER has the tables that `tables.py` writes:
the training events, who asks, and what is known of who asks. JOB.json names framework, model, a list of settings, the
length of the lists and what they leave out. OUT.npz gets the lists of each setting (product ids, "" where a list is
shorter), OUT.json the times, the memory and the versions.

What a shopper did becomes one number for each product: the sum of the settings' `weights` by event type, where it is
above 0; with `weights` "log" the logarithm of 1 + that, and with "one" it is 1. On boards of visits only clicks count,
a visit stands for its shopper, and what is known of who asks is the visit so far, or, with the setting `last`, its last
clicks.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

WEIGHTS = {
    "course": {"clicked_on": 0.2, "put_to_cart": 0.5, "buy": 1.0, "removed_from_cart": -0.5},
    "sales": {"clicked_on": 0.1, "put_to_cart": 0.5, "buy": 5.0, "removed_from_cart": -0.5},
    "count": {"clicked_on": 1.0, "put_to_cart": 1.0, "buy": 1.0, "removed_from_cart": 0.0},
    "log": {"clicked_on": 1.0, "put_to_cart": 1.0, "buy": 1.0, "removed_from_cart": 0.0},
    "one": {"clicked_on": 1.0, "put_to_cart": 1.0, "buy": 1.0, "removed_from_cart": 0.0},
}
"""What an event is worth, by the name that a setting `weights` gives."""


@dataclass
class Task:
    """What a model gets: training (`who`, item_id, weight or clicks in order), the questions, and how to list."""

    train: pd.DataFrame
    known: pd.DataFrame
    questions: int
    shoppers: list[str]
    k: int
    drop_known: bool
    settings: dict[str, Any]

    @property
    def items(self) -> np.ndarray:
        """All products of the training events, by id."""
        return np.sort(self.train["item_id"].unique())


Lists = list[list[str]]
Fitted = Callable[[Task], Lists]


def worth(rows: pd.DataFrame, by: str, weights: str) -> pd.DataFrame:
    """One row for each pair of `by` and product: what its events are worth together, where that is above 0."""
    summed = rows.assign(weight=rows["event_type"].map(WEIGHTS[weights]).fillna(0.0))
    summed = summed.groupby([by, "item_id"], sort=True, as_index=False)["weight"].sum()
    summed = summed[summed["weight"] > 1e-9]
    if weights == "log":
        return summed.assign(weight=np.log1p(summed["weight"]))
    return summed.assign(weight=1.0) if weights == "one" else summed


def matrix(rows: pd.DataFrame, by: np.ndarray, items: np.ndarray, count: int) -> Any:
    """Rows of `worth` as a sparse table; `by` holds the row numbers."""
    columns = pd.Index(items).get_indexer(rows["item_id"])
    kept = columns >= 0
    cells = (rows["weight"].to_numpy(dtype=np.float32)[kept], (by[kept], columns[kept]))
    return sparse.csr_matrix(cells, shape=(count, len(items)))


def of_implicit(name: str) -> Callable[[Task], Fitted]:
    """implicit's ALS, BPR or neighbours. Who asks is folded in from what is known of them; BPR cannot do that."""

    def fit(task: Task) -> Fitted:
        from implicit.als import AlternatingLeastSquares
        from implicit.bpr import BayesianPersonalizedRanking
        from implicit.nearest_neighbours import BM25Recommender, CosineRecommender

        given = dict(task.settings)
        weights = given.pop("weights", "one")
        models: dict[str, Any] = {"ALS": AlternatingLeastSquares, "BPR": BayesianPersonalizedRanking}
        if name == "kNN":
            model = {"BM25": BM25Recommender, "cosine": CosineRecommender}[given.pop("kind")](**given)
        else:
            model = models[name](**given, random_state=0)
        rows, items = worth(task.train, "who", weights), task.items
        codes, people = pd.factorize(rows["who"], sort=True)
        trained = matrix(rows, codes, items, len(people))
        model.fit(trained, show_progress=False)

        def answer(task: Task) -> Lists:
            known = worth(task.known, "question", weights)
            asked = matrix(known, known["question"].to_numpy(), items, task.questions)
            number = np.flatnonzero(np.diff(asked.indptr))
            options: dict[str, Any] = {"N": task.k, "filter_already_liked_items": task.drop_known}
            if name == "BPR":
                there = pd.Index(people).get_indexer(task.shoppers)
                number = number[there[number] >= 0]
                found, _ = model.recommend(there[number], asked[number], **options)
            else:
                options |= {"recalculate_user": True} if name == "ALS" else {}
                found, _ = model.recommend(np.arange(len(number)), asked[number], **options)
            lists: Lists = [[] for _ in range(task.questions)]
            for at, row in zip(number.tolist(), found, strict=True):
                lists[at] = [str(items[column]) for column in row if column >= 0]
            return lists

        return answer

    return fit


def of_rectools(name: str) -> Callable[[Task], Fitted]:
    """A model of RecTools, asked with a data set whose shoppers are the questions."""

    def fit(task: Task) -> Fitted:
        from rectools import Columns
        from rectools.dataset import Dataset, IdMap, Interactions

        given = dict(task.settings)
        weights = given.pop("weights", None)
        model = _rectools(name, given)

        def table(rows: pd.DataFrame, by: str) -> pd.DataFrame:
            rows = rows.assign(weight=1.0) if weights is None else worth(rows, by, weights)
            place = np.arange(len(rows))  # RecTools orders by time: the place in the table keeps the order of events
            named = {Columns.User: rows[by].astype(str), Columns.Item: rows["item_id"], Columns.Weight: rows["weight"]}
            return pd.DataFrame({**named, Columns.Datetime: pd.Timestamp("2020-01-01") + pd.to_timedelta(place, "s")})

        trained = Dataset.construct(table(task.train, "who"))
        model.fit(trained)

        def answer(task: Task) -> Lists:
            known = table(task.known[task.known["item_id"].isin(task.items)], "question")
            questions = known[Columns.User].unique()
            # One who knows everything, and asks nothing: RecTools cuts its tables behind the last product that is seen.
            all_there = pd.DataFrame({"everything": "all", "item_id": task.items, "event_type": "buy"})
            known = pd.concat([known, table(all_there, "everything")], ignore_index=True)
            people = IdMap.from_values(known[Columns.User].unique())
            asked = Dataset(people, trained.item_id_map, Interactions.from_raw(known, people, trained.item_id_map))
            found = model.recommend(questions, asked, task.k, filter_viewed=task.drop_known)
            lists: Lists = [[] for _ in range(task.questions)]
            ordered = found.sort_values([Columns.User, Columns.Rank], kind="stable")
            for question, rows in ordered.groupby(Columns.User, sort=False):
                lists[int(question)] = rows[Columns.Item].astype(str).tolist()
            return lists

        return answer

    return fit


def _rectools(name: str, given: dict[str, Any]) -> Any:
    from rectools import models

    if name == "SASRec":
        import torch
        from pytorch_lightning import seed_everything

        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
        seed_everything(0, workers=True, verbose=False)
        return models.SASRecModel(
            **given, get_trainer_func=_trainer, get_trainer_func_kwargs={"epochs": given["epochs"]}
        )
    return {"EASE": models.EASEModel, "Popular": models.PopularModel}[name](**given)


def _trainer(epochs: int) -> Any:
    """Lightning without files, bars and chatter."""
    from pytorch_lightning import Trainer

    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return Trainer(max_epochs=epochs, min_epochs=epochs, accelerator="cpu", enable_model_summary=False, **quiet)


def of_lenskit(name: str) -> Callable[[Task], Fitted]:
    """A scorer of LensKit, asked with what is known of who asks."""

    def fit(task: Task) -> Fitted:
        from lenskit.als import ImplicitMFScorer
        from lenskit.data import ItemList, RecQuery, from_interactions_df
        from lenskit.knn import EASEScorer, ItemKNNScorer
        from lenskit.training import TrainingOptions

        given = dict(task.settings)
        weights = given.pop("weights", "one")
        scorer = {"ItemKNN": ItemKNNScorer, "ALS": ImplicitMFScorer, "EASE": EASEScorer}[name](**given)
        rows = worth(task.train, "who", weights).rename(columns={"who": "user_id", "weight": "rating"})
        scorer.train(from_interactions_df(rows[["user_id", "item_id", "rating"]]), TrainingOptions(rng=0))
        everything = ItemList(item_ids=task.items)

        def answer(task: Task) -> Lists:
            lists: Lists = [[] for _ in range(task.questions)]
            there = task.known[task.known["item_id"].isin(task.items)]  # LensKit's ALS refuses what it has not seen
            for question, known in worth(there, "question", weights).groupby("question", sort=False):
                mine = ItemList(item_ids=known["item_id"].to_numpy(), rating=known["weight"].to_numpy())
                scored = scorer(RecQuery(user_items=mine), everything)
                found = [str(item) for item in scored.top_n(task.k + len(mine) * task.drop_known).ids()]
                out = set(known["item_id"]) if task.drop_known else set()
                lists[int(question)] = [item for item in found if item not in out][: task.k]
            return lists

        return answer

    return fit


def popular(task: Task) -> Fitted:
    """What was clicked or bought most: needs nothing but pandas, and is there to try the way there and back."""
    best = task.train["item_id"].value_counts().index.astype(str)[: task.k].tolist()
    return lambda task: [list(best) for _ in range(task.questions)]


MODELS: dict[str, Callable[[Task], Fitted]] = {
    "none popular": popular,
    **{f"implicit {name}": of_implicit(name) for name in ("ALS", "BPR", "kNN")},
    **{f"rectools {name}": of_rectools(name) for name in ("EASE", "Popular", "SASRec")},
    **{f"lenskit {name}": of_lenskit(name) for name in ("ItemKNN", "ALS", "EASE")},
}
"""framework and model → how it is fitted."""


def read(folder: Path, job: dict[str, Any], settings: dict[str, Any]) -> Task:
    """The tables of a folder as a task."""
    events, asked, known = (pd.read_parquet(folder / f"{name}.parquet") for name in ("events", "asked", "known"))
    by = "session_id" if job["visits"] else "user_id"
    if job["visits"]:
        events, known = (rows[rows["event_type"] == "clicked_on"] for rows in (events, known))
        # Each visit's clicks together, in the order of time.
        events = events.sort_values([by, "timestamp"], kind="stable")
    settings = dict(settings)
    last = settings.pop("last", 0)
    known = known.groupby("question").tail(last) if last else known
    events = events.rename(columns={by: "who"})[["who", "item_id", "event_type"]].reset_index(drop=True)
    shoppers = asked["shopper_id"].tolist()
    return Task(events, known, len(asked), shoppers, job["k"], job["drop_known"], settings)


def megabytes(forget: bool = False) -> float:
    """The most memory that this process has held since it was told to `forget`, which it then counts from now.

    Linux says it in /proc; elsewhere it is the most since the process began.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024.0**2 if sys.platform == "darwin" else 1024.0)
    if forget:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024.0


def warm_up(framework: str) -> None:
    """Import the framework before the clock starts."""
    names = {
        "implicit": ("implicit.als", "implicit.bpr", "implicit.nearest_neighbours"),
        "rectools": ("rectools.models", "rectools.dataset", "pytorch_lightning"),
        "lenskit": ("lenskit.als", "lenskit.knn.item", "lenskit.knn.ease", "lenskit.data", "lenskit.training"),
    }
    for name in names.get(framework, ()):
        __import__(name)


def run(folder: Path, job: dict[str, Any], settings: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """Fit and ask with one setting: the lists, and what they cost."""
    task, before = read(folder, job, settings), megabytes(forget=True)
    began = time.perf_counter()
    answer = MODELS[f"{job['framework']} {job['model']}"](task)
    fitted = time.perf_counter()
    lists = answer(task)
    done = time.perf_counter()
    table = np.full((task.questions, task.k), "", dtype=object)
    for at, found in enumerate(lists):
        table[at, : len(found)] = found[: task.k]
    told = {"fit_s": fitted - began, "ms_per_list": 1000 * (done - fitted) / task.questions}
    return table.astype(str), told | {"peak_MB": megabytes(), "MB_over_data": megabytes() - before}


def main(folder: Path, job_file: Path, out: Path) -> None:
    """Each setting of the job one after the other; lists and costs are written in their order."""
    job = json.loads(job_file.read_text(encoding="utf-8"))
    warm_up(job["framework"])
    runs = [run(folder, job, settings) for settings in job["settings"]]
    np.savez_compressed(out, **{f"lists {at}": lists for at, (lists, _) in enumerate(runs)})
    packages = {"none": ["pandas"], "rectools": ["RecTools", "torch"]}.get(job["framework"], [job["framework"]])
    same = {"python": sys.version.split()[0], "versions": {name: version(name) for name in packages}}
    out.with_suffix(".json").write_text(json.dumps([told | same for _, told in runs]), encoding="utf-8")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
