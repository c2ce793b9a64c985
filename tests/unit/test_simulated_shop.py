"""The simulated shop keeps inside bands that were written down before it was tuned, and near two real logs."""

from recsys_lab.simulate import likeness

# figure: (lowest, highest). Written before the first tuning; the reasons are in data/DATASHEET.md.
BANDS = {
    "session length, mean": (6.5, 7.3),
    "session length, median": (4, 4),
    "sessions of one click": (0.12, 0.25),
    "carts per click": (0.06, 0.15),
    "removals per cart": (0.10, 0.30),
    "purchases per cart": (0.30, 0.65),
    "visits with a purchase": (0.08, 0.25),
    "baskets of two or more": (0.25, 0.60),
    "clicks per impression": (0.03, 0.15),
    "clicks at place 1 against place 10": (1.8, 4.0),
    "lists drawn at random": (0.08, 0.12),
    "shoppers without an event": (0.05, 0.15),
    "shoppers with one or two events": (0.005, 0.10),
    "products launched in the test weeks": (0.03, 0.08),
}
ROWS = {"products": (1150, 1250), "shoppers": (4000, 4000), "events": (270_000, 330_000)}
MEGABYTES = 15

# figure: (the real log, greatest distance from it)
NEAR_CLICKSTREAM = {
    "next product seen before in the session": 0.04,
    "next product of the same category": 0.10,
    "clicks of two weeks kept by the top 10 % of before": 0.08,
    "clicks on the 5 % most clicked": 0.10,
    "clicks on the 10 % most clicked": 0.10,
    "clicks on the 20 % most clicked": 0.10,
    "clicks on the 50 % most clicked": 0.10,
}
NEAR_RETAIL = {
    # Its customers are mostly wholesalers who re-order: a fashion shop's repeat less.
    "purchases after the first basket that repeat one": 0.25,
    "purchases of the 5 % most bought": 0.15,
    "purchases of the 10 % most bought": 0.15,
    "purchases of the 20 % most bought": 0.15,
    "purchases of the 50 % most bought": 0.15,
}
