"""The numbers that bound what one file may ask for, each with its reason.

Those of the format, and of what depends on it, are fixed. Those under "may be set" are looked up each time they are
used: ``rustfits.limits.MAX_UNPACKED_NBYTES = 1 << 36`` lets larger files in.
"""

from __future__ import annotations

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

# -- that may be set --------------------------------------------------------------------------------------------------

MAX_UNPACKED_NBYTES = 1 << 34
"""Bytes of a file that is compressed as a whole, once it is unpacked, which has to fit in memory: a few bytes can hold
a thousand times as many, and to refuse them is better than to bring the machine down."""

MAX_SHARED_NBYTES = 1 << 31
"""Bytes of the cells of a column of variable length that are read at a time, where they are more than the heap has:
cells may share bytes (FITS 4.0, section 7.3.6), so that a small file can name any number."""
