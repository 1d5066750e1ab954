"""HDUs as bytes: cards of a header, pieces of a data unit, checksums (FITS 4.0, sections 3 and 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rustfits

try:
    from deflate import crc32 as _crc32  # which rustfits-accel brings: 0.7 ms for a heap of 16 MB, zlib 6 to 8
except ImportError:
    from zlib import crc32 as _crc32  # type: ignore[assignment]

BLOCK = 2880
CARD = 80
COPY_NBYTES = 256 << 10  # that are read or written at once: the CPU has them at hand for what comes next
CHECKSUM_COMMENTS = ("HDU checksum", "data unit checksum")
crc32 = _crc32


@dataclass(frozen=True, slots=True)
class RawHDU:
    """One HDU in a file.

    Attributes
    ----------
    hdu : HDU
    cards : list of bytes
        80 bytes each, as they are; without END and the blanks after it.
    data_nbytes : int
        Of the data unit, without its fill.
    """

    hdu: rustfits.HDU
    cards: list[bytes]
    data_nbytes: int

    def pieces(self, start: int = 0, nbytes: int | None = None) -> Iterator[bytearray]:
        """Yield bytes of the data unit, in pieces of bounded size, each a multiple of four but the last."""
        extent = self.hdu.extent
        stop = self.data_nbytes if nbytes is None else start + nbytes
        for first in range(start, stop, COPY_NBYTES):
            yield self.hdu.read_bytes(extent.header_nbytes + first, min(COPY_NBYTES, stop - first))


def raw_hdu(hdu: rustfits.HDU) -> RawHDU:
    """Return an HDU as bytes."""
    extent = hdu.extent
    raw = bytes(hdu.read_bytes(0, extent.header_nbytes))
    cards = [raw[place : place + CARD] for place in range(0, len(raw), CARD)]
    end = next(number for number, card in enumerate(cards) if card[:8] == b"END     ")
    return RawHDU(hdu, cards[:end], extent.data_nbytes)


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


def fill_of(raw: RawHDU) -> bytes:
    """Return what fills the last block of a data unit: blanks of an ASCII table (FITS 4.0, 7.2.3), else zeros."""
    ascii_table = keyword(raw.cards[0]) == "XTENSION" and b"'TABLE " in raw.cards[0]
    return (b" " if ascii_table else b"\0") * (padded(raw.data_nbytes) - raw.data_nbytes)


def stored_bytes(pixels: NDArray[Any]) -> Iterator[NDArray[np.uint8]]:
    """Yield the bytes of pixels as FITS stores them, in pieces; each is overwritten by the next."""
    flat = np.ascontiguousarray(pixels).reshape(-1)
    step = COPY_NBYTES // flat.itemsize
    stored = np.empty(min(step, flat.size), flat.dtype.newbyteorder(">"))
    for start in range(0, flat.size, step):
        piece = flat[start : start + step]
        stored[: piece.size] = piece
        yield stored[: piece.size].view(np.uint8)


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
    place = next(number for number, card in enumerate(found) if keyword(card) == "CHECKSUM")
    found[place] = card_of("CHECKSUM", rustfits.checksum_of(header_bytes(found), datasum), notes[0])
    return found


def checksums_are_right(cards: list[bytes], datasum: int) -> bool:
    """Tell whether both checksums are right for a data unit, or are absent."""
    kept = {keyword(card): card for card in cards}
    if "DATASUM" in kept and not _says(kept["DATASUM"], datasum):
        return False
    return "CHECKSUM" not in kept or rustfits.is_checksum_of(header_bytes(cards), datasum)


def _says(card: bytes, datasum: int) -> bool:
    text = card[10:].split(b"/")[0].strip(b" '")
    return text.isdigit() and int(text) == datasum


def _comment(card: bytes) -> str:
    return card[10:].split(b"/", 1)[1].strip().decode("latin-1") if b"/" in card[10:] else ""
