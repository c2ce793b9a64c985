"""The simulated shop: how `data/shop` is made, and the world that can answer for its shoppers."""

from recsys_lab.simulate.build import SEED, START_MS, simulate, write
from recsys_lab.simulate.truth import Truth
from recsys_lab.simulate.world import World, look_at

__all__ = ["SEED", "START_MS", "Truth", "World", "look_at", "simulate", "write"]
