"""Where the C header is that says what compiled packages say to each other."""

from __future__ import annotations

from pathlib import Path


def get_include() -> str:
    """Return the folder of the C header ``rustfits.h``, which says what compiled packages say to each other."""
    return str(Path(__file__).resolve().parents[1] / "include")
