"""The FITS checksum convention: DATASUM and CHECKSUM (FITS 4.0, section 4.4.2.7 and appendix J)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.storage.base import Storage

Buffer = bytes | bytearray | memoryview | NDArray[Any]

ALL_ONES = 0xFFFFFFFF  # the other zero of ones'-complement numbers: the sum of a whole HDU that is intact
ZEROS = "0" * 16  # CHECKSUM while the sum of its own HDU is taken

_CHUNK_NBYTES = 1 << 18
_WORD = 4
_OFFSET = ord("0")
_PUNCTUATION = frozenset(b":;<=>?@[\\]^_`")  # neither digits nor letters, but within their range


class Datasum:
    """Ones'-complement sum of the big-endian 32-bit words of a stream of bytes.

    The bytes may come in chunks of any length. Those after the last whole word count as if zeros followed, so the
    zeros that fill a data unit may be left out.
    """

    def __init__(self) -> None:
        self._sum = 0
        self._rest = b""

    @property
    def value(self) -> int:
        """The sum of the bytes so far, 0 to 2**32 - 1."""
        return fold(self._sum + int.from_bytes(self._rest.ljust(_WORD, b"\0"), "big"))

    def update(self, data: Buffer) -> None:
        """Add a chunk of bytes: anything with contiguous memory."""
        # numpy takes arrays of any dtype as bytes, which memoryview refuses for big-endian ones.
        chunk = data.reshape(-1).view(np.uint8) if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
        if self._rest:
            missing = _WORD - len(self._rest)
            self._rest += chunk[:missing].tobytes()
            chunk = chunk[missing:]
            if len(self._rest) < _WORD:
                return
            self._sum += int.from_bytes(self._rest, "big")
        nbytes = chunk.size // _WORD * _WORD
        self._rest = chunk[nbytes:].tobytes()
        self._sum = fold(self._sum + _sum_words(chunk[:nbytes]))

    def add(self, value: int) -> None:
        """Add the sum of other bytes, whose place in the stream is a multiple of four."""
        self._sum = fold(self._sum + value)


def datasum(chunks: Iterable[Buffer]) -> int:
    """Return the ones'-complement sum of the bytes of all chunks, which follow each other without a gap."""
    total = Datasum()
    for chunk in chunks:
        total.update(chunk)
    return total.value


def storage_sum(storage: Storage, start: int, stop: int) -> int:
    """Return the sum of the bytes from ``start`` to ``stop`` of a storage, in bounded memory.

    Raises
    ------
    TruncatedFile
        If the storage ends before ``stop``.
    """
    return datasum(_chunks(storage, start, stop))


def fold(total: int) -> int:
    """Return the ones'-complement form of a plain sum of words: carries are added at the other end."""
    while total > ALL_ONES:
        total = (total & ALL_ONES) + (total >> 32)
    return total


def encode(total: int) -> str:
    """Return the 16 characters that make the sum of an HDU vanish (FITS 4.0, appendix J.2).

    Parameters
    ----------
    total : int
        Sum of the HDU with CHECKSUM set to `ZEROS`.

    Returns
    -------
    str
        Letters and digits only.
    """
    word = (ALL_ONES - total).to_bytes(_WORD, "big")
    columns = [_four_characters(byte) for byte in word]
    text = bytes(columns[byte][place] for place in range(4) for byte in range(_WORD))
    # The value starts in the last byte of a 32-bit word of its card, so the text is turned by one character.
    return (text[-1:] + text[:-1]).decode("ascii")


def checksum_of(header: bytes, data: int) -> str:
    """Return the CHECKSUM of an HDU (FITS 4.0, appendix J).

    Parameters
    ----------
    header : bytes
        Whole blocks, with sixteen 0 as the value of CHECKSUM.
    data : int
        DATASUM.
    """
    return encode(fold(datasum([header]) + data))


def is_checksum_of(header: bytes, data: int) -> bool:
    """Tell whether the CHECKSUM in a header is right.

    Parameters
    ----------
    header : bytes
        Whole blocks.
    data : int
        DATASUM of the HDU.
    """
    return fold(datasum([header]) + data) in (0, ALL_ONES)


def parse_datasum(value: object) -> int | None:
    """Return the number in a DATASUM, a decimal string; None if it is malformed."""
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else None


def _four_characters(byte: int) -> list[int]:
    """Split a byte into four characters that add up to it, punctuation avoided pair by pair."""
    quarter, rest = divmod(byte, 4)
    characters = [quarter + rest + _OFFSET, *[quarter + _OFFSET] * 3]
    while _PUNCTUATION.intersection(characters):
        for pair in (0, 2):
            if _PUNCTUATION.intersection(characters[pair : pair + 2]):
                characters[pair] += 1
                characters[pair + 1] -= 1
    return characters


def _sum_words(words: NDArray[np.uint8]) -> int:
    """Return the plain sum of big-endian words."""
    total = 0
    for start in range(0, words.size, _CHUNK_NBYTES):
        chunk = words[start : start + _CHUNK_NBYTES].view(">u4")
        total += int(np.add.reduce(chunk, dtype=np.uint64))
    return total


def _chunks(storage: Storage, start: int, stop: int) -> Iterator[NDArray[np.uint8]]:
    buffer = np.empty(min(stop - start, max(storage.chunk_nbytes, _CHUNK_NBYTES)), dtype=np.uint8)
    while start < stop:
        chunk = buffer[: stop - start]
        storage.read_into(start, chunk)
        yield chunk
        start += chunk.size
