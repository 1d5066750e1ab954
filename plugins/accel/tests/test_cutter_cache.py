"""What the cutter takes from the cache is checked before it is read."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from rustfits.plugin import HeapBytes, TiledImage, TileIndex
from rustfits_accel._cut import Cutter

SHAPE = (4, 6)


class Keeper:
    """A cache of one tile, which is at the pixel ``at`` of ``pixels``."""

    worth = add = None  # nobody asks

    def __init__(self, *place):
        self.place = place

    def take(self, rows, nbytes):
        assert rows == [0]
        assert nbytes == 96
        return [self.place]


def cutter_with(keeper):
    new_capsule = ctypes.pythonapi.PyCapsule_New
    new_capsule.restype, new_capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    nothing = ctypes.create_string_buffer(64)  # a decoder that nobody calls: the tile is in the cache
    decoder = new_capsule(ctypes.addressof(nothing), b"rustfits.decoder.1", None)
    image = TiledImage(SHAPE, SHAPE, (1, 1), np.dtype("i4"), None, decoder, resumer=None, prefixes=False, max_ntiles=1)
    one = np.ones(1, dtype=np.int64)
    tiles = TileIndex(np.ones(1, dtype=np.uint8), 0 * one, one, 24 * one, None)
    return nothing, Cutter(image, tiles, HeapBytes(None, -1, 0), keeper, None)


def cut(pixels, at):
    kept, cutter = cutter_with(Keeper(pixels, at, 24))
    assert kept is not None
    return cutter((slice(1, 4), slice(2, 5)))


def test_a_tile_that_the_cache_has_is_cut():
    pixels = np.arange(30, dtype=np.int32)
    assert np.array_equal(cut(pixels, 6), pixels[6:].reshape(SHAPE)[1:4, 2:5])


@pytest.mark.parametrize("at", [7, -1, 30, 2**62, -(2**62)])
def test_a_tile_that_is_longer_than_its_array_is_left_to_the_core(at):
    assert cut(np.arange(30, dtype=np.int32), at) is None
