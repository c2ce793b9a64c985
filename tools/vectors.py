"""Encode the texts whose vectors are shipped: python -m tools.vectors [--fresh | --check].

Those are the catalogue's descriptions, names and kinds, and the lines of data/vectors/texts.txt. Only what is new is
encoded, and what is no longer asked for is left out; `--fresh` encodes all of it, `--check` only says what is missing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys_lab.datasets.simulated import shop_folder
from recsys_lab.spaces.encoder import MODEL_SHA256, SHIPPED, SentenceEncoder
from recsys_lab.spaces.vectors import content_key, read_arrays, write_arrays

FOLDER = Path(__file__).resolve().parent.parent / "data" / "vectors"


def kinds(products: pd.DataFrame) -> pd.Series:
    """What a product is in three words, such as "women clothing jackets"; chapters embed it as a text."""
    return products["department"] + " clothing " + products["category"]


def wanted() -> list[str]:
    """Every text whose vector is shipped, once, in the order of the alphabet."""
    products = pd.read_parquet(shop_folder() / "products.parquet")
    lines = (FOLDER / "texts.txt").read_text(encoding="utf-8").splitlines()
    texts = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
    return sorted(texts.union(products["description"], products["name"], kinds(products)))


def stored() -> dict[bytes, NDArray[np.float16]]:
    """What is shipped now, by key."""
    file = FOLDER / SHIPPED
    return dict(zip(*read_arrays(file), strict=True)) if file.exists() else {}


def main(arguments: list[str] | None = None) -> int:
    """Write the file anew where it is not what is wanted; 1 when `--check` finds that it is not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--fresh", action="store_true", help="encode all texts, also those that are there")
    how.add_argument("--check", action="store_true", help="write nothing; fail when a text is missing or too many")
    chosen = parser.parse_args(arguments)

    before = {} if chosen.fresh else stored()
    texts = {content_key(MODEL_SHA256, text.encode()): text for text in wanted()}
    new = [text for key, text in texts.items() if key not in before]
    old = len(before.keys() - texts.keys())
    print(f"{len(texts)} texts: {len(new)} to encode, {old} no longer asked for")
    if chosen.check:
        return int(bool(new or old))
    if new or old:
        encoder = SentenceEncoder(cache=False, shipped=False)
        made = dict(zip((content_key(MODEL_SHA256, text.encode()) for text in new), encoder.encode(new), strict=True))
        write_arrays(FOLDER / SHIPPED, {key: before[key] if key in before else made[key] for key in texts})
    return 0


if __name__ == "__main__":
    sys.exit(main())
