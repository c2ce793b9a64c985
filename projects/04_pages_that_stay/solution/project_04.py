"""Pages that keep their address when clusters are made anew. One way to write it.

K-Means numbers its groups by chance. A cluster of today continues the page of yesterday with which it shares most; all
pairs are chosen together (an assignment problem, Kuhn 1955), since the best for one may be the only one for another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

import numpy as np
from scipy.optimize import linear_sum_assignment

Pages = Mapping[str, int]


def overlap(old: Pages, new: Pages) -> dict[tuple[int, int], float]:
    """The Jaccard share of every pair of an old page and a new cluster that have a product in common."""
    both = old.keys() & new.keys()
    shared = Counter((old[item], new[item]) for item in both)
    before, after = Counter(old[item] for item in both), Counter(new[item] for item in both)
    return {(page, cluster): n / (before[page] + after[cluster] - n) for (page, cluster), n in shared.items()}


def keep_addresses(old: Pages, new: Pages, retired: Collection[int] = (), least: float = 0.3) -> dict[str, int]:
    """Today's page of each product of `new`: a cluster gets the number of the old page that it continues."""
    if not 0 < least <= 1:
        raise ValueError(f"least: {least} is no share above 0; give for example 0.3")
    pages, size = sorted(set(old.values())), Counter(new.values())
    clusters = sorted(size, key=lambda cluster: (-size[cluster], min(i for i in new if new[i] == cluster)))
    worth = np.zeros((len(pages), len(clusters)))
    for (page, cluster), share in overlap(old, new).items():
        if share >= least:  # before the pairing: a pair that will not be kept must not take another's place
            worth[pages.index(page), clusters.index(cluster)] = share
    rows, columns = linear_sum_assignment(worth, maximize=True)
    number = {clusters[at]: pages[row] for row, at in zip(rows, columns, strict=True) if worth[row, at] > 0}
    following = max([-1, *pages, *retired]) + 1
    for cluster in clusters:
        if cluster not in number:
            number[cluster] = following
            following += 1
    return {item: int(number[cluster]) for item, cluster in new.items()}


def moved(old: Pages, new: Pages) -> float:
    """The share of the products in both whose page is another one. Raises `ValueError` where none is in both."""
    both = old.keys() & new.keys()
    if not both:
        raise ValueError("old and new have no product in common; are they of the same shop?")
    return sum(old[item] != new[item] for item in both) / len(both)
