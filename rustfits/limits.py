"""The numbers that bound what one file may ask for, each with its reason.

Those of the format, and of what depends on it, are fixed. Those under "may be set" are looked up each time they are
used: ``rustfits.limits.MAX_UNPACKED_NBYTES = 1 << 36`` lets larger files in.
"""

from __future__ import annotations

from collections.abc import Callable

from rustfits.errors import LimitExceeded

# -- of the format ----------------------------------------------------------------------------------------------------

MAX_NAXIS = 999
"""Axes of an image, and of any data unit: NAXIS has three digits at most (FITS 4.0, section 4.4.1)."""

MAX_FIELDS = 999
"""Columns of a table: TFIELDS has three digits at most (FITS 4.0, section 7.3.1)."""

MAX_PARAMETERS = 999
"""Parameters of a codec: an indexed keyword, here ZNAMEn, has three digits at most (FITS 4.0, section 4.1.2.1)."""

MAX_DESCRIPTOR = {"P": (1 << 31) - 1, "Q": (1 << 63) - 1}
"""Largest element count, and offset, of a descriptor, by the letter of TFORMn: signed integers of 32 and 64 bits."""

# -- of what can be addressed -----------------------------------------------------------------------------------------

MAX_NBYTES = (1 << 63) - 1
"""Bytes of a file, and of anything in it: offsets in files are signed 64-bit numbers."""

MAX_ROW_NBYTES = (1 << 31) - 1
"""Bytes of a table row that is looked at: numpy counts the bytes of one element in a C int."""

MAX_ZNAXIS = 32
"""Axes of a compressed image: its tiles are seen as an array with two axes for each, and numpy has 64."""

MAX_CUTOUT_NPIXELS = 1 << 59
"""Pixels of all boxes of one call of `ImageHDU.cutouts`: eight bytes each are what an index can count."""

# -- of what is read for nothing --------------------------------------------------------------------------------------

MAX_HEAP_GAP_NBYTES = 1 << 12
"""Bytes between two tiles, or rows, that are read and thrown away: another request to the system takes longer."""

MAX_IMAGE_GAP_NBYTES = 1 << 13
"""Bytes between two lines of a section of a plain image that are read and thrown away: likewise, at larger reads."""

# -- of what a tile may become ----------------------------------------------------------------------------------------

MAX_TILE_RATIO = 1 << 12
"""Bytes of a column of a compressed table that one byte of its tiles may stand for, before memory is asked for them:
gzip reaches 1032, Rice coding 205."""

MAX_LOST_RATIO = 4
"""Lost pixels for each that is there that a read around the damage makes up: of less than a fifth of an image what is
left is better read by itself."""

# -- that may be set --------------------------------------------------------------------------------------------------

MAX_CARDS = 1 << 18
"""Cards of one header, END included; the longest headers in use have some ten thousand, with their HISTORY."""

MAX_READ_NPIXELS: int | None = None
"""Pixels that one call reads of an image; None for any number."""

MAX_READ_NBYTES: int | None = None
"""Bytes of the pixels that one call reads of an image; None for any number."""

MAX_TILE_NBYTES: int | None = None
"""Bytes of the pixels of one tile, which is decoded whole whatever part of it is read; None for any number. It is
looked up when an image is first read."""

FREE_NBYTES = 1 << 26
"""Bytes that the pixels of a read, and of each tile, may have whatever the size of the file."""

MAX_RATIO = 1 << 17
"""Bytes of pixels that one byte of the file may stand for, where they are more than `FREE_NBYTES`: one HCOMPRESS_1 tile
of 1 GiB, all zeros, in the smallest file."""

MAX_UNPACKED_NBYTES = 1 << 34
"""Bytes of a file that is compressed as a whole, once it is unpacked, which has to fit in memory: a few bytes can hold
a thousand times as many, and to refuse them is better than to bring the machine down."""

MAX_SHARED_NBYTES = 1 << 31
"""Bytes of the cells of a column of variable length that are read at a time, where they are more than the heap has:
cells may share bytes (FITS 4.0, section 7.3.6), so that a small file can name any number."""


def check_read(npixels: int, nbytes: int) -> None:
    """Raise `LimitExceeded` for a read that is larger than the limits, before memory is asked for it."""
    if MAX_READ_NPIXELS is not None and npixels > MAX_READ_NPIXELS:
        raise LimitExceeded(_sentence(f"{npixels} pixels", "MAX_READ_NPIXELS", MAX_READ_NPIXELS))
    if MAX_READ_NBYTES is not None and nbytes > MAX_READ_NBYTES:
        raise LimitExceeded(_sentence(f"{nbytes} bytes of pixels", "MAX_READ_NBYTES", MAX_READ_NBYTES))


def check_sizes(nbytes: int, tile_nbytes: int, file_nbytes: Callable[[], int]) -> None:
    """Raise `LimitExceeded` for pixels out of proportion to the file, before memory is asked for them.

    Parameters
    ----------
    nbytes, tile_nbytes : int
        Of the pixels that are read, and of those of one tile.
    file_nbytes : callable
        Returns the bytes of the file; asked for many pixels alone.
    """
    if MAX_TILE_NBYTES is not None and tile_nbytes > MAX_TILE_NBYTES:
        raise LimitExceeded(
            f"{tile_nbytes} bytes of pixels of one tile are more than rustfits.limits.MAX_TILE_NBYTES allows, "
            f"{MAX_TILE_NBYTES}; raise it for files you trust"
        )
    nbytes = max(nbytes, tile_nbytes)
    if nbytes > FREE_NBYTES and nbytes > MAX_RATIO * file_nbytes():
        found = f"{nbytes} bytes of pixels out of a file of {file_nbytes()} bytes"
        raise LimitExceeded(_sentence(found, "MAX_RATIO", MAX_RATIO))


def check_lost(lost: int, total: int, file_nbytes: int) -> None:
    """Refuse to make up an image of pixels that are lost, if hardly any are there: with `LimitExceeded`.

    Parameters
    ----------
    lost, total : int
        Bytes of the pixels that are known to be lost, and of all.
    file_nbytes : int
    """
    most = FREE_NBYTES // 4 + MAX_LOST_RATIO * (total - lost + file_nbytes)
    if lost > most:
        raise LimitExceeded(
            f"{lost} of {total} bytes of pixels are lost, in a file of {file_nbytes} bytes; no more than {most} are "
            "made up: read the sections that are there"
        )


def _sentence(found: str, name: str, number: int) -> str:
    return (
        f"{found} are more than rustfits.limits.{name} allows, {number}; read a part, or raise it for files you trust"
    )
