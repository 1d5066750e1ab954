"""`cutout` around positions, on pixels and on the sky."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.wcs import WCS
from click.testing import CliRunner

import rustfits
from rustfits_cli.main import main

HEADER = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 250.0,
    "CRVAL2": 36.0,
    "CRPIX1": 20.0,
    "CRPIX2": 15.0,
    "CDELT1": -0.01,
    "CDELT2": 0.01,
    "OBJECT": "M13",
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        result = CliRunner().invoke(main, ["cutout", *map(str, arguments)])
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture(params=[None, "GZIP_2"])
def sky(run, tmp_path, request):
    pixels = np.arange(30 * 40, dtype="f4").reshape(30, 40)
    with rustfits.FITS(tmp_path / "sky.fits", "w+") as fits:
        fits.write_image(pixels, header=HEADER, compress=request.param)
    return pixels


def test_positions_become_hdus_of_one_file(run, sky, tmp_path):
    (tmp_path / "list.txt").write_text("# row column\n5 6\n\n20,30\n")
    run("sky.fits", "--at", "10,12", "--list", "list.txt", "--size", "4,6", "out.fits")
    with rustfits.FITS("out.fits") as fits:
        assert [(hdu.extname, hdu.extver) for hdu in fits] == [("CUTOUT", 1), ("CUTOUT", 2), ("CUTOUT", 3)]
        for hdu, (row, column) in zip(fits, [(10, 12), (5, 6), (20, 30)], strict=True):
            assert np.array_equal(hdu.read(), sky[row - 2 : row + 2, column - 3 : column + 3])
            assert hdu.header["OBJECT"] == "M13"


@pytest.mark.parametrize("size", [(4, 6), (5, 7)])
@pytest.mark.parametrize("place", [(10, 12), (0, 0), (29.4, 39.2), (-1, 5)])
def test_coordinates_move_along_and_the_outside_is_filled(run, sky, place, size):
    run("sky.fits", f"--at={place[0]},{place[1]}", "--size", f"{size[0]},{size[1]}", "out.fits")
    with rustfits.FITS("out.fits") as fits, rustfits.FITS("sky.fits") as original:
        hdu, source = fits[0], next(hdu for hdu in original if hdu.has_data)
        new, old = (WCS(each.image_header.to_astropy()) for each in (hdu, source))
        pixels = hdu.read()
        assert pixels.shape == size
        inside = 0
        for row, column in np.ndindex(size):
            at = old.all_world2pix([new.all_pix2world([[column, row]], 0)[0]], 0)[0]
            there = (round(float(at[1])), round(float(at[0])))
            if 0 <= there[0] < 30 and 0 <= there[1] < 40:
                inside += 1
                assert pixels[row, column] == sky[there]
            else:
                assert np.isnan(pixels[row, column])
        assert inside == np.isfinite(pixels).sum()


def test_places_on_the_sky_are_found(run, sky):
    with rustfits.FITS("sky.fits") as fits:
        header = next(hdu for hdu in fits if hdu.has_data).image_header.to_astropy()
    longitude, latitude = WCS(header).all_pix2world([[25, 17]], 0)[0]
    run("sky.fits", "--sky", f"{longitude},{latitude}", "--size", 3, "out.fits")
    assert np.array_equal(rustfits.read("out.fits"), sky[16:19, 24:27])


def test_integers_need_a_value_for_the_outside(run, tmp_path):
    rustfits.write(tmp_path / "x.fits", np.arange(12, dtype="u2").reshape(3, 4))
    assert "fill" in run("x.fits", "--at", "0,0", "--size", 4, "out.fits", code=1).stderr
    run("x.fits", "--at", "0,0", "--size", 4, "--fill", 65535, "out.fits")
    assert rustfits.read("out.fits")[0, 0] == 65535
    assert "need --fill (in HDU 0" in run("x.fits", "--at", "0,0", "--size", 4, "o.fits", code=1).stderr
    assert "no uint16 number" in run("x.fits", "--at", "0,0", "--fill", 0.5, "o.fits", code=1).stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("sky.fits", "--at", "1", "out.fits"), 1, "two numbers"),
        (("sky.fits", "--at", "1,nan", "out.fits"), 1, "finite"),
        (("sky.fits", "--at", "1,1", "--size", "0", "out.fits"), 1, "size"),
        (("sky.fits", "out.fits"), 2, "SECTION"),
        (("sky.fits", "--at", "1,1", "1:2", "out.fits"), 2, "SECTION"),
    ],
)
def test_what_is_not_understood_is_told_and_nothing_is_written(run, sky, tmp_path, arguments, code, said):
    assert said in run(*arguments, code=code).stderr
    assert not (tmp_path / "out.fits").exists()


def test_leading_axes_of_one_pixel_are_kept(run, tmp_path):
    cube = np.arange(30 * 40, dtype="f4").reshape(1, 30, 40)
    rustfits.write(tmp_path / "cube.fits", cube)
    run("cube.fits", "--at", "10,12", "--size", 4, "out.fits")
    assert np.array_equal(rustfits.read("out.fits"), cube[:, 8:12, 10:14])
    rustfits.write(tmp_path / "deep.fits", np.zeros((2, 3, 4)))
    assert "two axes" in run("deep.fits", "--at", "1,1", "o.fits", code=1).stderr


def test_floats_are_rounded_where_it_is_asked_for_and_options_are_named_where_it_has_to_be(run, tmp_path):
    pixels = np.random.default_rng(0).normal(100, 5, (40, 50)).astype("f4")
    rustfits.write(tmp_path / "x.fits", pixels)
    said = run("x.fits", "0:20,0:20", "out.fits", "--compress", "RICE_1", code=1).stderr
    assert "--compress must be a lossless codec, such as GZIP_2" in said
    assert "joined by --level" in said
    assert not (tmp_path / "out.fits").exists()
    run("x.fits", "0:20,0:20", "out.fits", "--compress", "RICE_1", "--level", 4)
    run("x.fits", "--at", "10,10", "--size", 20, "boxes.fits", "--compress", "RICE_1", "--level", 4)
    for name in ("out.fits", "boxes.fits"):
        found = rustfits.read(name)
        assert 0 < np.abs(found - pixels[:20, :20]).max() < 3
    run("x.fits", "0:20,0:20", "bits.fits", "--compress", "GZIP_2")
    assert np.array_equal(rustfits.read("bits.fits"), pixels[:20, :20])
    assert "--level goes with --compress" in run("x.fits", "0:2,0:2", "o.fits", "--level", 4, code=2).stderr
