"""What packages with compiled kernels need of the core: its C header, and the choice of a variant at run time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rustfits.errors import InvalidParameter


def choose_variant(variable: str, names: Sequence[str], best: int) -> int:
    """Return the number of the variant to use: the best one, or the one that an environment variable names.

    Parameters
    ----------
    variable : str
        Name of the environment variable, such as ``RUSTFITS_RICE_KERNEL``; empty or not set means the best.
    names : sequence of str
        Of all variants, in lower case, from the plainest to the one that asks most of a machine.
    best : int
        Number of the last variant that this machine can run.

    Raises
    ------
    InvalidParameter
        If there is no variant of that name, or this machine cannot run it.
    """
    wanted = os.environ.get(variable)
    usable = list(names[: best + 1])
    if not wanted:
        return best
    if wanted.lower() not in usable:
        raise InvalidParameter(variable, wanted, f"must be one of {', '.join(usable)} on this machine")
    return usable.index(wanted.lower())


def get_include() -> str:
    """Return the folder of the C header ``rustfits.h``, which says what compiled packages say to each other."""
    return str(Path(__file__).resolve().parents[1] / "include")
