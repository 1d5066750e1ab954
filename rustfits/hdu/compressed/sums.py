"""ZDATASUM and ZHECKSUM: the checksums of the image that a compressed one stands for (FITS 4.0, section 10.1.2).

The sum of a header does not depend on the order of its cards, so that a program which unpacks an image need not put
them as they were, and the sum is right all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import CodecError, CodecNotInstalled, HeaderError, PluginError, TruncatedFile
from rustfits.hdu import sums
from rustfits.hdu.checksum import ZEROS, datasum, encode, fold
from rustfits.header.card import CARD
from rustfits.header.cards import Cards
from rustfits.header.state import HeaderState
from rustfits.storage.extent import Extent
from rustfits.storage.openfile import OpenFile
from rustfits.tiles.damage import slabs
from rustfits.tiles.decode import TileDecoder
from rustfits.tiles.zimage import TileTable

DATASUM_COMMENT = "checksum of uncompressed data"
CHECKSUM_COMMENT = "checksum of equivalent uncompressed HDU"

_COPIED = ("BSCALE", "BZERO", "BLANK", "EXTNAME", "EXTVER")

# Cards of the table, which the image did not have, and what the compressing program said of its work.
_OF_TABLE = re.compile(
    "(?:XTENSION|BITPIX|NAXIS[12]?|PCOUNT|GCOUNT|TFIELDS|THEAP|T(?:TYPE|FORM|UNIT)[0-9]+|CHECKSUM|DATASUM|"
    "ZIMAGE|ZCMPTYPE|Z(?:TILE|NAME|VAL)[0-9]+|ZQUANTIZ|ZDITHER0|ZSCALE|ZZERO|ZBLANK|ZMASKCMP|FZ[A-Z0-9]+"
    ") *="
)
_RENAMED = re.compile("Z(BITPIX|NAXIS[0-9]*|PCOUNT|GCOUNT|SIMPLE|TENSION|EXTEND|BLOCKED|HECKSUM|DATASUM)")
_SHORTENED = {"TENSION": "XTENSION", "HECKSUM": "CHECKSUM"}
_NAMELESS = re.compile("EXTNAME *= *'COMPRESSED_IMAGE *'| *$")
_REMARK = re.compile("HISTORY (?:Image was compressed by CFITSIO|  q = |'(?:SUBTRACTIVE_DITHER|NO_DITHER))")


def data_sum(decoder: TileDecoder) -> int:
    """Return the DATASUM of the image if it were not compressed; errors as `slabs`."""
    return datasum(map(_big_endian, slabs(decoder)))


def checksum_of(cards: Cards, table: TileTable, data: int) -> str:
    """Return ZHECKSUM for an image with DATASUM ``data``."""
    return encode(fold(_header_sum(cards, table, data, ZEROS) + data))


def is_zhecksum(cards: Cards, table: TileTable, data: int) -> bool:
    """Tell whether ZHECKSUM and ZDATASUM are right for an image with DATASUM ``data``.

    ZHECKSUM may be that which rustfits writes, of a header of few cards, or the CHECKSUM of the image from which the
    compressed one was made, as other programs keep it.
    """
    value = cards.get("ZHECKSUM")
    if not isinstance(value, str) or not sums.is_checksum(value) or not sums.is_datasum(cards.get("ZDATASUM"), data):
        return False
    headers = _header_sum(cards, table, data, value), _original_header_sum(cards)
    return any(sums.Sums(header, data).vanish for header in headers)


def add_checksum(file: OpenFile, extent: Extent, state: HeaderState, decoder: TileDecoder) -> None:
    """Write ZDATASUM and ZHECKSUM, and renew those of DATASUM and CHECKSUM that are there; inside `changing`."""
    data = data_sum(decoder)
    checksum = checksum_of(state.cards, decoder.table, data)
    state.change({"ZDATASUM": (str(data), DATASUM_COMMENT), "ZHECKSUM": (checksum, CHECKSUM_COMMENT)})
    sums.renew(file, extent, state)


def verify_datasum(
    file: OpenFile, extent: Extent, state: HeaderState, decoder: Callable[[], TileDecoder]
) -> bool | None:
    """Tell whether ZDATASUM is right; None if it is absent or tells nothing. Inside `reading`."""
    value = sums.stated(state.cards, "ZDATASUM")
    if value is None:
        return None
    try:
        data = data_sum(decoder())
    except (CodecError, HeaderError, TruncatedFile):
        if sums.verify_checksum(file, extent, state) is False:
            return False
        raise
    if sums.is_datasum(value, data):
        return True
    # Of floats before they were quantised, perhaps: then it tells nothing, as long as the bytes are intact.
    return None if sums.verify_datasum(file, extent, state) else False


def verify_checksum(
    file: OpenFile, extent: Extent, state: HeaderState, decoder: Callable[[], TileDecoder]
) -> bool | None:
    """Tell whether CHECKSUM is right, or, where there is none, ZHECKSUM; inside `reading`."""
    cards = state.cards
    own, zhecksum = sums.stated(cards, "CHECKSUM"), sums.stated(cards, "ZHECKSUM")
    if own is None and zhecksum is None:
        return None
    if sums.is_wrong(file, extent, state):
        return False
    if own is None and "ZDATASUM" not in cards:
        return False
    try:
        tiles = decoder()
        data = data_sum(tiles)
    except (CodecNotInstalled, PluginError):
        if own is None:
            raise
        return True  # of what the bytes mean nothing is known here, but they are what they were
    return own is not None or is_zhecksum(cards, tiles.table, data)


def _big_endian(pixels: NDArray[Any]) -> NDArray[Any]:
    """Turn the bytes of pixels that nobody else has, in place: a row of tiles may be as large as the image."""
    return pixels.byteswap(inplace=True) if np.little_endian else pixels


def _header_sum(cards: Cards, table: TileTable, data: int, checksum: str) -> int:
    """Return the sum of the header of the image if it were not compressed, CHECKSUM being ``checksum``."""
    shape = table.grid.shape
    entries: list[tuple[str, object]] = [
        ("XTENSION", "IMAGE"),
        ("BITPIX", table.bitpix),
        ("NAXIS", len(shape)),
        *((f"NAXIS{axis}", npixels) for axis, npixels in enumerate(reversed(shape), start=1)),
        ("PCOUNT", 0),
        ("GCOUNT", 1),
    ]
    header = Cards.build(entries)
    for keyword in _COPIED:
        if keyword in cards:
            header.adopt(cards, keyword)
    header.set("DATASUM", str(data))
    header.set("CHECKSUM", checksum)
    return datasum([header.encode()])


def _original_header_sum(cards: Cards) -> int:
    """Return the sum of the header from which another program made that of the table, as far as it can be told."""
    raw = cards.encode().decode("latin-1")  # bytes that are no text count in the sum too
    lines = []
    for start in range(0, len(cards) * CARD, CARD):
        line = raw[start : start + CARD]
        keyword = line[:8].rstrip(" ")
        renamed = _RENAMED.fullmatch(keyword)
        if renamed is not None:
            lines.append(f"{_SHORTENED.get(renamed[1], renamed[1]):8}{line[8:]}")
        elif not any(pattern.match(line) for pattern in (_OF_TABLE, _REMARK, _NAMELESS)):
            lines.append(line)
    return datasum([Cards.parse("".join(lines).encode("latin-1"), lenient=True).encode()])
