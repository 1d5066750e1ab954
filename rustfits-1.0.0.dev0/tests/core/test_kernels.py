"""The kernels of the core: gzip streams that may be damaged, byte shuffles, dequantising as CFITSIO does it."""

import contextlib
import gzip
import itertools
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustfits.codec import choice
from rustfits.codec.batch import QuantizedTiles, TileBatch
from rustfits.codec.kernels import Kernels
from rustfits.errors import InvalidParameter, TileDecodeError
from rustfits.quantize.dither import DITHER_METHODS, Dither, sequence


def batch_of(streams):
    """Return streams as a batch of one-axis tiles in the table rows 10, 11, ..."""
    length = np.array([len(stream) for stream in streams], dtype=np.int64)
    ntiles = len(streams)
    return TileBatch(
        np.frombuffer(b"".join(streams), dtype=np.uint8),
        np.cumsum(length) - length,
        length,
        np.ones((ntiles, 1), dtype=np.int64),
        np.arange(10, 10 + ntiles),
    )


def inflate(streams, nbytes):
    """Inflate streams and return what each gave."""
    sizes = np.array(nbytes, dtype=np.int64)
    out = np.zeros(sizes.sum(), dtype=np.uint8)
    try:
        Kernels().inflate("GZIP_1", batch_of(streams), sizes, out)
    finally:
        inflate.out = np.split(out, np.cumsum(sizes)[:-1])
    return [part.tobytes() for part in inflate.out]


TEXT = bytes(range(256)) * 40


class TestInflate:
    def test_gzip_members_and_zlib_streams_are_told_apart_by_their_first_bytes(self):
        assert inflate([gzip.compress(TEXT), zlib.compress(b"abc")], [len(TEXT), 3]) == [TEXT, b"abc"]

    def test_several_members_make_one_tile(self):
        stream = gzip.compress(TEXT[:1000]) + gzip.compress(b"") + gzip.compress(TEXT[1000:])
        assert inflate([stream], [len(TEXT)]) == [TEXT]

    def test_what_follows_a_complete_tile_is_ignored(self):
        assert inflate([gzip.compress(TEXT) + b"\0" * 17], [len(TEXT)]) == [TEXT]

    def test_a_batch_without_tiles_is_no_work(self):
        Kernels().inflate("GZIP_1", batch_of([]), np.empty(0, np.int64), np.empty(0, np.uint8))

    @pytest.mark.parametrize("kept", [0, 1, 9, 10, 30, -9, -8, -1])
    def test_a_stream_cut_anywhere_is_refused(self, kept):
        with pytest.raises(TileDecodeError, match="table row 11: decompression failed"):
            inflate([gzip.compress(TEXT)[:kept]], [len(TEXT)])

    @pytest.mark.parametrize(
        ("stream", "reason"),
        [
            (gzip.compress(TEXT[:-1]), "gives 10239 of the 10240 bytes"),
            (gzip.compress(TEXT + b"x"), "more than the 10240 bytes"),
            (gzip.compress(TEXT[:-1]) + b"junk", "gives 10239 of the 10240 bytes"),
            (gzip.compress(TEXT[:1000]) + gzip.compress(TEXT), "more than the 10240 bytes"),
            (b"", "ends early, after 0 of 10240 bytes"),
            (b"no gzip at all", "incorrect header check"),
        ],
    )
    def test_the_reason_says_what_was_found(self, stream, reason):
        with pytest.raises(TileDecodeError, match=f"GZIP_1: tile in table row 11: decompression failed.*{reason}"):
            inflate([stream], [len(TEXT)])

    def test_a_wrong_checksum_is_refused(self):
        stream = bytearray(gzip.compress(TEXT))
        stream[-8] ^= 1
        with pytest.raises(TileDecodeError, match="incorrect data check"):
            inflate([bytes(stream)], [len(TEXT)])

    def test_the_first_damaged_tile_is_named_and_the_others_are_whole(self):
        good, bad = gzip.compress(TEXT), gzip.compress(TEXT)[:-20]
        with pytest.raises(TileDecodeError, match="table row 12") as caught:
            inflate([good, bad, b"", good], [len(TEXT)] * 4)
        assert caught.value.row == 11
        assert inflate.out[0].tobytes() == TEXT
        assert inflate.out[3].tobytes() == TEXT

    def test_a_bomb_asks_for_no_more_memory_than_the_tile_has(self):
        bomb = gzip.compress(bytes(1 << 26))
        out = np.empty(100, dtype=np.uint8)
        batch = batch_of([bomb])
        tracemalloc.start()
        with pytest.raises(TileDecodeError, match="more than the 100 bytes"):
            Kernels().inflate("GZIP_1", batch, np.array([100]), out)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 20

    def test_a_false_size_in_the_trailer_asks_for_no_memory(self):
        stream = gzip.compress(TEXT)[:-4] + struct.pack("<I", 0xFFFFFFFF)
        with pytest.raises(TileDecodeError, match="incorrect length check"):
            inflate([stream], [len(TEXT)])

    def test_thousands_of_empty_members_are_soon_read(self):
        assert inflate([gzip.compress(b"") * 20000 + gzip.compress(b"abcd")], [4]) == [b"abcd"]

    @settings(max_examples=60)
    @given(stream=st.binary(max_size=200), nbytes=st.integers(0, 300))
    def test_any_bytes_at_all_end_in_a_tile_or_in_an_error(self, stream, nbytes):
        with contextlib.suppress(TileDecodeError):
            assert len(inflate([stream], [nbytes])[0]) == nbytes

    @settings(max_examples=60)
    @given(position=st.integers(0, len(gzip.compress(TEXT)) - 1), bit=st.integers(0, 7))
    def test_a_flipped_bit_never_gives_other_bytes(self, position, bit):
        stream = bytearray(gzip.compress(TEXT, mtime=0))
        stream[position % len(stream)] ^= 1 << bit
        with contextlib.suppress(TileDecodeError):
            assert inflate([bytes(stream)], [len(TEXT)]) == [TEXT]


class TestDeflate:
    @pytest.mark.parametrize("level", [None, 0, 1, 6, 9])
    def test_each_tile_becomes_one_gzip_member(self, level):
        data = np.frombuffer(TEXT, dtype=np.uint8)
        nbytes = np.array([100, 0, len(TEXT) - 100])
        encoded = Kernels().deflate(data, nbytes, level)
        stop = np.cumsum(encoded.length)
        members = [encoded.data[end - length : end].tobytes() for end, length in zip(stop, encoded.length, strict=True)]
        assert [gzip.decompress(member) for member in members] == [TEXT[:100], b"", TEXT[100:]]

    def test_equal_pixels_give_equal_bytes(self):
        data, nbytes = np.frombuffer(TEXT, dtype=np.uint8), np.array([len(TEXT)])
        first, second = (Kernels().deflate(data, nbytes, None).data.tobytes() for _ in range(2))
        assert first == second
        assert first[4:8] == bytes(4)  # no time of writing

    def test_a_batch_without_tiles_gives_no_bytes(self):
        encoded = Kernels().deflate(np.empty(0, np.uint8), np.empty(0, np.int64), None)
        assert encoded.data.size == encoded.length.size == 0


class TestShuffle:
    @settings(max_examples=60)
    @given(
        npixels=st.lists(st.integers(0, 40), max_size=8),
        itemsize=st.sampled_from([1, 2, 4, 8]),
        seed=st.integers(0, 2**32 - 1),
    )
    def test_all_high_bytes_of_a_tile_come_first_and_come_back(self, npixels, itemsize, seed):
        npixels = np.array(npixels, dtype=np.int64)
        nbytes = npixels * itemsize
        data = np.random.default_rng(seed).integers(0, 256, nbytes.sum(), dtype=np.uint8)
        pixels = data.view(f">u{itemsize}").astype(f"u{itemsize}")
        shuffled, restored = np.empty_like(data), np.empty_like(data)
        Kernels().shuffle(pixels, npixels, shuffled)
        stop = 0
        for length in nbytes:
            begin, stop = stop, stop + length
            planes = [data[begin:stop][byte::itemsize] for byte in range(itemsize)]
            assert shuffled[begin:stop].tobytes() == b"".join(plane.tobytes() for plane in planes)
        members = [gzip.compress(part.tobytes(), 1) for part in np.split(shuffled, np.cumsum(nbytes)[:-1])]
        batch = batch_of(members[: nbytes.size])
        Kernels().inflate("GZIP_2", batch, nbytes, restored, itemsize=itemsize, shuffled=True)
        assert np.array_equal(restored.view(pixels.dtype), pixels)


def one_pixel(stored, number, scale, zero, method, null):
    """Dequantise one pixel as FITS 4.0, section 10.2, words it."""
    if null is not None and stored == null:
        return np.float64("nan")
    if method == "SUBTRACTIVE_DITHER_2" and stored == -2147483646:
        return np.float64(0)
    if method == "NO_DITHER":
        return np.float64(stored) * scale + zero
    return (np.float64(stored) - np.float64(number) + 0.5) * scale + zero


class TestDequantize:
    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    @pytest.mark.parametrize("method", DITHER_METHODS)
    @pytest.mark.parametrize("nulls", [True, False])
    def test_every_pixel_is_that_of_the_formula(self, dtype, method, nulls):
        rng = np.random.default_rng(7)
        npixels = np.array([7, 300, 0, 41])
        stored = rng.integers(-(2**31), 2**31, npixels.sum()).astype(np.int32)
        stored[::5], stored[1::7] = -2147483647, -2147483646
        scale, zero = rng.normal(size=4), rng.normal(size=4) * 1e6
        row, null = np.array([9998, 9999, 0, 3]), np.array([-2147483647, 5, 6, -2147483646])
        out = np.empty(stored.size, dtype)
        Kernels().dequantize(
            QuantizedTiles(stored, npixels, row, scale=scale, zero=zero, null=null if nulls else None),
            Dither(method, 3),
            out,
        )
        expected, stop = [], 0
        for tile in range(4):
            begin, stop = stop, stop + npixels[tile]
            numbers = sequence(row[tile], 3, npixels[tile])
            blank = null[tile] if nulls else None
            expected += [
                one_pixel(pixel, number, scale[tile], zero[tile], method, blank)
                for pixel, number in zip(stored[begin:stop], numbers, strict=True)
            ]
        assert np.array_equal(out, np.array(expected).astype(dtype), equal_nan=True)

    def test_a_null_beyond_32_bits_means_none(self):
        out = np.empty(2, "f4")
        stored, one = np.array([0, 1], np.int32), np.zeros(1, np.int64)
        tiles = QuantizedTiles(stored, np.array([2]), one, scale=np.ones(1), zero=np.zeros(1), null=np.array([2**32]))
        Kernels().dequantize(tiles, Dither("NO_DITHER", 1), out)
        assert out.tolist() == [0.0, 1.0]

    def test_any_scale_is_taken_without_a_warning(self):
        out = np.empty(4, "f4")
        stored, scale = np.array([1, -1, 0, 9], np.int32), np.array([1e300, np.inf, np.inf, np.nan])
        tiles = QuantizedTiles(
            stored, np.ones(4, np.int64), np.zeros(4, np.int64), scale=scale, zero=np.zeros(4), null=None
        )
        Kernels().dequantize(tiles, Dither("NO_DITHER", 1), out)
        assert out[0] == np.inf
        assert out[1] == -np.inf
        assert np.isnan(out[2:]).all()

    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    @pytest.mark.parametrize("tile", [(1, 250), (70, 250), (30, 41)])
    @pytest.mark.parametrize("qmethod", ["SUBTRACTIVE_DITHER_1", "SUBTRACTIVE_DITHER_2", "NO_DITHER"])
    def test_files_of_cfitsio_give_the_floats_that_cfitsio_reads(self, tmp_path, dtype, tile, qmethod):
        fitsio = pytest.importorskip("fitsio", reason="compares with fitsio (CFITSIO)")
        pytest.importorskip("astropy", reason="astropy reads the raw columns")
        rng = np.random.default_rng(5)
        image = rng.normal(1000, 20, (130, 250)).astype(dtype)
        image[3, 5:9], image[100, 17], image[50:60, 3] = np.nan, np.nan, 0
        path = tmp_path / "quantised.fits"
        with fitsio.FITS(path, "rw", clobber=True) as f:
            f.write(image, compress="GZIP", tile_dims=tile, qlevel=16, qmethod=qmethod, dither_seed=9999)
        with fitsio.FITS(path) as f:
            expected = f[1].read()
        tiles = _read_tiles(path, dtype, tile, image.shape)
        assert np.array_equal(_bits(tiles), _bits(np.concatenate(_cut(expected, tile))))


def _cut(image, tile):
    """Return the pixels of each tile, in the order of the table rows."""
    rows, columns = image.shape
    corners = itertools.product(range(0, rows, tile[0]), range(0, columns, tile[1]))
    return [image[y : y + tile[0], x : x + tile[1]].ravel() for y, x in corners]


def _bits(pixels):
    """Return floats as integers, NaN in one form."""
    return np.where(np.isnan(pixels), np.nan, pixels).view(f"u{pixels.itemsize}")


def _read_tiles(path, dtype, tile, shape):
    """Inflate and dequantise a GZIP_1 file through the kernels, tile after tile."""
    from astropy.io import fits

    with fits.open(path, disable_image_compression=True) as hdus:
        table, header = hdus[1].data, hdus[1].header
        streams = [bytes(cell) for cell in table["COMPRESSED_DATA"]]
        scale, zero = (np.array(table[name], dtype=np.float64) for name in ("ZSCALE", "ZZERO"))
        method, zdither0 = header["ZQUANTIZ"], header.get("ZDITHER0", 1)
        null = header.get("ZBLANK", -2147483647)
    assert all(streams), "no tile may be kept without loss here"
    npixels = np.array([part.size for part in _cut(np.empty(shape, "u1"), tile)])
    raw = np.empty(npixels.sum() * 4, np.uint8)
    Kernels().inflate("GZIP_1", batch_of(streams), npixels * 4, raw)
    out = np.empty(npixels.sum(), dtype)
    stored, rows, nulls = raw.view(">i4").astype(np.int32), np.arange(npixels.size), np.full(npixels.size, null)
    Kernels().dequantize(
        QuantizedTiles(stored, npixels, rows, scale=scale, zero=zero, null=nulls), Dither(method, zdither0), out
    )
    return out


class TestActive:
    @pytest.fixture(autouse=True)
    def _fresh(self, monkeypatch):
        monkeypatch.setattr(choice, "_active", None)
        monkeypatch.delenv("RUSTFITS_KERNELS", raising=False)

    def test_the_core_serves_where_no_plugin_does(self, monkeypatch):
        monkeypatch.setattr(choice, "_of_plugin", lambda: None)
        assert choice.active().name == "numpy"

    def test_a_plugin_is_asked_once_and_only_when_kernels_are_needed(self, monkeypatch):
        asked = []
        offered = Kernels()
        monkeypatch.setattr(choice, "_of_plugin", lambda: asked.append(1) or offered)
        assert not asked
        assert choice.active() is choice.active() is offered
        assert len(asked) == 1

    def test_the_environment_can_keep_to_the_core(self, monkeypatch):
        monkeypatch.setenv("RUSTFITS_KERNELS", "numpy")
        monkeypatch.setattr(choice, "_of_plugin", lambda: pytest.fail("nobody is to be asked"))
        assert type(choice.active()) is Kernels

    def test_an_unknown_choice_is_refused(self, monkeypatch):
        monkeypatch.setenv("RUSTFITS_KERNELS", "cuda")
        with pytest.raises(InvalidParameter, match="RUSTFITS_KERNELS must be 'numpy' or 'auto'; got 'cuda'"):
            choice.active()

    def test_kernels_can_be_set_and_forgotten(self):
        mine = Kernels()
        choice.set_active(mine)
        assert choice.active() is mine
        choice.set_active(None)
        assert choice.active() is not mine
