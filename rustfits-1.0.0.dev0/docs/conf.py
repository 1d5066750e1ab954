"""The manual's settings; `tox -e docs` builds it, and a warning is an error."""

from __future__ import annotations

import rustfits

project = "rustfits"
author = "the rustfits authors"
version = release = rustfits.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
exclude_patterns = ["_build"]
default_role = "py:obj"  # a link where there is something to link to
suppress_warnings = ["ref.python"]  # the same word is an attribute of several classes
html_theme = "alabaster"
html_theme_options = {"description": "FITS and tile-compressed images", "fixed_sidebar": True}

myst_heading_anchors = 3
napoleon_numpy_docstring = True
napoleon_google_docstring = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"


def draw_tree(  # noqa: PLR0917  (Sphinx calls it so)
    app: object, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Keep the drawn tree of errors as it is drawn, and a property's sentence whole."""
    if what == "module" and name == "rustfits.errors":
        first = lines.index("FitsError")
        lines[first:] = ["::", "", *("    " + line for line in lines[first:])]
    if what == "property" and lines:
        lines[0] = lines[0].replace(": ", " -- ", 1)  # Napoleon takes what stands before a colon for a type


def setup(app: object) -> None:
    """Connect what this file defines, before Napoleon sees the text."""
    app.connect("autodoc-process-docstring", draw_tree, priority=400)  # type: ignore[attr-defined]
