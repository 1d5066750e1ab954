"""Headers of new images."""

import numpy as np
import pytest

from rustfits.errors import ImageError, PixelOverflow
from rustfits.hdu.image.cards import empty_primary_cards, image_cards


def listed(cards):
    text = cards.encode().decode("ascii")
    lines = [text[start : start + 80] for start in range(0, len(text), 80)]
    lines = lines[: lines.index("END".ljust(80))]
    return [(line[:8].strip(), line[10:].split("/")[0].strip()) for line in lines]


def test_a_primary_header_has_its_cards_in_order():
    assert listed(image_cards("u2", (3, 4), primary=True, extname="SCI", extver=2, blank=65535)) == [
        ("SIMPLE", "T"),
        ("BITPIX", "16"),
        ("NAXIS", "2"),
        ("NAXIS1", "4"),
        ("NAXIS2", "3"),
        ("EXTEND", "T"),
        ("BSCALE", "1"),
        ("BZERO", "32768"),
        ("BLANK", "32767"),
        ("EXTNAME", "'SCI     '"),
        ("EXTVER", "2"),
    ]


def test_an_extension_header_has_its_cards_in_order():
    assert listed(image_cards(">u8", [0, 4], primary=False, extname="SCI", extver=2, blank=0)) == [
        ("XTENSION", "'IMAGE   '"),
        ("BITPIX", "64"),
        ("NAXIS", "2"),
        ("NAXIS1", "4"),
        ("NAXIS2", "0"),
        ("PCOUNT", "0"),
        ("GCOUNT", "1"),
        ("EXTNAME", "'SCI     '"),
        ("EXTVER", "2"),
        ("BSCALE", "1"),
        ("BZERO", "9223372036854775808"),
        ("BLANK", "-9223372036854775808"),
    ]


def test_images_of_plain_pixels_have_no_scaling():
    for dtype, bitpix in [("u1", 8), ("i2", 16), ("i4", 32), ("i8", 64), ("f4", -32), ("f8", -64)]:
        entries = listed(image_cards(dtype, (), primary=False))
        assert entries[1:] == [("BITPIX", str(bitpix)), ("NAXIS", "0"), ("PCOUNT", "0"), ("GCOUNT", "1")]


def test_the_empty_primary_has_no_data():
    assert listed(empty_primary_cards()) == [("SIMPLE", "T"), ("BITPIX", "8"), ("NAXIS", "0"), ("EXTEND", "T")]


@pytest.mark.parametrize("dtype", ["?", "f2", "c8", "S4", "i4,i4", object])
def test_other_pixels_are_refused(dtype):
    with pytest.raises(ImageError, match="unsupported numpy dtype"):
        image_cards(dtype, (3,), primary=True)


@pytest.mark.parametrize(
    ("dims", "kind", "match"),
    [
        ((-1, 2), ImageError, "dimension 0 must be >= 0"),
        ((2, 0), ImageError, "dimension 1 must be > 0"),
        ((2, 3, -4), ImageError, "dimension 2 must be > 0"),
        (4, TypeError, "sequence"),
        ("44", TypeError, "sequence"),
        ((4.0,), TypeError, None),
        ((1,) * 1000, ImageError, "999 axes"),
        ((2**40, 2**40), ImageError, "too large"),
    ],
)
def test_shapes_that_no_image_has_are_refused(dims, kind, match):
    with pytest.raises(kind, match=match):
        image_cards("i4", dims, primary=True)


@pytest.mark.parametrize(
    ("dtype", "blank", "kind", "match"),
    [
        ("f4", 1, ImageError, "float"),
        ("u1", 256, ImageError, "range"),
        ("i1", -129, ImageError, "range"),
        ("i2", 2**63, ImageError, "range"),
        ("i8", 2**64, PixelOverflow, "64 bits"),
        ("u8", -(2**63) - 1, OverflowError, "64 bits"),
        ("i2", 1.0, TypeError, "int"),
        ("i2", "1", TypeError, "int"),
        ("i2", True, TypeError, "int"),
    ],
)
def test_a_blank_that_does_not_fit_is_refused(dtype, blank, kind, match):
    with pytest.raises(kind, match=match):
        image_cards(dtype, (3,), primary=True, blank=blank)


@pytest.mark.parametrize(
    ("dtype", "blank", "stored"), [("u2", 65535, 32767), ("i1", -128, 0), ("i1", np.int8(-1), 127)]
)
def test_blank_is_written_as_a_stored_number(dtype, blank, stored):
    assert image_cards(dtype, (3,), primary=True, blank=blank).get("BLANK") == stored


def test_names_must_be_what_they_are_called():
    for names in ({"extname": 1}, {"extname": b"SCI"}, {"extver": 1.0}, {"extver": "1"}, {"extver": True}):
        with pytest.raises(TypeError):
            image_cards("i2", (3,), primary=True, **names)
    with pytest.raises(ValueError, match=r".+"):
        image_cards("i2", (3,), primary=True, extname="naïve")


def test_a_long_name_is_continued():
    name = "N" * 200
    assert image_cards("i2", (3,), primary=True, extname=name).get("EXTNAME") == name
