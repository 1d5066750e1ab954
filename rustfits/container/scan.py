"""Where each HDU of a file lies: headers are found and sized, data units are stepped over."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from rustfits import limits
from rustfits.errors import FitsError, HeaderError, LimitExceeded, NotAFitsFile, TruncatedFile
from rustfits.header.card import CARD, find_end, legible
from rustfits.header.cards import Cards
from rustfits.header.state import hdu_name
from rustfits.limits import MAX_NAXIS, MAX_NBYTES
from rustfits.storage.base import HEAD_NBYTES, Storage
from rustfits.storage.extent import BLOCK, Extent, padded
from rustfits.storage.watch import Tries

if TYPE_CHECKING:
    from rustfits.container.ahead import Guess

BITPIX_VALUES = (8, 16, 32, 64, -32, -64)  # FITS 4.0, table 8

_EXTENSION = b"XTENSION"
_NEXT_NBYTES = 32 * BLOCK
_TAIL_NBYTES = 1 << 20  # looked at together after the last HDU
_NO_COMMENT = b" " * 50
_NAXIS_DIGIT = 2 * CARD + 29  # where the last digit of NAXIS stands in a header that begins as most do


Header = bytes | Cards  # as it is in the file, END included, or parsed if there are bytes in it that are not text


class Contents(NamedTuple):
    """What is in a file.

    Attributes
    ----------
    hdus : list of (Extent, Header)
    damage : FitsError or None
        What is wrong with what follows them: a damaged HDU, or no HDU at all.
    foreign : bool
        Whether what follows does not begin as an HDU does.
    """

    hdus: list[tuple[Extent, Header]]
    damage: FitsError | None
    foreign: bool


def scan(storage: Storage, *, lenient: bool | None = None) -> Iterator[tuple[Extent, Header]]:
    """Find the HDUs one after the other (FITS 4.0, section 3).

    A last data unit may be cut short. After the last HDU zeros or blanks alone are ignored, and less than a block of
    anything that is no header.

    Parameters
    ----------
    storage : Storage
    lenient : bool or None
        Whether bytes that are not printable are read as ``_``; see `legible`.

    Yields
    ------
    extent : Extent
    header : Header

    Raises
    ------
    NotAFitsFile
        If there is not even one block.
    HeaderError
        If a header begins wrongly, holds bytes that are not text, or does not say how large the data are.
    TruncatedFile
        If a header has no END.
    """
    size = _checked_size(storage)
    window = _Window(storage, size)
    start = index = 0
    while size - start >= BLOCK:
        try:
            raw = window.header(start, primary=not index)
            text = bytes(legible(raw, lenient=lenient))
            nbytes = quick_size(text, primary=not index)
            if nbytes is None:
                nbytes = data_size(Cards.parse(text), primary=not index)
        except FitsError as error:
            if index and isinstance(error, HeaderError) and _ends(storage, start, size):
                return
            error.locate(hdu_name(index, storage.name))
            raise
        extent = Extent(start, start + padded(len(raw)), nbytes)
        yield extent, raw if text is raw else Cards.parse(raw, lenient=True)
        start = extent.stop
        index += 1
    if size > start and not _ends(storage, start, size):
        cut = TruncatedFile(f"truncated FITS file: the header at byte {start} has {size - start} bytes")
        cut.locate(hdu_name(index, storage.name))
        raise cut


def scan_whole(storage: Storage, *, lenient: bool | None = None) -> Contents:
    """Find the HDUs as `scan` does, all of them in one state of the file; read again if it is changed meanwhile.

    What is wrong after the first HDU is told, not raised.

    Raises
    ------
    FileChanged
        If it is changed again and again.
    FitsError
        As `scan`.
    """
    watch, tries = storage.watch, None
    while True:
        hdus: list[tuple[Extent, Header]] = []
        faults: list[FitsError] = []  # none or one
        try:
            for found in scan(storage, lenient=lenient):
                hdus.append(found)  # noqa: PERF402  # those before a fault are wanted
        except FitsError as error:
            faults.append(error)
        if watch is None or watch.unchanged():
            break
        tries = tries or Tries(storage.name)
        tries.again()
        watch.opened(changed=True)
        storage.head = b""
    return contents(storage, hdus, faults)


def contents(storage: Storage, hdus: list[tuple[Extent, Header]], faults: list[FitsError]) -> Contents:
    """Return what was found, up to a fault if there is one, which is raised if it is not one of what follows HDUs."""
    if not faults:
        return Contents(hdus, None, foreign=False)
    if not hdus or not isinstance(faults[0], HeaderError | TruncatedFile | LimitExceeded):
        raise faults.pop()  # a variable that held it would keep the bytes of the file in memory, by the frames it holds
    stop = hdus[-1][0].stop
    beginning = storage.read(stop, min(len(_EXTENSION), storage.size() - stop))
    return Contents(hdus, faults[0], foreign=not _begins_as_hdu(beginning))


def _ends(storage: Storage, start: int, size: int) -> bool:
    """Return whether what follows the last HDU is nothing that a reader has to know of."""
    fill = b""  # zeros alone, or blanks alone
    for position in range(start, size, _TAIL_NBYTES):
        part = storage.read(position, min(_TAIL_NBYTES, size - position))
        fill = bytes(part[:1]) if position == start else fill
        if part.translate(None, fill) or fill not in (b"\0", b" "):
            return size - start < BLOCK and not _begins_as_hdu(part)
    return True


def _begins_as_hdu(raw: bytes | bytearray) -> bool:
    """Return whether bytes are the beginning of an extension, which may be cut after any byte."""
    return raw[: len(_EXTENSION)] == _EXTENSION[: len(raw)]


def _checked_size(storage: Storage) -> int:
    """Return the bytes of a storage; raise `NotAFitsFile` if they are not even one block."""
    size = len(storage.head)
    if not 0 < size < HEAD_NBYTES:  # it is not all there is
        size = storage.size()
    if size < BLOCK:
        found = f"it has {size} bytes, less than one block of {BLOCK} bytes" if size else "it is empty (0 bytes)"
        raise NotAFitsFile(f"{storage.name} is not a valid FITS file: {found}")
    return size


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
    axes = [cards.count(f"NAXIS{number}") for number in range(1, naxis + 1)]
    # Random groups are marked by an empty first axis that does not count (section 6.1).
    if primary and not axes[0] and naxis > 1 and cards.get("GROUPS") is True:
        del axes[0]
    npixels = cards.count("PCOUNT", 0)
    product = 1
    for axis in axes:
        product *= axis
    nbytes = abs(bitpix) // 8 * cards.count("GCOUNT", 1) * (npixels + product)
    if nbytes > MAX_NBYTES:
        raise HeaderError(f"NAXISn, PCOUNT and GCOUNT ask for {nbytes} bytes of data: no file is that large")
    return nbytes


def quick_size(raw: bytes, *, primary: bool) -> int | None:
    """Return what `data_size` returns, for a header that begins as most do; None for any other.

    Finding the keywords of a whole header takes far longer.
    """
    if len(raw) < 3 * CARD or (primary and (b"PCOUNT" in raw or b"GCOUNT" in raw)):
        return None
    naxis = raw[_NAXIS_DIGIT] - ord("0")
    stop = (naxis + (3 if primary else 5)) * CARD  # what follows differs from HDU to HDU
    return _standard_size(raw[CARD:stop], naxis, primary) if 0 <= naxis <= 9 else None


@lru_cache
def _standard_size(raw: bytes, naxis: int, primary: bool) -> int | None:
    """Return the bytes of data if ``raw`` begins with the integers that a header must begin with.

    None if it does not, or they are not in fixed format (FITS 4.0, sections 4.2.3 and 4.4.1).
    """
    values: list[int] = []
    for start in _starts(naxis, primary):
        value = _fixed_integer(raw[len(values) * CARD : (len(values) + 1) * CARD], start)
        if value is None:
            return None
        values.append(value)
    bitpix, ndim, *axes = values
    if bitpix not in BITPIX_VALUES or ndim != naxis or min(axes, default=0) < 0:
        return None
    if primary and naxis and not axes[0]:
        return None  # it may be random groups
    pcount, gcount = (0, 1) if primary else (axes.pop(-2), axes.pop())
    nbytes = abs(bitpix) // 8 * gcount * (pcount + prod(axes)) if naxis else 0
    return nbytes if nbytes <= MAX_NBYTES else None


@cache
def _starts(naxis: int, primary: bool) -> list[bytes]:
    """Return how the cards of BITPIX, NAXIS, which is given, and so on begin."""
    axes = [f"NAXIS{axis}" for axis in range(1, naxis + 1)]
    return [f"{key:8}= ".encode() for key in ("BITPIX", "NAXIS", *axes, *([] if primary else ["PCOUNT", "GCOUNT"]))]


def _fixed_integer(card: bytes, start: bytes) -> int | None:
    """Return the integer of a card that begins with ``start``; None if it is not in fixed format.

    It uses no regular expression: compiling one takes as long as opening a file.
    """
    field, rest = card[len(start) : 30], card[30:]
    if not card.startswith(start) or field.translate(None, b" -0123456789") or not field[-1:].isdigit():
        return None
    if rest != _NO_COMMENT and not rest.startswith(b" /"):
        return None
    try:
        return int(field)
    except ValueError:  # blanks among the digits
        return None


class _Window:
    """Reads headers; short ones that lie close together, several at a time."""

    def __init__(self, storage: Storage, size: int) -> None:
        self._storage, self._size = storage, size
        self._start = self._nheaders = 0
        self._bytes, storage.head = storage.head, b""
        self._guess: Guess | None = None
        if storage.fetches_ahead:
            from rustfits.container.ahead import Guess

            self._guess = Guess(storage, size)

    def header(self, start: int, *, primary: bool) -> bytes:
        """Return the cards from ``start`` on, END included."""
        first = start - self._start
        if first >= len(self._bytes):
            dense = 0 < len(self._bytes) <= 2 * BLOCK * self._nheaders  # and so may be what follows
            nbytes = _NEXT_NBYTES if dense else HEAD_NBYTES
            first = self._fill(start, nbytes if self._guess is None else self._guess.before(start, HEAD_NBYTES))
        self._nheaders += 1
        if not self._bytes.startswith(b"SIMPLE  " if primary else _EXTENSION, first):
            found, expected = bytes(self._bytes[first : first + 8]), "SIMPLE" if primary else "XTENSION"
            raise HeaderError(
                f"a header must start with {expected}, found {found!r} at byte {start}; "
                + ("this is not a FITS file" if primary else "the file is damaged, or has something else at its end")
            )
        end = find_end(self._bytes, first, first + HEAD_NBYTES)
        if end < 0 and first:
            first = self._fill(start, _NEXT_NBYTES if self._guess is None else HEAD_NBYTES)
            end = find_end(self._bytes)
        if end >= 0:
            _check_ncards(self._storage, start, end + CARD - first)
            if self._guess is not None:
                self._guess.found(start, self._bytes[first : end + CARD])
            return self._bytes[first : end + CARD]
        # Looked for before it is kept, so that a large file without END costs no memory.
        end = _seek_end(self._storage, start, start + len(self._bytes), self._size)
        _check_ncards(self._storage, start, end + CARD - start)
        return self._storage.read_bytes(start, end + CARD - start)

    def _fill(self, start: int, nbytes: int) -> int:
        """Read the window anew, from ``start`` on; return where in it ``start`` is."""
        self._bytes = self._storage.read_bytes(start, min(nbytes, self._size - start))
        self._start, self._nheaders = start, 0
        return 0


def _seek_end(storage: Storage, start: int, position: int, size: int) -> int:
    """Return the offset of the END card of the header at ``start``, looking from ``position`` on."""
    while position < size:
        window = storage.read(position, min(_NEXT_NBYTES, size - position))
        found = find_end(window)
        if found >= 0:
            return position + found
        position += len(window)
        _check_ncards(storage, start, position - start)
    raise TruncatedFile(f"truncated FITS file: the header at byte {start} of {storage.name} has no END card")


def _check_ncards(storage: Storage, start: int, nbytes: int) -> None:
    if nbytes > limits.MAX_CARDS * CARD:
        raise LimitExceeded(
            f"the header at byte {start} of {storage.name} has more cards than rustfits.limits.MAX_CARDS allows, "
            f"{limits.MAX_CARDS}; raise it for files you trust"
        )
