"""One call for the common jobs: read an HDU, read a header, write an HDU."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from numpy.typing import NDArray

from rustfits.container.fitsfile import FITS
from rustfits.errors import HDUNotFound, TableError
from rustfits.hdu.base import HDU

if TYPE_CHECKING:
    from rustfits.header.header import FITSHeader
    from rustfits.storage.fileobject import BinaryFile, Openable

Filename: TypeAlias = "str | os.PathLike[str] | BinaryFile | Openable"
Key = int | str | bytes | tuple[str | bytes, int]


@overload
def read(
    filename: Filename, ext: Key | None = None, *, header: Literal[False] = False, lenient: bool | None = None
) -> NDArray[Any]: ...
@overload
def read(
    filename: Filename, ext: Key | None = None, *, header: Literal[True], lenient: bool | None = None
) -> tuple[NDArray[Any], FITSHeader]: ...
@overload
def read(
    filename: Filename, ext: Key | None = None, *, header: bool, lenient: bool | None = None
) -> NDArray[Any] | tuple[NDArray[Any], FITSHeader]: ...
def read(
    filename: Filename, ext: Key | None = None, *, header: bool = False, lenient: bool | None = None
) -> NDArray[Any] | tuple[NDArray[Any], FITSHeader]:
    """Return the data of one HDU.

    Parameters
    ----------
    filename : str, os.PathLike or file object
        As in `FITS`.
    ext : int, str, bytes or tuple, optional
        Key of the HDU, as in ``FITS(filename)[ext]``; by default the first one that has data.
    header : bool
        Whether to return the header too.
    lenient : bool or None
        As in `FITS`.

    Returns
    -------
    data : array
        As the HDU's `read` returns it.
    header : FITSHeader
        Only with ``header=True``; stays readable.

    Raises
    ------
    HDUNotFound, HDUKeyInvalid
        If there is no such HDU, or none with data.
    TableError
        If the HDU is neither an image nor a table, nor of a kind that has a method ``read``.
    NotSupported
        If it is a table, and the package rustfits-tables is not installed.
    FitsError
        Whatever `FITS` and the HDU's `read` raise.
    """
    with FITS(filename, lenient=lenient) as fits:
        hdu = _first_with_data(fits) if ext is None else fits[ext]
        if not hasattr(hdu, "read"):
            raise TableError(
                f"nothing that is installed can read the data of {hdu._place} ({hdu.label}): images, tables, and what "
                "kinds of HDU from other packages are for"
            )
        data = hdu.read()
        return (data, hdu.header) if header else data


def read_header(filename: Filename, ext: Key = 0, *, lenient: bool | None = None) -> FITSHeader:
    """Return the header of one HDU of any kind; it stays readable.

    Parameters
    ----------
    filename : str or os.PathLike
    ext : int, str, bytes or tuple
        As in `read`.
    lenient : bool or None
        As in `FITS`.

    Raises
    ------
    HDUNotFound, HDUKeyInvalid
        If there is no such HDU.
    FitsError
        Whatever `FITS` raises.
    """
    with FITS(filename, lenient=lenient) as fits:
        return fits[ext].header


def write(
    filename: Filename,
    data: Any,
    *,
    mode: Literal["w+", "x", "r+"] = "w+",
    extname: str | None = None,
    header: Any = None,
) -> None:
    """Write one HDU.

    Parameters
    ----------
    filename : str or os.PathLike
    data : array, array with named fields, dict of name to array, or what a kind of HDU of a plugin takes
    mode : {'w+', 'x', 'r+'}
        'w+' writes the file anew; 'x' too, but replaces none; 'r+' adds to what is there.
    extname : str, optional
    header : FITSHeader, header of astropy or fitsio, or mapping, optional
        As in `FITS.write_image`.

    Raises
    ------
    ImageError, TableError
        If ``data`` cannot be written; an existing file is not touched then.
    FitsError
        Whatever `FITS` and `FITS.write` raise.
    """
    from rustfits.container.creation import planned

    new = planned(data, extname, header, primary=mode != "r+")
    with FITS(filename, mode) as fits:
        new.append_to(fits._file, fits._hdus, data)


def _first_with_data(fits: FITS) -> HDU:
    for hdu in fits:
        if hdu.has_data:
            return hdu
    raise HDUNotFound(f"no HDU with data in {fits.filename}")
