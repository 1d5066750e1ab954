"""Parameters and streams of each algorithm in every form that the format allows: files others wrote, edited by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from handmade import PRIMARY, Table, bitpix, edited, gzipped, image_cards, ntiles, padded, shuffled, tiles_of

import rustfits
from rustfits_testing.peers import heap_tiles, write_with_cfitsio

pytest.importorskip("fitsio", reason="peer not installed: fitsio")
DATA = Path(__file__).parents[1] / "data"
RNG = np.random.default_rng(9)
NOISE = RNG.normal(120, 6, (40, 50)).astype("i4")
TILE = (8, 17)


def needs(*names):
    missing = [name for name in names if name not in rustfits.codecs()]
    return pytest.mark.skipif(bool(missing), reason=f"codec not installed: {missing}")


def written(tmp_path, pixels, codec, tile=TILE, **keywords):
    """Return a file that CFITSIO wrote."""
    path = tmp_path / "theirs.fits"
    write_with_cfitsio(pixels, path, compress=codec, tile_dims=list(tile), **keywords)
    return path.read_bytes()


def check(raw, expected, readers, *, unless=()):
    with rustfits.FITS.from_bytes(raw) as file:
        found = file[1].read()
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        compression = file[1].compression
    readers.agree(raw, expected, unless=unless)
    return compression


@needs("RICE_1")
class TestRice:
    @pytest.mark.parametrize("dtype", ["u1", "i2"])
    def test_streams_may_be_wider_than_the_image(self, dtype, tmp_path, readers):
        raw = edited(written(tmp_path, NOISE, "RICE"), ZBITPIX=bitpix(dtype))
        compression = check(raw, NOISE.astype(dtype), readers)
        assert compression == rustfits.Rice1(tile_shape=TILE)

    def test_streams_of_16_bits_serve_an_image_of_8(self, tmp_path, readers):
        raw = edited(written(tmp_path, NOISE.astype("i2"), "RICE"), ZBITPIX=8)
        check(raw, NOISE.astype("u1"), readers, unless=("astropy",))

    @pytest.mark.parametrize("dtype", ["u1", "i2", "i4"])
    def test_without_bytepix_the_streams_have_32_bits(self, dtype, tmp_path, readers):
        raw = edited(written(tmp_path, NOISE, "RICE"), ZBITPIX=bitpix(dtype), ZNAME2=None, ZVAL2=None)
        check(raw, NOISE.astype(dtype), readers)

    def test_the_name_noisebit_of_old_files_is_no_bytepix(self, tmp_path, readers):
        raw = edited(written(tmp_path, NOISE, "RICE"), ZBITPIX=16, ZNAME2="NOISEBIT", ZVAL2=2)
        check(raw, NOISE.astype("i2"), readers)

    def test_a_real_file_without_bytepix_is_read(self, readers):
        raw = (DATA / "m13_rice.fits").read_bytes()
        with rustfits.FITS(DATA / "m13.fits") as file:
            check(raw, file[0].read(), readers)

    def test_parameters_may_come_in_any_order(self, tmp_path):
        names = {"ZNAME1": "BYTEPIX", "ZVAL1": 2, "ZNAME2": "BLOCKSIZE", "ZVAL2": 32}
        raw = edited(written(tmp_path, NOISE.astype("i2"), "RICE"), **names)
        with rustfits.FITS.from_bytes(raw) as file:
            np.testing.assert_array_equal(file[1].read(), NOISE)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_a_negative_bytepix_counts_as_a_positive_one(self, sign, tmp_path):
        raw = edited(written(tmp_path, NOISE, "RICE"), ZVAL2=4 * sign)
        with rustfits.FITS.from_bytes(raw) as file:
            np.testing.assert_array_equal(file[1].read(), NOISE)

    @pytest.mark.parametrize("name", ["RICE_ONE", "RICE_1  ", "rice_one"])
    def test_the_old_name_is_understood(self, name, tmp_path, readers):
        raw = edited(written(tmp_path, NOISE, "RICE"), ZCMPTYPE=name)
        compression = check(raw, NOISE, readers, unless=() if name == "RICE_1  " else ("astropy", "fitsio"))
        assert compression.zcmptype == "RICE_1"
        if name == "RICE_ONE":
            np.testing.assert_array_equal(readers.read(raw, "fitsio"), NOISE)

    @pytest.mark.parametrize("blocksize", [16, 32, 8, 64, 7])
    @pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4"])
    def test_blocks_of_any_size_are_written_and_read(self, blocksize, dtype, readers):
        with rustfits.FITS("mem://", "w+") as file:
            codec = rustfits.Rice1(blocksize=blocksize, tile_shape=TILE)
            file.write_image(NOISE.astype(dtype), compress=codec)
            raw = file.to_bytes()
        assert check(raw, NOISE.astype(dtype), readers) == codec

    def test_values_beyond_the_image_are_refused_with_their_tile(self, tmp_path):
        pixels = NOISE.copy()
        pixels[9, 20] = 40000
        raw = edited(written(tmp_path, pixels, "RICE"), ZBITPIX=16)
        with (
            rustfits.FITS.from_bytes(raw) as file,
            pytest.raises(rustfits.TileDecodeError, match=r"table row 5: .*40000"),
        ):
            file[1].read()


@needs("HCOMPRESS_1")
class TestHcompress:
    @pytest.fixture
    def lossy(self, tmp_path):
        return written(tmp_path, NOISE, "HCOMPRESS", hcomp_scale=-30, hcomp_smooth=True)

    def values(self, raw):
        with rustfits.FITS.from_bytes(raw) as file:
            return file[1].read(), file[1].compression

    @pytest.mark.parametrize("smooth", [0, 1, False, True])
    def test_smooth_is_an_integer_or_a_logical(self, smooth, lossy, readers):
        raw = edited(lossy, ZVAL2=smooth)
        compression = check(raw, readers.read(edited(lossy, ZVAL2=int(smooth)), "fitsio"), readers, unless=("astropy",))
        assert compression == rustfits.Hcompress1(tile_shape=TILE, scale=30, smooth=bool(smooth))

    def test_smoothing_changes_pixels(self, lossy):
        assert (self.values(edited(lossy, ZVAL2=1))[0] != self.values(edited(lossy, ZVAL2=0))[0]).any()

    def test_without_smooth_nothing_is_smoothed(self, lossy, readers):
        raw = edited(lossy, ZVAL2=None, ZNAME2=None)
        check(raw, readers.read(edited(lossy, ZVAL2=0), "fitsio"), readers, unless=("astropy",))

    @pytest.mark.parametrize(("scale", "found"), [(30.0, 30), (-30.0, 30), (30, 30), (29.7, 30), (0.0, 0)])
    def test_the_scale_of_the_header_may_be_a_float_and_that_of_the_stream_counts(self, scale, found, lossy, readers):
        raw = edited(lossy, ZVAL1=scale)
        compression = check(raw, readers.read(lossy, "fitsio"), readers)
        assert (compression.scale, compression.smooth) == (found, True)

    @pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4"])
    def test_lossless_streams_of_every_width_are_read(self, dtype, tmp_path, readers):
        pixels = NOISE.astype(dtype) * (1 if dtype == "u1" else 130)
        check(written(tmp_path, pixels, "HCOMPRESS"), pixels, readers)

    def test_images_of_three_axes_have_tiles_of_two(self, readers):
        cube = np.stack([NOISE, NOISE * 2, NOISE[::-1]])
        with rustfits.FITS("mem://", "w+") as file:
            file.write_image(cube, compress=rustfits.Hcompress1(tile_shape=(1, 20, 25)))
            raw = file.to_bytes()
        check(raw, cube, readers)


@needs("PLIO_1")
class TestPlio:
    MASK = (np.random.default_rng(4).random((30, 40)) < 0.2).astype("i2") * 5

    @pytest.mark.parametrize("form", ["1PI", "1QI"])
    def test_descriptors_count_words_of_16_bits(self, form, readers):
        with rustfits.FITS("mem://", "w+") as file:
            codec = rustfits.Plio1(tile_shape=(4, 40), heap_format=form[1])
            hdu = file.write_image(self.MASK, compress=codec)
            assert hdu.header["TFORM1"].startswith(form)
            assert check(file.to_bytes(), self.MASK, readers) == codec

    def test_unsigned_pixels_are_stored_without_their_offset(self, tmp_path, readers):
        pixels = self.MASK.astype("u2") * 9000
        raw = written(tmp_path, pixels, "PLIO", (1, 40))
        check(raw, pixels, readers, unless=("astropy",))  # which adds the offset that CFITSIO never took off
        with rustfits.FITS.from_bytes(raw) as file:
            assert file[1].header["BZERO"] == 32768
            assert file[1][3:7, 4:].tolist() == pixels[3:7, 4:].tolist()

    def test_an_image_of_unsigned_pixels_may_be_rewritten(self, tmp_path, readers):
        raw = written(tmp_path, self.MASK.astype("u2"), "PLIO", (1, 40))
        with rustfits.FITS.from_bytes(raw, "r+") as file:
            file[1].write(self.MASK.astype("u2") * 13000)
            check(file.to_bytes(), self.MASK.astype("u2") * 13000, readers, unless=("astropy",))

    def test_the_old_form_of_the_header_is_read(self, readers):
        """Three words of header, the third of which is the length of the list (IRAF before 1990)."""
        with rustfits.FITS("mem://", "w+") as file:
            file.write_image(self.MASK, compress=rustfits.Plio1(tile_shape=(1, 40)))
            raw = file.to_bytes()
        path = readers.folder / "new.fits"
        path.write_bytes(raw)
        lists = [np.frombuffer(blob, ">i2") for blob in heap_tiles(path)]
        assert all(each[2] == -100 for each in lists)
        table = Table({"COMPRESSED_DATA": "1PI"}, 30)
        for row, each in enumerate(lists):
            old = np.concatenate([[0, 0, each.size - 4], each[7:]])
            table.put("COMPRESSED_DATA", row, old.astype(">i2").tobytes())
        raw = table.file(image_cards("PLIO_1", 16, self.MASK.shape, (1, 40)))
        check(raw, self.MASK, readers)

    def test_a_real_mask_of_iraf_is_read(self, readers):
        raw = (DATA / "m13_plio.fits").read_bytes()
        with rustfits.FITS.from_bytes(raw) as file:
            readers.agree(raw, file[1].read())

    @pytest.mark.parametrize("dtype", ["u1", "i2", "i4"])
    def test_every_width_is_read(self, dtype, tmp_path, readers):
        check(written(tmp_path, self.MASK.astype(dtype), "PLIO", (3, 11)), self.MASK.astype(dtype), readers)


class TestGzip:
    def file(self, pixels, codec, width):
        stream = gzipped if codec == "GZIP_1" else shuffled
        table = Table({"COMPRESSED_DATA": "1PB"}, ntiles(pixels.shape, TILE))
        for row, part in enumerate(tiles_of(pixels, TILE)):
            table.put("COMPRESSED_DATA", row, stream(part, width))
        return table.file(image_cards(codec, bitpix(pixels.dtype), pixels.shape, TILE))

    @pytest.mark.parametrize("codec", ["GZIP_1", "GZIP_2"])
    @pytest.mark.parametrize("dtype", ["u1", "i2", "i4"])
    @pytest.mark.parametrize("width", ["u1", "i2", "i4"])
    def test_integers_may_have_another_width_than_the_image(self, codec, dtype, width, readers):
        pixels = NOISE.clip(0, 255).astype(dtype)
        check(self.file(pixels, codec, width), pixels, readers, unless=() if dtype == width else ("astropy",))

    @pytest.mark.parametrize("name", ["GZIP", "gzip_1"])
    def test_other_names_are_understood(self, name):
        raw = edited(self.file(NOISE, "GZIP_1", "i4"), ZCMPTYPE=name)
        with rustfits.FITS.from_bytes(raw) as file:
            np.testing.assert_array_equal(file[1].read(), NOISE)
            assert file[1].compression == rustfits.Gzip1(tile_shape=TILE)


class TestNoCompress:
    @pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
    def test_what_is_written_here_is_read_by_others(self, dtype, readers):
        pixels = NOISE.clip(0, 127).astype(dtype)
        # CFITSIO does not apply BZERO to this column, and has no 64-bit integers; astropy reads them all.
        unless = ("fitsio",) if dtype in ("i1", "u2", "u4", "i8", "u8") else ()
        with rustfits.FITS("mem://", "w+") as file:
            codec = rustfits.NoCompress(tile_shape=TILE)
            file.write_image(pixels, compress=codec)
            assert check(file.to_bytes(), pixels, readers, unless=unless) == codec

    @pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f4", "f8"])
    @pytest.mark.parametrize("descriptor", ["P", "Q"])
    @pytest.mark.parametrize("columns", ["both", "compressed", "raw"])
    def test_the_pixels_may_be_in_either_column(self, dtype, descriptor, columns, readers):
        pixels = NOISE.clip(0, 127).astype(dtype)
        element = {"u1": "B", "i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}[dtype]
        forms = {"COMPRESSED_DATA": f"1{descriptor}B", "UNCOMPRESSED_DATA": f"1{descriptor}{element}"}
        target = "COMPRESSED_DATA" if columns == "compressed" else "UNCOMPRESSED_DATA"
        table = Table(forms if columns == "both" else {target: forms[target]}, ntiles(pixels.shape, TILE))
        for row, part in enumerate(tiles_of(pixels, TILE)):
            table.put(target, row, part.astype(pixels.dtype.newbyteorder(">")).tobytes())
        raw = table.file(image_cards("NOCOMPRESS", bitpix(dtype), pixels.shape, TILE))
        unless = {"both": ("fitsio", "astropy") if dtype == "i8" else (), "compressed": ("fitsio",)}
        compression = check(raw, pixels, readers, unless=unless.get(columns, ("fitsio", "astropy")))
        assert compression == rustfits.NoCompress(tile_shape=TILE, heap_format=descriptor)
        with rustfits.FITS.from_bytes(raw, "r+") as file:  # and they stay in that column when written anew
            file[1].write(pixels[::-1])
            np.testing.assert_array_equal(file[1].read(), pixels[::-1])
            assert file[1].header["PCOUNT"] == pixels.nbytes

    def test_quantised_floats_are_read_by_astropy(self, readers):
        pixels = RNG.normal(size=(40, 50)).astype("f4")
        with rustfits.FITS("mem://", "w+") as file:
            hdu = file.write_image(pixels, compress="NOCOMPRESS", quantize=rustfits.Quantize())
            readers.agree(file.to_bytes(), hdu.read(), unless=("fitsio",))


def test_the_helpers_edit_cards_and_nothing_else():
    cards = image_cards("GZIP_1", 16, (2, 3), None)
    table = Table({"COMPRESSED_DATA": "1PB"}, 2)
    raw = table.file(cards)
    assert edited(raw, ZBITPIX=32) == table.file(cards | {"ZBITPIX": 32})
    assert edited(edited(raw, NEW=1), NEW=None) == raw
    assert len(padded(b"x")) == len(PRIMARY) == 2880
