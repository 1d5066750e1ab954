"""What the base class does for every codec."""

import copy
import pickle
import zlib
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustfits.codec.codec import EncodedTiles, PixelBatch, TileBatch, TileCodec, raise_first_fault
from rustfits.errors import (
    InvalidParameter,
    ParameterOverflow,
    TileDecodeError,
    TileEncodeError,
    UnsupportedPixels,
)


class Plain(TileCodec):
    """As simple as a codec can be."""

    zcmptype: ClassVar[str] = "PLAIN_1"

    effort: int = 3
    fast: bool = False

    def decode_tile(self, data, out):
        if data[0] == 0xFF:
            raise zlib.error("of a library")
        if data[0] == 0xFE:
            raise ValueError
        out.reshape(-1).view(np.uint8)[:] = data

    def encode_tile(self, pixels):
        if pixels.min() < 0:
            raise ValueError("negative pixel")
        return pixels.tobytes()


class Planes(TileCodec):
    """A codec of planes."""

    zcmptype: ClassVar[str] = "PLANES_1"
    tile_ndim: ClassVar[int] = 2
    min_tile_axis: ClassVar[int] = 4
    quantizable: ClassVar[bool] = False
    negative: ClassVar[bool] = False


def batch(*tiles):
    data = np.frombuffer(b"".join(tiles), dtype=np.uint8)
    length = np.array([len(tile) for tile in tiles], dtype=np.int64)
    rows = np.arange(10, 10 + len(tiles))
    return TileBatch(data, np.cumsum(length) - length, length, np.array([(1, 2)] * len(tiles)), rows)


# -- parameters -----------------------------------------------------------------------------------------------------


def test_a_subclass_is_a_frozen_dataclass():
    codec = Plain(effort=5, tile_shape=[2, 3])
    assert (codec.effort, codec.fast, codec.tile_shape, codec.heap_format) == (5, False, (2, 3), "P")
    assert codec == Plain(effort=5, tile_shape=np.array([2, 3]))
    assert {codec: 1}[Plain(effort=5, tile_shape=(2, 3))] == 1
    assert codec != Plain(effort=4, tile_shape=(2, 3))
    assert pickle.loads(pickle.dumps(codec)) == copy.copy(codec) == codec
    for name in ("effort", "zcmptype", "unheard"):
        with pytest.raises(AttributeError):
            setattr(codec, name, 1)
    with pytest.raises(TypeError):
        codec < codec  # noqa: B015
    with pytest.raises(TypeError):
        Plain(5)
    with pytest.raises(TypeError):
        Plain(unheard=5)


def test_the_repr_is_like_the_constructor():
    assert repr(Plain(tile_shape=(3, 4))) == "Plain(tile_shape=[3, 4], heap_format='P', effort=3, fast=False)"
    assert (
        repr(Plain(effort=np.int64(4), fast=np.True_)) == "Plain(tile_shape=None, heap_format='P', effort=4, fast=True)"
    )


@pytest.mark.parametrize("tile_shape", [None, (3,), [3, 4], range(1, 4), np.array([5, 6], dtype=np.uint8)])
def test_a_tile_shape_is_any_sequence_of_positive_ints(tile_shape):
    expected = None if tile_shape is None else tuple(int(axis) for axis in tile_shape)
    assert Plain(tile_shape=tile_shape).tile_shape == expected


@pytest.mark.parametrize("tile_shape", [(), (0,), (3, -1), []])
def test_a_tile_shape_needs_positive_entries(tile_shape):
    with pytest.raises(InvalidParameter, match=r"tile_shape.*positive"):
        Plain(tile_shape=tile_shape)


@pytest.mark.parametrize("tile_shape", [3, 3.0, (3.0,), "34", (axis for axis in (3, 4)), np.array([[3, 4]]), ("3",)])
def test_a_tile_shape_of_another_kind_is_refused(tile_shape):
    with pytest.raises(TypeError):
        Plain(tile_shape=tile_shape)


def test_a_tile_axis_fits_into_64_bits():
    with pytest.raises(ParameterOverflow, match="tile_shape"):
        Plain(tile_shape=(1 << 63,))


def test_the_heap_format_is_p_or_q():
    assert Plain(heap_format="q").heap_format == "Q"
    for wrong in ("R", "", "1P"):
        with pytest.raises(InvalidParameter, match="must be 'P' or 'Q'"):
            Plain(heap_format=wrong)
    for wrong in (None, 1, b"P"):
        with pytest.raises(TypeError, match="heap_format"):
            Plain(heap_format=wrong)


def test_batches_hold_arrays_and_are_compared_by_identity():
    one = batch(b"abcd")
    assert one == one
    assert one != batch(b"abcd")
    assert batch(b"abcd", b"efgh").npixels.tolist() == [2, 2]
    assert PixelBatch(np.zeros(4), np.array([(2, 2)]), np.zeros(1, int)).npixels.tolist() == [4]
    assert EncodedTiles(np.zeros(0, np.uint8), np.zeros(0, int)) is not None


# -- images it holds ------------------------------------------------------------------------------------------------


def test_the_default_tile_is_an_image_row():
    assert Plain().default_tile_shape((7, 8, 9)) == (1, 1, 9)
    assert Plain().default_tile_shape((7, 0)) == (1, 1)


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i1", "u2", "u4"])
def test_integers_of_the_declared_widths_are_accepted(dtype):
    Plain().check_image((5, 5), (1, 5), np.dtype(dtype), quantized=False)


@pytest.mark.parametrize("dtype", ["i8", "u8"])
def test_integers_of_other_widths_are_refused(dtype):
    with pytest.raises(UnsupportedPixels, match="PLAIN_1 cannot hold 64-bit integers"):
        Plain().check_image((5, 5), (1, 5), np.dtype(dtype), quantized=False)


def test_floats_need_to_be_quantised_where_they_are_not_declared():
    Plain().check_image((5, 5), (1, 5), np.dtype("f4"), quantized=True)
    with pytest.raises(InvalidParameter, match=r"unquantized float.*PLAIN_1"):
        Plain().check_image((5, 5), (1, 5), np.dtype("f4"), quantized=False)


@pytest.mark.parametrize("quantized", [False, True])
def test_floats_are_refused_where_they_cannot_be_quantised(quantized):
    with pytest.raises(UnsupportedPixels, match="PLANES_1 cannot hold float"):
        Planes().check_image((50, 50), (10, 50), np.dtype("f8"), quantized=quantized)


@pytest.mark.parametrize("dtype", ["i1", "u2", "u4"])
def test_unsigned_conventions_need_room_for_negative_numbers(dtype):
    with pytest.raises(UnsupportedPixels, match=f"PLANES_1 cannot hold {np.dtype(dtype)}"):
        Planes().check_image((50, 50), (10, 50), np.dtype(dtype), quantized=False)


@pytest.mark.parametrize(
    ("shape", "tile", "message"),
    [
        ((50,), (50,), "2-D"),
        ((50, 50), (3, 50), r"tile_shape\[0\] must have PLANES_1's minimum of 4 pixels; got 3"),
        ((3, 50), (3, 50), "image axis 0 must have PLANES_1's minimum of 4 pixels; got 3"),
        ((50, 100), (16, 100), r"leaves a last tile of 2 pixels.*Try tile_shape\[0\]=17"),
        ((8, 50, 100), (2, 10, 10), "must be 2-D"),
        ((8, 50, 100), (1, 1, 10), r"tile_shape\[1\].*minimum of 4"),
    ],
)
def test_tiles_keep_the_limits_that_the_class_declares(shape, tile, message):
    with pytest.raises(InvalidParameter, match=message):
        Planes().check_image(shape, tile, np.dtype("i2"), quantized=False)


@pytest.mark.parametrize(
    ("shape", "tile"), [((50, 100), (17, 100)), ((4, 4), (4, 4)), ((5, 50, 40), (1, 10, 40)), ((9, 3, 9), (9, 1, 9))]
)
def test_tiles_within_those_limits_are_accepted(shape, tile):
    Planes().check_image(shape, tile, np.dtype("i2"), quantized=False)


# -- the work -------------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(0, 200), min_size=2, max_size=2), min_size=1, max_size=9))
def test_the_two_method_form_works_in_batches(tiles):
    pixels = np.array(tiles, dtype="i2")
    shape, rows = np.array([(1, 2)] * len(tiles)), np.arange(len(tiles))
    encoded = Plain().encode(PixelBatch(pixels.reshape(-1), shape, rows))
    assert encoded.length.tolist() == [4] * len(tiles)
    out = np.empty(pixels.size, dtype="i2")
    Plain().decode(TileBatch(encoded.data, np.arange(len(tiles)) * 4, encoded.length, shape, rows), out)
    assert (out == pixels.reshape(-1)).all()


def test_the_first_damaged_tile_is_named_after_the_others_are_decoded():
    out = np.zeros(8, dtype="i2")
    with pytest.raises(TileDecodeError, match="PLAIN_1: tile in table row 12: of a library") as caught:
        Plain().decode(batch(b"abcd", b"\xff___", b"efgh", b"\xfe___"), out)
    assert isinstance(caught.value.__cause__, zlib.error)
    assert out.tobytes() == b"abcd\0\0\0\0efgh\0\0\0\0"


def test_damage_without_a_word_is_named_by_its_kind():
    with pytest.raises(TileDecodeError, match="table row 11: ValueError"):
        Plain().decode(batch(b"\xfe___"), np.zeros(2, dtype="i2"))


def test_pixels_that_cannot_be_coded_are_named():
    pixels = PixelBatch(np.array([1, 2, 3, -4], dtype="i2"), np.array([(1, 2)] * 2), np.array([6, 7]))
    with pytest.raises(TileEncodeError, match="PLAIN_1: tile in table row 8: negative pixel"):
        Plain().encode(pixels)


def test_a_codec_without_methods_says_so():
    with pytest.raises(NotImplementedError, match="Planes defines neither decode nor decode_tile"):
        Planes().decode(batch(b"abcd"), np.zeros(2, dtype="i2"))
    with pytest.raises(NotImplementedError, match="Planes defines neither encode nor encode_tile"):
        Planes().encode(PixelBatch(np.zeros(2, "i2"), np.array([(1, 2)]), np.array([0])))


def test_faults_of_a_kernel_become_the_error_of_the_first_tile():
    rows = np.array([4, 5, 6])
    raise_first_fault("X_1", rows, np.zeros(3, np.int32), {})
    with pytest.raises(TileDecodeError, match="X_1: tile in table row 6: too short"):
        raise_first_fault("X_1", rows, np.array([0, 2, 1], np.int32), {2: "too short"})
    with pytest.raises(TileDecodeError, match="table row 7: fault 9"):
        raise_first_fault("X_1", rows, np.array([0, 0, 9], np.int32), {})


class TestWhatAnEncoderDoesWrong:
    @pytest.fixture
    def encode(self):
        def encode(outcome):
            class Wrong(Plain):
                def encode_tile(self, pixels):
                    return outcome() if pixels[0] else b"right"

            pixels = np.array([0, 0, 1, 1], "i4")
            return Wrong().encode(PixelBatch(pixels, np.array([[2], [2]]), np.array([4, 5])))

        return encode

    @pytest.mark.parametrize("outcome", [lambda: "text", lambda: None, lambda: {}["missing"]])
    def test_is_told_with_the_row(self, encode, outcome):
        with pytest.raises(TileEncodeError, match="row 6") as caught:
            encode(outcome)
        assert isinstance(caught.value.__cause__, TypeError | KeyError)

    def test_is_not_that_it_returns_any_kind_of_bytes(self, encode):
        tiles = encode(lambda: np.arange(3, dtype="u2").data)
        assert tiles.length.tolist() == [5, 6]
        assert tiles.data.tobytes() == b"right" + np.arange(3, dtype="u2").tobytes()
