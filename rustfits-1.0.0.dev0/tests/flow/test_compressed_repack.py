"""Heaps without holes."""

from __future__ import annotations

import numpy as np
import pytest
from editing import NEXT, assert_same_bits, assert_sound, codec_of, create, images
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits
from rustfits import FITS, Gzip1, NoCompress
from rustfits.heap.segments import segments_of

NOISE = np.random.default_rng(0).integers(-1000, 1000, (60, 50), dtype="i4")


def tables(fits):
    """Return the table of the first compressed image, element counts and offsets of its tiles, and its heap."""
    hdu, raw = fits[1], bytearray(fits.to_bytes())
    layout, start = hdu._state.snapshot.layout, hdu._extent.data_start
    column = hdu._facts.sources[hdu._facts.own_source]
    table = np.frombuffer(raw, layout.row_dtype([column]), layout.nrows, start)
    return table[column.name], bytes(raw[start + layout.heap_start :][: layout.heap_nbytes])


def point(fits, offsets):
    """Return the file with other offsets in the table of its first compressed image."""
    hdu, raw = fits[1], bytearray(fits.to_bytes())
    layout, column = hdu._state.snapshot.layout, hdu._facts.sources[hdu._facts.own_source]
    table = np.frombuffer(raw, layout.row_dtype([column]), layout.nrows, hdu._extent.data_start)
    table[column.name][:, 1] = offsets
    return FITS.from_bytes(raw, "r+")


@settings(max_examples=60)
@given(images(), st.integers(0, 99))
def test_repacking_after_edits_gives_the_bytes_of_writing_at_once(image, seed):
    with FITS("mem://", "w+") as fits, FITS("mem://", "w+") as other:
        hdu, pixels = create(fits, image, seed)
        if not pixels.size:
            return
        for row in range(len(pixels) - 1, -1, -2):
            hdu[row] = pixels[row]
        hdu.repack()
        whole = other.write_image(pixels, compress=codec_of(image[0], tile_shape=image[3], heap_format=image[4]))
        if image[0] != "HCOMPRESS_1":
            start = hdu._extent.data_start, whole._extent.data_start
            nbytes = hdu._extent.data_nbytes
            assert fits.to_bytes()[start[0] :][:nbytes] == other.to_bytes()[start[1] :][:nbytes]
        assert_same_bits(hdu.read(), pixels)
        assert_sound(fits)


def test_a_compact_heap_is_left_alone_and_the_cache_is_cleared(fits):
    hdu = fits.write_image(NOISE, compress="GZIP")
    before = fits.to_bytes()
    hdu.read()
    hdu.repack()
    assert hdu.tile_cache_used == 0
    assert fits.to_bytes() == before


def test_orphans_and_room_go_and_the_file_gets_shorter(fits, monkeypatch):
    monkeypatch.setattr("rustfits.heap.writer.SMALL_HEAP_NBYTES", 0)
    hdu = fits.write_image(NOISE, compress=NoCompress(tile_shape=(7, 20)))
    fits.write_image(NEXT, extname="NEXT")
    for _ in range(5):
        hdu[::9] = 5
        hdu.extend(NOISE[:11])
    nbytes, pixels = len(fits.to_bytes()), hdu.read()
    assert hdu.header["THEAP"] > hdu.header["NAXIS1"] * hdu.header["NAXIS2"]
    hdu.read()
    hdu.repack()
    assert "THEAP" not in hdu.header
    assert hdu.tile_cache_used == 0
    assert hdu.header["PCOUNT"] == pixels.nbytes
    assert len(fits.to_bytes()) < nbytes
    assert_same_bits(hdu.read(), pixels)
    np.testing.assert_array_equal(fits["NEXT"].read(), NEXT)
    cells, _ = tables(fits)
    assert (cells[:, 1] == 4 * (np.cumsum(cells[:, 0]) - cells[:, 0])).all()


@pytest.mark.parametrize("memory", [0, 1 << 26])
@pytest.mark.parametrize("move", [1000, 1 << 22])
@pytest.mark.parametrize("order", ["file", "reversed", "mixed"])
def test_large_heaps_are_repacked_in_pieces(fits, monkeypatch, memory, move, order):
    monkeypatch.setattr("rustfits.heap.segments.MEMORY_NBYTES", memory)
    monkeypatch.setattr("rustfits.heap.segments.MOVE_NBYTES", move)
    hdu = fits.write_image(NOISE, compress=NoCompress())
    fits.write_image(NEXT, extname="NEXT")
    rows = {"file": range(0, 60, 2), "reversed": range(59, -1, -1), "mixed": [5, 3, 40, 41, 2, 59]}[order]
    if order == "file":
        hdu[::2] = 7
        for row in range(60):
            hdu[row] = NOISE[row]
    for row in rows:
        hdu[row] = NOISE[row]
    hdu.repack()
    cells, heap = tables(fits)
    assert cells[:, 1].tolist() == list(range(0, 12000, 200))
    assert heap == NOISE.astype(">i4").tobytes()
    np.testing.assert_array_equal(fits["NEXT"].read(), NEXT)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=15))
def test_every_range_keeps_its_bytes_and_no_byte_is_kept_in_vain(ranges):
    heap = np.arange(100)
    start, length = (np.array([each[axis] for each in ranges], dtype=np.int64) for axis in (0, 1))
    segments = segments_of(start, length)
    pieces = [heap[a : a + n] for a, n in zip(segments.start.tolist(), segments.length.tolist(), strict=True)]
    packed = np.concatenate([heap[:0], *pieces])
    for at, new, nbytes in zip(start.tolist(), segments.moved.tolist(), length.tolist(), strict=True):
        assert packed[new : new + nbytes].tolist() == heap[at : at + nbytes].tolist()
    used = {byte for at, nbytes in ranges for byte in range(at, at + nbytes)}
    assert sorted(packed.tolist()) == sorted(used)


def test_tiles_that_share_bytes_still_share_them(fits):
    hdu = fits.write_image(np.tile(NOISE[:1], (6, 1)), compress=NoCompress())
    with point(fits, [200, 200, 600, 600, 300, 1000]) as other:
        hdu = other[1]
        before = hdu.read()
        hdu.repack()
        assert hdu.header["PCOUNT"] == 300 + 200 + 200
        assert tables(other)[0][:, 1].tolist() == [0, 0, 300, 300, 100, 500]
        assert_same_bits(hdu.read(), before)
        hdu[0, 0] = 5
        assert hdu[1, 0] == before[1, 0]


def test_a_descriptor_outside_the_heap_is_refused(fits):
    fits.write_image(NOISE, compress=NoCompress())
    offsets = tables(fits)[0][:, 1].copy()
    offsets[7] = 11900
    with point(fits, offsets) as other:
        before = other.to_bytes()
        with pytest.raises(rustfits.TileDecodeError, match="table row 8"):
            other[1].repack()
        assert other.to_bytes() == before


def test_an_image_that_was_never_written_or_is_empty_is_left_alone(fits):
    fits.create_image_hdu("i4", (6, 10), compress=Gzip1())
    fits.create_image_hdu("i4", (0, 10), compress=Gzip1())
    before = fits.to_bytes()
    fits[1].repack()
    fits[2].repack()
    assert fits.to_bytes() == before


def test_checksums_of_the_pixels_survive_a_repack_but_no_edit(fits):
    hdu = fits.write_image(NOISE, compress=Gzip1(tile_shape=(9, 9)))
    hdu[3] = 5
    hdu.add_checksum()
    hdu.repack()
    assert hdu.verify_checksum() is True
    hdu[3, 3] = 6
    assert hdu.verify_datasum() is False
    assert "ZDATASUM" in hdu.header
