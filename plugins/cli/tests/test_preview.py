"""Pictures: the right way up, faint things visible, no number too odd."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from astropy.visualization import ZScaleInterval
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import rustfits
from rustfits_cli.main import main
from rustfits_cli.plot import plot
from rustfits_cli.preview import (
    MAPS,
    STRETCHES,
    Look,
    draw,
    parse_limits,
    percentiles,
    shrink,
    stretch,
    write_preview,
    zscale,
)
from rustfits_cli.terminal import way_of

DATA = Path(__file__).resolve().parents[3] / "tests" / "data"


@pytest.fixture
def starfield():
    pixels = np.random.default_rng(3).normal(100.0, 2.0, (60, 80))
    pixels[40, 70] = 20_000.0  # one star
    pixels[10, 5] = 130.0  # and a faint one
    return pixels


def test_the_first_row_is_at_the_bottom(tmp_path, starfield):
    write_preview(tmp_path / "sky.png", starfield)
    with Image.open(tmp_path / "sky.png") as file:
        picture = np.asarray(file)
    assert picture.shape == starfield.shape
    assert picture[60 - 1 - 40, 70] == 255


def test_a_faint_star_stands_out_beside_a_bright_one(starfield):
    grey = stretch(starfield).astype(int)
    assert grey[10, 5] > np.median(grey) + 60


@pytest.mark.parametrize("value", [0.0, 5.0, -1e300, np.nan, np.inf])
def test_an_image_of_one_value_gives_a_picture(tmp_path, value):
    write_preview(tmp_path / "flat.png", np.full((5, 7), value))
    with Image.open(tmp_path / "flat.png") as file:
        assert file.size == (7, 5)


def test_nan_is_black(starfield):
    starfield[3, 3] = np.nan
    assert stretch(starfield)[3, 3] == 0


def test_a_mask_of_few_set_pixels_shows_them():
    mask = np.zeros((50, 50))
    mask[20:22, 20:22] = 8
    grey = stretch(mask)
    assert grey[20, 20] > grey[0, 0]


@pytest.mark.parametrize("shape", [(3000, 20), (20, 3000), (1, 5000), (5000, 1), (2049, 2047)])
def test_a_large_image_becomes_a_small_picture_of_the_same_mean(tmp_path, shape):
    pixels = np.random.default_rng(1).integers(0, 100, shape).astype("i2")
    small = shrink(pixels, 1024)
    assert max(small.shape) <= 1024
    assert small.size > 0
    assert abs(small.mean() - pixels.mean()) < 5


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        result = CliRunner().invoke(main, ["preview", *map(str, arguments)])
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def sky(tmp_path, starfield):
    rustfits.write(tmp_path / "sky.fits", starfield.astype("f4"))
    return "sky.fits"


@pytest.mark.parametrize("size", [1, 7, 40, 79, 80, 81, 333])
def test_the_longest_side_is_as_told(run, sky, size):
    run(sky, "x.png", "--size", size, "--enlarge")
    with Image.open("x.png") as picture:
        assert max(picture.size) == size
        assert abs(min(picture.size) - size * 60 / 80) <= 1
    run(sky, "y.png", "--size", size)
    with Image.open("y.png") as picture:
        assert max(picture.size) == min(size, 80)


@pytest.mark.parametrize(("name", "kind"), [("x.png", "PNG"), ("x.jpg", "JPEG"), ("x.JPEG", "JPEG")])
def test_the_format_is_that_of_the_name(run, sky, name, kind):
    run(sky, name)
    with Image.open(name) as picture:
        assert picture.format == kind


def test_another_name_is_refused_before_anything_is_read(run, sky):
    assert ".png, .jpg, .jpeg" in run(sky, "x.tif", code=1).stderr


@pytest.mark.parametrize("colours", MAPS)
@pytest.mark.parametrize("kind", STRETCHES)
def test_brighter_pixels_are_never_darker(colours, kind):
    ramp = np.arange(400.0).reshape(20, 20)
    picture = np.asarray(draw(ramp, Look(kind, (50.0, 300.0), colours), 20).convert("L"), dtype=int)[::-1]
    assert (np.diff(picture.ravel()) >= -1).all()  # colours are rounded
    assert picture[0, 0] == picture[2, 10]  # all below the limit are one colour
    assert picture[15, 0] == picture[-1, -1]
    assert picture[-1, -1] > picture[0, 0] + 100


@pytest.mark.parametrize("text", ["auto", "zscale", "minmax", "99.5%", "100%", "-5,1e3"])
def test_limits_are_understood(run, sky, text):
    parse_limits(text)
    run(sky, "x.png", "--limits", text)


@pytest.mark.parametrize("text", ["", "0%", "101%", "5", "5,5", "7,5", "a,b", "nan,1", "1,2,3"])
def test_other_limits_are_refused(run, sky, text):
    assert "not understood" in run(sky, "x.png", "--limits", text, code=1).stderr


def test_zscale_is_that_of_iraf(starfield):
    pixels = np.random.default_rng(5).normal(500, 20, (200, 200))
    pixels[3, 4:90] = 60_000
    sample = np.sort(pixels.ravel()[::40])
    expected = ZScaleInterval(n_samples=1000).get_limits(sample)
    assert zscale(sample) == pytest.approx(expected, abs=6)


def test_the_mean_of_an_area_leaves_nan_out(run):
    pixels = np.full((100, 100), 7.0)
    pixels[::3, ::2] = np.nan
    pixels[:20, :20] = np.nan
    small = shrink(pixels, 10)
    assert np.isnan(small[0, 0])
    assert np.allclose(small[3:], 7.0)


def test_inverted_pictures_keep_lost_pixels_black(starfield):
    starfield[3, 3] = np.nan
    assert stretch(starfield, Look(invert=True))[3, 3] == 0
    assert stretch(starfield, Look(invert=True))[40, 70] == 0
    assert np.median(stretch(starfield, Look(invert=True))) > 128


@pytest.mark.parametrize("count", [1, 2, 5, 16])
def test_a_mosaic_is_drawn_on_one_sheet(run, count, starfield):
    with rustfits.FITS("mosaic.fits", "w+") as fits:
        for number in range(count):
            fits.write_image(starfield[:, : 20 + number].astype("f4"), extname="AMP", extver=number + 1)
        fits.create_image_hdu("u1", ())
    run("mosaic.fits", "x.png", "--all", "--size", "500")
    with Image.open("x.png") as picture:
        assert max(picture.size) == 500
        bright = np.asarray(picture.convert("L")) > 250
        assert bright.sum() >= count  # the star of each


def test_a_sheet_of_nothing_is_refused(run):
    with rustfits.FITS("empty.fits", "w+") as fits:
        fits.create_image_hdu("u1", ())
    assert "no image with data" in run("empty.fits", "x.png", "--all", code=1).stderr


# -- errors of quantisation, and terminals ----------------------------------------------------------------------------


def test_the_map_of_errors_is_that_of_the_difference(run, sky, starfield):
    run(sky, "x.png", "--quantization-error", "4")
    lost = rustfits.quantization_error(starfield.astype("f4"), "GZIP_2", rustfits.Quantize(level=4, seed=1)).difference
    with Image.open("x.png") as picture:
        grey = np.asarray(picture)[::-1]
    assert grey.shape == lost.shape
    assert np.corrcoef(grey.reshape(-1), lost.reshape(-1))[0, 1] > 0.99
    rustfits.write("integers.fits", np.ones((4, 5), "i2"))
    assert "keep every bit" in run("integers.fits", "y.png", "--quantization-error", "4", code=1).output


@pytest.mark.parametrize("way", ["kitty", "iterm2"])
def test_terminals_are_given_the_picture_itself(run, sky, way):
    out = run(sky, "--terminal", way, "--size", "70").stdout
    if way == "kitty":
        parts = re.findall("\x1b_G([^;]*);([A-Za-z0-9+/=]*)\x1b\\\\", out)
        assert parts[0][0].startswith("a=T,f=100")
        assert [keys[-3:] for keys, _ in parts] == ["m=1"] * (len(parts) - 1) + ["m=0"]
        assert all(len(part) <= 4096 for _, part in parts)
        data = "".join(part for _, part in parts)
    else:
        data = re.fullmatch("\x1b]1337;File=inline=1;preserveAspectRatio=1;size=[0-9]+:([A-Za-z0-9+/=]*)\x07\n", out)[1]
    run(sky, "x.png", "--size", "70")
    with Image.open(io.BytesIO(b64decode(data))) as shown, Image.open("x.png") as saved:
        assert np.array_equal(np.asarray(shown), np.asarray(saved))


def test_half_blocks_have_the_colours_of_two_rows(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    rustfits.write("x.fits", np.arange(20, dtype="i2").reshape(5, 4))
    out = run("x.fits", "--terminal", "blocks", "--limits", "minmax", "--stretch", "linear").stdout
    run("x.fits", "x.png", "--limits", "minmax", "--stretch", "linear")
    with Image.open("x.png") as picture:
        grey = np.asarray(picture)
    lines = out.splitlines()
    assert len(lines) == 3
    found = [re.findall("\x1b\\[38;2;([0-9]+);[0-9;]*?(?:48;2;([0-9]+);[0-9]+;[0-9]+)?m\u2580", line) for line in lines]
    assert [[int(upper) for upper, _ in line] for line in found] == grey[::2].tolist()
    assert [[int(lower) for _, lower in line] for line in found[:2]] == grey[1::2].tolist()


@pytest.mark.parametrize(
    ("environment", "way"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"TERM": "screen-256color", "KITTY_WINDOW_ID": "1"}, "blocks"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/x"}, "blocks"),
        ({}, "blocks"),
    ],
)
def test_terminals_are_known_by_what_they_say(environment, way):
    assert way_of(environment) == way


def test_without_output_a_terminal_is_needed(run, sky):
    assert "OUTPUT" in run(sky, code=2).output


def test_noise_that_is_nothing_beside_the_range_is_drawn_all_the_same():
    pixels = np.array([[11.0, 4.9e-324, 1.0, 1.0, 0.0, 0.0, 0.0]])
    grey = stretch(pixels)
    assert grey[0, 0] == 255
    assert grey[0, 4] < 255


@given(
    hnp.arrays(np.float64, st.integers(1, 300), elements=st.floats(-1e300, 1e300)),
    st.lists(st.floats(0, 100), min_size=1, max_size=3),
)
def test_percentiles_are_those_of_numpy(sample, shares):
    expected = np.percentile(sample, shares)
    scale = np.abs(sample).max()
    assert np.allclose(percentiles(sample, *shares), expected, rtol=1e-9, atol=1e-12 * scale)


@pytest.mark.parametrize(
    "words",
    [
        ["preview", "m13_rice.fits", "new.png"],
        ["preview", "m13.fits", "new.jpg", "--limits", "zscale"],
        ["preview", "m13.fits", "new.png", "--limits", "99.5%", "--size", "64"],
        ["pack", "-q", "m13.fits"],
        ["unpack", "-q", "m13_rice.fits", "-o", "new.fits"],
        ["cutout", "m13_rice.fits", "0:9,0:9", "new.fits"],
    ],
)
def test_small_commands_load_no_masked_arrays(tmp_path, words):
    for name in ("m13.fits", "m13_rice.fits"):
        shutil.copy(DATA / name, tmp_path)
    code = (
        "import sys\nfrom rustfits_cli.main import main\n"
        "main(sys.argv[1:], standalone_mode=False)\nassert 'numpy.ma' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, *words], check=True, cwd=tmp_path, timeout=60)


@pytest.mark.parametrize(("value", "said"), [(0, "0"), (-1.5, "-1.5"), (np.nan, "nan")])
def test_an_image_that_shows_nothing_is_told(tmp_path, value, said):
    for name, last in (("same.fits", value), ("other.fits", 7)):
        pixels = np.full((8, 9), value, "f4")
        pixels[-1, -1] = last
        rustfits.write(tmp_path / name, pixels)
        done = CliRunner().invoke(main, ["preview", str(tmp_path / name), str(tmp_path / "x.png")])
        assert done.exit_code == 0
        assert (f"every pixel is {said}" in done.output) == (name == "same.fits")


def test_every_number_of_a_plot_is_beside_its_point():
    found = [
        {"codec": "RICE_1", "setting": "", "ratio": 2 + 0.1 * n, "read": 100 + n, "write": 99 - n, "rms": 0.1 * n}
        for n in range(9)
    ]
    canvas = plot(found, "title")
    texts = [mark for kind, mark in canvas._marks if kind == "text" and mark[2].isdigit() and mark[3] == "middle"]
    dots = [mark[:2] for kind, mark in canvas._marks if kind == "dot"]
    numbers = [text for text in texts if int(text[2]) <= len(found)]
    assert len(numbers) >= 2 * len(found) - 1
    for x, y, *_ in numbers:
        assert min(max(abs(x - u), abs(y - 4 - v)) for u, v in dots) > 6  # no dot hides it
