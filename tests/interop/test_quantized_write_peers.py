"""Quantised floats written here, beside those that fitsio, fpack and astropy write for the same pixels."""

from __future__ import annotations

import shutil
import subprocess
import warnings

import numpy as np
import pytest
from handmade import Table, edited, gzipped, image_cards, tiles_of

import rustfits
from rustfits import FITS, Quantize
from rustfits_testing.peers import heap_tiles, write_with_cfitsio

pytest.importorskip("fitsio", reason="peer not installed: fitsio")
fits = pytest.importorskip("astropy.io.fits", reason="peer not installed: astropy")

CODECS = {"GZIP_1": "Gzip1", "GZIP_2": "Gzip2", "RICE_1": "Rice1", "HCOMPRESS_1": "Hcompress1"}
METHODS = {"no_dither": "NO_DITHER", "dither1": "SUBTRACTIVE_DITHER_1", "dither2": "SUBTRACTIVE_DITHER_2"}
SHAPE, TILE = (64, 90), (16, 30)


@pytest.fixture(params=list(CODECS))
def name(request):
    if request.param not in rustfits.codecs():
        pytest.skip(f"codec not installed: {request.param}")
    return request.param


def codec(name, **arguments):
    return getattr(rustfits, CODECS[name])(**{"tile_shape": TILE, **arguments})


def noise(dtype, seed=0):
    return np.random.default_rng(seed).normal(100, 10, SHAPE).astype(dtype)


def table_of(path):
    """Return header and rows of the first compressed image."""
    with fits.open(path, disable_image_compression=True) as hdus:
        table = hdus[1].data
        return hdus[1].header.copy(), {key: np.array(table[key]) for key in ("ZSCALE", "ZZERO") if key in table.names}


def written(path, pixels, compress, **settings):
    with FITS(path, "w+") as file:
        file.write_image(pixels, compress=compress, quantize=Quantize(**settings))
    return table_of(path)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
class TestSeedOfTheChecksum:
    @pytest.mark.parametrize("seed", range(6))
    def test_it_is_the_one_of_fitsio(self, dtype, seed, name, tmp_path):
        pixels = noise(dtype, seed)
        theirs = tmp_path / "theirs.fits"
        method = "SUBTRACTIVE_DITHER_1"
        write_with_cfitsio(
            pixels, theirs, compress=name, tile_dims=TILE, qlevel=4, qmethod=method, dither_seed="checksum"
        )
        expected, columns = table_of(theirs)
        found, rows = written(tmp_path / "ours.fits", pixels, codec(name), seed="checksum")
        assert found["ZDITHER0"] == expected["ZDITHER0"]
        np.testing.assert_array_equal(rows["ZSCALE"], columns["ZSCALE"])
        if name in ("RICE_1", "HCOMPRESS_1"):
            assert heap_tiles(tmp_path / "ours.fits") == heap_tiles(theirs)

    @pytest.mark.skipif(shutil.which("fpack") is None, reason="peer not installed: fpack")
    @pytest.mark.parametrize(("option", "method"), [("-qt", "dither1"), ("-qzt", "dither2")])
    def test_it_is_the_one_of_fpack(self, dtype, option, method, tmp_path):
        if "RICE_1" not in rustfits.codecs():
            pytest.skip("codec not installed: RICE_1")
        plain, packed = tmp_path / "plain.fits", tmp_path / "packed.fits"
        for seed in range(4):
            pixels = noise(dtype, seed)
            pixels[0, :7] = 0
            pixels[1, 3], pixels[7, 20], pixels[30, 4] = [(0, 1, 2), (np.nan,) * 3, (np.inf,) * 3, (-np.inf,) * 3][seed]
            for path in (plain, packed):
                path.unlink(missing_ok=True)
            with FITS(plain, "w+") as file:
                file.write_image(pixels)
            command = ["fpack", "-r", "-t", f"{TILE[1]},{TILE[0]}", option, "4", "-O", packed, plain]
            subprocess.run(command, check=True, capture_output=True)
            expected, _ = table_of(packed)
            found, _ = written(tmp_path / "ours.fits", pixels, codec("RICE_1"), seed="checksum", method=method)
            assert (found["ZDITHER0"], found["ZQUANTIZ"]) == (expected["ZDITHER0"], expected["ZQUANTIZ"])
            tiles = heap_tiles(packed)
            # The first tile has a run of equal pixels, whose noise CFITSIO tells in its own way.
            assert heap_tiles(tmp_path / "ours.fits")[1:] == tiles[1:]


def test_the_seed_of_the_clock_is_in_the_range_of_cfitsio(tmp_path):
    theirs = tmp_path / "theirs.fits"
    keywords = {"qlevel": 4, "qmethod": "SUBTRACTIVE_DITHER_1", "dither_seed": "clock"}
    write_with_cfitsio(noise("f4"), theirs, compress="GZIP_1", tile_dims=TILE, **keywords)
    for header in (table_of(theirs)[0], written(tmp_path / "ours.fits", noise("f4"), codec("GZIP_1"), seed="clock")[0]):
        assert 1 <= header["ZDITHER0"] <= 10000


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("level", [4, 2.5, 0.1, 100, -0.5, -20])
def test_scales_origins_and_streams_are_those_of_cfitsio(dtype, method, level, name, tmp_path):
    if (name, method) == ("HCOMPRESS_1", "dither2"):
        pytest.skip("CFITSIO does not write dither 2 with HCOMPRESS_1")
    pixels = noise(dtype)
    pixels[3, 40], pixels[50:52, :8] = np.nan, np.nan
    pixels[16:32, :30] = np.nan
    pixels[20:30, 40] = 1e12 if level < 0 else 1e13
    theirs, ours = tmp_path / "theirs.fits", tmp_path / "ours.fits"
    keywords = {"qlevel": level, "qmethod": METHODS[method], "dither_seed": 4711}
    write_with_cfitsio(pixels, theirs, compress=name, tile_dims=TILE, **keywords)
    (expected, their_columns), (found, columns) = (
        table_of(theirs),
        written(ours, pixels, codec(name), level=level, method=method, seed=4711),
    )
    for key in ("ZSCALE", "ZZERO"):
        assert columns[key].tobytes() == their_columns[key].tobytes()
    assert found["ZDITHER0"] == 4711 == expected.get("ZDITHER0", 4711)
    for key in ("ZQUANTIZ", "ZBLANK", "ZBITPIX", "ZNAXIS", "ZTILE1", "ZTILE2"):
        assert found[key] == expected[key]
    if name in ("RICE_1", "HCOMPRESS_1"):
        assert heap_tiles(ours) == heap_tiles(theirs)
    with FITS(ours) as one, FITS(theirs) as other:
        np.testing.assert_array_equal(one[1].read(), other[1].read())


@pytest.mark.parametrize("method", list(METHODS))
def test_infinities_are_read_alike_by_all(method, name, readers):
    pixels = noise("f4")
    pixels[5, 5], pixels[6, 6], pixels[7, 7] = np.inf, -np.inf, np.nan
    with FITS("mem://", "w+") as file:
        hdu = file.write_image(pixels, compress=codec(name), quantize=Quantize(method=method))
        np.testing.assert_array_equal(np.isnan(hdu.read()), ~np.isfinite(pixels))
        readers.agree(file.to_bytes(), hdu.read())


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("writer", ["fitsio", "astropy", "fpack"])
def test_an_image_that_others_wrote_can_be_written_anew(writer, dtype, name, tmp_path, readers):
    path, pixels, new = tmp_path / "theirs.fits", noise(dtype), noise(dtype, seed=1)
    new[2, 5], new[32:48, 30:60] = np.nan, 5.0
    if writer == "fitsio":
        write_with_cfitsio(pixels, path, compress=name, tile_dims=TILE, qlevel=16, qmethod=METHODS["dither1"])
    elif writer == "astropy":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            options = {"compression_type": name, "tile_shape": TILE, "quantize_level": 16, "quantize_method": 1}
            fits.CompImageHDU(pixels, **options).writeto(path)
    else:
        if shutil.which("fpack") is None:
            pytest.skip("peer not installed: fpack")
        option = {"GZIP_1": "-g1", "GZIP_2": "-g2", "RICE_1": "-r", "HCOMPRESS_1": "-h"}[name]
        with FITS(tmp_path / "plain.fits", "w+") as file:
            file.write_image(pixels)
        # Without -C there are sums of the table, which writing leaves as they are.
        command = ["fpack", "-C", option, "-t", f"{TILE[1]},{TILE[0]}", "-O", path, tmp_path / "plain.fits"]
        subprocess.run(command, check=True, capture_output=True)
    with FITS(path, "r+") as file:
        hdu = file[1]
        method, layout = hdu.header["ZQUANTIZ"], hdu.compression
        hdu.write(new)
        assert (hdu.header["ZQUANTIZ"], hdu.compression) == (method, layout)
        found = hdu.read()
        raw = file.to_bytes()
    assert (np.isnan(found) == np.isnan(new)).all()
    good = np.isfinite(new)
    assert abs(found - new)[good].max() < 2.5  # half of noise / 4
    np.testing.assert_array_equal(found[32:48, 30:60], 5.0)
    readers.agree(raw, found)
    if shutil.which("fitsverify"):
        report = subprocess.run(["fitsverify", "-q", path], capture_output=True, text=True, check=False).stdout
        assert "verification OK" in report, report


class TestOtherTables:
    """Files by hand whose tables are not the ones written here."""

    def file(self, columns, cards, numbers=None):
        stored = np.arange(1200, dtype="i4").reshape(6, 200)
        table = Table(columns, 6)
        for row, tile in enumerate(tiles_of(stored, (1, 200))):
            table.put("COMPRESSED_DATA", row, gzipped(tile))
        for key in ("ZSCALE", "ZZERO", "ZBLANK"):
            if key in columns:
                table.fill(key, (numbers or {}).get(key, [1] * 6))
        return table.file(image_cards("GZIP_1", -32, (6, 200), (1, 200)) | cards)

    PIXELS = np.random.default_rng(1).normal(100, 10, (6, 200)).astype("f4")

    @pytest.mark.parametrize("null", [{}, {"ZBLANK": -2147483648}, {"ZBLANK": -2147483647}, {"ZBLANK": 12}])
    def test_the_keyword_zblank_says_in_the_end_which_integer_is_null(self, null, readers):
        columns = {"COMPRESSED_DATA": "1PB", "ZSCALE": "1D", "ZZERO": "1D"}
        pixels = self.PIXELS.copy()
        pixels[2, 7:20] = np.nan
        with FITS.from_bytes(self.file(columns, {"ZQUANTIZ": "NO_DITHER", **null}), "r+") as file:
            file[1].write(pixels)
            np.testing.assert_array_equal(np.isnan(file[1].read()), np.isnan(pixels))
            assert "ZBLANK" in file[1].header
            readers.agree(file.to_bytes(), file[1].read())

    def test_a_column_zblank_is_filled(self, readers):
        columns = {"COMPRESSED_DATA": "1PB", "ZSCALE": "1D", "ZZERO": "1D", "ZBLANK": "1J"}
        pixels = self.PIXELS.copy()
        pixels[2, 7:20] = np.nan
        with FITS.from_bytes(self.file(columns, {"ZQUANTIZ": "SUBTRACTIVE_DITHER_1", "ZDITHER0": 5}), "r+") as file:
            file[1].write(pixels)
            np.testing.assert_array_equal(np.isnan(file[1].read()), np.isnan(pixels))
            readers.agree(file.to_bytes(), file[1].read())

    @pytest.mark.parametrize("form", ["1PB", "1QB"])
    def test_tiles_that_cannot_be_quantised_get_a_column(self, form, readers):
        columns = {"COMPRESSED_DATA": form, "ZSCALE": "1D", "ZZERO": "1D"}
        pixels = self.PIXELS.copy()
        pixels[3] = 4
        with FITS.from_bytes(self.file(columns, {"ZQUANTIZ": "NO_DITHER"}), "r+") as file:
            file.write_image(self.PIXELS, extname="BEHIND")
            hdu = file[1]
            hdu.write(self.PIXELS)
            assert hdu.header["TFIELDS"] == 3
            hdu.write(pixels)
            assert [hdu.header[key] for key in ("TFIELDS", "TTYPE4")] == [4, "GZIP_COMPRESSED_DATA"]
            assert hdu.header["TFORM4"][:3] == form
            found = hdu.read()
            np.testing.assert_array_equal(found[3], 4)
            assert abs(found - pixels).max() < 2
            readers.agree(file.to_bytes(), found)
            np.testing.assert_array_equal(file["BEHIND"].read(), self.PIXELS)

    def test_one_scale_for_all_tiles_cannot_hold_new_pixels(self):
        raw = self.file({"COMPRESSED_DATA": "1PB"}, {"ZQUANTIZ": "NO_DITHER", "ZSCALE": 1.0, "ZZERO": 0.0})
        with FITS.from_bytes(raw, "r+") as file:
            with pytest.raises(rustfits.HeaderError, match="write the image as a new HDU"):
                file[1].write(self.PIXELS)
            assert file.to_bytes() == raw

    @pytest.mark.parametrize("form", ["1I", "1J", "1K"])
    def test_columns_too_narrow_for_new_scales_are_made_wider(self, form, readers):
        """A ZZERO near two thousand million quanta, as NaN make it, has no exact value in single precision."""
        columns = {"COMPRESSED_DATA": "1PB", "ZSCALE": "1E", "ZBLANK": form, "ZZERO": "1E"}
        pixels = self.PIXELS.copy()
        pixels[1, 5], pixels[2] = np.nan, 3
        cards = {"ZQUANTIZ": "SUBTRACTIVE_DITHER_1", "ZDITHER0": 1}
        with FITS.from_bytes(self.file(columns, cards), "r+") as file:
            file[1].write(pixels)
            found = file[1].read()
            header = file[1].header
            assert [header[f"TFORM{n}"] for n in (2, 4)] == ["1D", "1D"]
            assert header["TFORM3"] == ("1K" if form == "1K" else "1J")
            readers.agree(file.to_bytes(), found)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(pixels))
        assert np.nanmax(abs(found - pixels)) < 1.8

    def test_an_image_of_floats_without_loss_stays_one(self, readers):
        raw = edited(self.file({"COMPRESSED_DATA": "1PB"}, {}), ZCMPTYPE="GZIP_2")
        with FITS.from_bytes(raw, "r+") as file:
            file[1].write(self.PIXELS)
            np.testing.assert_array_equal(file[1].read(), self.PIXELS)
            readers.agree(file.to_bytes(), self.PIXELS)
