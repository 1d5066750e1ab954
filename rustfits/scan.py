"""Where each HDU of a file lies: headers are found and sized, data units are stepped over."""

from __future__ import annotations

from collections.abc import Iterator

from rustfits.errors import FitsError, HeaderError, NotAFitsFile, TruncatedFile
from rustfits.header.card import CARD, find_end
from rustfits.header.cards import Cards
from rustfits.openfile import BLOCK, Extent, padded
from rustfits.storage.base import Storage

BITPIX_VALUES = (8, 16, 32, 64, -32, -64)  # FITS 4.0, table 8
MAX_NAXIS = 999  # FITS 4.0, section 4.4.1

_FIRST_NBYTES = 8 * BLOCK  # holds most headers whole: one read for each HDU
_NEXT_NBYTES = 32 * BLOCK
_MAX_NBYTES = 1 << 63  # beyond what offsets in a file can say


def check_size(storage: Storage) -> None:
    """Raise `NotAFitsFile` if there is not even one block."""
    size = storage.size()
    if not size:
        raise NotAFitsFile(f"{storage.name} is not a valid FITS file: it is empty (0 bytes)")
    if size < BLOCK:
        raise NotAFitsFile(
            f"{storage.name} is not a valid FITS file: it has {size} bytes, less than one block of {BLOCK} bytes"
        )


def scan(storage: Storage, *, lenient: bool = False) -> Iterator[tuple[Extent, Cards]]:
    """Find the HDUs one after the other (FITS 4.0, section 3).

    A last data unit may be cut short, and less than a block after the last HDU is ignored.

    Parameters
    ----------
    storage : Storage
        With one block at least.
    lenient : bool
        Whether bytes that are not printable are read as ``_``.

    Yields
    ------
    extent : Extent
    cards : Cards

    Raises
    ------
    HeaderError
        If a header begins wrongly, holds bytes that are not text, or does not say how large the data are.
    TruncatedFile
        If a header has no END.
    """
    size = storage.size()
    start = index = 0
    while size - start >= BLOCK:
        try:
            raw = _read_header(storage, start, size, primary=not index)
            cards = Cards.parse(raw, lenient=lenient)
            nbytes = _standard_size(raw) if index else None
            if nbytes is None:
                nbytes = data_size(cards, primary=not index)
            extent = Extent(start, start + padded(len(raw)), nbytes)
        except FitsError as error:
            error.locate(f"HDU {index} of {storage.name}")
            raise
        yield extent, cards
        start = extent.stop
        index += 1


def data_size(cards: Cards, *, primary: bool) -> int:
    """Return the bytes of the data unit, without its padding (FITS 4.0, sections 4.4.1 and 6.1).

    Raises
    ------
    HeaderError
        If BITPIX, NAXIS or a NAXISn is missing or not allowed, or no file can be that large.
    """
    bitpix = cards.integer("BITPIX")
    if bitpix not in BITPIX_VALUES:
        raise HeaderError(f"BITPIX is {bitpix}; it must be one of {', '.join(map(str, BITPIX_VALUES))}")
    naxis = cards.integer("NAXIS")
    if not 0 <= naxis <= MAX_NAXIS:
        raise HeaderError(f"NAXIS is {naxis}; it must be from 0 to {MAX_NAXIS}")
    if not naxis:
        return 0
    axes = [_counted(cards, f"NAXIS{number}") for number in range(1, naxis + 1)]
    # Random groups are marked by an empty first axis that does not count (section 6.1).
    if primary and not axes[0] and naxis > 1 and cards.get("GROUPS") is True:
        del axes[0]
    npixels = _counted(cards, "PCOUNT", 0)
    product = 1
    for axis in axes:
        product *= axis
    nbytes = abs(bitpix) // 8 * _counted(cards, "GCOUNT", 1) * (npixels + product)
    if nbytes >= _MAX_NBYTES:
        raise HeaderError(f"NAXISn, PCOUNT and GCOUNT ask for {nbytes} bytes of data: no file is that large")
    return nbytes


def _standard_size(raw: bytes) -> int | None:
    """Return what `data_size` would of an extension whose first cards are those that the standard asks for.

    None if they are not (FITS 4.0, section 4.4.1.2). To find the keywords of a whole header takes far longer.
    """
    bitpix, naxis = _standard_integer(raw, 1, b"BITPIX"), _standard_integer(raw, 2, b"NAXIS")
    if bitpix not in BITPIX_VALUES or naxis is None or not 0 < naxis <= MAX_NAXIS:
        return None
    product = 1
    for axis in range(1, naxis + 1):
        npixels = _standard_integer(raw, 2 + axis, b"NAXIS%d" % axis)
        if npixels is None:
            return None
        product *= npixels
    pcount, gcount = _standard_integer(raw, 3 + naxis, b"PCOUNT"), _standard_integer(raw, 4 + naxis, b"GCOUNT")
    if pcount is None or gcount is None:
        return None
    nbytes = abs(bitpix) // 8 * gcount * (pcount + product)
    return nbytes if nbytes < _MAX_NBYTES else None


def _standard_integer(raw: bytes, number: int, key: bytes) -> int | None:
    """Return the integer on card ``number`` if it is that of ``key``, in fixed format; only BITPIX may be negative."""
    card = raw[number * CARD : (number + 1) * CARD]
    digits = card[10:30].strip(b" ")
    if card[:10] != key.ljust(8) + b"= " or card[30:].lstrip(b" ")[:1] not in (b"", b"/"):
        return None
    unsigned = digits[1:] if key == b"BITPIX" and digits[:1] == b"-" else digits
    return int(digits) if unsigned.isdigit() else None


def _counted(cards: Cards, key: str, default: int | None = None) -> int:
    value = cards.integer(key, default)
    if value < 0:
        raise HeaderError(f"{key} is {value}; it must not be negative")
    return value


def _read_header(storage: Storage, start: int, size: int, *, primary: bool) -> bytes:
    """Return the cards from ``start`` on, END included."""
    raw = storage.read(start, min(_FIRST_NBYTES, size - start))
    expected = b"SIMPLE" if primary else b"XTENSION"
    if raw[:8].rstrip(b" ") != expected:
        raise HeaderError(
            f"a header must start with {expected.decode()}, found {bytes(raw[:8])!r} at byte {start}; "
            + ("this is not a FITS file" if primary else "the file is damaged, or has something else at its end")
        )
    end = find_end(raw)
    if end < 0:
        # Looked for before it is kept, so that a large file without END costs no memory.
        end = _seek_end(storage, start, start + len(raw), size) - start
        raw = storage.read(start, end + CARD)
    return bytes(raw[: end + CARD])


def _seek_end(storage: Storage, start: int, position: int, size: int) -> int:
    """Return the offset of the END card of the header at ``start``, looking from ``position`` on."""
    while position < size:
        window = storage.read(position, min(_NEXT_NBYTES, size - position))
        found = find_end(window)
        if found >= 0:
            return position + found
        position += len(window)
    raise TruncatedFile(f"truncated FITS file: the header at byte {start} of {storage.name} has no END card")
