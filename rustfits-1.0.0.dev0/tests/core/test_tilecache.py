"""The cache of decoded tiles."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustfits.errors import ParameterOverflow
from rustfits.tiles.cache import TileCache


def add(cache, rows, npixels=10, value=None):
    pixels = np.repeat(np.array(rows if value is None else [value] * len(rows), dtype=np.int16), npixels)
    cache.add(np.array(rows), np.full(len(rows), npixels), pixels, generation=cache.generation)


def rows_in(cache, rows=range(50)):
    return [row for row in rows if cache.find(np.array([row])) is not None]


def test_what_was_added_is_found_with_its_pixels():
    cache = TileCache(1000)
    add(cache, [3, 4, 5])
    found = cache.find(np.array([5, 7, 3]))
    assert found.missing().tolist() == [1]
    tiles = np.zeros(30, dtype=np.int16)
    found.copy_to(tiles, np.full(3, 10))
    assert tiles.tolist() == [5] * 10 + [0] * 10 + [3] * 10
    assert cache.used == 60
    assert cache.find(np.array([8])) is None


def test_neighbours_come_back_as_one_view_and_strangers_do_not():
    cache = TileCache(1000)
    add(cache, [3, 4, 5])
    add(cache, [6])
    sizes = np.full(2, 10)
    assert cache.find(np.array([4, 5])).together(sizes).tolist() == [4] * 10 + [5] * 10
    assert not cache.find(np.array([4, 5])).together(sizes).flags.writeable
    for strangers in ([3, 5], [5, 4], [5, 6], [9, 5]):
        assert cache.find(np.array(strangers)).together(sizes) is None


def test_the_least_recently_used_tiles_go_first():
    cache = TileCache(60)
    add(cache, [1, 2, 3])
    cache.find(np.array([1]))
    add(cache, [4])
    assert rows_in(cache) == [1, 3, 4]
    cache.resize(20)
    assert rows_in(cache) == [4]  # which was looked up last
    assert cache.used == 20


def test_a_tile_larger_than_the_cache_is_not_kept_and_drives_nothing_out():
    cache = TileCache(60)
    add(cache, [1])
    add(cache, [2], npixels=31)
    assert rows_in(cache) == [1]
    assert cache.survivors(np.array([20, 62, 20, 20, 20])).tolist() == [False, False, True, True, True]


def test_no_capacity_means_no_cache():
    cache = TileCache(60)
    add(cache, [1])
    cache.resize(0)
    assert cache.used == 0
    add(cache, [1])
    assert rows_in(cache) == []


def test_tiles_read_before_a_clearing_are_not_kept_after_it():
    cache = TileCache(60)
    generation = cache.generation
    cache.clear()
    cache.add(np.array([1]), np.array([10]), np.zeros(10, dtype=np.int16), generation=generation)
    assert cache.used == 0


def test_the_memory_of_dropped_tiles_is_given_back():
    cache = TileCache(2000)
    for first in range(0, 1000, 10):
        add(cache, list(range(first, first + 10)))
        cache.find(np.array([first]))
    chunks = {id(tile[0]): tile[0].pixels.nbytes for tile in cache._tiles.values()}
    assert cache.used <= 2000
    assert sum(chunks.values()) <= 4000


@pytest.mark.parametrize(
    ("nbytes", "error"), [(-1, ParameterOverflow), (1.5, TypeError), ("1", TypeError), (True, TypeError)]
)
def test_a_capacity_must_be_a_number_of_bytes(nbytes, error):
    with pytest.raises(error):
        TileCache().resize(nbytes)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.integers(0, 20), min_size=1, max_size=6, unique=True)),
        st.tuples(st.just("find"), st.lists(st.integers(0, 20), min_size=1, max_size=6, unique=True)),
        st.tuples(st.just("resize"), st.integers(0, 12)),
    ),
    max_size=30,
)


@settings(max_examples=100)
@given(steps)
def test_it_behaves_like_a_plain_least_recently_used_cache(steps):
    cache, model, capacity = TileCache(160), [], 8
    for kind, argument in steps:
        if kind == "resize":
            cache.resize(argument * 20)
            capacity = argument
        elif kind == "find":
            cache.find(np.array(argument))
            model = [row for row in model if row not in argument] + [row for row in argument if row in model]
        elif len(argument) <= capacity:
            add(cache, argument)
            model = [row for row in model if row not in argument] + argument
        model = model[max(len(model) - capacity, 0) :]
        assert list(cache._tiles) == model
        assert cache.used == 20 * len(model) <= cache.capacity
        assert cache._held <= 2 * cache.capacity  # tiles that were dropped keep no more memory than that alive


def test_threads_may_share_it():
    cache = TileCache(400)

    def work(seed):
        random = np.random.default_rng(seed)
        for _ in range(300):
            rows = random.choice(60, 4, replace=False)
            found = cache.find(rows)
            if found is not None:
                tiles = np.full(40, -1, dtype=np.int16)
                found.copy_to(tiles, np.full(4, 10))
                for row, tile in zip(rows, tiles.reshape(4, 10), strict=True):
                    assert (tile == row).all() or (tile == -1).all()
            add(cache, rows.tolist())
            assert cache.used <= cache.capacity

    crew = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for each in crew:
        each.start()
    for each in crew:
        each.join()
