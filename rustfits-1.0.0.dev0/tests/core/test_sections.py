"""What ``hdu[key]`` means, compared with numpy's own indexing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rustfits.errors import ImageError, PixelIndexError
from rustfits.pixels.sections import box_section, full_section, parse_section, shaped


def axis_keys(npixels):
    number = st.integers(-npixels - 2, npixels + 2)
    bound = st.none() | number | number.map(np.int16)
    keys = st.builds(slice, bound, bound, st.none() | st.integers(1, npixels + 3))
    return keys if not npixels else keys | st.integers(-npixels, npixels - 1) | st.just(np.int16(0))


@st.composite
def shapes_and_keys(draw):
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=7))
    named = draw(st.integers(0, len(shape)))
    trailing = draw(st.integers(0, named))
    keys = [draw(axis_keys(npixels)) for npixels in shape[: named - trailing]]
    if trailing or draw(st.booleans()):
        keys += [..., *[draw(axis_keys(npixels)) for npixels in shape[len(shape) - trailing :]]]
    return shape, keys[0] if len(keys) == 1 and draw(st.booleans()) else tuple(keys)


@given(shapes_and_keys())
def test_a_section_selects_what_numpy_selects(case):
    shape, key = case
    image = np.arange(np.prod(shape)).reshape(shape)
    section = parse_section(key, shape)
    expected = image[key]
    assert section.shape == expected.shape
    assert section.npixels == expected.size
    assert section.empty == (expected.size == 0)
    axes = zip(section.start, section.stop, section.step, strict=True)
    selected = image[tuple(slice(start, stop, step) for start, stop, step in axes)]
    assert section.count == selected.shape
    assert (shaped(selected, section) == expected).all()
    assert all(0 <= start <= stop <= size for start, stop, size in zip(section.start, section.stop, shape, strict=True))


def test_a_section_is_scalar_when_integers_name_one_pixel():
    assert parse_section((1, -1), (2, 3)).scalar
    assert parse_section((1, ..., 2), (2, 3)).scalar
    assert not parse_section((1, slice(0, 1)), (2, 3)).scalar


def test_whole_sections_are_equal_however_they_are_asked_for():
    assert parse_section((), (3, 4)) == parse_section(..., (3, 4)) == full_section((3, 4))
    assert parse_section(slice(1, None), (3, 4)) != full_section((3, 4))
    assert box_section((1, 2), (2, 1)).stop == (3, 3)


@pytest.mark.parametrize("key", [[0], np.array([0]), np.array(0), None, 1.0, "0", np.bool_(True), True, (0, False)])
def test_other_kinds_of_index_are_refused(key):
    with pytest.raises(ImageError, match="unsupported index type"):
        parse_section(key, (3, 4))


@pytest.mark.parametrize("step", [-1, 0, -(2**70)])
def test_steps_that_do_not_ascend_are_refused(step):
    with pytest.raises(ImageError, match="negative or zero step"):
        parse_section((0, slice(None, None, step)), (3, 4))


def test_too_many_entries_are_refused():
    with pytest.raises(ImageError, match="2 axes, the index names 3"):
        parse_section((0, 0, 0), (3, 4))
    with pytest.raises(ImageError, match="single ellipsis"):
        parse_section((..., 0, ...), (3, 4))


@pytest.mark.parametrize("index", [3, -4, 10**30])
def test_an_integer_outside_its_axis_is_an_index_error(index):
    with pytest.raises(PixelIndexError, match="axis 0, which has 3 pixels"):
        parse_section(index, (3, 4))
    with pytest.raises(IndexError):
        parse_section(index, (3, 4))


def test_bounds_far_outside_are_clipped():
    assert parse_section(slice(-(10**30), 10**30), (3,)) == full_section((3,))


def test_bounds_must_be_integers():
    with pytest.raises(TypeError):
        parse_section(slice(0.5, 2), (3,))
