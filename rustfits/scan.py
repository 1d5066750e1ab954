"""Where each HDU of a file lies: headers are found and sized, data units are stepped over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from math import prod

from rustfits.errors import FitsError, HeaderError, NotAFitsFile, TruncatedFile
from rustfits.header.card import CARD, find_end
from rustfits.header.cards import Cards
from rustfits.openfile import BLOCK, Extent, padded
from rustfits.storage.base import Storage

Matcher = Callable[..., re.Match[bytes] | None]

BITPIX_VALUES = (8, 16, 32, 64, -32, -64)  # FITS 4.0, table 8
MAX_NAXIS = 999  # FITS 4.0, section 4.4.1

_FIRST_NBYTES = 8 * BLOCK  # holds most headers whole: one read for each HDU
_NEXT_NBYTES = 32 * BLOCK
_STANDARD_NCARDS = 8  # hold what is asked for of an extension of three axes
_BEGINNING = {True: b"SIMPLE  ", False: b"XTENSION"}
_MAX_NBYTES = 1 << 63  # beyond what offsets in a file can say


def checked_size(storage: Storage) -> int:
    """Return the bytes of a storage; raise `NotAFitsFile` if they are not even one block."""
    size = storage.size()
    if not size:
        raise NotAFitsFile(f"{storage.name} is not a valid FITS file: it is empty (0 bytes)")
    if size < BLOCK:
        raise NotAFitsFile(
            f"{storage.name} is not a valid FITS file: it has {size} bytes, less than one block of {BLOCK} bytes"
        )
    return size


def scan(storage: Storage, size: int, *, lenient: bool = False) -> Iterator[tuple[Extent, Cards]]:
    """Find the HDUs one after the other (FITS 4.0, section 3).

    A last data unit may be cut short, and less than a block after the last HDU is ignored.

    Parameters
    ----------
    storage : Storage
    size : int
        Of the storage, one block at least.
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
    window = _Window(storage, size)
    start = index = 0
    while size - start >= BLOCK:
        try:
            raw = window.header(start, primary=not index)
            cards = Cards.parse(raw, lenient=lenient)
            nbytes = quick_size(raw, primary=not index)
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


def quick_size(raw: bytes, *, primary: bool) -> int | None:
    """Return what `data_size` would of a header that begins as most do; None of any other.

    To find the keywords of a whole header takes far longer.
    """
    if primary and any(key in raw for key in (b"PCOUNT", b"GCOUNT", b"GROUPS")):
        return None
    return _standard_size(raw[CARD : _STANDARD_NCARDS * CARD], primary)


@lru_cache
def _standard_size(raw: bytes, primary: bool) -> int | None:
    """Return the bytes of data if ``raw`` begins with the integers that a header must begin with.

    None if it does not, or they are not in fixed format (FITS 4.0, sections 4.2.3 and 4.4.1).
    """
    first = _matcher((b"BITPIX", b"NAXIS"))(raw)
    try:
        bitpix, naxis = map(int, first.groups()) if first else (0, 0)
        if bitpix not in BITPIX_VALUES or not 0 <= naxis <= MAX_NAXIS:
            return None
        keys = [b"NAXIS%d" % axis for axis in range(1, naxis + 1)] + ([] if primary else [b"PCOUNT", b"GCOUNT"])
        found = _matcher(tuple(keys))(raw, 2 * CARD)
        numbers = list(map(int, found.groups())) if found else [-1]
    except ValueError:  # blanks among the digits
        return None
    if min(numbers, default=0) < 0:
        return None
    pcount, gcount = (0, 1) if primary else numbers[naxis:]
    nbytes = abs(bitpix) // 8 * gcount * (pcount + prod(numbers[:naxis])) if naxis else 0
    return nbytes if nbytes < _MAX_NBYTES else None


@lru_cache
def _matcher(keys: tuple[bytes, ...]) -> Matcher:
    """Return what matches the cards of some integers in fixed format; its groups are the integers."""
    card = rb"%s= ([ \d-]{19}\d)(?: {50}| /.{48})"
    return re.compile(b"".join([card % key.ljust(8) for key in keys]), re.DOTALL).match


def _counted(cards: Cards, key: str, default: int | None = None) -> int:
    value = cards.integer(key, default)
    if value < 0:
        raise HeaderError(f"{key} is {value}; it must not be negative")
    return value


class _Window:
    """Reads headers; short ones that lie close together, several at a time."""

    def __init__(self, storage: Storage, size: int) -> None:
        self._storage, self._size = storage, size
        self._start = 0
        self._bytes = b""

    def header(self, start: int, *, primary: bool) -> bytes:
        """Return the cards from ``start`` on, END included."""
        first = start - self._start
        if first >= len(self._bytes):  # far from the one before
            first = self._fill(start, _FIRST_NBYTES)
        expected = b"SIMPLE" if primary else b"XTENSION"
        if len(self._bytes) - first < len(expected):
            first = self._fill(start, _NEXT_NBYTES)
        if not self._bytes.startswith(_BEGINNING[primary], first):
            found = self._bytes[first : first + 8]
            raise HeaderError(
                f"a header must start with {expected.decode()}, found {found!r} at byte {start}; "
                + ("this is not a FITS file" if primary else "the file is damaged, or has something else at its end")
            )
        end = find_end(self._bytes, first)
        if end < 0 and first:
            first = self._fill(start, _NEXT_NBYTES)
            end = find_end(self._bytes)
        if end >= 0:
            return self._bytes[first : end + CARD]
        # Looked for before it is kept, so that a large file without END costs no memory.
        end = _seek_end(self._storage, start, start + len(self._bytes), self._size)
        return bytes(self._storage.read(start, end + CARD - start))

    def _fill(self, start: int, nbytes: int) -> int:
        """Read the window anew, from ``start`` on; return where in it ``start`` is."""
        self._bytes = bytes(self._storage.read(start, min(nbytes, self._size - start)))
        self._start = start
        return 0


def _seek_end(storage: Storage, start: int, position: int, size: int) -> int:
    """Return the offset of the END card of the header at ``start``, looking from ``position`` on."""
    while position < size:
        window = storage.read(position, min(_NEXT_NBYTES, size - position))
        found = find_end(window)
        if found >= 0:
            return position + found
        position += len(window)
    raise TruncatedFile(f"truncated FITS file: the header at byte {start} of {storage.name} has no END card")
