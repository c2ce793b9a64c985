"""Your own data: from the files of a shop to a `Shop`, with a report that says what was done to it.

>>> shop, report = import_shop("events.csv", "my_shop")  # doctest: +SKIP
>>> print(report.to_text())  # doctest: +SKIP
"""

from recsys_lab.datasets.simulated import open_shop
from recsys_lab.own.boards import OwnBoard, scoreboard
from recsys_lab.own.chapters import Chapter, chapters_for
from recsys_lab.own.erase import Erased, erase
from recsys_lab.own.importing import import_shop
from recsys_lab.own.report import Finding, Report

__all__ = [
    "Chapter",
    "Erased",
    "Finding",
    "OwnBoard",
    "Report",
    "chapters_for",
    "erase",
    "import_shop",
    "open_shop",
    "scoreboard",
]
