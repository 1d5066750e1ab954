"""The random numbers of dithering, against the generator as the standard words it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustfits.errors import InvalidParameter
from rustfits.quantize import dither


def one_by_one(row, zdither0, npixels):
    """Walk through the table pixel by pixel, as FITS 4.0, section 10.2, tells it."""
    table = dither.random_table()
    seed = (row + zdither0 - 1) % 10000
    entry = int(table[seed] * 500)
    for _ in range(npixels):
        yield table[entry]
        entry += 1
        if entry == 10000:
            seed = (seed + 1) % 10000
            entry = int(table[seed] * 500)


def test_the_table_is_that_of_a_generator_in_double_precision():
    seed, numbers = 1.0, []
    for _ in range(10000):
        product = 16807.0 * seed
        seed = product - 2147483647.0 * int(product / 2147483647.0)
        numbers.append(np.float32(seed / 2147483647.0))
    assert seed == 1043618065
    assert np.array_equal(dither.random_table(), np.array(numbers))


def test_the_table_begins_as_the_standard_prints_it():
    assert dither.random_table()[:2] == pytest.approx([7.826369e-06, 0.131537795], rel=1e-6)


def test_nobody_can_change_the_table():
    with pytest.raises(ValueError, match="read-only"):
        dither.random_table()[0] = 0.5
    with pytest.raises(ValueError, match="read-only"):
        dither.random_starts()[0] = 5


def test_where_runs_begin_does_not_depend_on_the_precision():
    exact = np.floor(dither.random_table().astype(np.float64) * 500).astype(np.int64)
    assert np.array_equal(dither.random_starts(), exact)


@settings(max_examples=40)
@given(
    row=st.one_of(st.integers(0, 20), st.integers(9980, 10020), st.integers(0, 2**40)),
    zdither0=st.integers(-(2**70), 2**70),
    npixels=st.one_of(st.integers(0, 50), st.integers(9400, 10100), st.integers(18900, 21000)),
)
def test_the_sequence_equals_a_walk_pixel_by_pixel(row, zdither0, npixels):
    walked = np.fromiter(one_by_one(row, zdither0, npixels), dtype=np.float32, count=npixels)
    assert np.array_equal(dither.sequence(row, zdither0, npixels), walked)


def test_the_sequence_goes_on_from_the_last_entry_to_the_first():
    numbers = dither.sequence(9999, 1, 20000)
    first = dither.NRANDOM - dither.random_starts()[9999]
    begin = dither.random_starts()[0]
    assert np.array_equal(numbers[first : first + 100], dither.random_table()[begin : begin + 100])


def test_a_method_has_a_number():
    assert [dither.method_number(method) for method in dither.DITHER_METHODS] == [0, 1, 2]


def test_an_unknown_method_is_refused_by_name():
    with pytest.raises(InvalidParameter, match=r"ZQUANTIZ must be one of.*SUBTRACTIVE_DITHER_1.*got 'TRIANGULAR'"):
        dither.method_number("TRIANGULAR")
