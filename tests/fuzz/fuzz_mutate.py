"""Changes that a FITS file may suffer, by its structure: a digit, a card, a descriptor, a byte of a stream, its end."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import random
from collections.abc import Callable

CARD, BLOCK = 80, 2880
SMALL = (0, 1, -1, 2, 3, 7, 255, 65535, 65536, 10**6)
NUMBERS = (*SMALL, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64, -(2**31), 10**25)
# Sizes come from these.
SIZES = tuple(b"NAXIS ZNAXIS ZTILE PCOUNT GCOUNT THEAP TFIELDS ZVAL BITPIX ZBITPIX TFORM ZFORM TBCOL TDIM".split())
CODECS = ("'RICE_1'", "'GZIP_2'", "'HCOMPRESS_1'", "'PLIO_1'")
TEXTS = (*CODECS, "'1PB(9)'", "'1QB'", "'0J'", "'999999999J'", "'T'", "''", "T", "NaN", "1E400", "'\x1b[31m'")


def _cards(raw: bytes) -> list[int]:
    """Return where the cards of all headers stand, as far as blocks of cards can be told from data."""
    found: list[int] = []
    for start in range(0, len(raw) - BLOCK + 1, BLOCK):
        block = raw[start : start + BLOCK]
        if block.isascii() and block[8:9] in b"= " and (found or block[:8].strip().isalnum()):
            found += range(start, start + BLOCK, CARD)
    return found or [0]


def _blocks_of_data(raw: bytes) -> tuple[int, int]:
    """Return a range of bytes behind the last header."""
    cards = _cards(raw)
    return min(cards[-1] + CARD, len(raw) - 1), len(raw)


def digit(raw: bytearray, rng: random.Random) -> None:
    """Change one digit of a header."""
    at = rng.choice(_cards(raw))
    places = [place for place in range(at + 8, min(at + CARD, len(raw))) if chr(raw[place]).isdigit()]
    if places:
        raw[rng.choice(places)] = ord(rng.choice("0123456789"))


def value(raw: bytearray, rng: random.Random) -> None:
    """Give a card another value, most often a number at some edge."""
    at = rng.choice(_cards(raw))
    text = str(rng.choice(NUMBERS)) if rng.random() < 0.8 else rng.choice(TEXTS)
    raw[at + 8 : at + CARD] = f"= {text:>20}".ljust(72)[:72].encode("latin-1")


def size(raw: bytearray, rng: random.Random) -> None:
    """Change a card that sizes come from."""
    places = [at for at in _cards(raw) if raw[at : at + 8].startswith(SIZES)]
    if places:
        at = rng.choice(places)
        number = rng.choice(NUMBERS) if rng.random() < 0.6 else rng.randrange(0, 10 ** rng.randrange(1, 12))
        raw[at + 8 : at + CARD] = f"= {number:>20}".ljust(72)[:72].encode()


def card(raw: bytearray, rng: random.Random) -> None:
    """Blank a card, double it, or exchange it with another."""
    places = _cards(raw)
    one, other = rng.choice(places), rng.choice(places)
    kept = bytes(raw[one : one + CARD])
    way = rng.randrange(3)
    if way == 0:
        raw[one : one + CARD] = b" " * CARD
    elif way == 1:
        raw[other : other + CARD] = kept
    else:
        raw[one : one + CARD], raw[other : other + CARD] = bytes(raw[other : other + CARD]), kept


def character(raw: bytearray, rng: random.Random) -> None:
    """Change one character of a header."""
    at = rng.choice(_cards(raw)) + rng.randrange(CARD)
    if at < len(raw):
        raw[at] = rng.randrange(256)


def number_in_data(raw: bytearray, rng: random.Random) -> None:
    """Write a number at some edge where a descriptor may stand: the table comes first behind its header."""
    first, stop = _blocks_of_data(raw)
    width = rng.choice((4, 8))
    at = first + width * rng.randrange(max(1, min(200, (stop - first) // width)))
    number = rng.choice(NUMBERS) % (1 << 8 * width)
    raw[at : at + width] = number.to_bytes(width, "big")[: max(0, len(raw) - at)]


def stream(raw: bytearray, rng: random.Random) -> None:
    """Change bytes of the data."""
    first, stop = _blocks_of_data(raw)
    for _ in range(rng.choice((1, 1, 1, 4))):
        raw[rng.randrange(first, stop)] = rng.randrange(256)


def cut(raw: bytearray, rng: random.Random) -> None:
    """Cut the end off."""
    del raw[rng.randrange(len(raw)) :]


def anywhere(raw: bytearray, rng: random.Random) -> None:
    """Flip one bit."""
    raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)


def moved(raw: bytearray, rng: random.Random) -> None:
    """Write some bytes of the file over others of it."""
    length = rng.choice((1, 8, CARD, BLOCK))
    source, target = rng.randrange(len(raw)), rng.randrange(len(raw))
    piece = bytes(raw[source : source + length])
    raw[target : target + len(piece)] = piece


def agreeing(raw: bytearray, rng: random.Random) -> None:
    """Give several cards of sizes one number, so that one does not give the other away."""
    number = rng.choice(NUMBERS) if rng.random() < 0.5 else rng.randrange(0, 10 ** rng.randrange(1, 10))
    for words in rng.sample((b"NAXIS2", b"ZNAXIS1", b"ZNAXIS2", b"ZTILE1", b"ZTILE2", b"NAXIS1", b"PCOUNT"), 3):
        for at in _cards(raw):
            if raw[at : at + 8].rstrip() == words:
                raw[at + 8 : at + CARD] = f"= {number:>20}".ljust(72)[:72].encode()


def inserted(raw: bytearray, rng: random.Random) -> None:
    """Put a card between others: an END, a piece of a long string, another value of a keyword, words for people."""
    at = rng.choice(_cards(raw))
    again = bytes(raw[at : at + 8])
    start = rng.choice((b"END", b"CONTINUE  'and more&'", b"HISTORY   words", again + b"= 7", b"HIERARCH a b = 'c&'"))
    raw[at:at] = start.ljust(CARD)[:CARD] * rng.choice((1, 1, 2, 40))
    if len(raw) % BLOCK:  # what is behind moves by whole blocks, as a header that grows has it
        stop = at + BLOCK - at % BLOCK
        raw[stop:stop] = b" " * (-len(raw) % BLOCK)


def repeated(raw: bytearray, rng: random.Random) -> None:
    """Put whole blocks of the file behind it once more."""
    start = rng.randrange(0, max(1, len(raw) // BLOCK)) * BLOCK
    raw += raw[start : start + BLOCK * rng.randrange(1, 5)]


WAYS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(digit, value, size, size, card, character, number_in_data, number_in_data, stream, stream, cut, anywhere, moved),
    *(agreeing, inserted, repeated),
)


PACKINGS = ((gzip.decompress, gzip.compress), (bz2.decompress, bz2.compress), (lzma.decompress, lzma.compress))


def mutated(raw: bytes, rng: random.Random) -> bytes:
    """Return the file with one to three changes; of one that is compressed as a whole, mostly inside."""
    if not raw.startswith(b"SIMPLE") and rng.random() < 0.7:
        for unpack, pack in PACKINGS:
            with contextlib.suppress(OSError, EOFError, lzma.LZMAError, ValueError):
                return pack(mutated(unpack(raw), rng))
    result = bytearray(raw)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if result:
            rng.choice(WAYS)(result, rng)
    return bytes(result)
