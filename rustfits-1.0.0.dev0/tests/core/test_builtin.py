"""The codecs of the core."""

import gzip
import zlib

import numpy as np
import pytest

from rustfits.codec.builtin import Gzip1, Gzip2, NoCompress
from rustfits.codec.codec import PixelBatch, TileBatch
from rustfits.errors import InvalidParameter, TileDecodeError
from rustfits.testing import CodecConformance


def big_endian(pixels):
    return np.frombuffer(pixels.astype(pixels.dtype.newbyteorder(">")).tobytes(), dtype=np.uint8)


def shuffled(pixels):
    return big_endian(pixels).reshape(-1, pixels.itemsize).T.tobytes()


class TestGzip1(CodecConformance):
    codec = Gzip1(tile_shape=(7, 9), level=3)

    def encode(self, pixels):
        return gzip.compress(big_endian(pixels), 9)


class TestGzip2(CodecConformance):
    codec = Gzip2(heap_format="Q")

    def encode(self, pixels):
        return gzip.compress(shuffled(pixels), 1)


class TestNoCompress(CodecConformance):
    codec = NoCompress()

    def encode(self, pixels):
        return big_endian(pixels).tobytes()


def batch_of_streams(streams, npixels):
    data = np.frombuffer(b"".join(streams), dtype=np.uint8)
    length = np.array([len(stream) for stream in streams], dtype=np.int64)
    rows = np.arange(len(streams), dtype=np.int64)
    return TileBatch(
        data, np.cumsum(length) - length, length, np.full((len(streams), 1), npixels, dtype=np.int64), rows
    )


@pytest.mark.parametrize("codec", [Gzip1(), Gzip2()], ids=lambda codec: codec.zcmptype)
@pytest.mark.parametrize("pixel", ["u1", "i2", "i4", "i8"])
def test_integers_gzipped_at_another_width_are_read(codec, pixel):
    tiles = [np.arange(20, dtype=dtype) for dtype in ("u1", "i2", "i4", pixel)]
    pack = shuffled if codec.shuffled else big_endian
    streams = [gzip.compress(bytes(pack(tile))) for tile in tiles]
    out = np.empty(80, dtype=pixel)
    codec.decode(batch_of_streams(streams, 20), out)
    assert (out.reshape(4, 20) == np.arange(20)).all()


def test_integers_of_another_width_must_fit_the_image():
    streams = [
        gzip.compress(bytes(big_endian(np.array(pixels, dtype=dtype))))
        for pixels, dtype in [
            ([1, 2, 3], "i2"),
            ([1, 2, 40000], "i4"),
            ([4, 5, -6], "i4"),
        ]
    ]
    out = np.empty(9, dtype="i2")
    with pytest.raises(TileDecodeError, match=r"table row 2: decompression .*int32 .*int16"):
        Gzip1().decode(batch_of_streams(streams, 3), out)
    assert out.reshape(3, 3)[[0, 2]].tolist() == [[1, 2, 3], [4, 5, -6]]


@pytest.mark.parametrize("codec", [Gzip1(), Gzip2()], ids=lambda codec: codec.zcmptype)
@pytest.mark.parametrize("pixel", ["f4", "f8"])
def test_floats_gzipped_at_another_width_are_rounded_to_that_of_the_image(codec, pixel):
    tiles = [np.array([1 / 3, -np.inf, np.nan, 1e30], dtype=dtype) for dtype in ("f8", "f4", pixel)]
    pack = shuffled if codec.shuffled else big_endian
    out = np.empty(12, dtype=pixel)
    codec.decode(batch_of_streams([gzip.compress(bytes(pack(tile))) for tile in tiles], 4), out)
    np.testing.assert_array_equal(out, np.concatenate([tile.astype(pixel) for tile in tiles]))


def test_a_stream_that_promises_more_than_the_tile_holds_is_damage_and_costs_no_memory():
    bomb = gzip.compress(bytes(50_000_000))
    with pytest.raises(TileDecodeError, match="decompression"):
        Gzip1().decode(batch_of_streams([bomb], 3), np.empty(3, dtype="i2"))


def test_zlib_streams_and_several_members_are_read():
    raw = bytes(big_endian(np.arange(6, dtype="i2")))
    out = np.empty(12, dtype="i2")
    Gzip1().decode(batch_of_streams([zlib.compress(raw), gzip.compress(raw[:5]) + gzip.compress(raw[5:])], 6), out)
    assert out.tolist() == [0, 1, 2, 3, 4, 5] * 2


def test_gzip_streams_are_one_member_each():
    pixels = np.arange(100, dtype="i4")
    batch = PixelBatch(pixels, np.array([[50], [50]]), np.arange(2))
    encoded = Gzip2().encode(batch)
    first, second = np.split(encoded.data, [int(encoded.length[0])])
    assert gzip.decompress(first.tobytes()) == shuffled(pixels[:50])
    assert gzip.decompress(second.tobytes()) == shuffled(pixels[50:])


def test_the_level_changes_the_effort():
    pixels = np.random.default_rng(1).integers(0, 40, 20_000).astype("i2")
    batch = PixelBatch(pixels, np.array([[20_000]]), np.arange(1))
    sizes = [Gzip1(level=level).encode(batch).data.size for level in (0, 1, 9)]
    assert sizes[0] > pixels.nbytes > sizes[1] > sizes[2]
    assert Gzip1().encode(batch).data.size == Gzip1(level=6).encode(batch).data.size


@pytest.mark.parametrize("cls", [Gzip1, Gzip2])
def test_levels_are_0_to_9(cls):
    assert cls().level is None
    assert cls(level=np.int64(9)) == cls(level=9)
    assert repr(cls(level=np.int64(9))).endswith("level=9)")
    with pytest.raises(InvalidParameter, match=r"0\.\.=9"):
        cls(level=10)
    with pytest.raises(OverflowError):
        cls(level=-1)
    for level in ("6", 6.0, np.float64(6), True):
        with pytest.raises(TypeError, match="level"):
            cls(level=level)


def test_gzip_1_and_gzip_2_are_different_codecs():
    assert Gzip1() != Gzip2()
    assert Gzip1(level=1) != Gzip1(level=2)
    assert (Gzip1().zcmptype, Gzip2().zcmptype, NoCompress().zcmptype) == ("GZIP_1", "GZIP_2", "NOCOMPRESS")


def test_reprs_are_as_documented():
    assert (
        repr(Gzip1(tile_shape=(3, 4), heap_format="Q", level=9)) == "Gzip1(tile_shape=[3, 4], heap_format='Q', level=9)"
    )
    assert repr(Gzip2()) == "Gzip2(tile_shape=None, heap_format='P', level=None)"
