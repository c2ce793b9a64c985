"""recsys-lab: the package behind a hands-on course on e-commerce recommenders."""

__version__ = "0.1.0"
