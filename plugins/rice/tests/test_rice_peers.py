"""RICE_1 against CFITSIO: the bytes of its tiles are ours, and its tiles are read as it reads them."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rustfits.plugin import PixelBatch, TileBatch
from rustfits_rice import Rice1, _kernel
from rustfits_testing.peers import heap_tiles, write_with_cfitsio

USABLE = range(_kernel.best_variant() + 1)
DTYPES = ["u1", "i2", "i4"]
EXTREMES = ["flat", "ends", "ramp", "spikes", "holes", "bits"]


def image(kind, dtype, shape):
    """Pixels of one kind: noise of that width, or something that uses the corners of the format."""
    limits = np.iinfo(dtype)
    rng = np.random.default_rng([ord(letter) for letter in f"{kind}{dtype}{shape}"])
    npixels = int(np.prod(shape))
    if kind == "flat":
        pixels = np.full(npixels, limits.max)
    elif kind == "ends":
        pixels = rng.choice([limits.min, limits.max], npixels)
    elif kind == "ramp":
        pixels = np.arange(npixels) * 37 % limits.max
    elif kind == "spikes":  # long unary codes among short ones, and blocks of zeros
        pixels = np.where(rng.random(npixels) < 0.01, limits.max // 2, (np.arange(npixels) // 300) % 2)
    elif kind == "holes":  # codes that are too long to be taken several at a time, in every block
        sky = rng.normal(min(limits.max // 3, 1000), min(limits.max // 20, 16), npixels)
        pixels = np.where(rng.random(npixels) < 0.05, 0, sky)
    elif kind == "bits":
        pixels = rng.integers(limits.min, limits.max, npixels, endpoint=True)
    else:
        pixels = np.clip(rng.normal(100, float(kind), npixels), limits.min, limits.max)
    return pixels.astype(dtype).reshape(shape)


def tiles_of(pixels, tile):
    return [
        np.ascontiguousarray(pixels[y : y + tile[0], x : x + tile[1]])
        for y in range(0, pixels.shape[0], tile[0])
        for x in range(0, pixels.shape[1], tile[1])
    ]


def encode(codec, tiles):
    shape = np.array([tile.shape for tile in tiles])
    done = codec.encode(PixelBatch(np.concatenate([tile.reshape(-1) for tile in tiles]), shape, np.arange(len(tiles))))
    assert done.data.size == done.length.sum()
    return [bytes(blob) for blob in np.split(done.data, np.cumsum(done.length)[:-1])]


def decode(codec, blobs, shapes, dtype):
    data = np.frombuffer(b"".join(blobs), dtype=np.uint8)
    length = np.array([len(blob) for blob in blobs])
    shape = np.array(shapes)
    out = np.full(int(shape.prod(axis=1).sum()), 77, dtype=dtype)
    codec.decode(TileBatch(data, np.cumsum(length) - length, length, shape, np.arange(len(blobs))), out)
    return [
        part.reshape(size) for part, size in zip(np.split(out, np.cumsum(shape.prod(axis=1))[:-1]), shapes, strict=True)
    ]


def assert_tiles_are_ours(blobs, tiles, codec):
    """Compare, with every kernel, the peer's bytes with those of ``tiles``, and its tiles with ``tiles``."""
    for variant in USABLE:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("rustfits_rice.codec.VARIANT", variant)
            assert encode(codec, tiles) == blobs
            for found, wanted in zip(
                decode(codec, blobs, [tile.shape for tile in tiles], tiles[0].dtype), tiles, strict=True
            ):
                np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("kind", "shape", "tile"),
    [
        ("0.3", (8, 33), (1, 33)),
        ("3", (100, 100), (100, 100)),
        ("20", (61, 83), (16, 32)),
        ("300", (50, 70), (7, 70)),
        ("1e5", (9, 1000), (1, 1000)),
        ("1e9", (9, 1000), (2, 999)),
        *[(kind, (40, 77), (10, 50)) for kind in EXTREMES],
        ("holes", (150, 170), (16, 32)),
        *[("bits", (5, width), (1, width)) for width in (1, 2, 31, 32, 33, 64, 65)],
    ],
)
def test_tiles_equal_those_of_fitsio_byte_for_byte(kind, dtype, shape, tile, tmp_path):
    pytest.importorskip("fitsio", reason="peer not installed: fitsio")
    pytest.importorskip("astropy", reason="peer not installed: astropy")
    pixels = image(kind, dtype, shape)
    write_with_cfitsio(pixels, tmp_path / "peer.fits", compress="RICE", tile_dims=list(tile))
    assert_tiles_are_ours(heap_tiles(tmp_path / "peer.fits"), tiles_of(pixels, tile), Rice1())


@pytest.mark.parametrize("dtype", DTYPES)
def test_tiles_equal_those_of_fpack_byte_for_byte(dtype, tmp_path):
    fits = pytest.importorskip("astropy.io.fits", reason="peer not installed: astropy")
    pixels = image("20", dtype, (45, 101))
    fits.writeto(tmp_path / "plain.fits", pixels)
    try:
        subprocess.run(["fpack", "-r", str(tmp_path / "plain.fits")], check=True)
    except FileNotFoundError:
        pytest.skip("peer not installed: fpack")
    assert_tiles_are_ours(heap_tiles(tmp_path / "plain.fits.fz"), tiles_of(pixels, (1, 101)), Rice1())


@settings(max_examples=150)
@given(st.data())
def test_any_pixels_in_any_blocks_give_the_bytes_of_cfitsio(data):
    codecs = pytest.importorskip("astropy.io.fits.hdu.compressed._codecs", reason="peer not installed: astropy")
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
    # Differences beyond 2**31 in larger blocks are shifted by negative numbers of bits there.
    block = data.draw(st.sampled_from([1, 2, 15, 16, 32, 33, 60] if dtype == "i4" else [1, 16, 32, 33, 64, 65, 200]))
    limits = np.iinfo(dtype)
    width = data.draw(st.sampled_from([0, 1, 3, 8, 12, 20, 31]))
    near = st.integers(max(limits.min, -(2**width)), min(limits.max, 2**width))
    elements = near | st.integers(limits.min, limits.max) if data.draw(st.booleans()) else near
    pixels = data.draw(hnp.arrays(dtype, st.integers(1, 300), elements=elements, fill=near))
    peer = codecs.Rice1(blocksize=block, bytepix=dtype.itemsize, tilesize=pixels.size)
    blob = bytes(peer.encode(pixels.view(f"i{dtype.itemsize}")))
    for ntiles in (5, 18):  # the second are enough for the widest kernel
        assert_tiles_are_ours([blob] * ntiles, [pixels] * ntiles, Rice1(blocksize=block))


@settings(max_examples=100)
@given(st.data())
def test_tiles_of_any_sizes_come_back_together(data):
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
    block = data.draw(st.sampled_from([1, 5, 16, 32, 64, 65, 1000, 2**31 - 1]))
    sizes = data.draw(st.lists(st.integers(1, 200), min_size=1, max_size=50))
    seeds = data.draw(st.lists(st.integers(0, 33), min_size=len(sizes), max_size=len(sizes)))
    rng = np.random.default_rng(0)
    tiles = [rng.integers(-(2**seed), 2**seed, size).astype(dtype) for size, seed in zip(sizes, seeds, strict=True)]
    codec = Rice1(blocksize=block)
    assert_tiles_are_ours(encode(codec, tiles), tiles, codec)
