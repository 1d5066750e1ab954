"""What the cutter takes from the cache is checked before it is read."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from rustfits_accel._cut import Cutter

SHAPE = (4, 6)


class Cache:
    """A cache of one tile, which is at the pixel ``at`` of ``pixels``, and has ``npixels`` of them, or says so."""

    def __init__(self, pixels, at, npixels):
        self.place = pixels, at, npixels
        self.tiles = {0: None}
        self.capacity = 1 << 20

    def take_one(self, row):
        assert row == 0
        return self.place


def cutter_with(cache):
    new_capsule = ctypes.pythonapi.PyCapsule_New
    new_capsule.restype, new_capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    nothing = ctypes.create_string_buffer(64)  # a decoder that nobody calls: the tile is in the cache
    one = np.ones(1, dtype=np.int64)
    return nothing, Cutter(
        **dict.fromkeys(("numbers", "dithering", "resumer", "read_into")),
        shape=SHAPE,
        tile=SHAPE,
        stride=(1, 1),
        max_ntiles=1,
        dtype=np.dtype("i4"),
        good=np.ones(1, dtype=np.uint8),
        start=0 * one,
        length=one,
        npixels=24 * one,
        decoder=new_capsule(ctypes.addressof(nothing), b"rustfits.decoder.1", None),
        prefixes=False,
        place=(-1, 0),
        cache=cache,
        generation=0,
    )


def cut(pixels, at, npixels):
    kept, cutter = cutter_with(Cache(pixels, at, npixels))
    assert kept is not None
    return cutter((slice(1, 4), slice(2, 5)))


def test_a_tile_that_the_cache_has_is_cut():
    pixels = np.arange(30, dtype=np.int32)
    assert np.array_equal(cut(pixels, 6, 24), pixels[6:].reshape(SHAPE)[1:4, 2:5])


@pytest.mark.parametrize(
    ("at", "npixels"), [(7, 24), (6, 25), (-1, 24), (30, 24), (2**62, 24), (-(2**62), 24), (6, 2**62)]
)
def test_a_tile_that_is_longer_than_its_array_is_left_to_the_core(at, npixels):
    assert cut(np.arange(30, dtype=np.int32), at, npixels) is None
