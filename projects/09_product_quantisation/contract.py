"""What project 09 has to keep, and the measurement on the simulated shop."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys_lab.recommender import Floats


def _rows(n: int = 400, dim: int = 16, seed: int = 0) -> Floats:
    made = np.random.default_rng(seed).normal(size=(n, dim))
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True))


def _refused(call: Any, what: str) -> None:
    try:
        call()
    except ValueError as error:
        assert len(str(error)) > 15, f"the error for {what} should say the value and the rule; it says {error}"
        return
    raise AssertionError(f"{what} has to be refused with a ValueError")


def check_shapes(mine: Any) -> None:
    """codes are bytes [n, pieces], books [pieces, centres, dim / pieces]."""
    rows = _rows()
    made = mine.ProductQuantiser(pieces=4, centres=10).fit(rows)
    codes = made.encode(rows)
    assert made.centres_.shape == (4, 10, 4), f"centres_: shape (4, 10, 4) is due, not {made.centres_.shape}"
    assert (codes.shape, codes.dtype) == ((400, 4), np.uint8), f"codes: (400, 4) uint8, not {codes.shape} {codes.dtype}"
    assert made.decode(codes).shape == rows.shape, "decoded vectors have the shape of the vectors"


def check_exact_where_it_can_be(mine: Any) -> None:
    """vectors whose pieces are few come back exactly."""
    book = np.random.default_rng(1).normal(size=(3, 8, 5))
    rows = np.concatenate([book[at][np.random.default_rng(at).integers(8, size=200)] for at in range(3)], axis=1)
    made = mine.ProductQuantiser(pieces=3, centres=8).fit(rows)
    back = made.decode(made.encode(rows))
    assert np.abs(back - rows).max() < 1e-4, (
        f"eight different pieces, eight centres: off by {np.abs(back - rows).max()}"
    )


def check_the_nearest_centre(mine: Any) -> None:
    """encode takes the nearest centre of each piece, also for vectors that training never saw."""
    made, fresh = mine.ProductQuantiser(pieces=4, centres=12).fit(_rows()), _rows(50, seed=9)
    codes = made.encode(fresh)
    for piece in range(4):
        cut = fresh[:, piece * 4 : piece * 4 + 4]
        far = ((cut[:, None, :] - made.centres_[piece][None]) ** 2).sum(axis=2)
        mine_far = far[np.arange(50), codes[:, piece]]
        assert np.allclose(mine_far, far.min(axis=1), atol=1e-5), f"piece {piece}: a nearer centre was there"


def check_more_centres_less_error(mine: Any) -> None:
    """more centres leave less error, and so do more pieces."""
    rows, error = _rows(), {}
    for pieces, centres in ((2, 4), (2, 32), (8, 32)):
        made = mine.ProductQuantiser(pieces, centres).fit(rows)
        error[pieces, centres] = float(((made.decode(made.encode(rows)) - rows) ** 2).mean())
    assert error[2, 4] > error[2, 32] > error[8, 32], f"errors by (pieces, centres): {error}"


def check_scores_without_decoding(mine: Any) -> None:
    """scores are the inner products with the decoded vectors; ties of a search fall to the lower row."""
    rows, question = _rows(), _rows(1, seed=7)[0]
    made = mine.ProductQuantiser(pieces=4, centres=10).fit(rows)
    codes = made.encode(rows)
    due = made.decode(codes) @ question
    assert np.allclose(made.scores(codes, question), due, atol=1e-5), "scores differ from those of the decoded vectors"
    twice = np.concatenate([codes[:5], codes[:5]])
    got = made.search(twice, question, 10).tolist()
    assert all(got.index(at) < got.index(at + 5) for at in range(5)), f"equal codes: the lower row first; yours: {got}"
    best = due[made.search(codes, question, 7)]
    assert np.allclose(best, np.sort(due)[::-1][:7], atol=1e-5), f"the seven highest scores, best first; yours: {best}"


def check_again(mine: Any) -> None:
    """what was found is ordered by the full vectors; when all was found, that is the exact answer."""
    rows, question = _rows(), _rows(1, seed=8)[0]
    exact = np.argsort(-(rows @ question), kind="stable")[:10]
    made = mine.ProductQuantiser(pieces=2, centres=4).fit(rows)
    found = made.search(made.encode(rows), question, 400)
    got = mine.again(found, rows, question, 10)
    assert np.array_equal(got, exact), f"all 400 were fetched, so the exact ten are due: {got}"
    assert set(mine.again(found[:20], rows, question, 10)) <= set(found[:20]), "only what was found can be answered"


def check_bytes(mine: Any) -> None:
    """megabytes count the books too."""
    rows = _rows()
    made = mine.ProductQuantiser(pieces=4, centres=10).fit(rows)
    due = (400 * 4 + 4 * 10 * 4 * 4) / 1e6
    assert np.isclose(made.megabytes(made.encode(rows)), due), f"1600 bytes of codes and 640 of books: {due}"


def check_what_cannot_be(mine: Any) -> None:
    """a dim that cannot be cut, more centres than rows or than a byte can number: one clear error each."""
    _refused(lambda: mine.ProductQuantiser(pieces=5).fit(_rows()), "16 columns in 5 pieces")
    _refused(lambda: mine.ProductQuantiser(4, 50).fit(_rows(20)), "50 centres for 20 rows")
    _refused(lambda: mine.ProductQuantiser(4, 257).fit(_rows()), "257 centres in a byte")
    flat = np.ones((40, 8))
    made = mine.ProductQuantiser(2, 4).fit(flat)
    assert np.allclose(made.decode(made.encode(flat)), 1), "vectors that are all the same come back as they are"


def measure(mine: Any) -> None:
    """Recall for shoppers' questions and for stored products, and the bytes."""
    from recsys_lab.datasets import load_shop
    from recsys_lab.evaluation import interval
    from recsys_lab.spaces import SentenceEncoder

    shop = load_shop(impressions=False)
    rows = SentenceEncoder().encode(shop.products["description"].tolist()).astype(np.float64)
    place = {item: at for at, item in enumerate(shop.products["item_id"])}
    past = shop.split().before_test.events
    clicked = past[past["event_type"] == "clicked_on"].groupby("user_id")["item_id"].agg(list)
    rng, means = np.random.default_rng(0), []
    for items in clicked.iloc[np.sort(rng.choice(len(clicked), 200, replace=False))]:
        means.append(rows[[place[item] for item in items]].mean(axis=0))
    asked = {"shoppers": np.array(means), "stored products": rows[rng.choice(len(rows), 200, replace=False)]}
    print(f"\n{len(rows):,} products, {rows.shape[1]} numbers each: {rows.astype(np.float32).nbytes / 1e6:.2f} MB")
    for pieces in (16, 48):
        made = mine.ProductQuantiser(pieces, 64).fit(rows)
        codes = made.encode(rows)
        books = made.megabytes(codes) - codes.nbytes / 1e6
        print(f"{pieces} bytes each: codes {codes.nbytes / 1e6:.3f} MB and books {books:.3f} MB; recall@10 of")
        for who, questions in asked.items():
            for fetched in (10, 50, 100):
                shares = []
                for question in questions:
                    exact = set(np.argsort(-(rows @ question), kind="stable")[:10].tolist())
                    found = mine.again(made.search(codes, question, fetched), rows, question, 10)
                    shares.append(len(exact & set(found.tolist())) / 10)
                told = interval(np.array(shares), np.arange(len(shares)))
                print(f"  {who:>16}, {fetched:>3} fetched: {told}")
