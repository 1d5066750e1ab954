"""Parameters of RICE_1: what users pass and what headers say."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from rustfits.plugin import InvalidParameter, PixelBatch, TileBatch
from rustfits_rice import Rice1, _kernel
from rustfits_rice.plugin import rustfits_register_codec


def test_the_plugin_offers_the_class():
    assert rustfits_register_codec() is Rice1
    assert Rice1.zcmptype == "RICE_1"


def test_the_defaults_are_those_of_the_format():
    assert repr(Rice1()) == "Rice1(tile_shape=None, heap_format='P', blocksize=32)"
    assert Rice1(blocksize=np.int64(16)) == Rice1(blocksize=16)


def test_a_codec_is_a_value():
    codec = Rice1(tile_shape=[3, 4], blocksize=16)
    assert codec == Rice1(tile_shape=(3, 4), blocksize=16) != Rice1(tile_shape=(3, 4))
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert hash(codec) == hash(Rice1(tile_shape=(3, 4), blocksize=16))
    with pytest.raises(dataclasses.FrozenInstanceError):
        codec.blocksize = 3


@pytest.mark.parametrize(
    ("keywords", "error", "text"),
    [
        ({"blocksize": 0}, ValueError, "blocksize must be > 0"),
        ({"blocksize": -4}, ValueError, "blocksize must be > 0"),
        ({"blocksize": 2**31}, ValueError, "blocksize"),
        ({"blocksize": 32.0}, TypeError, "float"),
        ({"blocksize": "32"}, TypeError, "str"),
        ({"blocksize": None}, TypeError, "NoneType"),
        ({"bytepix": 3}, ValueError, "bytepix"),
    ],
)
def test_wrong_arguments_are_refused(keywords, error, text):
    with pytest.raises(error, match=text):
        Rice1(**keywords)


@pytest.mark.parametrize(
    ("parameters", "blocksize", "bytepix"),
    [
        ({}, 32, 4),
        ({"BLOCKSIZE": 16}, 16, 4),
        ({"BLOCKSIZE": 32, "BYTEPIX": 2}, 32, 2),
        ({"BLOCKSIZE": 32, "BYTEPIX": -4}, 32, 4),
        ({"BLOCKSIZE": 32, "BYTEPIX": -8}, 32, 4),
        ({"BLOCKSIZE": 4, "BYTEPIX": 32}, 32, 4),
        ({"BLOCKSIZE": 32, "NOISEBIT": 4}, 32, 4),
        ({"BLOCKSIZE": 16.0, "BYTEPIX": 2.0}, 16, 2),
    ],
)
def test_headers_of_any_writer_are_understood(parameters, blocksize, bytepix):
    codec = Rice1.from_parameters(parameters, tile_shape=(1, 5), heap_format="Q")
    assert codec == Rice1(tile_shape=(1, 5), heap_format="Q", blocksize=blocksize)
    assert codec.bytepix == bytepix
    assert "bytepix" not in repr(codec)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"BYTEPIX": 8}, "BYTEPIX must be 1, 2 or 4.*got 8"),
        ({"BYTEPIX": 3}, "BYTEPIX"),
        ({"BYTEPIX": 0}, "BYTEPIX"),
        ({"BYTEPIX": 4.5}, "BYTEPIX must be an integer"),
        ({"BYTEPIX": True}, "BYTEPIX must be an integer"),
        ({"BLOCKSIZE": 0}, "BLOCKSIZE"),
        ({"BLOCKSIZE": -32}, "BLOCKSIZE"),
        ({"BLOCKSIZE": 2**31}, "BLOCKSIZE"),
        ({"BLOCKSIZE": "32"}, "BLOCKSIZE must be an integer"),
        ({"BLOCKSIZE": 32.5}, "BLOCKSIZE must be an integer"),
    ],
)
def test_parameters_that_no_stream_can_have_are_refused(parameters, text):
    with pytest.raises(InvalidParameter, match=text):
        Rice1.from_parameters(parameters)


@pytest.mark.parametrize(
    ("bytepix", "pixel", "coded"),
    [
        *[(None, "u1", "u1"), (None, "i2", "i2"), (None, "i4", "i4"), (None, "f4", "i4")],
        *[(4, "i2", "i4"), (2, "u1", "i2"), (4, "f8", "i4")],
        *[(2, "i4", "i4"), (1, "i2", "i2")],
    ],
)
def test_the_coded_integers_are_those_of_bytepix_where_it_is_wider(bytepix, pixel, coded):
    codec = Rice1(bytepix=bytepix, blocksize=16)
    assert codec.decoded_dtype(np.dtype(pixel)) == np.dtype(coded)
    assert list(codec.parameters(np.dtype(pixel)).items()) == [("BLOCKSIZE", 16), ("BYTEPIX", int(coded[1]))]


def test_streams_narrower_than_the_pixels_are_refused():
    batch = TileBatch(np.zeros(9, dtype=np.uint8), np.zeros(1, "i8"), np.full(1, 9), np.full((1, 1), 3), np.zeros(1))
    with pytest.raises(InvalidParameter, match="BYTEPIX must not be less than the 4 bytes"):
        Rice1(bytepix=2).decode(batch, np.empty(3, dtype=np.int32))


def test_no_tiles_are_no_work():
    nothing = np.empty(0, dtype=np.int64)
    tiles = Rice1().encode(PixelBatch(np.empty(0, dtype=np.int32), np.empty((0, 2), dtype=np.int64), nothing))
    assert tiles.data.size == tiles.length.size == 0
    empty = np.empty(0, dtype=np.uint8)
    Rice1().decode(TileBatch(empty, nothing, nothing, np.empty((0, 2), dtype=np.int64), nothing), empty)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"block": 0}, "block"),
        ({"bytepix": 3}, "bytes"),
        ({"variant": -1}, "variants"),
        ({"variant": 99}, "variants"),
        ({"out": np.zeros(13, dtype=np.uint8)[1:]}, "aligned"),
        ({"length": np.zeros(2, dtype=np.int64)}, "lengths"),
    ],
)
def test_the_binding_refuses_what_the_kernel_cannot_take(change, text):
    ones = np.ones(1, dtype=np.int64)
    arguments = {"data": np.zeros(9, dtype=np.uint8), "start": 0 * ones, "length": 9 * ones, "npixels": 3 * ones}
    arguments |= {"block": 32, "out": np.zeros(12, dtype=np.uint8), "bytepix": 4, "variant": 0}
    with pytest.raises(ValueError, match=text):
        _kernel.decode(**(arguments | change))


@pytest.mark.parametrize("npixels", [[4], [2, 2], [-1]])
def test_the_encoder_refuses_tiles_beyond_the_pixels(npixels):
    with pytest.raises(ValueError, match="of 3"):
        _kernel.encode(np.zeros(12, dtype=np.uint8), np.array(npixels), 32, 4, 0)
