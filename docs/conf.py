"""The manual's settings; `tox -e docs` builds it, and a warning is an error."""

from __future__ import annotations

import rustfits

project = "rustfits"
author = "the rustfits authors"
version = release = rustfits.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
exclude_patterns = ["_build"]
default_role = "any"
html_theme = "alabaster"
html_theme_options = {"description": "FITS and tile-compressed images", "fixed_sidebar": True}

myst_heading_anchors = 3
napoleon_numpy_docstring = True
napoleon_google_docstring = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
nitpicky = False
