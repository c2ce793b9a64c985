"""Product quantisation: a byte for each piece of a vector (Jégou, Douze and Schmid 2011). One way to write it.

A question is not coded: its inner product with each centre of each piece is computed once, and the score of a product
is a sum of look-ups in that table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_lab.recommender import Floats

Codes = NDArray[Any]


class ProductQuantiser:
    """Cuts vectors [n, dim] into `pieces` of equal length and keeps, for each, the number of the nearest centre.

    Learned: `centres_` float32 [pieces, centres, dim / pieces], a book for each piece.
    """

    centres_: Floats

    def __init__(self, pieces: int = 16, centres: int = 64, random_state: int = 0) -> None:
        self.pieces = pieces
        self.centres = centres
        self.random_state = random_state

    def fit(self, rows: Floats) -> ProductQuantiser:
        """Learn the books by K-Means. Raises `ValueError` for pieces and centres that cannot be."""
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits

        if rows.shape[1] % self.pieces:
            raise ValueError(f"pieces: {rows.shape[1]} columns cannot be cut into {self.pieces}; give a divisor")
        if not 1 <= self.centres <= min(256, len(rows)):
            raise ValueError(f"centres: {self.centres}; give 1 to 256 (a byte), and no more than the {len(rows)} rows")
        books = []
        with threadpool_limits(1):  # the same sums on every number of cores
            for cut in self._cut(rows):
                fewest = min(self.centres, len(np.unique(cut, axis=0)))  # K-Means cannot tell equal rows apart
                made = KMeans(fewest, n_init=1, random_state=self.random_state).fit(cut).cluster_centers_
                books.append(np.vstack([made, np.repeat(made[:1], self.centres - fewest, axis=0)]))
        self.centres_ = np.array(books, dtype=np.float32)
        return self

    def encode(self, rows: Floats) -> Codes:
        """The codes of vectors, uint8 [n, pieces]."""
        codes = np.empty((len(rows), self.pieces), dtype=np.uint8)
        for piece, (cut, book) in enumerate(zip(self._cut(rows), self.centres_, strict=True)):
            # |x − c|² = |x|² − 2⟨x, c⟩ + |c|², and |x|² is the same for all centres
            codes[:, piece] = ((book**2).sum(axis=1) - 2 * cut @ book.T).argmin(axis=1)
        return codes

    def decode(self, codes: Codes) -> Floats:
        """The vectors that the codes stand for, [n, dim]."""
        found: Floats = self.centres_[np.arange(self.pieces), codes]  # [n, pieces, dim / pieces]
        return found.reshape(len(codes), -1)

    def scores(self, codes: Codes, question: Floats) -> Floats:
        """The inner product of a question [dim] with each coded vector, [n], without decoding them."""
        table = np.einsum("pcd,pd->pc", self.centres_, question.reshape(self.pieces, -1))
        return np.asarray(table[np.arange(self.pieces), codes].sum(axis=1))

    def search(self, codes: Codes, question: Floats, k: int) -> NDArray[Any]:
        """The rows of the `k` highest scores, best first; equal ones by row."""
        return np.argsort(-self.scores(codes, question), kind="stable")[:k]

    def megabytes(self, codes: Codes) -> float:
        """What codes and books take."""
        return (codes.nbytes + self.centres_.nbytes) / 1e6

    def _cut(self, rows: Floats) -> list[Floats]:
        return np.split(np.asarray(rows, dtype=np.float32), self.pieces, axis=1)


def again(found: NDArray[Any], rows: Floats, question: Floats, k: int) -> NDArray[Any]:
    """The best `k` of the rows that were found, ordered by the full vectors; equal ones by row."""
    ordered = np.sort(found)
    return ordered[np.argsort(-(rows[ordered] @ question), kind="stable")[:k]]
