"""The manual's settings; `tox -e docs` builds it, and a warning is an error."""

from __future__ import annotations

from docutils import nodes

import rustfits
from rustfits_cli.main import main

project = "rustfits"
author = "the rustfits authors"
copyright = "the rustfits authors; BSD-3-Clause"  # Sphinx calls it so
version = release = rustfits.__version__

extensions = [
    "myst_nb",  # pages in Markdown, and a notebook, which the build runs
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
]
root_doc = "index"
exclude_patterns = ["_build"]
smartquotes = False  # options begin with two hyphens
default_role = "py:obj"  # a link where there is something to link to
suppress_warnings = ["ref.python"]  # the same word is an attribute of several classes

html_theme = "furo"
html_title = f"rustfits {version}"
html_static_path = ["_static"]
html_css_files = ["manual.css"]
html_theme_options = {"navigation_with_keys": True}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 60

napoleon_numpy_docstring = True
napoleon_google_docstring = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
# Libraries that rustfits-arrays hands images to: their names are enough to describe what is ours.
autodoc_mock_imports = ["dask", "icechunk", "virtualizarr", "xarray", "zarr"]


def draw_tree(  # noqa: PLR0917  (Sphinx calls it so)
    app: object, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Keep the drawn tree of errors as it is drawn, and a property's sentence whole."""
    if what == "module" and name == "rustfits.errors":
        first = lines.index("FitsError")
        lines[first:] = ["::", "", *("    " + line for line in lines[first:])]
    if what == "property" and lines:
        lines[0] = lines[0].replace(": ", " -- ", 1)  # Napoleon takes what stands before a colon for a type


def without_last_blanks(app: object, doctree: nodes.document) -> None:
    """Take the blank line away that ends an example for the tests."""
    for block in doctree.findall(nodes.literal_block):
        block.rawsource = block.astext().rstrip()
        block.children = [nodes.Text(block.rawsource)]


def load_commands() -> None:
    """Load the commands that are loaded when they are called: the page of options shows only those that are there."""
    for name in main.list_commands(None):
        command = main.get_command(None, name)
        command.name = name  # which is the heading
        main.add_command(command)


def setup(app: object) -> None:
    """Connect what this file defines, before Napoleon sees the text."""
    app.connect("autodoc-process-docstring", draw_tree, priority=400)  # type: ignore[attr-defined]
    app.connect("doctree-read", without_last_blanks)  # type: ignore[attr-defined]
    load_commands()
