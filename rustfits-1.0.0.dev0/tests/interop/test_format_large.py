"""Compressed images beyond 2 and 4 GiB, in sparse files: only what is written takes room on the disk."""

from __future__ import annotations

import os

import numpy as np
import pytest
from handmade import BLOCK, Table, edited, gzipped, headers, image_cards, ntiles, tiles_of

import rustfits
import rustfits.plugin
from rustfits.storage.memory import MemoryStorage

PIXELS = np.random.default_rng(3).integers(-300, 300, (24, 32), dtype="i4")
TILE = (5, 8)
GIB = 1 << 30


def sparse(path, raw, gap):
    """Write a file whose heap begins ``gap`` bytes later than the header says now; the hole takes no room."""
    start, stop = headers(raw)[1]
    values = {raw[at : at + 8].strip(): raw[at + 10 : at + 80] for at in range(start, stop, 80)}
    table_nbytes, heap_nbytes = int(values[b"NAXIS1"]) * int(values[b"NAXIS2"]), int(values[b"PCOUNT"])
    raw = edited(raw, PCOUNT=gap + heap_nbytes, THEAP=table_nbytes + gap)
    (_, _), (start, stop) = headers(raw)[:2]
    with open(path, "wb") as file:
        file.write(raw[: stop + table_nbytes])
        file.seek(stop + table_nbytes + gap)
        file.write(raw[stop + table_nbytes :][:heap_nbytes])
        file.truncate(stop + -(-(table_nbytes + gap + heap_nbytes) // BLOCK) * BLOCK)
    if os.stat(path).st_blocks * 512 > 50 << 20:
        path.unlink()
        pytest.skip("this file system keeps no sparse files")


def file_of(form="1PB", *, shift=0):
    """Return an image whose descriptors count from ``shift`` bytes before its heap."""
    table = Table({"COMPRESSED_DATA": form}, ntiles(PIXELS.shape, TILE))
    for row, part in enumerate(tiles_of(PIXELS, TILE)):
        table.put("COMPRESSED_DATA", row, gzipped(part))
    cells = [(count, start + shift) for count, start in table.cells["COMPRESSED_DATA"]]
    if form == "1PB":  # the highest of 32 bits counts, as in CFITSIO
        cells = [(count, start - (1 << 32) if start >= 1 << 31 else start) for count, start in cells]
    table.cells["COMPRESSED_DATA"] = cells
    return table.file(image_cards("GZIP_1", 32, PIXELS.shape, TILE))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "large.fits"
    yield path
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("gap", [2 * GIB - 7, 2 * GIB + 1, 4 * GIB + 12345, 9 * GIB])
def test_a_heap_may_begin_beyond_2_and_4_gib(path, gap):
    sparse(path, file_of(), gap)
    assert path.stat().st_size > gap
    with rustfits.FITS(path) as file:
        assert file[1].header["PCOUNT"] > gap
        np.testing.assert_array_equal(file[1].read(), PIXELS)
        np.testing.assert_array_equal(file[1][3:20:2, 9], PIXELS[3:20:2, 9])


def moved(path, raw, shift):
    """Write a file whose heap has a hole of ``shift`` bytes at its start, to which the descriptors must add."""
    sparse(path, raw, shift)
    with open(path, "r+b") as file:
        head = file.read(headers(raw)[1][1])
        file.seek(0)
        file.write(edited(head, THEAP=None))


@pytest.mark.parametrize("shift", [2 * GIB + 5, 4 * GIB + 12345, 9 * GIB])
def test_descriptors_of_64_bits_reach_beyond_2_and_4_gib(path, shift):
    moved(path, file_of("1QB", shift=shift), shift)
    with rustfits.FITS(path) as file:
        assert "THEAP" not in file[1].header
        np.testing.assert_array_equal(file[1].read(), PIXELS)
        assert file[1].compression.heap_format == "Q"


def test_others_read_such_a_file_the_same(path):
    fitsio = pytest.importorskip("fitsio", reason="peer not installed: fitsio")
    moved(path, file_of("1QB", shift=4 * GIB + 99), 4 * GIB + 99)
    np.testing.assert_array_equal(fitsio.read(path, ext=1), PIXELS)


@pytest.mark.parametrize("gap", [2 * GIB + 1, 4 * GIB + 12345])
def test_hdus_behind_2_and_4_gib_are_found_and_added(path, gap):
    sparse(path, file_of(), gap)
    with rustfits.FITS(path, "r+") as file:
        file.write_image(PIXELS, compress="GZIP_2", extname="BEHIND")
        file["BEHIND"].write(PIXELS + 1)
    with rustfits.FITS(path) as file:
        np.testing.assert_array_equal(file["BEHIND"].read(), PIXELS + 1)
        np.testing.assert_array_equal(file[1].read(), PIXELS)


@pytest.mark.parametrize("shift", [2 * GIB - 1000, 2 * GIB + 5, 4 * GIB - 100_000])
def test_descriptors_of_32_bits_reach_up_to_4_gib(path, shift):
    moved(path, file_of("1PB", shift=shift), shift)
    with rustfits.FITS(path) as file:
        np.testing.assert_array_equal(file[1].read(), PIXELS)
        for _ in range(3):  # at first in plain Python, then by compiled kernels
            np.testing.assert_array_equal(file[1][3:9, 5:7], PIXELS[3:9, 5:7])
    fitsio = pytest.importorskip("fitsio", reason="peer not installed: fitsio")
    np.testing.assert_array_equal(fitsio.read(path, ext=1), PIXELS)


def test_a_change_that_would_need_such_a_descriptor_is_refused_and_repack_helps(path):
    moved(path, file_of("1PB", shift=2 * GIB + 5), 2 * GIB + 5)
    nbytes = path.stat().st_size
    with rustfits.FITS(path, "r+") as file:
        for change in (lambda: file[1].__setitem__((0, 0), 5), lambda: file[1].extend(PIXELS)):
            with pytest.raises(rustfits.ImageError, match=r"heap_format='Q'.*repack"):
                change()
        np.testing.assert_array_equal(file[1].read(), PIXELS)
        assert path.stat().st_size == nbytes
        file[1].repack()
        file[1][0, 0] = 5
    assert path.stat().st_size < 1 << 20
    with rustfits.FITS(path) as file:
        assert file[1][0, 0] == 5
        np.testing.assert_array_equal(file[1][1:], PIXELS[1:])


def test_a_descriptor_beyond_the_end_of_a_large_heap_is_damage(path):
    moved(path, file_of("1QB", shift=6 * GIB), 5 * GIB)
    with rustfits.FITS(path) as file, pytest.raises(rustfits.TileDecodeError, match="heap of"):
        file[1].read()


def test_an_image_of_more_than_4_gib_is_opened_and_read_in_parts(path):
    """2000000 x 4096 pixels of which only the first and the last tile were written."""
    shape, tile = (2_000_000, 4096), (1000, 4096)
    pixels = np.arange(4096, dtype="i2")
    table = Table({"COMPRESSED_DATA": "1QB"}, 2000)
    for row in (0, 1999):
        table.put("COMPRESSED_DATA", row, gzipped(np.broadcast_to(pixels + row, (1000, 4096)).astype("i2")))
    path.write_bytes(table.file(image_cards("GZIP_1", 16, shape, tile)))
    with rustfits.FITS(path) as file:
        hdu = file[1]
        assert (hdu.size, hdu.n_tiles) == (8_192_000_000, 2000)
        np.testing.assert_array_equal(hdu[1_999_990:, -3:], [pixels[-3:] + np.int16(1999)] * 10)
        np.testing.assert_array_equal(hdu[0, ::1000], pixels[::1000])
        with pytest.raises(rustfits.TileDecodeError, match=r"table row 1001.*no data"):
            hdu[1_000_000, 0]


class Bulky(rustfits.TileCodec):
    """Turns each tile into a gigabyte and a half that takes no memory."""

    zcmptype = "BULKY"

    def encode(self, batch):
        length = np.full(batch.row.size, 3 * GIB // 2)
        return rustfits.plugin.EncodedTiles(np.broadcast_to(np.uint8(0), int(length.sum())), length)


class TestWriting:
    @pytest.fixture
    def image(self, monkeypatch):
        """What makes an image of tiles that take no memory: they are not copied to where tiles wait to be written."""
        from rustfits.parallel.memory import Shelf

        monkeypatch.setattr(Shelf, "keep", lambda _, data: data)
        return self.large_image

    def large_image(self, heap_format):
        from rustfits.hdu.compressed.cards import compressed_cards
        from rustfits.heap.bintable import TableLayout
        from rustfits.pixels.scaling import Scaling
        from rustfits.tiles.encode import encode_image
        from rustfits.tiles.zimage import CompressedSnapshot, TileTable

        codec = Bulky(tile_shape=(4, 32), heap_format=heap_format)
        table = TileTable(compressed_cards(codec, "i4", PIXELS.shape), codec)
        new = encode_image(CompressedSnapshot(table.cards, table), PIXELS, Scaling(np.dtype("i4")))
        return new, TableLayout.from_cards(new.complete(table.cards))

    def test_descriptors_of_64_bits_reach_as_far_as_the_heap(self, image):
        new, layout = image("Q")
        _, raw = new.writer._rows(MemoryStorage(), 0)
        count, start = raw.view(">i8").reshape(-1, 2).T
        assert start.tolist() == [row * 3 * GIB // 2 for row in range(6)]
        assert (count == 3 * GIB // 2).all()
        assert layout.heap_nbytes == 9 * GIB
        assert layout.nbytes == 9 * GIB + 6 * 16

    def test_a_heap_too_large_for_32_bits_is_refused_and_what_to_do_is_told(self, image):
        with pytest.raises(rustfits.ImageError, match=r"9663676416 bytes.*heap_format='Q'"):
            image("P")

    def test_nothing_is_appended_then(self, monkeypatch):
        from rustfits.limits import MAX_DESCRIPTOR

        monkeypatch.setitem(MAX_DESCRIPTOR, "P", 1000)  # in place of two gigabytes
        with rustfits.FITS("mem://", "w+") as file:
            with pytest.raises(rustfits.ImageError, match="heap_format='Q'"):
                file.write_image(PIXELS, compress=rustfits.Gzip1(tile_shape=TILE, level=0))
            assert len(file) == 0
            file.write_image(PIXELS, compress=rustfits.Gzip1(tile_shape=TILE, level=0, heap_format="Q"))
            np.testing.assert_array_equal(file[1].read(), PIXELS)

    @pytest.mark.parametrize("form", ["P", "Q"])
    def test_writing_anew_gives_back_the_room_of_a_gap(self, path, form):
        path.write_bytes(file_of(f"1{form}B"))
        nbytes = path.stat().st_size
        sparse(path, file_of(f"1{form}B"), 1_000_003)
        with rustfits.FITS(path, "r+") as file:
            file[1].write(PIXELS[::-1])
        assert path.stat().st_size <= nbytes
        with rustfits.FITS(path) as file:
            np.testing.assert_array_equal(file[1].read(), PIXELS[::-1])
            assert "THEAP" not in file[1].header
