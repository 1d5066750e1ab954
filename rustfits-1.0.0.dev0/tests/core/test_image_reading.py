"""Uncompressed images are read as numpy would index them, and only as far as needed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from plain_images import DTYPES, image_of, pixels_of

from rustfits import FITS
from rustfits.errors import HandleClosed, HeaderError, ImageError, NotSupported, PixelIndexError, TruncatedFile
from rustfits.hdu.image import raster
from rustfits.hdu.image.image import ImageHDU
from rustfits.storage.memory import MemoryStorage


@st.composite
def images_and_keys(draw):
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=12))
    keys = []
    for npixels in shape[: draw(st.integers(0, len(shape)))]:
        bound = st.none() | st.integers(-npixels - 1, npixels + 1)
        slices = st.builds(slice, bound, bound, st.none() | st.integers(1, 5))
        keys.append(draw(slices | st.integers(-npixels, npixels - 1)))
    if draw(st.booleans()):
        keys.append(...)
    return shape, tuple(keys)


@settings(max_examples=120)
@given(
    images_and_keys(), st.sampled_from(DTYPES), st.sampled_from([0, 8, 64, 8192]), st.sampled_from([20, 150, 1 << 18])
)
def test_a_section_equals_that_of_the_array(case, dtype, max_gap, chunk):
    shape, key = case
    pixels = pixels_of(dtype, shape)
    hdu = image_of(pixels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raster, "MAX_IMAGE_GAP_NBYTES", max_gap)
        patch.setattr(MemoryStorage, "chunk_nbytes", chunk)
        section = hdu[key]
        whole = hdu.read()
    assert section.dtype == np.dtype(dtype)
    assert np.array_equal(section, pixels[key])
    assert np.array_equal(whole, pixels)
    assert isinstance(section, np.generic) == (np.ndim(pixels[key]) == 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_reading_gives_a_fresh_native_array(dtype):
    pixels = pixels_of(dtype, (5, 7))
    for given_pixels in (pixels, pixels.astype(pixels.dtype.newbyteorder(">")).copy()):
        hdu = image_of(given_pixels)
        found = hdu.read()
        assert found.dtype == pixels.dtype
        assert found.dtype.isnative
        assert found.flags.c_contiguous
        assert found.flags.writeable
        assert found.tobytes() == pixels.tobytes()
        found[:] = 0
        assert hdu.read().tobytes() == pixels.tobytes()


def test_images_of_nine_axes_are_read():
    pixels = pixels_of("i4", (2, 1, 3, 1, 2, 2, 1, 3, 4))
    hdu = image_of(pixels)
    assert hdu.ndim == 9
    assert np.array_equal(hdu.read(), pixels)
    assert np.array_equal(hdu[1, :, ::2, 0, ..., 1:3], pixels[1, :, ::2, 0, ..., 1:3])
    assert hdu[(1, 0, 2, 0, 1, 1, 0, 2, 3)] == pixels[1, 0, 2, 0, 1, 1, 0, 2, 3]


def test_an_image_larger_than_the_chunks_is_read_by_several_threads_as_by_one():
    pixels = pixels_of("i4", (1300, 1100))
    hdu = image_of(pixels)
    assert np.array_equal(hdu.read(), pixels)
    assert np.array_equal(hdu[3:1200:2, 5:1000:3], pixels[3:1200:2, 5:1000:3])


class CountingStorage(MemoryStorage):
    """Notes every range that is read."""

    def __init__(self, data):
        super().__init__(data)
        self.reads = []

    def _read_into(self, offset, target):
        self.reads.append((offset, target.nbytes))
        return super()._read_into(offset, target)


def counted(hdu):
    hdu._file.storage = CountingStorage(hdu.keep.to_bytes())
    hdu._source = None  # which has the other storage
    return hdu._file.storage.reads


def test_a_section_of_whole_rows_is_one_read_of_its_bytes():
    hdu = image_of(pixels_of("i4", (100, 50)))
    reads = counted(hdu)
    hdu[10:20]
    assert reads == [(hdu._extent.data_start + 10 * 200, 2000)]


def test_rows_far_apart_are_read_one_by_one():
    hdu = image_of(pixels_of("i2", (8, 20000)))
    reads = counted(hdu)
    hdu[2:5, 100:200]
    assert reads == [(hdu._extent.data_start + row * 40000 + 200, 200) for row in (2, 3, 4)]


def test_a_narrow_column_is_not_read_pixel_row_by_pixel_row():
    hdu = image_of(pixels_of("i2", (1000, 20)))
    reads = counted(hdu)
    hdu[:, 3]
    assert reads == [(hdu._extent.data_start + 6, 999 * 40 + 2)]


def test_holes_of_a_large_column_are_read_in_bounded_chunks():
    hdu = image_of(pixels_of("f8", (1000, 1000)))
    reads = counted(hdu)
    hdu[:, 3:5]
    assert max(nbytes for _, nbytes in reads) <= MemoryStorage.chunk_nbytes
    assert len(reads) < 50


def test_nothing_is_read_for_an_empty_section():
    hdu = image_of(pixels_of("i2", (4, 5)))
    reads = counted(hdu)
    assert hdu[2:2].shape == (0, 5)
    assert hdu[1, 5:].dtype == np.dtype("i2")
    assert reads == []


@pytest.mark.parametrize(
    ("key", "kind"), [((0, 0, 0), ImageError), ([0], ImageError), (True, ImageError), (4, PixelIndexError)]
)
def test_bad_keys_are_refused_and_say_where(key, kind):
    hdu = image_of(pixels_of("i2", (4, 5)), extname="SCI")
    with pytest.raises(kind, match=r"HDU 1 \('SCI'\) of mem://"):
        hdu[key]


def test_iteration_and_length_follow_the_first_axis():
    pixels = pixels_of("i2", (3, 4))
    hdu = image_of(pixels)
    assert len(hdu) == 3
    assert [row.tolist() for row in hdu] == pixels.tolist()
    assert [int(pixel) for pixel in image_of(pixels[0])] == pixels[0].tolist()


def test_an_image_without_axes_has_no_pixels():
    fits = FITS("mem://", "w+")
    fits.create_image_hdu("u1", ())
    hdu = fits[0]
    assert (hdu.shape, hdu.ndim, hdu.size, len(hdu), list(hdu)) == ((), 0, 0, 0, [])
    assert hdu.has_data is False
    assert bool(hdu)
    for use in (
        hdu.read,
        lambda: hdu[0],
        lambda: hdu[...],
        lambda: hdu.write(np.zeros((), "u1")),
        lambda: hdu.extend(np.zeros((1,), "u1")),
        lambda: hdu.__setitem__((), 0),
        lambda: hdu.read(mask_blank=True),
        lambda: hdu.cutouts([], 3),
    ):
        with pytest.raises(ImageError, match="NAXIS=0"):
            use()


def test_an_empty_first_axis_gives_an_empty_array():
    fits = FITS("mem://", "w+")
    fits.create_image_hdu("u2", (0, 5))
    assert fits[0].read().shape == (0, 5)
    assert fits[0].read().dtype == np.dtype("u2")
    assert fits[0][:, 2].shape == (0,)
    assert fits[0].has_data is False
    assert fits[0].read(mask_blank=True).shape == (0, 5)


def test_accessors_tell_what_the_header_says():
    hdu = image_of(pixels_of("u4", (3, 4, 5)), extname="SCI", extver=7, header={"BUNIT": "Jy"})
    assert (hdu.bitpix, hdu.ndim, hdu.shape, hdu.size) == (32, 3, (3, 4, 5), 60)
    assert (hdu.dtype, hdu.stored_dtype) == ("u4", "i4")
    assert (hdu.unit, hdu.extname, hdu.extver, hdu.index, hdu.has_data) == ("Jy", "SCI", 7, 1, True)
    for name in ("shape", "dtype", "stored_dtype", "bitpix", "ndim", "size", "unit", "extname", "header", "index"):
        with pytest.raises(AttributeError):
            setattr(hdu, name, None)


def test_the_representation_lists_what_matters():
    hdu = image_of(pixels_of("i4", (2, 3)), extname="SCI", header={"BUNIT": "Jy"})
    assert repr(hdu) == (
        "  file: mem://\n  extension: 1\n  type: IMAGE_HDU\n  extname: SCI\n"
        "  image info:\n    data type: i4\n    dims: [2, 3]\n    unit: Jy\n"
    )
    fits = FITS("mem://", "w+")
    fits.create_image_hdu("u1", ())
    expected = "  file: mem://\n  extension: 0\n  type: IMAGE_HDU\n  image info:\n    data type: u1\n    dims: []\n"
    assert repr(fits[0]) == expected


def test_scaled_images_give_doubles_and_stored_numbers_on_request():
    stored = pixels_of("i2", (20, 30))
    hdu = image_of(stored)
    hdu.header["BSCALE"] = 0.1
    hdu.header["BZERO"] = 5.5
    expected = stored.astype("f8") * 0.1 + 5.5
    assert hdu.read().dtype == np.dtype("f8")
    assert np.array_equal(hdu.read(), expected)
    assert np.array_equal(hdu[1:9:2, 4], expected[1:9:2, 4])
    assert isinstance(hdu[1, 2], np.float64)
    assert np.array_equal(hdu.read(scale=False), stored)
    assert (hdu.dtype, hdu.stored_dtype) == ("f8", "i2")


@pytest.mark.parametrize("dtype", ["i1", "u2", "u4", "u8"])
def test_stored_numbers_of_a_convention_are_read_unscaled(dtype):
    pixels = pixels_of(dtype, (6, 7))
    found = image_of(pixels).read(scale=False)
    bits = f"u{pixels.itemsize}"
    assert found.dtype == np.dtype({"i1": "u1", "u2": "i2", "u4": "i4", "u8": "i8"}[dtype])
    assert (found.view(bits) == pixels.view(bits) ^ np.array(1 << 8 * pixels.itemsize - 1, bits)).all()


@pytest.mark.parametrize("scale", [True, False])
def test_blank_pixels_are_masked_by_their_stored_value(scale):
    hdu = image_of(np.array([[65535, 1], [2, 3]], dtype="u2"), blank=65535)
    assert hdu.header["BLANK"] == 32767
    found = hdu.read(mask_blank=True, scale=scale)
    assert isinstance(found, np.ma.MaskedArray)
    assert found.mask.tolist() == [[True, False], [False, False]]
    assert np.array_equal(found.data, hdu.read(scale=scale))
    assert not isinstance(hdu.read(), np.ma.MaskedArray)


def test_blank_works_with_general_scaling():
    hdu = image_of(np.array([-9, 1], dtype="i2"), blank=-9, bscale=2.0)
    found = hdu.read(mask_blank=True)
    assert found.mask.tolist() == [True, False]
    assert found.data.tolist() == [-18.0, 2.0]


@pytest.mark.parametrize("blank", [None, 99999, "x"])
def test_nothing_is_masked_without_a_blank_that_fits(blank):
    hdu = image_of(pixels_of("i2", (3, 4)))
    if blank is not None:
        hdu.header["BLANK"] = blank
    assert hdu.read(mask_blank=True).mask is np.ma.nomask


def test_floats_have_no_blank():
    with pytest.raises(ImageError, match="float BITPIX"):
        image_of(pixels_of("f4", (3, 4))).read(mask_blank=True)


def test_read_takes_keywords_only():
    with pytest.raises(TypeError):
        image_of(pixels_of("i2", (3, 4))).read(True)


def test_many_sections_are_read_as_one_by_one():
    pixels = pixels_of("u2", (20, 30))
    hdu = image_of(pixels)
    keys = [(1, 2), slice(3, 9), (..., 4), (slice(0, 0), 1), (slice(None, None, 3), slice(5, 9))]
    found = hdu.read_many(iter(keys))
    assert all(np.array_equal(part, pixels[key]) for part, key in zip(found, keys, strict=True))
    assert all(type(part) is type(hdu[key]) for part, key in zip(found, keys, strict=True))
    assert hdu.read_many([0], scale=False)[0].dtype == np.dtype("i2")
    assert hdu.read_many([]) == []
    with pytest.raises(PixelIndexError):
        hdu.read_many([0, 99])


def test_a_truncated_file_opens_and_says_so_when_read():
    fits = FITS("mem://", "w+")
    fits.write_image(pixels_of("i2", (100, 100)))
    short = FITS.from_bytes(fits.to_bytes()[: 2880 + 5000])
    hdu = short[0]
    assert hdu.shape == (100, 100)
    assert np.array_equal(hdu[:25], pixels_of("i2", (100, 100))[:25]), "what is there can be read"
    for read in (hdu.read, lambda: hdu[25], lambda: hdu[-1, -1], lambda: hdu.cutouts([(50, 50)], 3)):
        with pytest.raises(TruncatedFile, match="truncated"):
            read()


def test_an_impossible_size_allocates_nothing():
    fits = FITS("mem://", "w+")
    fits.create_image_hdu("f8", (1, 10))
    raw = fits.to_bytes().replace(b"NAXIS2  =                    1", b"NAXIS2  =    11529215046068469")
    hdu = FITS.from_bytes(raw)[0]
    assert hdu.size == 115292150460684690
    for read in (hdu.read, lambda: hdu.read(mask_blank=False, scale=False), lambda: hdu[::1000000], lambda: hdu[-1]):
        with pytest.raises(TruncatedFile):
            read()
    assert hdu[0].tolist() == [0.0] * 10


def test_a_scale_that_is_no_number_is_named_when_pixels_are_read():
    hdu = image_of(pixels_of("i2", (3, 4)))
    hdu.header["BSCALE"] = "big"
    assert hdu.shape == (3, 4)
    with pytest.raises(HeaderError, match="BSCALE"):
        hdu.read()
    assert hdu.read(scale=False).shape == (3, 4)


def test_a_closed_file_shows_its_header_but_no_pixels(tmp_path):
    path = tmp_path / "image.fits"
    with FITS(path, "w+") as fits:
        hdu = fits.write_image(pixels_of("i2", (3, 4)), extname="SCI")
    assert (hdu.shape, hdu.extname, hdu.dtype, len(hdu)) == ((3, 4), "SCI", np.dtype("i2"), 3)
    assert "dims: [3, 4]" in repr(hdu)
    for use in (hdu.read, lambda: hdu[0], lambda: hdu.__setitem__(0, 1), hdu.verify_checksum, hdu.add_datasum):
        with pytest.raises(HandleClosed, match="file is closed"):
            use()


def test_images_are_neither_made_by_hand_nor_copied_nor_cut():
    import copy
    import pickle

    hdu = image_of(pixels_of("i2", (3, 4)))
    with pytest.raises(TypeError, match="FITS handle"):
        ImageHDU()
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            duplicate(hdu)
    with pytest.raises(NotSupported, match="can't delete item"):
        del hdu[0]
