"""Cutouts of an image are the boxes of the image with a border of fill values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_images import image_of, pixels_of

from rustfits.errors import ImageError


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(-20, 40), st.integers(-20, 40)), max_size=6),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_cutouts_are_boxes_of_the_padded_image(centers, shape):
    pixels = pixels_of("f4", (11, 13))
    found = image_of(pixels).cutouts(centers, shape)
    padded = np.pad(pixels, 60, constant_values=np.nan)
    assert found.shape == (len(centers), *shape)
    for part, (row, column) in zip(found, centers, strict=True):
        first = row - shape[0] // 2 + 60, column - shape[1] // 2 + 60
        expected = padded[first[0] : first[0] + shape[0], first[1] : first[1] + shape[1]]
        assert np.array_equal(part, expected, equal_nan=True)


def test_cutouts_of_integers_need_a_fill_value_outside():
    pixels = pixels_of("u2", (9, 9))
    hdu = image_of(pixels)
    assert np.array_equal(hdu.cutouts([(4, 4)], 3)[0], pixels[3:6, 3:6])
    with pytest.raises(ImageError, match="fill_value"):
        hdu.cutouts([(0, 4)], 3)
    found = hdu.cutouts(np.array([(0, 4), (-100, 10**12)]), (3, 3), fill_value=65535)
    assert found[0].tolist() == [[65535] * 3, *pixels[0:2, 3:6].tolist()]
    assert (found[1] == 65535).all()
    for fill_value, kind in [
        (65536, ImageError),
        (-1, ImageError),
        (0.5, ImageError),
        (np.nan, ImageError),
        ("0", TypeError),
    ]:
        with pytest.raises(kind):
            hdu.cutouts([(4, 4)], 3, fill_value=fill_value)


def test_fractional_centers_take_the_nearest_box():
    pixels = pixels_of("i4", (20, 20))
    hdu = image_of(pixels)
    assert np.array_equal(hdu.cutouts([(5.4, 5.6)], 3)[0], pixels[4:7, 5:8])
    assert np.array_equal(hdu.cutouts([(5.5, 5.5)], 4)[0], pixels[4:8, 4:8])


@pytest.mark.parametrize(
    ("centers", "shape", "kind"),
    [
        ([(1, 2, 3)], 3, ImageError),
        ([1, 2], 3, ImageError),
        ([(1, 2)], (3, 3, 3), ImageError),
        ([(1, 2)], 0, ImageError),
        ([(1, 2)], 2.5, TypeError),
        ([(1, 2)], 1 << 40, ImageError),
        ([(1, 2)], (1 << 70, 1), ImageError),
        ([(np.nan, 2)], 3, ImageError),
        ([("a", "b")], 3, TypeError),
        ([(1j, 2)], 3, TypeError),
    ],
)
def test_cutouts_that_make_no_sense_are_refused(centers, shape, kind):
    with pytest.raises(kind):
        image_of(pixels_of("f4", (9, 9))).cutouts(centers, shape)
