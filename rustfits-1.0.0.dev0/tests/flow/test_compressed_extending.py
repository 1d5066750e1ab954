"""Rows given to a compressed image inside `extending`: they wait, and are written together."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from editing import NEXT, PIXELS, ROW, assert_same_bits, assert_sound, create, images, needs_rice, pixels_of, quantised
from hypothesis import given, settings
from hypothesis import strategies as st

from rustfits import FITS, Gzip1, Gzip2


@settings(max_examples=60)
@given(st.data(), images(), st.integers(0, 99), st.integers(0, 3000))
def test_a_block_leaves_the_file_that_one_call_leaves(data, image, seed, capacity):
    rows = data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=12))
    with pytest.MonkeyPatch.context() as room, FITS("mem://", "w+") as first, FITS("mem://", "w+") as second:
        room.setattr("rustfits.heap.writer.SMALL_HEAP_NBYTES", data.draw(st.sampled_from([0, 500, 1 << 18])))
        pieces = [pixels_of(*image[:2], (n, *image[2][1:]), seed + n) for n in rows]
        one, _ = create(first, image, seed)
        other, _ = create(second, image, seed)
        one.extend(np.concatenate(pieces))
        other._set_pending_cap_for_testing(capacity)
        with other.extending() as entered:
            assert entered is other
            for piece in pieces:
                other.extend(piece)
        assert first.to_bytes() == second.to_bytes()
        assert_sound(second)


def test_the_room_of_a_table_that_was_empty_is_zeros(monkeypatch):
    monkeypatch.setattr("rustfits.heap.writer.SMALL_HEAP_NBYTES", 0)
    with FITS("mem://", "w+") as fits:
        hdu, _ = create(fits, ("GZIP_1", "u8", (0, 3, 5), None, "P"), 25)
        hdu.extend(pixels_of("GZIP_1", "u8", (23, 3, 5), 1))
        start, layout = hdu._extent.data_start, hdu.header
        rows, heap = layout["NAXIS1"] * layout["NAXIS2"], layout["THEAP"]
        assert heap > rows
        assert not any(fits.to_bytes()[start + rows : start + heap])


@needs_rice
@pytest.mark.parametrize("capacity", [0, 1000, 4000])
def test_drains_of_quantised_rows_leave_the_file_that_one_call_leaves(capacity):
    rows = np.random.default_rng(4).normal(100, 2, (60, 50)).astype("f4")
    rows[20:24] = 5  # go to the fallback
    files = []
    for pieces in ([rows], np.array_split(rows, 17)):
        fits, hdu = quantised(rows[:10], tile=(4, 16))
        with fits:
            hdu._set_pending_cap_for_testing(capacity)
            with hdu.extending():
                for piece in pieces:
                    hdu.extend(piece)
            files.append(fits.to_bytes())
    assert files[0] == files[1]


def test_rows_wait_until_the_end_of_the_block(fits, hdu):
    before = fits.to_bytes()
    with hdu.extending():
        hdu.extend(PIXELS)
        assert hdu.shape == (6, 10)
        assert len(hdu) == hdu.header["ZNAXIS2"] == 6
        assert fits.to_bytes() == before
    assert hdu.shape == (12, 10)


def test_rows_are_copied_when_they_are_given(hdu):
    rows = PIXELS.copy()
    with hdu.extending():
        hdu.extend(rows)
        rows[:] = 0
    np.testing.assert_array_equal(hdu[6:], PIXELS)


def test_physical_and_stored_rows_may_be_mixed(fits):
    hdu = fits.write_image(PIXELS.astype("u2"), compress="GZIP")
    with hdu.extending():
        hdu.extend(np.full((1, 10), 65535, "u2"))
        hdu.extend(np.full((1, 10), -32768, "i2"))
    np.testing.assert_array_equal(hdu[6:, 0], [65535, 0])


def test_whole_rows_of_tiles_are_written_when_much_waits(fits):
    fits.create_image_hdu("i4", (0, 10), compress=Gzip1(tile_shape=(4, 10)))
    hdu = fits[1]
    hdu._set_pending_cap_for_testing(200)
    lengths = []
    with hdu.extending():
        for _ in range(20):
            hdu.extend(ROW)
            lengths.append(len(hdu))
    assert set(lengths) == {0, 4, 8, 12, 16}
    assert len(hdu) == 20
    nbytes = hdu.header["PCOUNT"]
    hdu.repack()
    assert hdu.header["PCOUNT"] == nbytes  # no tile was encoded twice


def test_an_exception_passes_and_the_rows_are_written(hdu):
    with pytest.raises(KeyError, match="mine"), hdu.extending():
        hdu.extend(PIXELS)
        raise KeyError("mine")
    assert_same_bits(hdu.read(), np.concatenate([PIXELS, PIXELS]))


def test_an_empty_block_changes_nothing_and_may_be_entered_again(fits, hdu):
    before = fits.to_bytes()
    context = hdu.extending()
    with context:
        pass
    assert fits.to_bytes() == before
    with context:
        hdu.extend(ROW)
    assert len(hdu) == 7
    assert context.__exit__(None, None, None) is False
    assert len(hdu) == 7


def test_what_needs_settled_pixels_is_refused_inside(fits, hdu):
    with hdu.extending():
        hdu.extend(ROW)
        for refused in (
            hdu.read,
            lambda: hdu.read(mask_blank=True),
            lambda: hdu[0],
            lambda: hdu[0, 0],
            lambda: list(hdu),
            lambda: hdu.read_many([0]),
            lambda: hdu.cutouts([(2, 2)], 2),
            lambda: hdu.__setitem__(0, 1),
            lambda: hdu.write(PIXELS),
            hdu.repack,
            hdu.add_datasum,
            hdu.add_checksum,
            hdu.verify_datasum,
            hdu.verify_checksum,
        ):
            with pytest.raises(ValueError, match="extending"):
                refused()
        with pytest.raises(ValueError, match="already inside"), hdu.extending():
            pass
    assert_same_bits(hdu.read(), np.concatenate([PIXELS, ROW]))


def test_all_else_works_inside(fits, hdu):
    with hdu.extending():
        hdu.extend(ROW)
        hdu.header["OBJECT"] = "M 13"
        hdu.set_tile_cache_size(1000)
        hdu.clear_tile_cache()
        assert (hdu.n_tiles, hdu.compression.zcmptype) == (6, "GZIP_1")
        fits.sync()
        fits.to_bytes()
        np.testing.assert_array_equal(fits["NEXT"].read(), NEXT)
        fits["NEXT"][0] = 5
        fits.write_image(PIXELS, compress="GZIP", extname="THIRD").repack()
        with fits["THIRD"].extending() as third:
            third.extend(ROW)
        hdu.extend(ROW)
    assert hdu.header["OBJECT"] == "M 13"
    assert_same_bits(hdu.read(), np.concatenate([PIXELS, ROW, ROW]))
    assert (fits["NEXT"][0] == 5).all()


def test_the_file_cannot_be_closed_inside(fits, hdu):
    context = hdu.extending()
    with context:
        hdu.extend(ROW)
        with pytest.raises(ValueError, match=r"cannot close FITS while HDU at index 1 is inside extending\(\) context"):
            fits.close()
        assert not fits.closed
    assert len(hdu) == 7
    fits.close()


def test_a_drain_that_fails_ends_the_block_and_writes_nothing(fits, hdu, monkeypatch):
    before = fits.to_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"), hdu.extending():
        hdu.extend(ROW)
        monkeypatch.setattr(fits._file.storage, "_write", fail)
        monkeypatch.setattr(fits._file.storage, "_truncate", lambda _: None)
    monkeypatch.undo()
    if not fits._file.tainted:  # the storage that was broken may be unable to undo it, too
        assert fits.to_bytes() == before
        hdu.extend(ROW)
        assert len(hdu) == 7


def test_rows_of_a_transaction_that_is_undone_do_not_appear(fits, hdu):
    hdu._set_pending_cap_for_testing(150)
    with hdu.extending():
        hdu.extend(ROW)
        with pytest.raises(KeyError), fits.transaction():
            for number in range(9):
                hdu.extend(ROW + number)
            assert len(hdu) > 6
            raise KeyError
        assert len(hdu) == 6
        hdu.extend(ROW + 100)
    assert_same_bits(hdu.read(), np.concatenate([PIXELS, ROW, ROW + 100]))


def test_many_threads_append_rows_one_at_a_time(fits):
    fits.create_image_hdu("i4", (0, 10), compress=Gzip2(tile_shape=(3, 10)))
    hdu = fits[1]
    hdu._set_pending_cap_for_testing(300)

    def work(number):
        for _ in range(20):
            hdu.extend(ROW * 0 + number)

    with hdu.extending():
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    values, counts = np.unique(hdu.read()[:, 0], return_counts=True)
    assert (values.tolist(), counts.tolist()) == ([0, 1, 2, 3], [20] * 4)
