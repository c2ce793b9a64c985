"""What was chosen on the tuning week of the simulated shop, for all who train factors on it."""

SALES = {"clicked_on": 0.1, "put_to_cart": 0.5, "buy": 5.0, "removed_from_cart": -0.5}
"""What a purchase is worth beside a click decides what factors are about."""
