"""Pixels are written where they belong, whole or not at all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from plain_images import DTYPES, pixels_of

from rustfits import FITS
from rustfits.errors import ImageError, PixelOverflow, ReadOnlyFile, TruncatedFile
from rustfits.hdu.image import raster

STORED = {"i1": "u1", "u2": "i2", "u4": "i4", "u8": "i8"}


def image(dtype="i2", shape=(4, 5), **arguments):
    """Make an image of zeros in a file in memory, between two others that must not be touched."""
    header = arguments.pop("header", {})
    fits = FITS("mem://", "w+")
    fits.write_image(np.full((3,), 77, dtype="i2"))
    fits.create_image_hdu(dtype, shape, **arguments)
    fits.write_image(np.full((1441,), 88, dtype="i2"))
    fits[1].header.update(header)
    fits[1].keep = fits
    return fits[1]


def assert_unchanged_by(hdu, change, kind, match=None):
    before = hdu.keep.to_bytes()
    with pytest.raises(kind, match=match):
        change()
    assert hdu.keep.to_bytes() == before
    hdu.read(scale=False)


def assert_neighbours_are_whole(hdu):
    reopened = FITS.from_bytes(hdu.keep.to_bytes())
    assert len(reopened) == 3
    assert reopened[0].read().tolist() == [77] * 3
    assert reopened[2].read().tolist() == [88] * 1441
    assert hdu.keep[2].read().tolist() == [88] * 1441
    assert np.array_equal(reopened[1].read(), hdu.read(), equal_nan=reopened[1].dtype.kind == "f")
    assert len(hdu.keep.to_bytes()) % 2880 == 0


@st.composite
def sections_and_values(draw):
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=9))
    keys = []
    for npixels in shape[: draw(st.integers(0, len(shape)))]:
        bound = st.none() | st.integers(-npixels - 1, npixels + 1)
        slices = st.builds(slice, bound, bound, st.none() | st.integers(1, 4))
        keys.append(draw(slices | st.integers(-npixels, npixels - 1)))
    return shape, tuple(keys), draw(st.booleans())


@settings(max_examples=120)
@given(
    sections_and_values(), st.sampled_from(DTYPES), st.sampled_from([0, 64, 8192]), st.sampled_from([20, 150, 1 << 20])
)
def test_assignment_changes_what_numpy_would_change(case, dtype, max_gap, chunk):
    shape, key, scalar = case
    expected = pixels_of(dtype, shape)
    fits = FITS("mem://", "w+")
    hdu = fits.write_image(expected)
    new = pixels_of(dtype, expected[key].shape, seed=1)
    value = pixels_of(dtype, (1,), seed=2)[0] if scalar else new.astype(new.dtype.newbyteorder(">"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raster, "MAX_IMAGE_GAP_NBYTES", max_gap)
        patch.setattr(raster, "WRITE_NBYTES", chunk)
        hdu[key] = value
    expected[key] = value
    assert np.array_equal(hdu.read(), expected)


@settings(max_examples=60)
@given(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=8), st.sampled_from(DTYPES), st.data())
def test_a_block_is_written_at_its_corner(shape, dtype, data):
    expected = pixels_of(dtype, shape)
    fits = FITS("mem://", "w+")
    hdu = fits.write_image(expected)
    corner = tuple(data.draw(st.integers(0, size)) for size in shape)
    count = tuple(data.draw(st.integers(0, size - first)) for size, first in zip(shape, corner, strict=True))
    block = pixels_of(dtype, count, seed=1)
    hdu.write(block, start=data.draw(st.sampled_from([corner, list(corner), np.array(corner)])))
    expected[tuple(slice(first, first + size) for first, size in zip(corner, count, strict=True))] = block
    assert np.array_equal(hdu.read(), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_whole_images_are_written_in_bounded_pieces(dtype, monkeypatch):
    monkeypatch.setattr(raster, "WRITE_NBYTES", 1000)
    hdu = image(dtype, (30, 40))
    pixels = pixels_of(dtype, (30, 40))
    sizes = []
    write = type(hdu._file.storage)._write
    monkeypatch.setattr(
        type(hdu._file.storage),
        "_write",
        lambda self, offset, data: (sizes.append(data.nbytes), write(self, offset, data))[1],
    )
    hdu.write(pixels.astype(pixels.dtype.newbyteorder(">")))
    assert max(sizes) <= 1000
    assert hdu.read().tobytes() == pixels.tobytes()
    assert_neighbours_are_whole(hdu)


@pytest.mark.parametrize("dtype", STORED)
def test_conventions_take_their_own_dtype_and_stored_numbers(dtype):
    hdu = image(dtype, (3, 4))
    pixels = pixels_of(dtype, (3, 4))
    hdu.write(pixels)
    stored = hdu.read(scale=False)
    assert stored.dtype == np.dtype(STORED[dtype])
    hdu[...] = 1
    hdu.write(stored)
    assert np.array_equal(hdu.read(), pixels)


def test_misaligned_and_big_endian_arrays_are_written():
    pixels = pixels_of("i4", (4, 5))
    hdu = image("i4")
    packed = np.zeros(81, "u1")
    misaligned = packed[1:].view("i4").reshape(4, 5)
    misaligned[...] = pixels
    hdu.write(misaligned)
    assert np.array_equal(hdu.read(), pixels)
    hdu.write((-pixels).astype(">i4"))
    assert np.array_equal(hdu.read(), -pixels)


def test_arrays_with_holes_are_refused_by_write_and_taken_by_assignment():
    pixels = pixels_of("i2", (5, 4))
    hdu = image("i2")
    assert_unchanged_by(hdu, lambda: hdu.write(pixels.T), ImageError, "C-contiguous")
    assert_unchanged_by(hdu, lambda: hdu.extend(pixels.T), ImageError, "C-contiguous")
    hdu[...] = pixels.T
    assert np.array_equal(hdu.read(), pixels.T)


@pytest.mark.parametrize("data", [[[1, 2]], 1, np.int16(1), "pixels", None])
def test_only_arrays_are_written(data):
    hdu = image("i2")
    assert_unchanged_by(hdu, lambda: hdu.write(data), TypeError, "numpy array")
    assert_unchanged_by(hdu, lambda: hdu.extend(data), TypeError, "numpy array")
    if not isinstance(data, int | np.integer):
        assert_unchanged_by(hdu, lambda: hdu.__setitem__(0, data), TypeError, "array")


def test_data_that_do_not_fit_are_refused():
    hdu = image("i2", (4, 5))
    zeros = np.zeros((4, 5), "i2")
    for data, start, match in [
        (zeros[0], None, "1 axes"),
        (zeros[None], None, "3 axes"),
        (zeros, (0, 1), "exceeds HDU dim 1"),
        (zeros, (1, 0), "exceeds HDU dim 0"),
        (zeros[:1], (4, 0), "exceeds HDU dim 0"),
        (zeros, (0, -1), "must be >= 0"),
        (zeros, (0,), "1 entries"),
        (zeros, (0, 0, 0), "3 entries"),
        (zeros, (10**30, 0), "exceeds HDU dim 0"),
        (zeros.astype("i4"), None, "does not match HDU BITPIX 16: expected i2"),
        (zeros.astype("u2"), None, "does not match HDU BITPIX"),
        (zeros.astype("f8"), None, "does not match HDU BITPIX"),
        (zeros.astype("?"), None, "does not match HDU BITPIX"),
    ]:
        assert_unchanged_by(hdu, lambda data=data, start=start: hdu.write(data, start=start), ImageError, match)
    for start in (0, 1.0, "00", (0.0, 0.0), {0, 1}):
        assert_unchanged_by(hdu, lambda start=start: hdu.write(zeros, start=start), TypeError)
        assert_unchanged_by(hdu, lambda start=start: hdu.extend(zeros, start=start), TypeError)


def test_a_value_must_have_the_shape_of_the_selection():
    hdu = image("i2", (4, 5))
    for key, shape in [(0, (1, 5)), ((0, 0), (1,)), (slice(None), (5,)), (slice(0, 2), (2, 1)), (slice(0, 0), (1, 5))]:
        value = np.zeros(shape, "i2")
        assert_unchanged_by(hdu, lambda key=key, value=value: hdu.__setitem__(key, value), ImageError, "shape")
    assert_unchanged_by(hdu, lambda: hdu.__setitem__(0, np.zeros(5, "i4")), ImageError, "dtype")


def test_scalars_are_physical_values():
    hdu = image("u2")
    hdu[0, 0] = 65535
    hdu[1] = np.uint16(7)
    hdu[2:, ::2] = np.array(9)
    assert hdu[0, 0] == 65535
    assert hdu[1].tolist() == [7] * 5
    assert hdu[2].tolist() == [9, 32768, 9, 32768, 9]
    unsigned = image("u8", (2,))
    unsigned[0] = 2**64 - 1
    assert unsigned[0] == 2**64 - 1


@pytest.mark.parametrize("value", [1.0, np.float32(1), True, np.bool_(True), "1", [1], None, 1j])
def test_integers_take_no_other_scalars(value):
    hdu = image("i2")
    assert_unchanged_by(hdu, lambda: hdu.__setitem__((0, 0), value), TypeError)


@pytest.mark.parametrize(("dtype", "value"), [("u1", 300), ("u1", -1), ("i1", 128), ("u2", 65536), ("i8", 2**63)])
def test_integers_that_do_not_fit_are_refused(dtype, value):
    hdu = image(dtype)
    assert_unchanged_by(hdu, lambda: hdu.__setitem__((0, 0), value), PixelOverflow, "out of range")


def test_empty_selections_take_any_scalar_and_empty_arrays():
    hdu = image("i2")
    before = hdu.keep.to_bytes()
    hdu[0:0] = 1.5
    hdu[:, 3:3] = 10**9
    hdu[0:0] = np.zeros((0, 5), "i2")
    hdu.write(np.zeros((0, 5), "i2"))
    hdu.write(np.zeros((4, 0), "i2"), start=(0, 5))
    assert hdu.keep.to_bytes() == before


def test_general_scaling_takes_physical_doubles_and_stored_numbers():
    hdu = image("i2", (2, 3), header={"BSCALE": 0.5, "BZERO": 10.0})
    hdu.write(np.array([[10.0, 10.25, 10.75], [9.5, 26.0, 9.75]]))
    assert hdu.read(scale=False).tolist() == [[0, 0, 2], [-1, 32, 0]], "rounded half to even"
    hdu.write(np.array([[1, 2, 3], [4, 5, 6]], dtype="i2"))
    assert hdu.read().tolist() == [[10.5, 11.0, 11.5], [12.0, 12.5, 13.0]]
    hdu[0, 0] = 20
    hdu[0, 1] = 20.5
    assert hdu.read(scale=False)[0].tolist() == [20, 21, 3]
    assert_unchanged_by(hdu, lambda: hdu.write(np.zeros((2, 3), "f4")), ImageError, "expected i2 or f8")


@pytest.mark.parametrize(("value", "match"), [(np.nan, "non-finite"), (np.inf, "non-finite"), (1e6, "overflow")])
def test_a_value_without_stored_form_stops_the_write_before_its_first_byte(value, match):
    hdu = image("i2", (300, 300), header={"BSCALE": 0.5})
    pixels = np.ones((300, 300))
    pixels[-1, -1] = value
    assert_unchanged_by(hdu, lambda: hdu.write(pixels), ImageError, match)
    assert_unchanged_by(hdu, lambda: hdu.__setitem__(..., pixels), ImageError, match)
    assert_unchanged_by(hdu, lambda: hdu.extend(pixels), ImageError, match)
    assert_unchanged_by(hdu, lambda: hdu.__setitem__((0, 0), value), ImageError, match)


def test_scaled_floats_take_physical_doubles():
    hdu = image("f4", (3,), header={"BSCALE": 2.0, "BZERO": 1.0})
    hdu.write(np.array([1.0, np.nan, 1e300]))
    assert np.array_equal(hdu.read(scale=False), np.array([0, np.nan, np.inf], "f4"), equal_nan=True)
    hdu[0] = 7.0
    assert hdu.read(scale=False)[0] == 3.0


def test_masked_integers_become_blank():
    hdu = image("u2", (2, 2), blank=65535)
    masked = np.ma.MaskedArray(np.array([[1, 2], [3, 4]], dtype="u2"), [[False, True], [False, False]])
    for write in (hdu.write, lambda data: hdu.__setitem__(..., data), lambda data: hdu.extend(data, start=(0, 0))):
        hdu[...] = 0
        write(masked)
        assert hdu.read().tolist() == [[1, 65535], [3, 4]]
        assert hdu.read(mask_blank=True).mask.tolist() == masked.mask.tolist()
    hdu[1, 1] = np.ma.masked
    assert hdu[1, 1] == 65535
    hdu[0] = masked[0]
    assert hdu[0].tolist() == [1, 65535]


def test_masked_integers_need_a_blank():
    hdu = image("i2", (2, 2))
    masked = np.ma.MaskedArray(np.zeros((2, 2), "i2"), [[True, False], [False, False]])
    for change in (
        lambda: hdu.write(masked),
        lambda: hdu.extend(masked),
        lambda: hdu.__setitem__(..., masked),
        lambda: hdu.__setitem__((0, 0), np.ma.masked),
    ):
        assert_unchanged_by(hdu, change, ImageError, "BLANK")
    hdu.write(np.ma.MaskedArray(np.ones((2, 2), "i2"), False))
    assert hdu.read().tolist() == [[1, 1], [1, 1]]


def test_masked_floats_become_nan():
    hdu = image("f4", (3,))
    hdu.write(np.ma.MaskedArray(np.array([1, 2, 3], "f4"), [False, True, False]))
    assert np.array_equal(hdu.read(), [1, np.nan, 3], equal_nan=True)
    hdu[0] = np.ma.masked
    assert np.isnan(hdu[0])


def test_a_wide_step_reads_and_writes_no_pixel_between(monkeypatch):
    hdu = image("i2", (3, 20000))
    touched = []
    write = type(hdu._file.storage)._write
    monkeypatch.setattr(
        type(hdu._file.storage),
        "_write",
        lambda self, offset, data: (touched.append(data.nbytes), write(self, offset, data))[1],
    )
    hdu[:, ::10000] = 5
    assert touched == [2] * 6
    assert hdu[1, ::10000].tolist() == [5, 5]


def test_a_file_opened_for_reading_is_not_changed_and_stays_usable(tmp_path):
    path = tmp_path / "image.fits"
    with FITS(path, "w+") as fits:
        fits.write_image(np.zeros((4, 5), "i2"))
    before = path.read_bytes()
    with FITS(path) as fits:
        hdu = fits[0]
        ones = np.ones((4, 5), "i2")
        for change in (
            lambda: hdu.write(ones),
            lambda: hdu.extend(ones),
            lambda: hdu.__setitem__(0, 1),
            hdu.add_checksum,
            hdu.add_datasum,
        ):
            with pytest.raises(ReadOnlyFile):
                change()
        assert hdu.read().tolist() == np.zeros((4, 5)).tolist()
    assert path.read_bytes() == before


def test_a_truncated_data_unit_is_not_written():
    fits = FITS("mem://", "w+")
    fits.create_image_hdu("i2", (100, 100))
    hdu = FITS.from_bytes(fits.to_bytes()[: 2880 + 5000], "r+")[0]
    with pytest.raises(TruncatedFile):
        hdu[50] = 1
    with pytest.raises(TruncatedFile):
        hdu.extend(np.zeros((1, 100), "i2"))
    hdu[0] = 1
    assert hdu[0].tolist() == [1] * 100


def test_a_tainted_handle_refuses_pixels(tmp_path):
    hdu = image("i2")
    hdu._force_taint()
    for use in (
        hdu.read,
        lambda: hdu[0],
        lambda: hdu.write(np.zeros((4, 5), "i2")),
        lambda: hdu.__setitem__(0, 1),
        lambda: hdu.extend(np.zeros((4, 5), "i2")),
        hdu.add_checksum,
        hdu.verify_checksum,
        lambda: hdu.shape,
        lambda: hdu.dtype,
        lambda: len(hdu),
        lambda: hdu.cutouts([(0, 0)], 1),
        lambda: hdu.read_many([0]),
    ):
        with pytest.raises(OSError, match=r"(?s)indeterminate state.*reopen"):
            use()
    assert "dims: [4, 5]" in repr(hdu)
