"""What `hdu.compression` says of files that others wrote, and that it makes the same layout again."""

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

SHAPE = (48, 90)
CLASSES = {"GZIP_1": "Gzip1", "GZIP_2": "Gzip2", "RICE_1": "Rice1", "HCOMPRESS_1": "Hcompress1", "PLIO_1": "Plio1"}
FPACK = {"GZIP_1": "-g1", "GZIP_2": "-g2", "RICE_1": "-r", "HCOMPRESS_1": "-h", "PLIO_1": "-p"}
TILES = [(16, 30), (5, 90), (48, 90), (1, 90), (7, 11)]
CANONICAL = ("RICE_1", "HCOMPRESS_1", "PLIO_1")


@pytest.fixture(params=list(CLASSES))
def name(request):
    if request.param not in rustfits.codecs():
        pytest.skip(f"codec not installed: {request.param}")
    return request.param


def pixels_of(dtype):
    return np.random.default_rng(0).normal(100, 6, SHAPE).astype(dtype)


def layout_of(path):
    """Return what a header says of tiles, algorithm and columns; the sizes of the heap aside."""
    with fits.open(path, disable_image_compression=True) as hdus:
        header = hdus[1].header
        kept = {key: header[key] for key in header if key.startswith(("ZTILE", "ZNAXIS", "ZCMPTYPE", "ZBITPIX"))}
        parameters = {header[f"ZNAME{n}"]: header[f"ZVAL{n}"] for n in (1, 2) if f"ZNAME{n}" in header}
        parameters.pop("NOISEBIT", None)  # where astropy keeps the level of the quantisation
        columns = {}
        for number in range(1, header["TFIELDS"] + 1):
            columns[header[f"TTYPE{number}"]] = header[f"TFORM{number}"].split("(")[0]
    return kept, parameters, columns


def assert_reproduced(path, codec, tmp_path, *, quantize=None, canonical=True):
    """Check that the settings read from a file give another one of the same layout, and the same streams."""
    again = tmp_path / "again.fits"
    again.unlink(missing_ok=True)
    with FITS(path) as file:
        hdu = file[1]
        assert hdu.compression == codec
        assert isinstance(hdu.compression, type(codec))
        assert eval(repr(hdu.compression), vars(rustfits)) == codec
        pixels, compression = hdu.read(), hdu.compression
    with FITS(again, "w+") as file:
        hdu = file.write_image(pixels, compress=compression, quantize=quantize)
        assert hdu.compression == compression
    (their_keys, theirs, their_columns), (keys, ours, columns) = layout_of(path), layout_of(again)
    assert keys == their_keys
    assert {key: abs(value) for key, value in theirs.items()} == ours
    # CFITSIO makes the columns for tiles without loss when it meets such tiles.
    columns.pop("GZIP_COMPRESSED_DATA", None)
    their_columns.pop("GZIP_COMPRESSED_DATA", None)
    assert columns == their_columns
    if canonical and codec.zcmptype in CANONICAL and quantize is None:
        assert heap_tiles(again) == heap_tiles(path)
    return pixels


def codec_of(name, tile, **arguments):
    return getattr(rustfits, CLASSES[name])(tile_shape=tile, **arguments)


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4"])
def test_integers_of_fitsio(name, dtype, tile, tmp_path):
    if name == "HCOMPRESS_1" and min(tile) < 4:
        pytest.skip("HCOMPRESS_1 has no tiles of one row")
    if name == "HCOMPRESS_1" and any(0 < n % t < 4 for n, t in zip(SHAPE, tile, strict=True)):
        pytest.skip("nor those that leave a rest of less than four")
    if (name, dtype) == ("PLIO_1", "u2"):
        pytest.skip("is refused here")
    path = tmp_path / "theirs.fits"
    write_with_cfitsio(pixels_of(dtype), path, compress=name, tile_dims=list(tile))
    found = assert_reproduced(path, codec_of(name, tile), tmp_path)
    np.testing.assert_array_equal(found, pixels_of(dtype))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("method", ["NO_DITHER", "SUBTRACTIVE_DITHER_1", "SUBTRACTIVE_DITHER_2"])
def test_floats_of_fitsio(name, dtype, method, tmp_path):
    if name == "PLIO_1" or (name == "HCOMPRESS_1" and method.endswith("2")):
        pytest.skip("there are no such files")
    path = tmp_path / "theirs.fits"
    keywords = {"qlevel": 8, "qmethod": method, "dither_seed": 55}
    write_with_cfitsio(pixels_of(dtype), path, compress=name, tile_dims=[16, 30], **keywords)
    assert_reproduced(path, codec_of(name, (16, 30)), tmp_path, quantize=Quantize(level=8, method=method, seed=55))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", ["GZIP_1", "GZIP_2"])
def test_floats_without_loss_of_fitsio(name, dtype, tmp_path):
    path = tmp_path / "theirs.fits"
    write_with_cfitsio(pixels_of(dtype), path, compress=name, tile_dims=[16, 30], qlevel=None)
    assert_reproduced(path, codec_of(name, (16, 30)), tmp_path)


def needs_hcompress():
    if "HCOMPRESS_1" not in rustfits.codecs():
        pytest.skip("codec not installed: HCOMPRESS_1")


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("scale", [0, 1, 2, 20])
@pytest.mark.parametrize("writer", ["fitsio", "astropy"])
def test_scale_and_smooth_of_hcompress(writer, scale, smooth, tmp_path):
    needs_hcompress()
    path = tmp_path / "theirs.fits"
    if writer == "fitsio":  # where a negative scale is a fixed one
        keywords = {"hcomp_scale": -scale, "hcomp_smooth": smooth}
        write_with_cfitsio(pixels_of("i2"), path, compress="HCOMPRESS", tile_dims=[16, 30], **keywords)
    else:
        options = {"compression_type": "HCOMPRESS_1", "tile_shape": (16, 30)}
        fits.CompImageHDU(pixels_of("i2"), hcomp_scale=scale, hcomp_smooth=int(smooth), **options).writeto(path)
    codec = codec_of("HCOMPRESS_1", (16, 30), scale=scale, smooth=smooth)
    # Pixels that were coded with loss make other streams.
    assert_reproduced(path, codec, tmp_path, canonical=scale <= 1)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("tile", [(16, 30), (48, 90), (6, 90)])
def test_images_of_astropy(name, dtype, tile, tmp_path):
    if name == "PLIO_1" and dtype not in ("u1", "i2", "i4"):
        pytest.skip("PLIO_1 holds no such pixels")
    path = tmp_path / "theirs.fits"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.CompImageHDU(pixels_of(dtype), compression_type=name, tile_shape=tile).writeto(path)
    quantize = Quantize(level=16, method="no_dither") if dtype[0] == "f" else None
    assert_reproduced(path, codec_of(name, tile), tmp_path, quantize=quantize)


@pytest.mark.skipif(shutil.which("fpack") is None, reason="peer not installed: fpack")
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4"])
@pytest.mark.parametrize(("option", "tile"), [(["-w"], (48, 90)), (["-t", "30,16"], (16, 30)), ([], None)])
def test_images_of_fpack(name, dtype, option, tile, tmp_path):
    if name == "PLIO_1" and dtype not in ("u1", "i2"):
        pytest.skip("fpack makes no such file, or one that is refused here")
    plain, path = tmp_path / "plain.fits", tmp_path / "theirs.fits"
    with FITS(plain, "w+") as file:
        file.write_image(pixels_of(dtype))
    subprocess.run(["fpack", FPACK[name], *option, "-O", path, plain], check=True, capture_output=True)
    if tile is None:
        tile = (16, 90) if name == "HCOMPRESS_1" else (1, 90)
    quantize = Quantize() if dtype[0] == "f" else None
    assert_reproduced(path, codec_of(name, tile), tmp_path, quantize=quantize)


@pytest.mark.parametrize("scale", ["4", "-12"])
@pytest.mark.skipif(shutil.which("fpack") is None, reason="peer not installed: fpack")
def test_the_scale_of_fpack(scale, tmp_path):
    """A positive one is relative to the noise of each tile, so that the header cannot say what was divided by."""
    needs_hcompress()
    plain, path = tmp_path / "plain.fits", tmp_path / "theirs.fits"
    with FITS(plain, "w+") as file:
        file.write_image(pixels_of("i2"))
    subprocess.run(["fpack", "-h", "-s", scale, "-O", path, plain], check=True, capture_output=True)
    with FITS(path) as file:
        assert file[1].compression == rustfits.Hcompress1(tile_shape=(16, 90), scale=abs(int(scale)))


@pytest.mark.parametrize("blocksize", [16, 32])
def test_the_block_size_of_rice(blocksize, tmp_path):
    if "RICE_1" not in rustfits.codecs():
        pytest.skip("codec not installed: RICE_1")
    path = tmp_path / "here.fits"
    codec = rustfits.Rice1(blocksize=blocksize, tile_shape=(16, 30))
    with FITS(path, "w+") as file:
        file.write_image(pixels_of("i2"), compress=codec)
    assert_reproduced(path, codec, tmp_path)


@pytest.mark.parametrize("heap_format", ["P", "Q"])
@pytest.mark.parametrize("quantize", [None, Quantize(seed=3)])
def test_descriptors_of_64_bits(name, heap_format, quantize, tmp_path):
    if quantize is not None and name == "PLIO_1":
        pytest.skip("PLIO_1 holds no floats")
    path = tmp_path / "here.fits"
    codec = codec_of(name, (16, 30), heap_format=heap_format)
    with FITS(path, "w+") as file:
        file.write_image(pixels_of("i2" if quantize is None else "f4"), compress=codec, quantize=quantize)
    assert_reproduced(path, codec, tmp_path, quantize=quantize)


@pytest.mark.parametrize("tile", [(100, 200), (48, 91), (10**6, 10**6)])
def test_tiles_larger_than_the_image(tile, tmp_path):
    path = tmp_path / "theirs.fits"
    pixels = pixels_of("i2")
    table = Table({"COMPRESSED_DATA": "1PB"}, 1)
    table.put("COMPRESSED_DATA", 0, gzipped(pixels))
    path.write_bytes(table.file(image_cards("GZIP_1", 16, SHAPE, tile)))
    assert_reproduced(path, rustfits.Gzip1(tile_shape=tile), tmp_path)


def test_settings_that_a_header_cannot_hold_are_the_default_ones(tmp_path):
    path = tmp_path / "here.fits"
    with FITS(path, "w+") as file:
        hdu = file.write_image(pixels_of("i2"), compress=rustfits.Gzip2(level=9, tile_shape=(16, 30)))
        assert hdu.compression.level == 9
    with FITS(path) as file:
        assert file[1].compression == rustfits.Gzip2(tile_shape=(16, 30))


@pytest.mark.parametrize("text", [None, 7, "LZW_1", "  "])
def test_an_algorithm_that_is_not_known_leaves_the_hdu_readable_in_all_else(text):
    table = Table({"COMPRESSED_DATA": "1PB"}, 48)
    for row, tile in enumerate(tiles_of(pixels_of("i2"), (1, 90))):
        table.put("COMPRESSED_DATA", row, gzipped(tile))
    raw = edited(table.file(image_cards("GZIP_1", 16, SHAPE, (1, 90))), ZCMPTYPE=text)
    with FITS.from_bytes(raw) as file:
        hdu = file[1]
        assert (hdu.shape, hdu.dtype, hdu.n_tiles, hdu.bitpix) == (SHAPE, np.dtype("i2"), 48, 16)
        assert "compression: " in repr(hdu)
        assert (str(text).strip() if isinstance(text, str) else "None") in repr(hdu).split("compression:")[1]
        with pytest.raises((ValueError, NotImplementedError)):
            hdu.read()
        with pytest.raises((ValueError, NotImplementedError)):
            str(hdu.compression)
