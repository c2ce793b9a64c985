"""Real time (chapter 06): an event is logged, counted and answered before the shopper has turned the page.

An event's journey: it is checked, its id is looked up, its line goes to the log of record, the accumulators' changes to
the state, all in one step and on the disk before `take` returns. Features are read before that. The log keeps the order
of arrival and can be replayed; a shopper's record is made from their events in the order of (timestamp, id), anew when
one is late.

Importing this imports no database client; the error for a missing one is the exact pip line.
"""

from recsys_lab.realtime.accumulators import (
    Accumulator,
    ClickRate,
    CoClick,
    Conversion,
    Counts,
    Facts,
    FirstSeen,
    LastProducts,
    LastSeen,
    Popularity,
    Question,
    Session,
    Trending,
    rates,
)
from recsys_lab.realtime.live import Live, standard
from recsys_lab.realtime.meta import OnlineItemKNN, SessionVector, by_key
from recsys_lab.realtime.state import Add, LiveError, Own, Pairs, State, Taken, Visit

__all__ = [
    "Accumulator",
    "Add",
    "ClickRate",
    "CoClick",
    "Conversion",
    "Counts",
    "Facts",
    "FirstSeen",
    "LastProducts",
    "LastSeen",
    "Live",
    "LiveError",
    "OnlineItemKNN",
    "Own",
    "Pairs",
    "Popularity",
    "Question",
    "Session",
    "SessionVector",
    "State",
    "Taken",
    "Trending",
    "Visit",
    "by_key",
    "rates",
    "standard",
]
