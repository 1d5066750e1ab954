"""Chunks are whole tiles, of a sensible size, and none is a sliver."""

from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustfits_arrays.chunks import tile_chunks


@st.composite
def images(draw):
    shape = draw(st.lists(st.integers(1, 5000), min_size=1, max_size=4))
    tile = draw(st.none() | st.tuples(*[st.integers(1, 6000)] * len(shape)))
    return shape, tile


@given(images(), st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 1 << 12, 1 << 20, 32 << 20]))
def test_chunks_are_whole_tiles_that_make_up_the_image(image, itemsize, nbytes):
    shape, tile = image
    chunks = tile_chunks(shape, tile, itemsize, nbytes)
    assert [sum(lengths) for lengths in chunks] == shape
    for axis, lengths in enumerate(chunks):
        assert min(lengths) > 0
        assert len(set(lengths[:-1])) <= 1
        if tile is not None:
            assert all(length % tile[axis] == 0 for length in lengths[:-1])
        assert lengths[0] / 4 <= lengths[-1] <= lengths[0]  # no sliver, and Zarr takes them


@given(images(), st.sampled_from([1, 2, 4, 8]), st.sampled_from([1 << 12, 1 << 20, 32 << 20]))
def test_chunks_are_about_as_large_as_was_asked_for(image, itemsize, nbytes):
    shape, tile = image
    least = prod(shape if tile is None else map(min, tile, shape)) if tile else 1
    largest = prod(max(lengths) for lengths in tile_chunks(shape, tile, itemsize, nbytes)) * itemsize
    # Along each axis a sliver may have come to its neighbour.
    assert largest <= max(nbytes, least * itemsize) * 1.5 ** len(shape) * (2 ** len(shape) if tile else 1)


@pytest.mark.parametrize("tile", [(256, 256), (1, 10_000), (10_000, 1), (100, 3000), None])
def test_chunks_of_a_large_image_have_about_32_mib(tile):
    chunks = tile_chunks((10_000, 10_000), tile, 4)
    assert 16 << 20 <= prod(max(lengths) for lengths in chunks) * 4 <= 64 << 20


def test_an_image_without_pixels_is_one_chunk():
    assert tile_chunks((0, 5), (2, 2), 4) == ((0,), (5,))
