"""What project 06 has to keep, and the measurement on the simulated shop."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recsys_lab.datasets import DAY_MS, Event, Shop, as_events
from recsys_lab.evaluation import evaluate, home_board
from recsys_lab.realtime import Live
from recsys_lab.recommender import Context, Floats, ScoringRecommender

_T = 20_000 * DAY_MS


def _look(item: str, at: int, shopper: str = "ada", **attr: Any) -> Event:
    return Event(shopper, item, "clicked_on", _T + at, f"{shopper}/1", attr)


def _live(mine: Any, events: Sequence[Event], url: str = "memory://", **given: int) -> Live:
    live = Live(url, accumulators=[mine.LookedAt(**given)])
    live.take_many(events)
    return live


def _told(live: Live, *items: str) -> list[float]:
    return [float(value) for value in live.features("ada", list(items), _T + DAY_MS)["looked_at"]]


def _stream(n: int = 300) -> list[Event]:
    rng = np.random.default_rng(0)
    made = []
    for at in range(n):
        attr = {"dwell_ms": int(rng.integers(0, 400_000))} if rng.random() < 0.8 else {}
        made.append(_look(f"p{rng.integers(12)}", at * 1000, f"u{rng.integers(20)}", **attr))
    return made


def check_by_hand(mine: Any) -> None:
    """the feature by hand: whole seconds, drawn towards what is usual."""
    live = _live(mine, [_look("a", 1, dwell_ms=10_999), _look("a", 2, dwell_ms=50_000)], usual_s=30, prior=5)
    a, unseen = _told(live, "a", "unseen")
    assert np.isclose(a, (10 + 50 + 150) / 7), f"10 s and 50 s, five more of 30 s: 210/7 = 30, not {a}"
    assert np.isclose(unseen, 30), f"a product that nobody has looked at: the usual 30 s, not {unseen}"


def check_no_time_is_no_look(mine: Any) -> None:
    """an event that tells no time, or nonsense, changes nothing, and is no error."""
    odd = [{}, {"dwell_ms": "long"}, {"dwell_ms": True}, {"dwell_ms": -5}]
    got = _told(_live(mine, [_look("a", at, **attr) for at, attr in enumerate(odd)]), "a")
    assert np.isclose(got[0], 30), (
        f"no time at all, a text, True, below 0: none of them is a look; the feature is {got[0]}"
    )
    got = _told(_live(mine, [_look("a", 1, dwell_ms=0)], usual_s=30, prior=5), "a")
    assert np.isclose(got[0], 25), f"0 ms is a look of no second: 150/6 = 25, not {got[0]}"
    got = _told(_live(mine, [_look("a", 1, dwell_ms=2500.75)], usual_s=30, prior=5), "a")
    assert np.isclose(got[0], 152 / 6), f"2500.75 ms are 2 whole seconds: 152/6, not {got[0]}"


def check_a_tab_left_open(mine: Any) -> None:
    """a tab that is left open for a month counts as the longest look, and no more."""
    got = _told(_live(mine, [_look("a", 1, dwell_ms=30 * DAY_MS)], longest_s=180, usual_s=30, prior=5), "a")
    assert np.isclose(got[0], (180 + 150) / 6), f"one look of at most 180 s: 55, not {got[0]}"


def check_only_clicks(mine: Any) -> None:
    """a purchase is no look, whatever it carries."""
    bought = Event("ada", "a", "buy", _T, "ada/1", {"dwell_ms": 90_000})
    got = _told(_live(mine, [bought]), "a")
    assert np.isclose(got[0], 30), f"a purchase came, and the feature is {got[0]}"


def check_late_and_double(mine: Any) -> None:
    """in any order, with some sent twice: the same numbers."""
    events, items = _stream(), [f"p{at}" for at in range(12)]
    due = _told(_live(mine, events), *items)
    mixed = [events[at] for at in np.random.default_rng(1).permutation(len(events))]
    got = _told(_live(mine, mixed + mixed[:100]), *items)
    assert got == due, "the same events in another order, some of them twice, give other numbers"


def check_replay_is_live(mine: Any) -> None:
    """what a replay of the log makes is what stood there live, also on the disk."""
    events, items = _stream(), [f"p{at}" for at in range(12)]
    due = _told(_live(mine, events), *items)
    with tempfile.TemporaryDirectory() as folder:
        kept = _live(mine, events, f"sqlite:///{Path(folder) / 'live.db'}")
        with kept, kept.replay() as again:
            assert _told(kept, *items) == due, "SQLite and memory do not agree"
            assert _told(again, *items) == due, "the replay does not agree with what stood there live"


def check_forgetting(mine: Any) -> None:
    """a shopper who is forgotten leaves the numbers as if they had never come."""
    events, items = _stream(), [f"p{at}" for at in range(12)]
    live = _live(mine, events)
    live.forget("u3")
    due = _told(_live(mine, [event for event in events if event.user_id != "u3"]), *items)
    assert _told(live, *items) == due, "after forgetting u3 the numbers are not those without u3"


def check_settings_are_told(mine: Any) -> None:
    """other settings are another accumulator: state that was made with one is refused to the other."""
    assert repr(mine.LookedAt()) == repr(mine.LookedAt()), "equal settings have to read the same"
    assert repr(mine.LookedAt(longest_s=60)) != repr(mine.LookedAt()), "another longest_s has to read differently"


_looked: dict[int, Floats] = {}
"""Made once for each end of the training data."""


class _Weighed(ScoringRecommender):
    """Popularity times a power of how long a product is looked at; power 0 is popularity alone."""

    def __init__(self, mine: Any, power: float) -> None:
        self._mine, self.power = mine, power

    def _learn(self, shop: Shop) -> None:
        self.counts_ = shop.popularity.reindex(self.items_).to_numpy(dtype=np.float64)
        if self.fitted_until_ not in _looked:
            clicks = shop.events[shop.events["event_type"] == "clicked_on"]
            with Live(accumulators=[self._mine.LookedAt()]) as live:
                live.take_many(as_events(clicks))
                table = live.features("nobody", self.items_.tolist(), self.fitted_until_)
            _looked[self.fitted_until_] = table["looked_at"].to_numpy(dtype=np.float64)
        self.looked_ = _looked[self.fitted_until_]

    def _question(self, context: Context) -> Any:
        return ()

    def _score(self, contexts: Sequence[Context]) -> Floats:
        return np.tile(self.counts_ * self.looked_**self.power, (len(contexts), 1))


def measure(mine: Any) -> None:
    """Do products that are looked at for long deserve a better place? Power by the tuning week, then the test weeks."""
    from recsys_lab.datasets import load_shop

    split = load_shop(impressions=False).split()
    tune, test = home_board(split.train, split.tune), home_board(split.before_test, split.test)
    powers = (0.0, 0.5, 1.0, 2.0)
    tuned = {power: evaluate(_Weighed(mine, power), tune).summary()["NDCG@10"].mean for power in powers}
    print("\ntuning week, NDCG@10 by power:", {power: round(value, 4) for power, value in tuned.items()})
    power = max(powers[1:], key=lambda one: tuned[one])
    plain, weighed = evaluate(_Weighed(mine, 0.0), test), evaluate(_Weighed(mine, power), test)
    print(f"test weeks, NDCG@10: popular {plain.summary()['NDCG@10']}")
    print(f"  times looked_at^{power:g}:    {weighed.summary()['NDCG@10']}")
    print(f"  difference:             {weighed.against(plain, 'NDCG@10')}")
