"""Checksums, from their definition in FITS 4.0, appendix J."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustfits.hdu import checksum
from rustfits.storage.memory import MemoryStorage

words = st.integers(0, 2**32 - 1)


def plain_sum(data):
    """Add 32-bit words one by one, as the standard describes it."""
    total = 0
    for start in range(0, len(data), 4):
        total += int.from_bytes(data[start : start + 4].ljust(4, b"\0"), "big")
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


@given(st.lists(st.binary(max_size=40)))
def test_the_sum_does_not_depend_on_how_the_bytes_come(chunks):
    assert checksum.datasum(chunks) == plain_sum(b"".join(chunks))


def test_long_streams_are_summed_right():
    rng = np.random.default_rng(1)
    data = rng.integers(0, 256, 3_000_001, dtype=np.uint8)
    data[1_000_000:2_000_000] = 255
    assert checksum.datasum([data[:7], data[7:1_500_000], data[1_500_000:]]) == plain_sum(data.tobytes())


def test_arrays_of_any_dtype_count_as_their_bytes():
    pixels = np.arange(-5, 7, dtype=">i2").reshape(3, 4)
    assert checksum.datasum([pixels]) == plain_sum(pixels.tobytes())


def test_a_range_of_a_storage_is_summed():
    data = bytes(range(256)) * 40
    assert checksum.storage_sum(MemoryStorage(data), 80, 8000) == plain_sum(data[80:8000])


def test_the_example_of_the_standard_is_encoded_as_there():
    # FITS 4.0, appendix J.2: the complement of this sum gives the text that is worked out there.
    assert checksum.encode(868229149) == "hcHjjc9ghcEghc9g"


@given(words)
def test_the_text_is_the_complement_of_the_sum_in_letters_and_digits(total):
    text = checksum.encode(total)
    assert len(text) == 16
    assert text.isascii()
    assert text.isalnum()
    # FITS 4.0, appendix J.2: characters count from "0" on, and stand one place to the right.
    assert plain_sum(bytes(ord(character) - ord("0") for character in text[1:] + text[0])) == checksum.ALL_ONES - total


@given(words)
def test_text_in_its_card_makes_the_sum_vanish(total):
    before = f"CHECKSUM= '{checksum.ZEROS}'".ljust(80).encode()
    rest = checksum.fold(total + plain_sum(before))
    after = f"CHECKSUM= '{checksum.encode(rest)}'".ljust(80).encode()
    assert checksum.fold(total + plain_sum(after)) in (0, checksum.ALL_ONES)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("0", 0),
        (" 4294967295 ", 4294967295),
        (17, 17),
        ("-1", None),
        ("1.0", None),
        ("", None),
        (True, None),
        (2.0, None),
    ],
)
def test_datasum_is_a_decimal_string(value, number):
    assert checksum.parse_datasum(value) == number
