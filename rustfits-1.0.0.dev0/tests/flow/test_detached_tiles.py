"""Tiles away from their file: decoded from its bytes alone, and encoded elsewhere to the bytes of one whole write."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from editing import NEXT, codec_of, images, installed, keys, needs_rice, pixels_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import rustfits
from rustfits import FITS, Gzip1, Gzip2, NoCompress, Quantize, TileDecodeError
from rustfits.plugin import ImageTiles, stored_tiles, write_tiles

DATA = Path(__file__).parents[1] / "data"
QUANTISED = [name for name in installed() if name not in ("PLIO_1", "NOCOMPRESS")]


def part_of(raw, stored, rows):
    """Return the part of a file that holds some tiles, and where in the heap that begins."""
    start, length = stored.entries.start[rows], stored.entries.length[rows]
    low, high = int(start.min(initial=0)), int((start + length).max(initial=0))
    low = int(start.min()) if rows.size else low
    return raw[stored.heap_start + low : stored.heap_start + high], low


def decoded(hdu, raw, key, **options):
    """Return a section by the road of those who know header, entries and bytes alone, each through a pickle."""
    stored = stored_tiles(hdu)
    tiles = pickle.loads(pickle.dumps(stored.tiles))
    rows = tiles.rows(key)
    data, at = part_of(raw, stored, rows)
    return tiles.decode(pickle.loads(pickle.dumps(stored.entries.part(rows))), data, key, at=at, **options)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_section_from_bytes_is_that_of_the_file(data):
    if data.draw(st.booleans()):
        name, dtype, shape, tile, heap_format = data.draw(images(QUANTISED))
        dtype, quantize = data.draw(st.sampled_from(["f4", "f8"])), Quantize(seed=3)
    else:
        (name, dtype, shape, tile, heap_format), quantize = data.draw(images()), None
    pixels = pixels_of(name, dtype, shape, data.draw(st.integers(0, 99)))
    with FITS("mem://", "w+") as fits:
        fits.write_image(
            pixels, compress=codec_of(name, tile_shape=tile, heap_format=heap_format), quantize=quantize, extname="A"
        )
        fits.write_image(NEXT, extname="NEXT")
        key, scale = data.draw(keys(shape)), data.draw(st.booleans())
        found = decoded(fits["A"], fits.to_bytes(), key, scale=scale)
        (expected,) = fits["A"].read_many([key], scale=scale)
        assert np.asarray(found).dtype == np.asarray(expected).dtype
        assert np.array_equal(found, expected, equal_nan=dtype[0] == "f")


def compressed_images(path):
    with FITS(path) as fits:
        yield from (hdu for hdu in fits if isinstance(hdu, rustfits.CompressedImageHDU) and hdu.size)


@pytest.mark.parametrize("file", sorted(path.name for path in DATA.glob("*.fits*")))
def test_real_images_from_bytes_are_those_of_the_file(file):
    raw, number = (DATA / file).read_bytes(), 0
    for hdu in compressed_images(DATA / file):
        try:
            expected = hdu.read()
        except rustfits.CodecNotInstalled as error:
            pytest.skip(str(error))
        number += 1
        assert np.array_equal(decoded(hdu, raw, ...), expected, equal_nan=expected.dtype.kind == "f")
        middle = tuple(slice(size // 3, size // 2 + 1) for size in hdu.shape)
        assert np.array_equal(decoded(hdu, raw, middle), expected[middle], equal_nan=expected.dtype.kind == "f")
    if not number:
        pytest.skip("no compressed image in it")


def cut(axes):
    """Return boxes, as starts and stops, of axes of some pixels in tiles of some, of which a box has so many."""
    steps = [[(at, min(at + tile * count, size)) for at in range(0, size, tile * count)] for size, tile, count in axes]
    return [tuple(zip(*box, strict=True)) for box in itertools.product(*steps)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_boxes_encoded_elsewhere_are_the_bytes_of_one_write(data):
    quantize = None
    if data.draw(st.booleans()):
        name, dtype, shape, tile, heap_format = data.draw(images(QUANTISED))
        dtype = data.draw(st.sampled_from(["f4", "f8"]))
        method = data.draw(st.sampled_from(["no_dither", "dither1", "dither2"]))
        quantize = Quantize(level=data.draw(st.sampled_from([4, 16, -0.5])), method=method, seed=7)
    else:
        name, dtype, shape, tile, heap_format = data.draw(images())
    assume(0 not in shape)
    codec = codec_of(name, tile_shape=tile, heap_format=heap_format)
    pixels = pixels_of(name, dtype, shape, data.draw(st.integers(0, 99)))
    with FITS("mem://", "w+") as whole, FITS("mem://", "w+") as fits:
        whole.write_image(pixels, compress=codec, quantize=quantize)
        fits.create_image_hdu(dtype, shape, compress=codec, quantize=quantize)
        hdu = fits[-1]
        tiles = pickle.loads(pickle.dumps(ImageTiles(hdu.header.tostring().encode(), codec, quantize)))
        along = [-(-size // max(n, 1)) for size, n in zip(shape, tiles.tile_shape, strict=True)]
        counts = [data.draw(st.integers(-(-n // 3), n)) for n in along]
        boxes = cut(list(zip(shape, tiles.tile_shape, counts, strict=True)))
        encoded = []
        for start, stop in data.draw(st.permutations(boxes)):
            part = pixels[tuple(slice(*ends) for ends in zip(start, stop, strict=True))]
            encoded += pickle.loads(pickle.dumps(tiles.encode(part, start)))
        write_tiles(hdu, encoded)
        assert fits.to_bytes() == whole.to_bytes()


@needs_rice
def test_boxes_that_are_written_in_their_order_one_after_the_other_are_one_write():
    pixels = np.random.default_rng(3).normal(50, 9, (60, 80)).astype("f4")
    pixels[20:40, 30:50] = 7  # tiles without noise go to another column
    pixels[3, 4] = np.nan
    codec, quantize = rustfits.Rice1(tile_shape=(10, 20)), Quantize(method="dither2", seed=11)
    with FITS("mem://", "w+") as whole, FITS("mem://", "w+") as fits:
        whole.write_image(pixels, compress=codec, quantize=quantize, extname="SCI")
        with fits.transaction():
            fits.create_image_hdu("f4", pixels.shape, compress=codec, quantize=quantize, extname="SCI")
            hdu = fits["SCI"]
            tiles = ImageTiles(hdu.header.tostring().encode(), codec, quantize)
            for first in range(0, 60, 20):
                band = [tiles.encode(pixels[first : first + 20, x : x + 40], (first, x)) for x in (0, 40)]
                write_tiles(hdu, band[0] + band[1])
        assert fits.to_bytes() == whole.to_bytes()


@pytest.mark.parametrize("nthreads", [1, 2, 7])
def test_the_bytes_of_an_image_do_not_depend_on_the_number_of_threads(shared_out, nthreads):
    pixels = np.random.default_rng(3).normal(50, 9, (64, 80)).astype("f4")
    pixels[::3] = 5  # every third tile has no noise
    shared_out.use(nthreads)
    contents = []
    for rows in (1, nthreads):
        shared_out.use(rows)
        with FITS("mem://", "w+") as fits:
            fits.write_image(pixels, compress=Gzip2(tile_shape=(1, 80)), quantize=Quantize(seed=1))
            contents.append(fits.to_bytes())
    assert contents[0] == contents[1]


def test_the_seed_of_fpack_is_known_from_the_first_tile():
    pixels = np.random.default_rng(3).normal(50, 9, (60, 80)).astype("f4")
    codec, quantize = Gzip2(tile_shape=(10, 20)), Quantize(seed="checksum")
    with FITS("mem://", "w+") as whole, FITS("mem://", "w+") as fits:
        hdu = whole.write_image(pixels, compress=codec, quantize=quantize)
        seed = ImageTiles(hdu.header.tostring().encode()).checksum_seed(pixels[:10, :20])
        assert seed == hdu.header["ZDITHER0"]
        fits.write_image(pixels, compress=codec, quantize=replace(quantize, seed=seed))
        assert fits.to_bytes() == whole.to_bytes()


class TestRefusals:
    pixels = np.arange(60 * 80, dtype="i4").reshape(60, 80)

    @pytest.fixture
    def hdu(self):
        with FITS("mem://", "w+") as fits:
            yield fits.write_image(self.pixels, compress=Gzip1(tile_shape=(10, 20)))

    @pytest.fixture
    def stored(self, hdu):
        return stored_tiles(hdu)

    def heap(self, hdu, stored):
        return hdu._file.content()[stored.heap_start :]

    @pytest.mark.parametrize("start", [(1, 0), (0, 10), (60, 0), (-10, 0)])
    def test_boxes_begin_between_tiles(self, stored, start):
        with pytest.raises(rustfits.ImageError, match="between tiles of"):
            stored.tiles.encode(self.pixels[:10, :20], start)

    @pytest.mark.parametrize("shape", [(5, 20), (10, 19), (70, 20)])
    def test_boxes_end_between_tiles(self, stored, shape):
        with pytest.raises(rustfits.ImageError, match="between tiles of"):
            stored.tiles.encode(np.zeros(shape, "i4"))

    def test_boxes_have_the_axes_of_the_image(self, stored):
        with pytest.raises(rustfits.ImageError, match=r"a box of shape \(20,\)"):
            stored.tiles.encode(np.zeros(20, "i4"))

    def test_a_tile_without_entry_is_named(self, hdu, stored):
        with pytest.raises(rustfits.ImageError, match="no entry for the tile of table row 3"):
            stored.tiles.decode(stored.entries.part(slice(0, 2)), self.heap(hdu, stored), np.s_[:10])

    @pytest.mark.parametrize("nbytes", [0, 40])
    def test_bytes_that_end_early(self, hdu, stored, nbytes):
        with pytest.raises(rustfits.TruncatedFile, match="part of the heap"):
            stored.tiles.decode(stored.entries, self.heap(hdu, stored)[:nbytes])

    def test_bytes_that_begin_late(self, hdu, stored):
        with pytest.raises(rustfits.TruncatedFile, match="part of the heap"):
            stored.tiles.decode(stored.entries, self.heap(hdu, stored)[8:], at=8)

    @pytest.mark.parametrize(
        ("field", "value"), [("source", -1), ("source", 3), ("source", 1), ("start", -1), ("length", -1)]
    )
    def test_entries_that_make_no_sense(self, hdu, stored, field, value):
        numbers = getattr(stored.entries, field).copy()
        numbers[2] = value
        with pytest.raises(TileDecodeError, match="row 3"):
            stored.tiles.decode(replace(stored.entries, **{field: numbers}), self.heap(hdu, stored))

    def test_entries_that_are_longer_than_any_file(self, hdu, stored):
        length = stored.entries.length.copy()
        length[2] = np.iinfo(np.int64).max
        with pytest.raises(rustfits.TruncatedFile, match="table row 3"):
            stored.tiles.decode(replace(stored.entries, length=length), self.heap(hdu, stored))

    def test_quantised_tiles_need_their_scales(self):
        with FITS("mem://", "w+") as fits:
            hdu = fits.write_image(np.eye(9, dtype="f4"), compress="GZIP_1", quantize=Quantize())
            stored = stored_tiles(hdu)
            with pytest.raises(rustfits.ImageError, match="ZSCALE"):
                stored.tiles.decode(replace(stored.entries, numbers=None), self.heap(hdu, stored))

    def test_a_header_of_no_compressed_image(self):
        with FITS("mem://", "w+") as fits, pytest.raises(rustfits.HeaderError):
            ImageTiles(fits.write_image(self.pixels).header.tostring().encode())

    def test_tiles_of_a_larger_image(self, stored):
        encoded = stored.tiles.encode(self.pixels[50:, 60:], (50, 60))
        with FITS("mem://", "w+") as fits:
            fits.create_image_hdu("i4", (10, 20), compress=Gzip1(tile_shape=(10, 20)))
            with pytest.raises(rustfits.ImageError, match="not all of this image"):
                write_tiles(fits[-1], encoded)

    def test_tiles_that_were_never_written_are_nowhere(self):
        with FITS("mem://", "w+") as fits:
            fits.create_image_hdu("i4", (10, 20), compress=NoCompress())
            with pytest.raises(TileDecodeError, match="never written"):
                stored_tiles(fits[-1])

    def test_tiles_that_wait_in_a_transaction_are_written_first(self):
        with FITS("mem://", "w+") as fits, fits.transaction():
            fits.create_image_hdu("i4", (10, 20), compress=Gzip1(tile_shape=(5, 20)))
            hdu = fits[-1]
            hdu[...] = np.arange(200, dtype="i4").reshape(10, 20)
            assert stored_tiles(hdu).entries.length.all()

    def test_an_image_that_is_not_compressed_has_no_tiles(self):
        with FITS("mem://", "w+") as fits:
            hdu = fits.write_image(self.pixels)
            for refused in (lambda: stored_tiles(hdu), lambda: write_tiles(hdu, [])):
                with pytest.raises(rustfits.WrongHDUKind, match="no compressed image"):
                    refused()
