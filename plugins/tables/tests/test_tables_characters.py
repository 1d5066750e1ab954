"""Numbers of ASCII tables: every form that the standard allows, rounded to the nearest, and written."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schemas import COMPILED, NUMPY

from rustfits_tables import Fault, Field, FieldArray, Kind, Reason
from rustfits_tables.characters import format_column

KERNELS = pytest.mark.parametrize("kernels", [NUMPY, COMPILED], ids=["numpy", "compiled"])
DTYPES = {Kind.INTEGER: "i8", Kind.REAL_32: "f4", Kind.REAL_64: "f8", Kind.NULL_TEXT: "?"}


def read(kernels, texts, kind, **facts):
    width = max(map(len, texts))
    raw = np.frombuffer(b"".join(text.ljust(width) for text in texts), dtype=np.uint8)
    out = np.full(len(texts), 1, dtype=DTYPES[kind])
    faults = kernels.decoder(width, [FieldArray(Field(kind, 0, width, **facts), out)]).decode(raw, 0)
    return out, faults


@KERNELS
@pytest.mark.parametrize(
    ("text", "decimals", "value"),
    [
        (b"   12345", 0, 12345.0),
        (b"12345", 2, 123.45),
        (b"-12345", 5, -0.12345),
        (b"123.45", 4, 123.45),
        (b"12345E3", 2, 123450.0),
        (b"1.5D+02", 7, 150.0),
        (b"1.5-2", 7, 0.015),
        (b"1.5+2", 7, 150.0),
        (b"+.5e1", 0, 5.0),
        (b"5.", 0, 5.0),
        (b"", 3, 0.0),
        (b"-0", 0, -0.0),
        (b"9007199254740993", 0, 9007199254740992.0),
        (b"9007199254740993.0000000000000000001", 0, 9007199254740994.0),
        (b"4.9E-324", 0, 5e-324),
        (b"1E-400", 0, 0.0),
        (b"1.7976931348623157E308", 0, 1.7976931348623157e308),
        (b"2.2250738585072011E-308", 0, 2.2250738585072011e-308),
        (b"0000000000000000000000000000001", 0, 1.0),
    ],
)
def test_a_number_has_many_spellings(kernels, text, decimals, value):
    out, faults = read(kernels, [text or b"  "], Kind.REAL_64, decimals=decimals)
    assert faults == []
    assert out[0] == value
    assert np.signbit(out[0]) == np.signbit(value)


@KERNELS
@pytest.mark.parametrize("text", [b"1 2", b"- 5", b"1,5", b"1_000", b"E5", b".", b"+", b"1E", b"1E+", b"1.2.3", b"0x1"])
def test_what_is_no_number_is_refused_with_its_row(kernels, text):
    for kind in (Kind.REAL_64, Kind.REAL_32, Kind.INTEGER):
        out, faults = read(kernels, [b"1", b"2", text, text], kind)
        assert faults == [Fault(0, Reason.UNREADABLE, 2)]
        assert out[:2].tolist() == [1, 2]


@KERNELS
def test_numbers_beyond_their_type_are_refused(kernels):
    for kind, text in (
        (Kind.REAL_64, b"1E309"),
        (Kind.REAL_32, b"3.5E38"),
        (Kind.INTEGER, b"9223372036854775808"),
        (Kind.INTEGER, b"-9223372036854775809"),
        (Kind.REAL_64, b"1E" + b"9" * 30),
    ):
        assert read(kernels, [b"1", text], kind)[1] == [Fault(0, Reason.RANGE, 1)]
    out, faults = read(
        kernels, [b"9223372036854775807", b"-9223372036854775808", b"000000000000000000000007"], Kind.INTEGER
    )
    assert faults == []
    assert out.tolist() == [2**63 - 1, -(2**63), 7]


@KERNELS
def test_nulls_are_found_without_blanks_around_them_and_read_as_zero(kernels):
    texts = [b" 99 ", b"99", b"199", b"****", b"  ", b"0099"]
    mask, _ = read(kernels, texts, Kind.NULL_TEXT, null_text=b"99")
    assert mask.tolist() == [True, True, False, False, False, False]
    mask, _ = read(kernels, texts, Kind.NULL_TEXT, null_text=b"****")
    assert mask.tolist() == [False, False, False, True, False, False]
    mask, _ = read(kernels, texts, Kind.NULL_TEXT, null_text=b"")
    assert mask.tolist() == [False, False, False, False, True, False]
    out, faults = read(kernels, texts[2:], Kind.REAL_64, null_text=b"****")
    assert faults == []
    assert out.tolist() == [199, 0, 0, 99]


@KERNELS
def test_nan_and_infinity_are_read_as_some_write_them(kernels):
    out, faults = read(kernels, [b"NaN", b"-inf", b"Infinity"], Kind.REAL_64)
    assert faults == []
    assert str(out.tolist()) == "[nan, -inf, inf]"


@settings(deadline=None, max_examples=300)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.integers(0, 19))
def test_doubles_are_rounded_as_python_rounds_them(values, digits):
    texts = [b"%.*E" % (digits, value) for value in values]
    expected = [float(text) for text in texts]
    texts = [text for text, value in zip(texts, expected, strict=True) if np.isfinite(value)] or [b"0"]
    for kernels in (NUMPY, COMPILED):
        out, faults = read(kernels, texts, Kind.REAL_64)
        assert faults == []
        assert out.tolist() == [float(text) for text in texts]


def test_many_doubles_are_rounded_as_python_rounds_them():
    numbers = np.random.default_rng(11)
    bits = numbers.integers(0, 0x7FEF_FFFF_FFFF_FFFF, 100_000, dtype=np.uint64)
    texts = [b"%.17E" % value for value in bits.view("f8")]
    out, faults = read(COMPILED, texts, Kind.REAL_64)
    assert faults == []
    assert (out == bits.view("f8")).all()
    texts = [
        b"%dE%d" % pair
        for pair in zip(numbers.integers(0, 10**18, 50_000), numbers.integers(-320, 285, 50_000), strict=True)
    ]
    assert read(COMPILED, texts, Kind.REAL_64)[0].tolist() == [float(text) for text in texts]


def nearest_single(text):
    """The float of 32 bits that lies nearest, by exact arithmetic."""
    number, near = Fraction(text.decode()), np.float32(float(text))
    around = [np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))]
    return min(around, key=lambda each: (abs(Fraction(float(each)) - number), int(each.view("u4")) & 1))


@settings(deadline=None, max_examples=300)
@given(st.floats(width=32, min_value=0, max_value=2.0**126), st.integers(-2, 2), st.integers(10, 40))
def test_singles_are_rounded_once(value, step, digits):
    # The middle between two singles, and what lies next to it beyond the digits of a double.
    middle = (Fraction(value) + Fraction(float(np.nextafter(np.float32(value), np.float32(np.inf))))) / 2
    scaled = middle * 10**digits
    text = b"%dE-%d" % (int(scaled) + step, digits)
    for kernels in (NUMPY, COMPILED):
        out, faults = read(kernels, [text], Kind.REAL_32)
        assert faults == []
        assert out[0] == nearest_single(text)


@pytest.mark.parametrize(
    ("letter", "width", "decimals", "values", "cells"),
    [
        ("I", 5, 0, np.array([1, -42, 0]), [b"    1", b"  -42", b"    0"]),
        ("F", 7, 2, np.array([1.005, -3.0]), [b"   1.00", b"  -3.00"]),
        ("E", 10, 3, np.array([1e-7, 12345.0], dtype="f4"), [b" 1.000E-07", b" 1.234E+04"]),
        ("D", 10, 2, np.array([1e100, -0.0]), [b" 1.00D+100", b" -0.00D+00"]),
    ],
)
def test_numbers_are_written_in_their_format(letter, width, decimals, values, cells):
    out, fault = format_column(values, letter, width, decimals)
    assert fault is None
    assert [bytes(cell) for cell in out] == cells


def test_numbers_that_do_not_fit_their_format_are_named():
    assert format_column(np.array([1, 2, 12345]), "I", 4, 0)[1] == Fault(0, Reason.RANGE, 2)
    for letter in "FED":
        for number in (np.inf, -np.inf, np.nan):
            assert format_column(np.array([1.0, number]), letter, 9, 2)[1] == Fault(0, Reason.NOT_FINITE, 1)


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_doubles_come_back_from_the_format_they_are_written_in(values):
    out, fault = format_column(np.array(values), "D", 25, 17)
    assert fault is None
    for kernels in (NUMPY, COMPILED):
        back = np.zeros(len(values))
        field = Field(Kind.REAL_64, 0, 25, decimals=17)
        assert kernels.decoder(25, [FieldArray(field, back)]).decode(out, 0) == []
        assert back.tolist() == values
