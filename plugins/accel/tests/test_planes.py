"""Gzip members with a block for each byte plane: ordinary gzip to everybody."""

from __future__ import annotations

import gzip
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits
from rustfits.plugin import Kernels
from rustfits_accel import _kernel
from rustfits_accel.kernels import CompiledKernels, checksums

KINDS = ["noise", "sky", "flat", "steps", "rare", "few"]


def tile(seed, itemsize, npixels, kinds):
    random = np.random.default_rng(seed)
    makers = {
        "noise": lambda: random.integers(0, 256, npixels),
        "sky": lambda: random.normal(100, 5, npixels).clip(0, 255),
        "flat": lambda: np.full(npixels, 7),
        "steps": lambda: np.repeat(random.integers(0, 256, npixels), random.integers(1, 300, npixels))[:npixels],
        "rare": lambda: np.where(random.random(npixels) < 0.01, random.integers(0, 256, npixels), 9),
        "few": lambda: random.choice([3, 4, 250], npixels),
    }
    return np.stack([makers[kinds[plane % len(kinds)]]().astype(np.uint8) for plane in range(itemsize)])


def members_of(tiles, nplanes):
    """Return the gzip member of each tile of a batch."""
    nbytes = np.array([each.size for each in tiles], dtype=np.int64)
    data = np.concatenate([each.reshape(-1) for each in tiles])
    out, length, _ = _kernel.gzip_planes(data, nbytes, checksums(data, nbytes), nplanes)
    assert out.size == length.sum()
    return [part.tobytes() for part in np.split(out, np.cumsum(length)[:-1])]


@settings(max_examples=150)
@given(
    seed=st.integers(0, 99),
    itemsize=st.sampled_from([1, 2, 4, 8]),
    npixels=st.one_of(st.integers(1, 3000), st.sampled_from([65534, 65535, 65536, 131071])),
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=8),
)
def test_any_tile_becomes_one_ordinary_gzip_member(seed, itemsize, npixels, kinds):
    pixels = tile(seed, itemsize, npixels, kinds)
    (member,) = members_of([pixels], itemsize)
    assert gzip.decompress(member) == pixels.tobytes()
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert inflater.decompress(member) == pixels.tobytes()
    assert inflater.eof
    assert not inflater.unused_data


def test_every_length_of_a_run_comes_back():
    runs = [np.full(length, length % 251, dtype=np.uint8) for length in [*range(1, 300), 515, 516, 517, 774, 70000]]
    pixels = np.concatenate(runs)
    (member,) = members_of([pixels], 1)
    assert gzip.decompress(member) == pixels.tobytes()
    assert len(member) < pixels.size // 50


def test_codes_as_long_as_the_format_allows_come_back():
    # The counts of Fibonacci make the deepest of trees.
    counts = [1, 1]
    while len(counts) < 22:
        counts.append(counts[-1] + counts[-2])
    pixels = np.repeat(np.arange(22, dtype=np.uint8), counts)
    np.random.default_rng(1).shuffle(pixels)
    (member,) = members_of([pixels[:65000]], 1)
    assert gzip.decompress(member) == pixels[:65000].tobytes()


def test_planes_of_noise_are_stored_and_others_are_not():
    length = {kind: len(members_of([tile(1, 1, 10000, [kind])], 1)[0]) for kind in KINDS}
    assert 10000 < length["noise"] < 10000 + 60
    assert length["sky"] < 6000
    assert length["flat"] < 100
    assert length["rare"] < 1500


def test_a_member_depends_on_its_tile_alone():
    tiles = [tile(seed, 4, 900, [kind, "sky"]) for seed in range(3) for kind in KINDS]
    assert members_of(tiles, 4) == [members_of([each], 4)[0] for each in tiles]


def test_tiles_with_strings_that_come_again_are_told_from_others():
    again = np.tile(np.random.default_rng(2).integers(0, 200, 300, dtype=np.uint8), 80)[:20000]
    others = [tile(seed, 2, 10000, [kind, "sky"]).reshape(-1) for seed in range(4) for kind in KINDS]
    tiles = [others[0], again, *others[1:], again]
    nbytes, data = np.full(len(tiles), 20000), np.concatenate(tiles)
    flags = _kernel.gzip_planes(data, nbytes, checksums(data, nbytes), 2)[2]
    assert np.flatnonzero(flags).tolist() == [1, len(tiles) - 1]
    kernels = CompiledKernels()
    found = kernels.deflate_planes(data, nbytes, 2, None)
    alone = [kernels.deflate_planes(each, nbytes[:1], 2, None).data.tobytes() for each in tiles]
    assert found.data.tobytes() == b"".join(alone)
    assert found.length.tolist() == [len(member) for member in alone]
    assert len(alone[1]) < 2000
    assert b"".join(map(gzip.decompress, alone)) == data.tobytes()


def test_members_are_smaller_than_those_of_level_6():
    pixels = np.random.default_rng(8).normal(1000, 16, 10000).astype(">f4").view(np.uint8).reshape(-1, 4).T
    (member,) = members_of([np.ascontiguousarray(pixels)], 4)
    assert len(member) < len(zlib.compress(pixels.tobytes(), 6, wbits=31))


@pytest.mark.parametrize(("nbytes", "nplanes"), [([6], 4), ([16], 4), ([4, 4], 0), ([-8, 16], 8), ([8, 8], 4)])
def test_tiles_that_are_not_whole_planes_are_refused(nbytes, nplanes):
    with pytest.raises(ValueError, match=r"does not fit|add up|planes"):
        _kernel.gzip_planes(np.zeros(8, np.uint8), np.array(nbytes), np.zeros(len(nbytes), np.uint32), nplanes)


def test_no_tiles_are_no_members():
    nothing, none = np.empty(0, np.uint8), np.empty(0, np.int64)
    for kernels in (Kernels(), CompiledKernels()):
        for done in (kernels.deflate(nothing, none, None), kernels.deflate_planes(nothing, none, 4, None)):
            assert done.data.size == done.length.size == 0
            assert done.data.dtype == np.uint8
            assert done.length.dtype == np.int64


def test_a_batch_of_tiles_of_several_sizes_comes_back_through_the_kernels_of_the_core():
    nbytes = np.array([40000, 40000, 4096, 2048, 40000])
    data = np.random.default_rng(4).integers(0, 9, int(nbytes.sum()), dtype=np.uint8)
    tiles = CompiledKernels().deflate_planes(data, nbytes, 4, None)
    stops = np.cumsum(tiles.length)
    members = [tiles.data[stop - length : stop].tobytes() for stop, length in zip(stops, tiles.length, strict=True)]
    assert b"".join(gzip.decompress(member) for member in members) == data.tobytes()


@pytest.mark.parametrize("level", [0, 6, 9])
def test_a_level_that_was_asked_for_is_kept_to(level):
    data = np.random.default_rng(5).integers(0, 9, 8000, dtype=np.uint8)
    nbytes = np.array([8000])
    asked = CompiledKernels().deflate_planes(data, nbytes, 2, level)
    assert asked.data.tobytes() == CompiledKernels().deflate(data, nbytes, level).data.tobytes()


@pytest.mark.parametrize("dtype", ["i2", "i4", "f4", "f8"])
def test_fitsio_and_astropy_read_what_was_written_without_a_level(tmp_path, dtype):
    fitsio = pytest.importorskip("fitsio", reason="fitsio is the peer")
    fits = pytest.importorskip("astropy.io.fits", reason="astropy is the peer")
    pixels = np.random.default_rng(7).normal(1000, 16, (130, 170)).astype(dtype)
    path = str(tmp_path / "planes.fits")
    with rustfits.FITS(path, "w+") as file:
        file.write_image(pixels, compress=rustfits.Gzip2(tile_shape=(64, 64)))
    assert np.array_equal(fitsio.read(path, ext=1), pixels)
    with fits.open(path) as file:
        assert np.array_equal(file[1].data, pixels)
    with rustfits.FITS(path) as file:
        assert np.array_equal(file[1].read(), pixels)
