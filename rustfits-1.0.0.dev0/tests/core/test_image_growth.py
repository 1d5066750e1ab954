"""The first axis of an image grows; the rest of the file moves and stays whole."""

import os
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustfits import FITS
from rustfits.errors import ImageError, TruncatedFile


def image(dtype, shape, **arguments):
    """Make an image of zeros in a file in memory, between two others that must not be touched."""
    fits = FITS("mem://", "w+")
    fits.write_image(np.full((3,), 77, dtype="i2"))
    fits.create_image_hdu(dtype, shape, **arguments)
    fits.write_image(np.full((1441,), 88, dtype="i2"))
    fits[1].keep = fits
    return fits[1]


def assert_file_is_whole(hdu):
    reopened = FITS.from_bytes(hdu.keep.to_bytes())
    assert len(reopened) == 3
    for fits in (reopened, hdu.keep):
        assert fits[0].read().tolist() == [77] * 3
        assert fits[2].read().tolist() == [88] * 1441
    assert reopened[1].shape == hdu.shape
    assert np.array_equal(reopened[1].read(), hdu.read())
    raw = hdu.keep.to_bytes()
    assert len(raw) % 2880 == 0
    end = hdu._extent.data_start + hdu.size * hdu.dtype.itemsize
    assert not any(raw[end : hdu._extent.stop]), "the fill is zeros"


def test_rows_are_appended():
    hdu = image("i4", (0, 7))
    rows = np.arange(7000, dtype="i4").reshape(1000, 7)
    for first in range(0, 1000, 100):
        hdu.extend(rows[first : first + 100])
        assert hdu.shape == (first + 100, 7)
    assert np.array_equal(hdu.read(), rows)
    assert hdu.header["NAXIS2"] == 1000
    assert_file_is_whole(hdu)


@settings(max_examples=60)
@given(
    st.sampled_from(["u1", "u2", "f8"]),
    st.lists(
        st.tuples(*[st.integers(0, 4)] * 2, *[st.integers(0, 2)] * 2, *[st.integers(0, 3)] * 2), min_size=1, max_size=4
    ),
)
def test_blocks_land_as_in_an_array_padded_with_stored_zeros(dtype, blocks):
    hdu = image(dtype, (2, 4, 5))
    zero = hdu[0, 0, 0]
    expected = np.full((2, 4, 5), zero)
    for number, (first, count, *rest) in enumerate(blocks):
        corner, shape = (first, rest[0], rest[1]), (count, rest[2], rest[3])
        block = np.full(shape, number + 1, dtype=dtype)
        rows = max(len(expected), first + count)
        if rows > len(expected):
            expected = np.concatenate([expected, np.full((rows - len(expected), 4, 5), zero)])
        if corner[1] + shape[1] > 4 or corner[2] + shape[2] > 5:
            continue
        expected[tuple(slice(at, at + size) for at, size in zip(corner, shape, strict=True))] = block
        hdu.extend(block, start=corner)
        if hdu.shape[0] < rows:
            expected = expected[: hdu.shape[0]]
    expected = expected[: hdu.shape[0]]
    assert np.array_equal(hdu.read(), expected)
    assert_file_is_whole(hdu)


def test_a_gap_is_filled_with_zeros_over_what_was_there():
    hdu = image("i2", (1, 1000))
    hdu.extend(np.ones((1, 1000), "i2"), start=(3, 0))
    assert hdu.read().sum(axis=1).tolist() == [0, 0, 0, 1000]
    assert_file_is_whole(hdu)


def test_a_block_inside_only_writes():
    hdu = image("i2", (4, 5))
    size = len(hdu.keep.to_bytes())
    hdu.extend(np.ones((2, 2), "i2"), start=(1, 3))
    assert hdu.shape == (4, 5)
    assert hdu.read().sum() == 4
    assert len(hdu.keep.to_bytes()) == size


def test_no_rows_at_the_end_change_nothing():
    hdu = image("i2", (4, 5))
    before = hdu.keep.to_bytes()
    hdu.extend(np.zeros((0, 5), "i2"))
    assert hdu.keep.to_bytes() == before


def test_one_axis_grows_too():
    hdu = image("u8", (0,))
    hdu.extend(np.arange(500, dtype="u8"))
    hdu.extend(np.arange(3, dtype="u8"), start=[500])
    assert hdu.read().tolist() == [*range(500), 0, 1, 2]
    assert_file_is_whole(hdu)


def test_only_the_first_axis_grows():
    hdu = image("i2", (4, 5))
    before = hdu.keep.to_bytes()
    for shape, start, match in [
        ((1, 6), None, "extend only grows the slow"),
        ((1, 3), (4, 3), "extend only grows the slow"),
        ((5,), None, "axes"),
        ((1, 1, 5), None, "axes"),
        ((1, 5), (4,), "1 entries"),
        ((1, 5), (-1, 0), "must be >= 0"),
        ((1, 5), (2**62, 0), "too large"),
    ]:
        with pytest.raises(ImageError, match=match):
            hdu.extend(np.zeros(shape, "i2"), start=start)
    with pytest.raises(ImageError, match="does not match HDU BITPIX"):
        hdu.extend(np.zeros((1, 5), "i4"))
    with pytest.raises(TypeError):
        hdu.extend(np.zeros((1, 5), "i2"), start=4)
    assert hdu.keep.to_bytes() == before
    assert hdu.shape == (4, 5)


def test_a_growth_that_memory_cannot_hold_leaves_the_image_as_it_was():
    hdu = image("i2", (4, 5))
    before = hdu.keep.to_bytes()
    with pytest.raises(OSError, match="memory"):
        hdu.extend(np.zeros((1, 5), "i2"), start=(2**58, 0))
    assert hdu.keep.to_bytes() == before
    assert hdu.shape == (4, 5)
    assert_file_is_whole(hdu)


def test_extending_changes_nothing_on_an_uncompressed_image():
    hdu = image("i2", (0, 5))
    manager = hdu.extending()
    with manager as inside, hdu.extending():
        assert inside is hdu
        hdu.extend(np.ones((2, 5), "i2"))
        assert hdu.read().sum() == 10
    with manager:
        hdu.extend(np.ones((2, 5), "i2"))
    with pytest.raises(ZeroDivisionError), hdu.extending():
        raise ZeroDivisionError
    assert hdu.shape == (4, 5)


def test_an_image_on_disk_grows(tmp_path):
    path = tmp_path / "grown.fits"
    with FITS(path, "w+") as fits:
        fits.create_image_hdu("f4", (0, 3))
        fits.write_image(np.arange(5, dtype="i2"))
        fits[0].extend(np.ones((2000, 3), "f4"))
    with FITS(path, "r+") as fits:
        fits[0].extend(np.full((1, 3), 2, "f4"))
    with FITS(path) as fits:
        assert fits[0].read().sum() == 6006
        assert fits[1].read().tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("failing", range(3))
def test_a_failing_medium_leaves_the_image_as_it_was(monkeypatch, failing):
    hdu = image("i2", (2, 1000))
    hdu[...] = 5
    storage = hdu._file.storage
    before = hdu.keep.to_bytes()
    write, calls = type(storage)._write, []

    def fail_once(self, offset, data):
        calls.append(offset)
        if len(calls) == failing + 1:
            raise OSError(28, "No space left on device")
        write(self, offset, data)

    with monkeypatch.context() as patch:
        patch.setattr(type(storage), "_write", fail_once)
        with pytest.raises(OSError, match="No space"):
            hdu.extend(np.ones((40, 1000), "i2"), start=(3, 0))
    assert hdu.keep.to_bytes() == before
    assert hdu.shape == (2, 1000)
    assert hdu.read().tolist() == [[5] * 1000] * 2
    hdu.extend(np.ones((40, 1000), "i2"), start=(3, 0))
    assert_file_is_whole(hdu)


def test_readers_see_the_image_before_or_after_a_growth():
    hdu = image("i4", (1, 500))
    seen, faults, done = [], [], threading.Event()

    def look():
        try:
            while not done.is_set():
                rows = hdu.read()
                seen.append(len(rows))
                assert (rows == 0).all()
                assert hdu[-1].shape == (500,)
        except BaseException as fault:
            faults.append(fault)

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(50):
        hdu.extend(np.zeros((1, 500), "i4"))
    done.set()
    for reader in readers:
        reader.join()
    assert not faults
    assert hdu.shape == (51, 500)
    assert_file_is_whole(hdu)


def test_what_is_missing_of_a_truncated_image_does_not_become_zeros(tmp_path):
    path = tmp_path / "file.fits"
    with FITS(path, "w+") as fits:
        fits.write_image(np.ones((300, 200), "i4"))
    os.truncate(path, 100_000)
    with FITS(path, "r+") as fits:
        for nrows in (1, 50):  # into the padding of the data unit, and beyond
            with pytest.raises(TruncatedFile, match="a truncated file cannot be changed in size"):
                fits[0].extend(np.ones((nrows, 200), "i4"))
    assert path.stat().st_size == 100_000
