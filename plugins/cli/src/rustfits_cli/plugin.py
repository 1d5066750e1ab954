"""The hook that this package answers; what it needs is loaded when it is called."""

from __future__ import annotations

from typing import Any

from rustfits import hookimpl


@hookimpl
def rustfits_html(thing: Any) -> str | None:
    """Return what a notebook shows of a file or an HDU."""
    from rustfits_cli.notebook import html_of

    return html_of(thing)
