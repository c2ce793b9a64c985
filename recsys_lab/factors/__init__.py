"""Factors: shoppers and products as vectors learned from who took what, vectors fused, scores blended."""

from recsys_lab.factors.blend import BM25, Blend
from recsys_lab.factors.ease import Ease
from recsys_lab.factors.fusion import fuse
from recsys_lab.factors.model import Factors
from recsys_lab.factors.tuning import tune

__all__ = ["BM25", "Blend", "Ease", "Factors", "fuse", "tune"]
