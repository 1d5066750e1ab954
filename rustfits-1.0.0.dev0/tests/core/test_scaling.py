"""Stored and physical numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rustfits.errors import HeaderError, ImageError, PixelOverflow
from rustfits.header.cards import Cards
from rustfits.pixels.scaling import Scaling, bitpix_dtype, blank_value, dtype_bitpix, fill_masked, stored_form

WHAT = "HDU BITPIX"
CONVENTIONS = {"i1": ("u1", -128), "u2": ("i2", 32768), "u4": ("i4", 2147483648), "u8": ("i8", 9223372036854775808)}


def written(scaling, values):
    """Return the stored form of an array, as whoever writes one makes it."""
    scaling.check_dtype(values.dtype, what=WHAT)
    return scaling.convert(values)


def scaling_of(name):
    return Scaling.of_dtype(np.dtype(name))


def test_every_bitpix_has_its_dtype():
    names = {8: "u1", 16: "i2", 32: "i4", 64: "i8", -32: "f4", -64: "f8"}
    assert {bitpix: bitpix_dtype(bitpix) for bitpix in names} == {b: np.dtype(n) for b, n in names.items()}
    assert all(dtype_bitpix(np.dtype(name).newbyteorder(">")) == bitpix for bitpix, name in names.items())
    with pytest.raises(HeaderError, match="BITPIX 24"):
        bitpix_dtype(24)


@pytest.mark.parametrize("name", ["?", "f2", "c8", "S3", "O", "f4,i4", "M8[s]", "(2,)i4", "f16"])
def test_fits_has_no_other_pixels(name):
    with pytest.raises(ImageError, match="unsupported numpy dtype"):
        stored_form(np.dtype(name))


@pytest.mark.parametrize("name", CONVENTIONS)
def test_the_integer_conventions_are_exact_both_ways(name):
    stored, bzero = CONVENTIONS[name]
    scaling = scaling_of(name)
    assert (scaling.stored, scaling.bzero) == (np.dtype(stored), bzero)
    limits = np.iinfo(name)
    values = np.array([limits.min, limits.min + 1, limits.max // 2, limits.max - 1, limits.max], dtype=name)
    inverted = written(scaling, values.astype(values.dtype.newbyteorder(">")))
    assert inverted.dtype == np.dtype(stored)
    assert inverted.tolist() == [int(value) - bzero for value in values.tolist()]
    assert scaling.scaled(inverted.copy()).dtype == np.dtype(name)
    assert (scaling.scaled(inverted.copy()) == values).all()
    assert [int(scaling.invert_scalar(value)) for value in values.tolist()] == inverted.tolist()


@pytest.mark.parametrize("bzero", [9223372036854775808, 9.223372036854775808e18])
def test_bzero_of_unsigned_64_bit_may_be_an_integer_or_a_float(bzero):
    scaling = Scaling.from_cards(Cards.build([("BSCALE", 1.0), ("BZERO", bzero)]), np.dtype("i8"))
    assert scaling.convention
    assert scaling.dtype == np.dtype("u8")
    assert scaling.bzero == 1 << 63
    assert isinstance(scaling.bzero, int)


@pytest.mark.parametrize(
    ("stored", "bscale", "bzero"), [("i2", 1, 32767), ("u1", 1, 128), ("i4", 2, 2147483648), ("f4", 1, 1), ("i8", 1, 5)]
)
def test_every_other_scaling_gives_doubles(stored, bscale, bzero):
    scaling = Scaling.from_cards(Cards.build([("BSCALE", bscale), ("BZERO", bzero)]), np.dtype(stored))
    assert scaling.dtype == np.dtype("f8")
    assert not scaling.convention
    numbers = np.array([0, 1, 100], dtype=stored)
    assert (scaling.scaled(numbers) == numbers.astype("f8") * bscale + bzero).all()


def test_absent_and_undefined_keywords_mean_no_scaling():
    assert Scaling.from_cards(Cards.build([]), np.dtype("i2")).trivial
    undefined = Cards.parse(b"BSCALE  =".ljust(80) + b"BZERO   = / nothing".ljust(80))
    assert Scaling.from_cards(undefined, np.dtype("i2")).trivial
    with pytest.raises(HeaderError, match="BZERO"):
        Scaling.from_cards(Cards.build([("BZERO", "zero")]), np.dtype("i2"))


@pytest.mark.parametrize("bzero", [1e300, float("1e30")])
def test_huge_offsets_are_floats(bzero):
    scaling = Scaling(np.dtype("i2"), 1.0, bzero)
    assert scaling.scaled(np.array([1], dtype="i2")).tolist() == [1 + bzero]


@given(
    hnp.arrays("i4", st.integers(0, 50), elements=st.integers(-(2**31), 2**31 - 1)),
    st.floats(1e-3, 1e3),
    st.floats(-1e6, 1e6),
)
def test_integers_survive_general_scaling(stored, bscale, bzero):
    scaling = Scaling(np.dtype("i4"), bscale, bzero)
    assert (written(scaling, scaling.scaled(stored)) == stored).all()


def test_physical_values_are_rounded_half_to_even():
    scaling = Scaling(np.dtype("i2"), 2.0, 0.0)
    assert written(scaling, np.array([1.0, 3.0, 5.0, -1.0, -3.0])).tolist() == [0, 2, 2, 0, -2]
    assert int(scaling.invert_scalar(3)) == 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_do_not_become_integers(value):
    scaling = Scaling(np.dtype("i2"), 2.0, 0.0)
    for refused in (
        lambda: scaling.check_values(np.array([0.0, value])),
        lambda: written(scaling, np.array([value])),
        lambda: scaling.invert_scalar(value),
    ):
        with pytest.raises(ImageError, match="non-finite"):
            refused()


@pytest.mark.parametrize(("stored", "value"), [("i2", 65536.0), ("i2", -65539.0), ("u1", -2.0), ("i8", 2.0**64)])
def test_values_beyond_the_stored_range_overflow(stored, value):
    scaling = Scaling(np.dtype(stored), 2.0, 0.0)
    with pytest.raises(ImageError, match="overflow"):
        scaling.check_values(np.array([[0.0], [value]])[:, ::-1])
    with pytest.raises(ImageError, match="overflow"):
        scaling.invert_scalar(value)


def test_a_scale_of_zero_is_an_error_and_no_crash():
    with pytest.raises(ImageError, match="non-finite"):
        written(Scaling(np.dtype("i2"), 0.0, 0.0), np.array([1.0]))


def test_floats_are_stored_unchecked():
    scaling = Scaling(np.dtype("f4"), 2.0, 1.0)
    assert np.isnan(written(scaling, np.array([np.nan]))[0])
    assert written(scaling, np.array([1e300])).tolist() == [np.inf]
    assert scaling.invert_scalar(5.0) == np.float32(2.0)
    assert written(scaling, np.array([5], dtype="f4")).tolist() == [5.0], "stored numbers stay"


@pytest.mark.parametrize(
    ("scaling", "accepted"),
    [
        (scaling_of("i2"), {"i2"}),
        (scaling_of("u2"), {"u2", "i2"}),
        (scaling_of("f4"), {"f4"}),
        (Scaling(np.dtype("i2"), 2.0, 0.0), {"i2", "f8"}),
        (Scaling(np.dtype("f4"), 2.0, 0.0), {"f4", "f8"}),
        (Scaling(np.dtype("f8"), 2.0, 0.0), {"f8"}),
    ],
)
def test_only_the_dtypes_of_the_image_may_be_written(scaling, accepted):
    for name in ("u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "?", "c16", "S1"):
        for order in "<>":
            dtype = np.dtype(name).newbyteorder(order)
            if name in accepted:
                scaling.check_dtype(dtype, what=WHAT)
            else:
                with pytest.raises(ImageError, match=r"dtype .* does not match HDU BITPIX"):
                    scaling.check_dtype(dtype, what=WHAT)


def test_a_scalar_must_fit_the_pixels():
    with pytest.raises(PixelOverflow, match="256 is out of range"):
        scaling_of("u1").invert_scalar(256)
    with pytest.raises(OverflowError):
        scaling_of("i1").invert_scalar(np.int64(128))
    with pytest.raises(TypeError, match="float"):
        scaling_of("i4").invert_scalar(1.0)
    with pytest.raises(TypeError, match="float"):
        scaling_of("u4").invert_scalar(np.float32(1))
    with pytest.raises(PixelOverflow, match="an integer of 1329 bits"):
        scaling_of("f4").invert_scalar(10**400)


@pytest.mark.parametrize("value", [True, np.bool_(False), "1", None, 1j, [1], b"1"])
def test_a_pixel_is_a_real_number(value):
    for name in ("i2", "u2", "f4"):
        with pytest.raises(TypeError, match="real number"):
            scaling_of(name).invert_scalar(value)


@pytest.mark.parametrize("value", [3, 3.0, np.int8(3), np.float64(3), np.array(3), np.uint64(3)])
def test_scalars_of_every_real_type_fill_floats(value):
    assert scaling_of("f4").invert_scalar(value) == np.float32(3)


@pytest.mark.parametrize(
    ("value", "blank"),
    [(-5, -5), (32767, 32767), (32768, None), (-32769, None), (1.0, None), ("1", None), (True, None)],
)
def test_blank_is_an_integer_that_can_be_stored(value, blank):
    assert blank_value(Cards.build([("BLANK", value)]), np.dtype("i2")) == blank


def test_blank_is_absent_for_floats_and_the_first_keyword_counts():
    cards = Cards.build([("BLANK", 1), ("ZBLANK", 2)])
    assert blank_value(cards, np.dtype("f4")) is None
    assert blank_value(cards, np.dtype("i2"), ("ZBLANK", "BLANK")) == 2
    assert blank_value(Cards.build([]), np.dtype("i2")) is None


@pytest.mark.parametrize("name", ["u1", "i1", "i2", "u2", "i8", "u8"])
def test_masked_integers_become_blank_in_stored_space(name):
    values = np.ma.MaskedArray(np.array([1, 2, 3], dtype=name), [False, True, False])
    scaling = scaling_of(name)
    filled = fill_masked(values, scaling, 7, what=WHAT)
    assert filled.tolist() == [1 - scaling.bzero, 7, 3 - scaling.bzero]
    with pytest.raises(ImageError, match="BLANK"):
        fill_masked(values, scaling, None, what=WHAT)


def test_what_lies_under_a_mask_does_not_matter():
    scaling = Scaling(np.dtype("i2"), 0.5, 3.0)
    values = np.ma.MaskedArray([np.nan, 4.0, 1e99], [True, False, True])
    assert fill_masked(values, scaling, -1, what=WHAT).tolist() == [-1, 2, -1]


def test_masked_floats_become_nan():
    values = np.ma.MaskedArray(np.array([1, 2], dtype=">f4"), [False, True])
    filled = fill_masked(values, scaling_of("f4"), None, what=WHAT)
    assert filled[0] == 1
    assert np.isnan(filled[1])
    assert values.data.tolist() == [1, 2], "the caller's array stays"


@pytest.mark.parametrize("mask", [np.ma.nomask, [False, False]])
def test_an_array_with_nothing_masked_is_its_data(mask):
    values = np.ma.MaskedArray(np.array([1, 2], dtype="i2"), mask)
    assert type(fill_masked(values, scaling_of("i2"), None, what=WHAT)) is np.ndarray
