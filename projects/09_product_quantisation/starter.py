"""Product quantisation: a byte for each piece of a vector. Your half: README.md says what each method owes."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from recsys_lab.recommender import Floats

Codes = NDArray[Any]
"""The number of the nearest centre for each piece, uint8 [n, pieces]."""


class ProductQuantiser:
    """Cuts vectors [n, dim] into `pieces` of equal length and keeps, for each, the number of the nearest centre.

    Learned: `centres_` float32 [pieces, centres, dim / pieces], a book for each piece.
    """

    def __init__(self, pieces: int = 16, centres: int = 64, random_state: int = 0) -> None:
        self.pieces = pieces
        self.centres = centres
        self.random_state = random_state

    def fit(self, rows: Floats) -> ProductQuantiser:
        """Learn the books by K-Means. Raises `ValueError` for pieces and centres that cannot be."""
        raise NotImplementedError("fit: sklearn.cluster.KMeans on each piece; at most as many centres as rows, and 256")

    def encode(self, rows: Floats) -> Codes:
        """The codes of vectors, uint8 [n, pieces]."""
        raise NotImplementedError("encode: the nearest centre of each piece; equal ones fall to the lower number")

    def decode(self, codes: Codes) -> Floats:
        """The vectors that the codes stand for, [n, dim]."""
        raise NotImplementedError("decode: look the centres up and put the pieces side by side")

    def scores(self, codes: Codes, question: Floats) -> Floats:
        """The inner product of a question [dim] with each coded vector, [n], without decoding them."""
        raise NotImplementedError("scores: a table [pieces, centres] for the question, then one look-up a piece")

    def search(self, codes: Codes, question: Floats, k: int) -> NDArray[Any]:
        """The rows of the `k` highest scores, best first; equal ones by row."""
        raise NotImplementedError("search: a stable sort of the scores")

    def megabytes(self, codes: Codes) -> float:
        """What codes and books take."""
        raise NotImplementedError("megabytes: nbytes of the codes and of the books")


def again(found: NDArray[Any], rows: Floats, question: Floats, k: int) -> NDArray[Any]:
    """The best `k` of the rows that were found, ordered by the full vectors; equal ones by row."""
    raise NotImplementedError("again: score the found rows with the vectors themselves")
