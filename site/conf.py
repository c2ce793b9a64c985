"""Sphinx's settings for the course's site; `python -m tools.site` gathers the pages and calls it."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

project = "recsys-lab"
author = "the recsys-lab authors"
project_copyright = "the recsys-lab authors"
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "tools.site.extension"]
exclude_patterns = ["_static"]
templates_path: list[str] = []

# Notebooks are shown as they were run; nothing is run here.
nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # it would be fetched from another server
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4

highlight_language = "text"  # of fences that name none
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
add_module_names = False
toc_object_entries_show_parents = "hide"
# Several classes have methods of one name, and types are written as the code writes them.
suppress_warnings = ["ref.python"]

html_context = {"default_mode": "auto"}
html_theme = "pydata_sphinx_theme"
html_title = "recsys-lab"
html_static_path = [str(ROOT / "site" / "static")]  # and the gathered charts: see tools/site/extension.py
html_css_files = ["course.css"]
html_js_files = ["course.js"]
html_favicon = "static/favicon.svg"
html_math_renderer = "mathml"  # browsers draw it themselves
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "recsys-lab"},
    "search_bar_text": "Search the course",
    "header_links_before_dropdown": 8,
    "navigation_depth": 2,
    "show_toc_level": 1,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "primary_sidebar_end": [],
    "surface_warnings": False,
}
html_sidebars = {"index": [], "glossary": [], "scoreboard": ["sidebar-nav-bs"]}
