"""Tile grids: which tiles a section touches, and where their pixels land."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustfits.errors import HeaderError
from rustfits.pixels.sections import full_section, parse_section
from rustfits.tiles.grid import TileGrid


@st.composite
def grids(draw):
    ndim = draw(st.integers(1, 4))
    shape = draw(st.tuples(*[st.integers(1, 12)] * ndim))
    tile = draw(st.tuples(*[st.integers(1, 14)] * ndim))
    return TileGrid(shape, tile)


@st.composite
def keys(draw, shape):
    entries = []
    for size in shape:
        if draw(st.booleans()):
            entries.append(draw(st.integers(-size, size - 1)))
        else:
            bound = st.none() | st.integers(-size - 2, size + 2)
            entries.append(slice(draw(bound), draw(bound), draw(st.none() | st.integers(1, 5))))
    return tuple(entries)


def tiles_of(image, grid):
    """Cut an image the slow way: one array per tile, by table row."""
    tiles = []
    for index in np.ndindex(*grid.ntiles_along):
        where = tuple(slice(i * t, (i + 1) * t) for i, t in zip(index, grid.tile, strict=True))
        tiles.append(image[where])
    return tiles


@settings(max_examples=150)
@given(st.data(), grids(), st.integers(1, 9))
def test_a_section_put_together_from_tiles_is_what_numpy_indexing_gives(data, grid, ntiles):
    image = np.arange(prod(grid.shape)).reshape(grid.shape)
    tiles = tiles_of(image, grid)
    key = data.draw(keys(grid.shape))
    section = parse_section(key, grid.shape)
    out = np.full(section.count, -1)
    rows = []
    for block in grid.select(section):
        for part in block.split(ntiles):
            assert part.ntiles <= ntiles
            pixels = np.concatenate([tiles[row].reshape(-1) for row in part.rows.tolist()])
            direct = part.direct(out)
            if direct is not None:
                direct[...] = pixels
            else:
                part.scatter(pixels, out)
            rows += part.rows.tolist()
    expected = image[key]
    np.testing.assert_array_equal(out.reshape(section.shape), expected)
    assert len(rows) == len(set(rows))
    # Only tiles that hold a selected pixel were needed.
    assert set(rows) == {row for row, tile in enumerate(tiles) if np.isin(tile, expected).any()}


@settings(max_examples=80)
@given(grids(), st.integers(1, 9))
def test_blocks_in_order_name_every_row_once_and_gather_its_pixels(grid, ntiles):
    image = np.arange(prod(grid.shape)).reshape(grid.shape)
    tiles = tiles_of(image, grid)
    rows = []
    for block in grid.in_order():
        for part in block.split(ntiles):
            pixels = np.empty(part.ntiles * part.tile_npixels, dtype=image.dtype)
            part.gather(image, pixels, np.copyto)
            expected = np.concatenate([tiles[row].reshape(-1) for row in part.rows.tolist()])
            np.testing.assert_array_equal(pixels, expected)
            rows += part.rows.tolist()
    assert rows == list(range(grid.ntiles))


@given(grids())
def test_tiles_at_an_edge_are_clipped(grid):
    image = np.zeros(grid.shape)
    shapes = grid.tile_shapes(np.arange(grid.ntiles))
    assert [tuple(shape) for shape in shapes.tolist()] == [tile.shape for tile in tiles_of(image, grid)]


def test_row_tiles_of_a_whole_image_are_one_block_that_lies_in_the_result_as_it_is():
    grid = TileGrid((4000, 300), (1, 300))
    (block,) = grid.select(full_section(grid.shape))
    out = np.zeros(grid.shape)
    assert block.ntiles == 4000
    assert np.shares_memory(block.direct(out), out)


def test_the_number_of_blocks_does_not_grow_with_the_number_of_tiles():
    grid = TileGrid((4001, 4001), (10, 10))
    assert len(grid.select(full_section(grid.shape))) == 4
    assert len(grid.select(parse_section((slice(3, 3990, 3), slice(None, None, 7)), grid.shape))) <= 5 * 9


def test_a_tile_larger_than_the_image_is_clipped_to_it():
    grid = TileGrid((5, 7), (100, 1 << 62))
    assert grid.ntiles == 1
    assert grid.tile_shapes(np.array([0])).tolist() == [[5, 7]]


def test_an_empty_axis_has_no_tiles():
    grid = TileGrid((0, 7), (1, 7))
    assert grid.ntiles == 0
    assert grid.select(full_section(grid.shape)) == []
    assert list(grid.in_order()) == []


@pytest.mark.parametrize(("shape", "tile"), [((4,), (1, 4)), ((), ()), ((4, -1), (1, 1)), ((4, 4), (0, 4))])
def test_numbers_that_make_no_grid_are_refused(shape, tile):
    with pytest.raises(HeaderError):
        TileGrid(shape, tile)
