"""A package of its own, so that the `tests` of an installed package is not taken for it (IPython brings one)."""
