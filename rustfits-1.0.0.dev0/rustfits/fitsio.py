"""A drop-in subset of the package ``fitsio``: `FITS` with its modes, `read`, `read_header` and `write`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Literal

from rustfits.container import fitsfile
from rustfits.container.locator import local_path
from rustfits.convenience import read, read_header, write
from rustfits.errors import LocationError
from rustfits.hdu.base import HDU

__all__ = ["FITS", "read", "read_header", "write"]

_READ = ("r", "READONLY", 0)
_WRITE = ("rw", "READWRITE", 1)


class FITS:
    """A `rustfits.FITS` that is opened as ``fitsio`` opens files; all else is that handle's.

    Parameters
    ----------
    filename : str or os.PathLike
    mode : {'r', 'READONLY', 0, 'rw', 'READWRITE', 1}
        Read; or read and write, the file being created if there is none.
    clobber : bool
        Whether writing begins with an empty file.

    Raises
    ------
    LocationError
        If the mode is another one.
    FitsError
        Whatever `rustfits.FITS` raises.
    """

    _fits: fitsfile.FITS

    def __init__(self, filename: str | os.PathLike[str], mode: str | int = "r", clobber: bool = False) -> None:
        ours: Literal["r", "r+", "w+"]
        if mode in _READ:
            ours = "r"
        elif mode in _WRITE:
            path = local_path(os.fspath(filename))
            ours = "r+" if path is not None and os.path.exists(path) and not clobber else "w+"
        else:
            raise LocationError(f"unsupported mode {mode!r}; use one of {(*_READ, *_WRITE)}")
        self._fits = fitsfile.FITS(filename, ours)

    def __getattr__(self, name: str) -> Any:
        # An object made without __init__, as copy does, has no handle to ask.
        if name == "_fits":
            raise AttributeError(name)
        return getattr(self._fits, name)

    def __len__(self) -> int:
        return len(self._fits)

    def __iter__(self) -> Iterator[HDU]:
        return iter(self._fits)

    def __contains__(self, key: object) -> bool:
        return key in self._fits

    def __getitem__(self, key: int | str | bytes | tuple[str | bytes, int]) -> HDU:
        return self._fits[key]

    def __enter__(self) -> FITS:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        return self._fits.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"rustfits.fitsio.FITS\n{self._fits!r}"
