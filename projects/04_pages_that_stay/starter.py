"""Pages that keep their address when clusters are made anew. Your half: README.md says what each function owes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

Pages = Mapping[str, int]
"""The number of the page (or cluster) of each product, by its label."""


def overlap(old: Pages, new: Pages) -> dict[tuple[int, int], float]:
    """The Jaccard share of every pair of an old page and a new cluster that have a product in common.

    Only products that are in both count: what is new today says nothing of yesterday's pages.
    """
    raise NotImplementedError("overlap: of the products in both, those in this page and this cluster / in either")


def keep_addresses(old: Pages, new: Pages, retired: Collection[int] = (), least: float = 0.3) -> dict[str, int]:
    """Today's page of each product of `new`: a cluster gets the number of the old page that it continues.

    At most one cluster continues a page and it shares at least `least` with it; the pairs are those with the largest
    sum of shares. Every other cluster gets a number that no page has now or had before (`retired`), the largest first.
    """
    raise NotImplementedError(
        "keep_addresses: scipy.optimize.linear_sum_assignment pairs; numbers are never used twice"
    )


def moved(old: Pages, new: Pages) -> float:
    """The share of the products in both whose page is another one. Raises `ValueError` where none is in both."""
    raise NotImplementedError("moved: compare the numbers of the products that are in both")
