"""What a table to be written must be; writing one is not there yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import DTypeLike

from rustfits import NotSupported, TableError

ALTERNATIVE = "write the table with astropy.io.fits or fitsio; images can be added to that file with mode 'r+'"


def check_dtype(dtype: DTypeLike, nrows: int) -> None:
    """Refuse what cannot be the rows of a table.

    Raises
    ------
    TableError
        If ``dtype`` has no fields, or ``nrows`` is negative.
    """
    if not np.dtype(dtype).names:
        raise TableError(f"a table needs a structured dtype, one with named fields, not {np.dtype(dtype)}")
    if nrows < 0:
        raise TableError(f"nrows must be >= 0, not {nrows}")


def check_data(data: object, names: Sequence[str] | None) -> None:
    """Refuse what cannot be the content of a table.

    Parameters
    ----------
    data : array with named fields, dict of name to array, or sequence of arrays
    names : sequence of str, optional
        Of the columns; only with a sequence of arrays.

    Raises
    ------
    TableError
        If ``data`` is something else, or does not go with ``names``.
    """
    if isinstance(data, np.ndarray):
        if not data.dtype.names:
            raise TableError("an array for a table must be structured: it needs named fields")
    elif isinstance(data, Mapping):
        if not data:
            raise TableError("the dict of columns is empty: a table needs one column at least")
    elif not isinstance(data, list | tuple) or names is None:
        raise TableError("columns in a list need names=; or pass an array with named fields, or a dict")
    elif len(names) != len(data):
        raise TableError(f"names= has len {len(names)}, but there are {len(data)} columns")
    elif len(set(names)) != len(names):
        raise TableError(f"names= holds duplicate names: {list(names)}")
    if names is not None and isinstance(data, np.ndarray | Mapping):
        raise TableError("names= goes with a list of columns; an array or dict names its columns itself")


def not_there_yet(what: str) -> NotSupported:
    """Return the exception that says that ``what`` cannot be written yet."""
    return NotSupported(f"{what} are not written yet: {ALTERNATIVE}")
