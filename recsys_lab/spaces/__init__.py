"""Spaces: an index of products by many aspects at once, weighted when it is asked (chapter 01)."""

from recsys_lab.spaces.encoder import EncoderUnavailable, SentenceEncoder
from recsys_lab.spaces.index import Question, SpaceIndex, Term
from recsys_lab.spaces.pictures import ClipEncoder, ColourAndShape
from recsys_lab.spaces.sentence import SentenceReader, Understood
from recsys_lab.spaces.space import (
    BEST,
    CategorySpace,
    ClippedWarning,
    CustomSpace,
    ImageSpace,
    NumberSpace,
    RecencySpace,
    Space,
    SpaceError,
    TextSpace,
)

__all__ = [
    "BEST",
    "CategorySpace",
    "ClipEncoder",
    "ClippedWarning",
    "ColourAndShape",
    "CustomSpace",
    "EncoderUnavailable",
    "ImageSpace",
    "NumberSpace",
    "Question",
    "RecencySpace",
    "SentenceEncoder",
    "SentenceReader",
    "Space",
    "SpaceError",
    "SpaceIndex",
    "Term",
    "TextSpace",
    "Understood",
]
