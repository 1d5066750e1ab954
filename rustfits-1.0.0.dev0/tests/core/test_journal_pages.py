import zlib

import numpy as np
import pytest

from rustfits.storage.pages import crc_of_pages

DATA = np.random.default_rng(3).integers(0, 256, 100_003, dtype=np.uint8).tobytes()


def test_few_bytes_have_their_own_crc():
    assert crc_of_pages(b"abc", 5) == zlib.crc32(b"abc", 5)


@pytest.mark.parametrize("position", [0, 7, 4095, 4096, 50_000, 98_303, 98_304, 100_002])
def test_any_bit_counts(position):
    found = {crc_of_pages(DATA, 1)}
    for bit in range(8):
        changed = bytearray(DATA)
        changed[position] ^= 1 << bit
        found.add(crc_of_pages(changed, 1))
    assert len(found) == 9


def test_a_page_that_is_lost_or_in_another_place_counts():
    pages = [DATA[start : start + 4096] for start in range(0, len(DATA), 4096)]
    wrong = [[*pages[:number], bytes(4096), *pages[number + 1 :]] for number in range(24)]
    wrong += [[*pages[:number], pages[number + 1], pages[number], *pages[number + 2 :]] for number in range(23)]
    assert crc_of_pages(DATA, 1) not in {crc_of_pages(b"".join(each), 1) for each in wrong}


def test_what_goes_before_counts():
    assert crc_of_pages(DATA, 1) != crc_of_pages(DATA, 2)
