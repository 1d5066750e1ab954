"""Pictures: the right way up, faint things visible, no number too odd."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from rustfits_cli.preview import shrink, stretch, write_preview


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
