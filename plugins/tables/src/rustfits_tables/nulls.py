"""Integers that stand for no value: one that no value has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import TableError


def needs_null(values: NDArray[Any]) -> bool:
    """Return whether there are integers without a value, so that some integer has to stand for them."""
    return values.dtype.kind in "iu" and bool(np.ma.is_masked(values))


def free_null(name: str, values: NDArray[Any]) -> int:
    """Return an integer that no value has: the least or the largest of its type if that is free, or else some other.

    Parameters
    ----------
    name : str
        Of the column, for errors.
    values : array of integers
        Perhaps masked; what is masked does not count.

    Raises
    ------
    TableError
        If there is none.
    """
    limits = np.iinfo(values.dtype)
    there = np.ma.MaskedArray(values).compressed()
    first, other = (limits.min, limits.max) if values.dtype.kind == "i" else (limits.max, 0)
    for candidate in (first, other):
        if not (there == candidate).any():
            return int(candidate)
    known = np.unique(there)
    if known.size == limits.max - limits.min + 1:
        raise TableError(
            f"column {name!r} has missing values, but all {known.size} numbers of its type occur, so that none is left "
            "to stand for them; use a wider type"
        )
    # The least and the largest are there, so that some number between does not follow the one before.
    return int(known[np.argmax(np.diff(known) != 1)]) + 1
