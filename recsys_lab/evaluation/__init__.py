"""Honest evaluation: splits by time, metrics case by case, boards, intervals, and the scoreboard."""

from recsys_lab.evaluation.board import Board, LeakageError, Result, evaluate
from recsys_lab.evaluation.boards import basket_board, home_board, next_board, retail_boards, session_board
from recsys_lab.evaluation.bootstrap import Interval, interval, paired
from recsys_lab.evaluation.metrics import JudgementError, judge
from recsys_lab.evaluation.scoreboard import Scoreboard

__all__ = [
    "Board",
    "Interval",
    "JudgementError",
    "LeakageError",
    "Result",
    "Scoreboard",
    "basket_board",
    "evaluate",
    "home_board",
    "interval",
    "judge",
    "next_board",
    "paired",
    "retail_boards",
    "session_board",
]
