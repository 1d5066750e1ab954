"""Compressed images created and written."""

from __future__ import annotations

import numpy as np
import pytest

import rustfits
import rustfits.plugin
from rustfits import FITS, Gzip1, Gzip2, NoCompress, Quantize
from rustfits.codec import registry

PIXELS = np.arange(60, dtype=np.int32).reshape(6, 10)


def test_a_first_compressed_image_follows_an_empty_primary(fits):
    hdu = fits.write_image(PIXELS, compress="gzip", extname="SCI", extver=3)
    assert (len(fits), hdu.index, fits[0].shape, hdu.extname, hdu.extver) == (2, 1, (), "SCI", 3)
    assert isinstance(hdu, rustfits.CompressedImageHDU)
    assert (hdu.bitpix, hdu.header["BITPIX"], hdu.dtype, hdu.shape, hdu.ndim, hdu.size) == (32, 8, "i4", (6, 10), 2, 60)


def test_the_header_has_the_documented_cards_in_order(fits):
    fits.create_image_hdu("u2", (4, 6), compress=Gzip1(tile_shape=(3, 5)), extname="A", extver=2, blank=65535)
    assert list(fits[1].header) == [
        *("XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "TFIELDS", "TFORM1", "TTYPE1"),
        *("ZIMAGE", "ZCMPTYPE", "ZBITPIX", "ZNAXIS", "ZNAXIS1", "ZNAXIS2", "ZTILE1", "ZTILE2"),
        *("EXTNAME", "EXTVER", "BSCALE", "BZERO", "ZBLANK"),
    ]
    values = {key: fits[1].header[key] for key in ("NAXIS1", "NAXIS2", "PCOUNT", "TFORM1", "ZTILE1", "BZERO", "ZBLANK")}
    assert values == {
        "NAXIS1": 8, "NAXIS2": 4, "PCOUNT": 0, "TFORM1": "1PB", "ZTILE1": 5, "BZERO": 32768, "ZBLANK": 32767
    }  # fmt: skip


def test_the_header_of_quantised_floats_names_the_quantisation(fits):
    fits.create_image_hdu("f8", (4, 6), compress=Gzip2(heap_format="Q"), quantize=Quantize(method="dither2", seed=42))
    header = fits[1].header
    assert list(header)[8:16] == ["TFORM1", "TTYPE1", "TFORM2", "TTYPE2", "TFORM3", "TTYPE3", "TFORM4", "TTYPE4"]
    assert [header[f"TFORM{number}"] for number in range(1, 5)] == ["1QB", "1D", "1D", "1QB"]
    assert (header["ZQUANTIZ"], header["ZDITHER0"], header["ZBLANK"]) == ("SUBTRACTIVE_DITHER_2", 42, -2147483647)
    assert header["NAXIS1"] == 48


def test_lossless_floats_say_nothing_of_quantisation(fits):
    header = fits.write_image(PIXELS * 1.5, compress="GZIP_2").header
    assert not {"ZQUANTIZ", "ZDITHER0", "ZBLANK"} & set(header)
    assert header["TFIELDS"] == 1


def test_the_compression_of_a_new_image_is_what_the_user_gave(fits):
    hdu = fits.write_image(PIXELS, compress=Gzip1(level=9))
    assert hdu.compression == Gzip1(tile_shape=(1, 10), level=9)
    with FITS.from_bytes(fits.to_bytes()) as again:
        assert again[1].compression == Gzip1(tile_shape=(1, 10))
    larger = fits.write_image(PIXELS, compress=NoCompress(tile_shape=(100, 3), heap_format="q"))
    assert larger.compression == NoCompress(tile_shape=(100, 3), heap_format="Q")
    assert larger.n_tiles == 4


@pytest.mark.parametrize(
    ("dtype", "dims", "arguments", "error", "found"),
    [
        ("i4", (4, 6), {"compress": "GZIP", "quantize": Quantize()}, ValueError, "quantize"),
        ("i8", (4, 6), {"compress": "GZIP", "quantize": Quantize()}, ValueError, "quantize"),
        ("i4", (4, 6), {"compress": "GZIP", "quantize": 4}, TypeError, "quantize"),
        ("i4", (4, 6), {"quantize": Quantize()}, ValueError, "quantize"),
        ("i4", (), {"compress": "GZIP"}, ValueError, "NAXIS=0"),
        ("i4", (4, 6), {"compress": Gzip1(tile_shape=(3,))}, ValueError, "tile_shape has 1 dimensions but image has 2"),
        ("i4", (-1, 6), {"compress": "GZIP"}, ValueError, "dimension 0 must be >= 0"),
        ("i4", (4, 0), {"compress": "GZIP"}, ValueError, "dimension 1 must be > 0"),
        ("c8", (4, 6), {"compress": "GZIP"}, ValueError, "unsupported numpy dtype"),
        ("f4", (4, 6), {"compress": "GZIP", "blank": 1}, ValueError, "float"),
        ("u1", (4, 6), {"compress": "GZIP", "blank": 256}, ValueError, "range"),
        ("i4", (4, 6), {"compress": "LZW"}, ValueError, "unknown compression algorithm name"),
        ("i4", (4, 6), {"compress": True}, TypeError, "compress="),
        ("i4", (4, 6), {"compress": Gzip1}, TypeError, "compress="),
        ("i4", (1 << 40, 1 << 40), {"compress": Gzip1(tile_shape=(1, 1))}, ValueError, "too many"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_appended(fits, dtype, dims, arguments, error, found):
    with pytest.raises(error, match=found):
        fits.create_image_hdu(dtype, dims, **arguments)
    assert (len(fits), fits.to_bytes()) == (0, b"")


@pytest.mark.parametrize("layout", ["list", "big-endian", "fortran", "strided", "misaligned"])
def test_arrays_of_any_layout_are_written(fits, layout):
    given = {
        "list": np.asarray(PIXELS.tolist(), dtype="i4").tolist(),
        "big-endian": PIXELS.astype(">i4"),
        "fortran": np.asfortranarray(PIXELS),
        "strided": np.repeat(PIXELS, 2, axis=1)[:, ::2],
        "misaligned": np.frombuffer(b"x" + PIXELS.tobytes(), "u1")[1:].view("i4").reshape(6, 10),
    }[layout]
    dtype = "i8" if layout == "list" else "i4"
    fits.create_image_hdu(dtype, (6, 10), compress=Gzip2(tile_shape=(4, 3)))
    fits[1].write(given)
    np.testing.assert_array_equal(fits[1].read(), PIXELS)


@pytest.mark.parametrize("tile", [(1, 40), (30, 40), (7, 9)])
@pytest.mark.parametrize("dtype", ["i2", "i4", "u2", "f4"])
@pytest.mark.parametrize("codec", sorted(rustfits.codecs()))
def test_misaligned_pixels_are_written_with_every_codec_and_tile(fits, codec, dtype, tile):
    pixels = np.random.default_rng(1).integers(0, 1000, (30, 40)).astype(dtype)
    misaligned = np.frombuffer(b"x" + pixels.tobytes(), "u1")[1:].view(dtype).reshape(pixels.shape)
    assert not misaligned.flags.aligned
    both = []
    for number, given in enumerate((pixels, misaligned)):
        try:
            fits.write_image(given, extname=f"IMAGE{number}", compress=registry.codec_class(codec)(tile_shape=tile))
        except rustfits.FitsError as error:  # not every algorithm takes every dtype, or tiles of one row
            both.append(str(error).replace(f"IMAGE{number}", ""))
        else:
            both.append(fits[-1].read().tobytes())
    assert both[0] == both[1]


@pytest.mark.parametrize("given", ["f8", "i2", "u8", ">f4"])
def test_an_image_of_floats_takes_any_real_numbers(fits, given):
    fits.create_image_hdu("f4", (6, 10), compress="GZIP_2")
    fits[1].write(PIXELS.astype(given))
    np.testing.assert_array_equal(fits[1].read(), PIXELS.astype("f4"))


def test_stored_numbers_may_be_written_into_an_unsigned_image(fits):
    fits.create_image_hdu("u4", (6, 10), compress="GZIP_2")
    fits[1].write(PIXELS)
    np.testing.assert_array_equal(fits[1].read(scale=False), PIXELS)
    np.testing.assert_array_equal(fits[1].read(), PIXELS.astype("u4") + np.uint32(1 << 31))


@pytest.mark.parametrize(
    ("data", "error", "found"),
    [
        (PIXELS[:5], ValueError, "shape"),
        (PIXELS.reshape(60), ValueError, "shape"),
        (PIXELS.astype("i2"), ValueError, "does not match the HDU's ZBITPIX 32: expected i4"),
        (PIXELS.astype("f8"), ValueError, "does not match"),
        (PIXELS.astype("c8"), ValueError, "does not match"),
        (np.ma.masked_equal(PIXELS, 5), ValueError, "BLANK"),
    ],
)
def test_a_refused_write_changes_nothing_and_a_later_one_succeeds(fits, data, error, found):
    fits.write_image(PIXELS, compress="GZIP_1")
    before = fits.to_bytes()
    with pytest.raises(error, match=found):
        fits[1].write(data)
    assert fits.to_bytes() == before
    fits[1].write(PIXELS + 1)
    np.testing.assert_array_equal(fits[1].read(), PIXELS + 1)


def test_writing_again_replaces_everything_and_clears_the_cache(fits):
    noise = np.random.default_rng(3).integers(-(2**31), 2**31, (50, 60), dtype="i4")
    hdu = fits.write_image(noise, compress=Gzip1(tile_shape=(20, 20)))
    fits.write_image(PIXELS, extname="NEXT")
    hdu.read()
    large, nbytes = hdu.header["PCOUNT"], len(fits.to_bytes())
    hdu.write(np.zeros_like(noise))
    assert hdu.tile_cache_used == 0
    assert hdu.header["PCOUNT"] < large / 10
    assert len(fits.to_bytes()) < nbytes
    assert not hdu.read().any()
    np.testing.assert_array_equal(fits["NEXT"].read(), PIXELS)
    hdu.write(noise)
    assert (hdu.header["PCOUNT"], len(fits.to_bytes())) == (large, nbytes)
    np.testing.assert_array_equal(hdu.read(), noise)
    np.testing.assert_array_equal(fits["NEXT"].read(), PIXELS)


def test_the_heap_is_in_the_order_of_the_tiles_and_the_maximum_is_right(fits):
    hdu = fits.write_image(np.random.default_rng(1).normal(size=(23, 31)), compress=Gzip2(tile_shape=(5, 8)))
    raw = np.frombuffer(fits.to_bytes(), np.uint8)
    start = hdu._extent.data_start
    count, offset = raw[start : start + 8 * hdu.n_tiles].view(">i4").reshape(-1, 2).T
    assert (offset == np.cumsum(count) - count).all()
    assert hdu.header["TFORM1"] == f"1PB({count.max()})"
    assert hdu.header["PCOUNT"] == count.sum()


@pytest.mark.parametrize(("dtype", "form"), [("u1", "B"), ("i2", "I"), ("u4", "J"), ("f4", "E"), ("f8", "D")])
def test_pixels_that_are_not_compressed_have_the_column_in_which_cfitsio_looks_for_them(fits, dtype, form):
    hdu = fits.write_image(np.ones((23, 31), dtype), compress=NoCompress(tile_shape=(5, 8), heap_format="Q"))
    assert [hdu.header[key] for key in ("TTYPE1", "TTYPE2")] == ["COMPRESSED_DATA", "UNCOMPRESSED_DATA"]
    assert [hdu.header[key] for key in ("TFORM1", "TFORM2")] == ["1QB(0)", f"1Q{form}(40)"]
    assert hdu.header["PCOUNT"] == 23 * 31 * np.dtype(dtype).itemsize
    hdu.write(np.full((23, 31), 7, dtype))
    np.testing.assert_array_equal(hdu.read(), 7)


def test_64_bit_integers_that_are_not_compressed_stay_where_astropy_reads_them(fits):
    hdu = fits.write_image(np.ones((23, 31), "i8"), compress="NOCOMPRESS")
    assert (hdu.header["TFIELDS"], hdu.header["TFORM1"]) == (1, "1PB(248)")


def test_pixels_that_a_codec_refuses_leave_the_file_as_it_was(fits):
    class Picky(rustfits.TileCodec):
        zcmptype = "PICKY"

        def encode_tile(self, pixels):
            if (pixels < 0).any():
                raise ValueError("negative pixel")
            return b"x"

    fits.write_image(PIXELS)
    before = fits.to_bytes()
    with pytest.raises(rustfits.TileEncodeError, match="PICKY: tile in table row 2: negative pixel"):
        fits.write_image(np.array([[1, 2], [-1, 2]], "i2"), compress=Picky())
    assert fits.to_bytes() == before
    assert len(fits) == 1
    fits.write_image(PIXELS, compress="GZIP")


@pytest.mark.parametrize(
    "tiles",
    [
        rustfits.plugin.EncodedTiles(np.zeros(5, np.uint8), np.array([5])),
        rustfits.plugin.EncodedTiles(np.zeros(5, np.uint8), np.array([5, 0])),
        rustfits.plugin.EncodedTiles(np.zeros(5, np.uint8), np.array([3, 3])),
    ],
)
def test_a_codec_that_breaks_its_contract_is_named(fits, tiles):
    class Broken(rustfits.TileCodec):
        zcmptype = "BROKEN"

        def encode(self, batch):
            return tiles

    with pytest.raises(rustfits.PluginError, match="BROKEN"):
        fits.write_image(np.ones((2, 4), "i2"), compress=Broken())
    assert len(fits) == 0


def test_what_is_refused_for_good_says_so_and_changes_nothing(fits):
    hdu = fits.write_image(PIXELS, compress="GZIP")
    before = fits.to_bytes()
    with pytest.raises(NotImplementedError, match="start="):
        hdu.write(PIXELS, start=(0, 0))
    with pytest.raises(NotImplementedError, match="delete"):
        del hdu[0]
    with pytest.raises(TypeError):
        hdu.extend(PIXELS, start=(0, 0))
    assert fits.to_bytes() == before


def test_a_read_only_file_is_not_written(tmp_path):
    with FITS(tmp_path / "a.fits", "w+") as fits:
        fits.write_image(PIXELS, compress="GZIP")
    before = (tmp_path / "a.fits").read_bytes()
    with FITS(tmp_path / "a.fits") as fits:
        with pytest.raises(OSError, match="read-only"):
            fits[1].write(PIXELS)
        np.testing.assert_array_equal(fits[1].read(), PIXELS)
    assert (tmp_path / "a.fits").read_bytes() == before


def test_the_representation_ends_with_the_compression(fits):
    hdu = fits.write_image(PIXELS, compress=Gzip1(level=2), extname="SCI", header={"BUNIT": "Jy"})
    assert repr(hdu) == (
        "  file: mem://\n  extension: 1\n  type: COMPRESSED_IMAGE_HDU\n  extname: SCI\n  image info:\n"
        "    data type: i4\n    dims: [6, 10]\n    unit: Jy\n"
        "  compression: Gzip1(tile_shape=[1, 10], heap_format='P', level=2)\n"
    )
    assert "IMAGE_HDU   SCI" in repr(fits)


def test_checksums_are_those_of_the_image_that_is_not_compressed(fits):
    pixels = np.random.default_rng(0).integers(0, 60000, (31, 17)).astype("u2")
    plain = fits.write_image(pixels, extname="X")
    hdu = fits.write_image(pixels, compress=Gzip2(tile_shape=(4, 4)), extname="X")
    assert hdu.verify_datasum() is None
    assert hdu.verify_checksum() is None
    plain.add_datasum()
    hdu.add_datasum()
    assert hdu.header["ZDATASUM"] == plain.header["DATASUM"]
    assert hdu.verify_checksum() is None
    hdu.add_checksum()
    assert hdu.verify_datasum() is True
    assert hdu.verify_checksum() is True
    hdu.header["OBJECT"] = "M 13"
    assert hdu.verify_checksum() is True
    hdu.header["EXTNAME"] = "Y"
    assert hdu.verify_checksum() is False
    hdu.write(pixels + np.uint16(1))
    assert hdu.verify_datasum() is False


def test_the_checksum_of_an_empty_image_is_zero(fits):
    fits.create_image_hdu("i4", (0, 5), compress="GZIP")
    fits[1].add_checksum()
    assert fits[1].header["ZDATASUM"] == "0"
    assert fits[1].verify_checksum() is True
