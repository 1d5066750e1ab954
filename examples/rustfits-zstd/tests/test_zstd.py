"""The codec keeps the contract, writes what Zstandard itself reads, and notices damage."""

import numpy as np
import pytest
import zstandard
from rustfits_zstd import Zstd1

import rustfits
from rustfits.testing import CodecConformance

PIXELS = np.random.default_rng(1).normal(1000, 20, (70, 50)).astype("i2")


class TestZstd(CodecConformance):
    codec = Zstd1()


class TestZstdOfAnotherEncoder(CodecConformance):
    codec = Zstd1(level=19, tile_shape=(16, 16))

    def encode(self, pixels):
        return zstandard.ZstdCompressor(1).compress(pixels.astype(pixels.dtype.newbyteorder(">")).tobytes())


def test_a_tile_is_a_frame_of_big_endian_pixels():
    frame = Zstd1().encode_tile(PIXELS)
    assert zstandard.decompress(frame) == PIXELS.astype(">i2").tobytes()


@pytest.mark.parametrize("compress", ["ZSTD_1", Zstd1(level=22, tile_shape=(20, 20))])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "i8", "f4", "f8"])
def test_images_of_every_dtype_come_back(dtype, compress):
    pixels = PIXELS.astype(dtype)
    with rustfits.FITS("mem://", "w+") as fits:
        fits.write_image(pixels, compress=compress)
        content = fits.to_bytes()
    with rustfits.FITS.from_bytes(content) as fits:
        assert fits[1].read().tobytes() == pixels.tobytes()
        assert fits[1][30:40, 3:9].tobytes() == pixels[30:40, 3:9].tobytes()
        assert isinstance(fits[1].compression, Zstd1)


@pytest.mark.parametrize("at", range(5, 60, 5))
def test_a_flipped_bit_is_no_pixel(at):
    frame = bytearray(Zstd1().encode_tile(PIXELS))
    frame[-at] ^= 1
    with pytest.raises((ValueError, zstandard.ZstdError)):
        Zstd1().decode_tile(np.frombuffer(bytes(frame), "u1"), np.empty_like(PIXELS))


@pytest.mark.parametrize("frame", [zstandard.compress(bytes(10)), zstandard.compress(PIXELS.tobytes() * 2), b""])
def test_a_frame_of_another_size_is_refused(frame):
    with pytest.raises((ValueError, zstandard.ZstdError)):
        Zstd1().decode_tile(np.frombuffer(frame, "u1"), np.empty_like(PIXELS))


@pytest.mark.parametrize("level", [0, 23, -1])
def test_levels_are_1_to_22(level):
    with pytest.raises(rustfits.InvalidParameter, match="1 to 22"):
        Zstd1(level=level)
