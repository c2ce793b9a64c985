"""What project 04 has to keep, and the measurement on the simulated shop."""

from __future__ import annotations

from itertools import pairwise, permutations
from typing import Any

import numpy as np


def _pages(**groups: str) -> dict[str, int]:
    """_pages(p7="abc") puts a, b and c on page 7."""
    return {item: int(name[1:]) for name, items in groups.items() for item in items}


def check_overlap_by_hand(mine: Any) -> None:
    """overlap is what two groups share of all that either has, among products of both days."""
    got = mine.overlap(_pages(p1="abcd", p2="ef"), _pages(p8="abx", p9="cdef"))
    due = {(1, 8): 2 / 4, (1, 9): 2 / 6, (2, 9): 2 / 4}
    assert got.keys() == due.keys(), f"pairs with a product in common: {sorted(due)}; yours: {sorted(got)}"
    for pair, share in due.items():
        assert np.isclose(got[pair], share), (
            f"{pair}: {share:.3f} is right (x is new and does not count), not {got[pair]}"
        )


def check_other_numbers_same_groups(mine: Any) -> None:
    """the same groups under other numbers keep their addresses: nothing has moved."""
    old = _pages(p3="abc", p5="de", p7="fghi")
    got = mine.keep_addresses(old, _pages(p0="de", p1="fghi", p2="abc"))
    assert got == old, f"these are the same groups; yours moves some: {got}"


def check_each_page_goes_on_once(mine: Any) -> None:
    """a page that is split goes on in one of its parts; the other part is a new page."""
    got = mine.keep_addresses(_pages(p4="abcdefgh"), _pages(p0="abc", p1="defgh"))
    assert got["d"] == 4, f"five of eight go on as page 4; yours: {got}"
    assert got["a"] > 4, f"the other three are a page of their own, with a number that nobody had: {got}"
    assert len({got[item] for item in "abc"}) == 1, f"a, b and c are one page: {got}"


def check_all_pairs_together(mine: Any) -> None:
    """pairs are chosen together: the largest sum, not the largest share first."""
    # p1-c0 4/9, p1-c1 4/11, p2-c0 3/10; first come, first served would leave page 2 with nothing
    old = _pages(p1="abcdmnop", p2="efg")
    new = _pages(p0="abcdefg", p1="mnop")
    due = {"a": 2, "m": 1}
    got = mine.keep_addresses(old, new, least=0.1)
    assert {item: got[item] for item in due} == due, f"sum of shares: 3/7 + 4/8 is most, so {due}; yours: {got}"


def check_the_sum_is_the_largest(mine: Any) -> None:
    """on random days no other pairing has a larger sum of shares."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        old = {f"i{at}": int(page) for at, page in enumerate(rng.integers(4, size=40))}
        new = {f"i{at}": int(page) for at, page in enumerate(rng.integers(4, size=40))}
        share, got = mine.overlap(old, new), mine.keep_addresses(old, new, least=1e-9)
        pairs = {(got[item], new[item]) for item in new}
        mine_sum = sum(share.get(pair, 0.0) for pair in pairs)
        best = max(sum(share.get((p, c), 0.0) for c, p in enumerate(way)) for way in permutations(range(4)))
        assert np.isclose(mine_sum, best), f"a pairing with the sum {best:.4f} exists; yours has {mine_sum:.4f}"


def check_too_little_in_common(mine: Any) -> None:
    """a cluster that shares less than `least` with a page does not continue it, nor stands in another's way."""
    got = mine.keep_addresses(_pages(p1="abcdefghij"), _pages(p0="ab", p1="klm", p2="cdefghij"), least=0.3)
    assert (got["a"] == 1, got["c"]) == (False, True), (
        f"a and b are two of ten: not page 1, which c goes on with: {got}"
    )
    assert got["k"] not in (1, got["a"]), f"k, l, m have nothing to do with page 1, nor with a and b: {got}"
    # page 1 shares 5/9 with cluster 0; 2/7 + 2/7 with others would be more, but those are too little to go on with
    got = mine.keep_addresses(_pages(p1="abcdefg", p2="hi"), _pages(p0="abcdehi", p1="fg"), least=0.3)
    assert got["a"] == 1, f"pairs below `least` are none, also while pairing: a to e go on as page 1; yours: {got}"


def check_no_number_twice(mine: Any) -> None:
    """a retired number is never used again, and the larger new page comes first."""
    got = mine.keep_addresses(_pages(p2="ab"), _pages(p0="x", p1="yz", p2="ab"), retired=[9])
    assert got == {"a": 2, "b": 2, "y": 10, "z": 10, "x": 11}, f"page 9 is retired: 10 for y and z, 11 for x; {got}"
    got = mine.keep_addresses({}, _pages(p5="ab"))
    assert got == {"a": 0, "b": 0}, f"the first day begins with page 0: {got}"


def check_moved_by_hand(mine: Any) -> None:
    """moved counts the products of both days alone."""
    got = mine.moved(_pages(p1="abc", p2="d"), _pages(p1="ab", p2="ce"))
    assert np.isclose(got, 1 / 3), f"of a, b and c one has moved: 1/3, not {got}"
    try:
        mine.moved({"a": 1}, {"b": 1})
    except ValueError:
        return
    raise AssertionError("no product in common: there is nothing to compare, which is a ValueError")


def measure(mine: Any) -> None:
    """Five nights of new vectors and new clusters on the simulated shop: how many products change their page?"""
    from recsys_lab.clusters import Clusters
    from recsys_lab.datasets import DAY_MS, load_shop
    from recsys_lab.item2vec import Item2Vec

    shop, k = load_shop(impressions=False).split().before_test, 25
    end = int(shop.events["timestamp"].max()) + 1
    nights: list[dict[str, int]] = []
    for night in range(5):
        known = shop.between(None, end - (4 - night) * DAY_MS)
        recipe = {"dim": 32, "window": 5, "skip_gram": False, "epochs": 5, "random_state": night}
        vectors = Item2Vec(**recipe).fit(known).vectors_
        labels = Clusters(k, random_state=night).fit(vectors).labels_
        nights.append({str(item): int(cluster) for item, cluster in labels.items()})
    raw, kept, retired = [], [nights[0]], set()
    for before, after in pairwise(nights):
        raw.append(mine.moved(before, after))
        kept.append(mine.keep_addresses(kept[-1], after, retired))
        retired |= {page for pages in kept for page in pages.values()}
    told = [mine.moved(before, after) for before, after in pairwise(kept)]
    print(f"\n{k} clusters of item2vec, a night apart, each with its own seed; products that changed page:")
    print(f"  numbers as K-Means gives them: {', '.join(f'{share:.0%}' for share in raw)}")
    print(f"  addresses kept:                {', '.join(f'{share:.0%}' for share in told)}")
    new = [len(set(after.values()) - set(before.values())) for before, after in pairwise(kept)]
    print(f"  pages that are new that night: {', '.join(map(str, new))}")
