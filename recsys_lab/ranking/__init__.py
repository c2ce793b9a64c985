"""Many sources nominate, one ranker orders: candidates, features by replay, two rankers, and the list as a whole."""

from recsys_lab.ranking.calibrate import Calibrated
from recsys_lab.ranking.candidates import CandidateSources, Pool
from recsys_lab.ranking.examples import Examples, cut_at, replay
from recsys_lab.ranking.features import Features
from recsys_lab.ranking.models import LambdaMART, ListwiseLogistic
from recsys_lab.ranking.ranker import Ranker, Stage
from recsys_lab.ranking.report import Losses, losses, losses_on
from recsys_lab.ranking.sources import SOURCES, Source

__all__ = [
    "SOURCES",
    "Calibrated",
    "CandidateSources",
    "Examples",
    "Features",
    "LambdaMART",
    "ListwiseLogistic",
    "Losses",
    "Pool",
    "Ranker",
    "Source",
    "Stage",
    "cut_at",
    "losses",
    "losses_on",
    "replay",
]
