"""The bytes of HDUs as they stand in a file: cards of a header, extents, checksums (FITS 4.0, sections 3, 4.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

import rustfits

BLOCK = 2880
CARD = 80
COPY_NBYTES = 256 << 10  # that are read or written at once: the CPU has them at hand for what comes next
_ALL_ONES = 0xFFFFFFFF
_SUM_NBYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class RawHDU:
    """One HDU in a file.

    Attributes
    ----------
    cards : list of bytes
        80 bytes each, as they are; without END and the blanks after it.
    data_start, data_nbytes : int
        Where the data unit lies, without its fill.
    """

    cards: list[bytes]
    data_start: int
    data_nbytes: int

    @property
    def stop(self) -> int:
        """Where the next HDU begins."""
        return self.data_start + padded(self.data_nbytes)


def raw_hdus(file: IO[bytes], fits: rustfits.FITS) -> list[RawHDU]:
    """Return the HDUs of a plain file; ``fits`` is the same file, opened, which has checked what is read here."""
    found, start = [], 0
    for hdu in fits:
        file.seek(start)
        raw = bytearray()
        while not raw or not _has_end(raw):
            block = file.read(BLOCK)
            if len(block) < BLOCK:
                raise rustfits.TruncatedFile(f"HDU {hdu.index} of {fits.filename}: its header ends with the file")
            raw += block
        cards = [bytes(raw[place : place + CARD]) for place in range(0, len(raw), CARD)]
        cards = cards[: next(number for number, card in enumerate(cards) if _is_end(card))]
        header = hdu.header
        axes = [int(header[f"NAXIS{axis}"]) for axis in range(1, int(header["NAXIS"]) + 1)]
        if not start and len(axes) > 1 and not axes[0] and header.get("GROUPS") is True:
            axes = axes[1:]
        # A table without rows may have a heap all the same.
        nbytes = int(header.get("GCOUNT", 1)) * (int(header.get("PCOUNT", 0)) + prod(axes)) if axes else 0
        found.append(RawHDU(cards, start + len(raw), nbytes * abs(int(header["BITPIX"])) // 8))
        start = found[-1].stop
    return found


def _is_end(card: bytes) -> bool:
    return card[:8] == b"END     "


def _has_end(raw: bytearray) -> bool:
    return any(_is_end(bytes(raw[place : place + CARD])) for place in range(len(raw) - BLOCK, len(raw), CARD))


def keyword(card: bytes) -> str:
    """Return the keyword of a card."""
    return card[:8].rstrip(b" ").decode("latin-1")


def renamed(card: bytes, name: str) -> bytes:
    """Return a card under another keyword."""
    return name.ljust(8).encode("ascii") + card[8:]


def card_of(name: str, value: object, comment: str = "") -> bytes:
    """Return a card of fixed format (FITS 4.0, section 4.2)."""
    if isinstance(value, bool):
        text = f"{'T' if value else 'F':>20}"
    elif isinstance(value, str):
        text = f"'{value:8}'".ljust(20)
    elif isinstance(value, float):
        text = f"{value:20.7E}"
    else:
        text = f"{value:>20}"
    return f"{name:8}= {text}{f' / {comment}' if comment else ''}"[:CARD].ljust(CARD).encode("ascii")


def header_bytes(cards: list[bytes]) -> bytes:
    """Return a header: the cards, END, and blanks to the end of the block."""
    raw = b"".join(cards) + b"END".ljust(CARD)
    return raw.ljust(padded(len(raw)), b" ")


def padded(nbytes: int) -> int:
    """Return a size as whole blocks."""
    return -(-nbytes // BLOCK) * BLOCK


def pieces(file: IO[bytes], start: int, nbytes: int) -> Iterator[bytes]:
    """Yield some bytes of a file, in pieces of bounded size, each a multiple of four but the last."""
    file.seek(start)
    while nbytes:
        piece = file.read(min(nbytes, COPY_NBYTES))
        if not piece:
            raise rustfits.TruncatedFile(f"{nbytes} bytes of a data unit are missing: the file ends before")
        nbytes -= len(piece)
        yield piece


def stored_bytes(pixels: NDArray[Any]) -> Iterator[NDArray[np.uint8]]:
    """Yield the bytes of pixels as FITS stores them, in pieces; each is overwritten by the next."""
    flat = np.ascontiguousarray(pixels).reshape(-1)
    step = COPY_NBYTES // flat.itemsize
    stored = np.empty(min(step, flat.size), flat.dtype.newbyteorder(">"))
    for start in range(0, flat.size, step):
        piece = flat[start : start + step]
        stored[: piece.size] = piece
        yield stored[: piece.size].view(np.uint8)


class Sum:
    """The ones'-complement sum of a stream of 32-bit words, in chunks of any length (FITS 4.0, appendix J).

    The bytes after the last whole word count as if zeros followed.
    """

    def __init__(self, start: int = 0) -> None:
        self._total, self._rest = start, b""

    @property
    def value(self) -> int:
        """The sum so far."""
        total = self._total + int.from_bytes(self._rest.ljust(4, b"\0"), "big")
        while total > _ALL_ONES:
            total = (total & _ALL_ONES) + (total >> 32)
        return total

    def add_sum(self, value: int) -> None:
        """Add the sum of other bytes, whose place is a multiple of four."""
        self._total += value

    def add(self, data: bytes | NDArray[np.uint8]) -> None:
        """Add bytes."""
        raw = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
        if self._rest:
            missing = 4 - len(self._rest)
            self._rest += raw[:missing].tobytes()
            raw = raw[missing:]
            if len(self._rest) < 4:
                return
            self._total += int.from_bytes(self._rest, "big")
        whole = raw.size // 4 * 4
        self._rest = raw[whole:].tobytes()
        for start in range(0, whole, _SUM_NBYTES):
            words = raw[start : min(start + _SUM_NBYTES, whole)].view(">u4")
            self._total += int(np.add.reduce(words, dtype=np.uint64))


def checksum_text(total: int) -> str:
    """Return the 16 characters that make the sum of an HDU vanish, given its sum with sixteen 0 in their place."""
    word = (_ALL_ONES - total).to_bytes(4, "big")
    columns = []
    for byte in word:
        quarter, rest = divmod(byte, 4)
        four = [quarter + rest + 48, quarter + 48, quarter + 48, quarter + 48]
        while any(58 <= value <= 64 or 91 <= value <= 96 for value in four):  # punctuation, pair by pair
            for pair in (0, 2):
                if any(58 <= value <= 64 or 91 <= value <= 96 for value in four[pair : pair + 2]):
                    four[pair] += 1
                    four[pair + 1] -= 1
        columns.append(four)
    text = bytes(columns[byte][place] for place in range(4) for byte in range(4)).decode("ascii")
    return text[-1:] + text[:-1]


def with_checksums(cards: list[bytes], datasum: int, comments: tuple[str, str] | None = None) -> list[bytes]:
    """Return cards whose DATASUM and CHECKSUM are right, in their places, or at the end if there are none.

    Parameters
    ----------
    cards : list of bytes
    datasum : int
        Sum of the data unit.
    comments : tuple of str, optional
        Of CHECKSUM and DATASUM; those that are there stay if not given.
    """
    kept = {keyword(card): card for card in cards}
    notes = comments or (_comment(kept.get("CHECKSUM", b"")), _comment(kept.get("DATASUM", b"")))
    new = {
        "CHECKSUM": card_of("CHECKSUM", "0" * 16, notes[0]),
        "DATASUM": card_of("DATASUM", str(datasum), notes[1]),
    }
    found = [new.get(keyword(card), card) for card in cards]
    found += [card for name, card in new.items() if name not in kept]
    total = Sum(datasum)
    total.add(header_bytes(found))
    text = checksum_text(total.value)
    place = next(number for number, card in enumerate(found) if keyword(card) == "CHECKSUM")
    found[place] = card_of("CHECKSUM", text, notes[0])
    return found


def checksums_are_right(cards: list[bytes], datasum: int) -> bool:
    """Tell whether both checksums are right for a data unit, or are absent."""
    kept = {keyword(card): card for card in cards}
    if "DATASUM" in kept and not _says(kept["DATASUM"], datasum):
        return False
    if "CHECKSUM" not in kept:
        return True
    total = Sum(datasum)
    total.add(header_bytes(cards))
    return total.value in (0, _ALL_ONES)


def _says(card: bytes, datasum: int) -> bool:
    text = card[10:].split(b"/")[0].strip(b" '")
    return text.isdigit() and int(text) == datasum


def _comment(card: bytes) -> str:
    return card[10:].split(b"/", 1)[1].strip().decode("latin-1") if b"/" in card[10:] else ""
