"""The short way of cutouts of plain images, from key to pixels, gives what the core gives, or leaves it to the core."""

from __future__ import annotations

import numpy as np
import pytest
from cutting import INTEGERS, OTHER_KEYS, refuse, starts_and_counts
from hypothesis import given, settings

import rustfits
from rustfits.codec.choice import set_active
from rustfits.codec.kernels import Kernels
from rustfits.errors import HandleClosed, TruncatedFile
from rustfits.hdu.image.raster import Raster
from rustfits.plugin import PlainImage

raster = pytest.importorskip("rustfits_accel._raster", reason="the short way is in rustfits-accel")

FAR = [(40, 12000), (3, 20, 9500), (30000,), (2, 2, 9, 9300)]  # rows that are read one by one, whatever a pixel takes
NEAR = [(50, 60), (4, 30, 5), (60, 2000), (5, 1, 700)]  # rows that are read together with what is between them


def image(shape, dtype):
    return (np.random.default_rng(5).normal(100, 20, shape)).astype(dtype)


def write(path, shape, dtype):
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(image(shape, dtype))


def boxes(shape):
    return starts_and_counts(shape).map(lambda box: tuple(slice(start, start + count) for start, count in box))


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"])
@pytest.mark.parametrize("shape", FAR + NEAR)
def test_boxes_are_those_of_the_whole_image(shape, dtype, tmp_path):
    path, whole = tmp_path / "image.fits", image(shape, dtype)
    write(path, shape, dtype)

    @settings(max_examples=15)
    @given(key=boxes(shape))
    def check(key):
        with rustfits.FITS(path) as fits:
            found = fits[0][key]
        assert found.dtype == whole.dtype
        assert found.flags.c_contiguous
        assert found.flags.writeable
        assert np.array_equal(found, whole[key])

    check()


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("shape", FAR + NEAR)
def test_a_box_of_slices_goes_the_short_way(shape, tmp_path, monkeypatch):
    path = tmp_path / "image.fits"
    write(path, shape, "f4")
    key = tuple(slice(0, min(30, size)) for size in shape)
    with rustfits.FITS(path) as fits:
        monkeypatch.setattr(Raster, "read", refuse)
        assert np.array_equal(fits[0][key], image(shape, "f4")[key])
        for kind in INTEGERS:
            numbers = tuple(slice(kind(each.start), kind(each.stop)) for each in key)
            assert np.array_equal(fits[0][numbers], image(shape, "f4")[key])
        with pytest.raises(AssertionError, match="short way"):
            fits[0][..., 3]


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("dtype", ["i2", "u2", "f4", "u1"])
def test_integers_in_a_key_take_the_short_way_too(dtype, tmp_path, monkeypatch):
    path, whole = tmp_path / "image.fits", image((40, 50, 60), dtype)
    write(path, whole.shape, dtype)
    with rustfits.FITS(path) as fits:
        hdu = fits[0]
        monkeypatch.setattr(Raster, "read_many", refuse)
        for key in (
            (7, 9, 11),
            (-1, -1, -1),
            (np.int64(7), slice(3, 40), 2),
            (slice(20, 30), 49),
            -40,
            (slice(3, 9), ..., 5),
        ):
            found = hdu[key]
            assert type(found) is type(whole[key])
            assert np.array_equal(found, whole[key])
        with pytest.raises(AssertionError, match="short way"):
            hdu[7, ::2]
        with pytest.raises(IndexError):
            hdu[40, 0, 0]


@pytest.mark.parametrize(
    "key",
    [
        *OTHER_KEYS,
        (slice(30, 999), slice(4, 9)),
        (slice(0, 40), slice(0, 12000)),
        (slice(0, 40), slice(0, 5000)),
    ],
)
def test_other_keys_mean_what_they_mean_to_numpy(key, tmp_path):
    path = tmp_path / "image.fits"
    write(path, (40, 12000), "i2")
    with rustfits.FITS(path) as fits:
        assert np.array_equal(fits[0][key], image((40, 12000), "i2")[key])


@pytest.mark.parametrize("scale", [1, 0.5])
def test_a_box_has_the_physical_values(scale, tmp_path):
    path, pixels = tmp_path / "image.fits", image((40, 12000), "i2")
    write(path, pixels.shape, "i2")
    with rustfits.FITS(path, "r+") as fits:
        assert np.array_equal(fits[0][5:9, 100:130], pixels[5:9, 100:130])
        fits[0].header["BSCALE"], fits[0].header["BZERO"] = scale, 7
        found = fits[0][5:9, 100:130]
        assert found.dtype == np.float64
        assert np.array_equal(found, pixels[5:9, 100:130] * scale + 7)


def test_a_box_after_a_change_has_the_new_pixels(tmp_path):
    path, pixels = tmp_path / "image.fits", image((40, 12000), "f4")
    write(path, pixels.shape, "f4")
    with rustfits.FITS(path, "r+") as fits:
        hdu = fits[0]
        for number in range(3):
            assert np.array_equal(hdu[5:35, 80:100], pixels[5:35, 80:100])
            hdu[10:12, 85:95] = pixels[10:12, 85:95] = number
        for card in range(40):
            hdu.header[f"CARD{card}"] = card  # the pixels move
        assert np.array_equal(hdu[5:35, 80:100], pixels[5:35, 80:100])
        hdu.extend(pixels)
        assert np.array_equal(hdu[30:50, 80:100], np.concatenate([pixels, pixels])[30:50, 80:100])


def test_what_is_wrong_is_said_as_ever(tmp_path):
    path = tmp_path / "image.fits"
    write(path, (40, 12000), "f4")
    path.write_bytes(path.read_bytes()[: 2880 + 30 * 48000])
    said = []
    for kernels in (Kernels(), None):
        set_active(kernels)
        try:
            with rustfits.FITS(path) as fits:
                assert np.array_equal(fits[0][10:30, 5:60], image((40, 12000), "f4")[10:30, 5:60])
                with pytest.raises(TruncatedFile) as caught:
                    fits[0][20:35, 5:60]
        finally:
            set_active(None)
        said.append(str(caught.value))
    assert said[0] == said[1]
    with pytest.raises(HandleClosed):
        fits[0][10:30, 5:60]


def test_an_image_in_memory_has_no_short_way_and_the_same_boxes():
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.write_image(image((40, 12000), "f4"))
        assert np.array_equal(hdu[10:30, 5:60], image((40, 12000), "f4")[10:30, 5:60])


@pytest.mark.parametrize("wrong", [{"shape": ()}, {"shape": (1,) * 9}, {"start": -1}, {"shape": (1 << 40, 1 << 40)}])
def test_an_image_that_no_file_can_hold_is_refused(wrong):
    known = {"shape": (3, 4), "dtype": np.dtype("f4"), "descriptor": 0, "start": 0, "max_nrows": 9, "max_npixels": 99}
    with pytest.raises(ValueError, match=r"axes|no place"):
        raster.RasterCutter(PlainImage(**{**known, **wrong}))
