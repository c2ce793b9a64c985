"""The course as a static site: its pages are gathered from what is there, and Sphinx makes HTML of them."""
