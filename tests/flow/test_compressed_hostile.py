"""Damaged and hostile compressed images: an error that names the place, never a crash nor memory out of proportion."""

from __future__ import annotations

import contextlib
import functools
import gc
import resource
import subprocess
import sys
import types
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import rustfits
from rustfits.storage.extent import padded

PIXELS = (np.arange(600, dtype=np.int32) ** 2).reshape(20, 30)


def image_file(**arguments):
    """Return the bytes of a file, and where the table of its compressed image starts."""
    arguments = {"compress": rustfits.Gzip1(tile_shape=(7, 30))} | arguments
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.write_image(PIXELS, **arguments)
        return bytearray(fits.to_bytes()), hdu._extent.data_start


def opened(raw):
    return rustfits.FITS.from_bytes(bytes(raw), "r+")


def with_card(raw, keyword, value):
    """Return the file with another value on the card of a keyword, however wrong."""
    at = raw.index(f"{keyword:8}=".encode())
    text = repr(value) if isinstance(value, str) else str(value)
    return raw[:at] + f"{keyword:8}= {text:>20}".ljust(80).encode() + raw[at + 80 :]


WHOLE, TABLE = image_file()


@pytest.mark.parametrize("offset", [0, 4])
@pytest.mark.parametrize("number", [-1, 1 << 30, (1 << 31) - 1, -(1 << 31), 2000])
def test_a_descriptor_that_points_elsewhere_is_refused_by_its_row(offset, number):
    raw = WHOLE.copy()
    raw[TABLE + 8 + offset : TABLE + 12 + offset] = int(number).to_bytes(4, "big", signed=True)
    with opened(raw) as fits:
        with pytest.raises(rustfits.TileDecodeError, match="table row 2") as error:
            fits[1].read()
        assert error.value.row == 1
        np.testing.assert_array_equal(fits[1][:7], PIXELS[:7])  # other tiles are as good as ever
        np.testing.assert_array_equal(fits[1][14:], PIXELS[14:])


def test_bytes_of_a_tile_that_were_damaged_are_named():
    raw = WHOLE.copy()
    start = int.from_bytes(raw[TABLE + 12 : TABLE + 16], "big")
    raw[TABLE + 24 + start + 20] ^= 0x55
    with opened(raw) as fits:
        with pytest.raises(rustfits.TileDecodeError, match="GZIP_1: tile in table row 2: decompression"):
            fits[1].read()
        with pytest.raises(ValueError, match="decompression"):
            fits[1].add_datasum()


@pytest.mark.parametrize("cut", [10, 500])
def test_a_file_cut_short_opens_and_reads_what_is_left(cut):
    with opened(WHOLE) as fits:
        end = TABLE + 24 + fits[1].header["PCOUNT"]
    with opened(WHOLE[: end - cut]) as fits:
        np.testing.assert_array_equal(fits[1][:7], PIXELS[:7])
        with pytest.raises(OSError, match="truncated"):
            fits[1][14:]
    with opened(WHOLE[: TABLE + 5]) as fits:
        assert fits[1].shape == (20, 30)
        with pytest.raises(OSError, match="truncated"):
            fits[1].read()


@pytest.mark.parametrize(
    ("keyword", "value", "found"),
    [
        ("ZNAXIS1", 1 << 62, "no file can hold"),
        ("ZNAXIS2", 1 << 40, "NAXIS2 is 3"),
        ("ZNAXIS2", -5, "ZNAXIS2|no file can hold"),
        ("ZNAXIS", 500, "ZNAXIS"),
        ("ZNAXIS", 0, "NAXIS"),
        ("ZTILE1", 0, "tiles"),
        ("ZTILE2", -7, "tiles"),
        ("ZTILE2", 1, "NAXIS2 is 3"),
        ("ZBITPIX", 12, "BITPIX"),
        ("ZBITPIX", "32", "ZBITPIX"),
        ("TFORM1", "1J", "COMPRESSED_DATA"),
        ("TFORM1", "1XYZ", "TFORM1|NAXIS1|COMPRESSED_DATA|descriptors"),
        ("TTYPE1", "OTHER", "COMPRESSED_DATA"),
        ("ZCMPTYPE", "WHATEVER", "no codec for ZCMPTYPE 'WHATEVER'"),
        ("ZCMPTYPE", 7, "ZCMPTYPE"),
    ],
)
def test_a_header_that_lies_is_refused_on_reading_and_the_rest_of_the_file_works(keyword, value, found):
    raw = with_card(WHOLE, keyword, value)
    with opened(raw) as fits:
        assert fits[1].header["EXTNAME" if keyword == "EXTNAME" else "BITPIX"] == 8
        with pytest.raises(ValueError, match=found):
            fits[1].read()


def test_an_unknown_algorithm_hides_only_the_pixels():
    with opened(with_card(WHOLE, "ZCMPTYPE", "ZSTD_1")) as fits:
        hdu = fits[1]
        assert (hdu.shape, hdu.dtype, hdu.n_tiles, hdu.bitpix, hdu.has_data) == ((20, 30), np.int32, 3, 32, True)
        assert repr(hdu).endswith("  compression: ZSTD_1\n")
        with pytest.raises(rustfits.CodecNotInstalled, match="ZSTD_1") as error:
            repr(hdu.compression)
        assert error.value.algorithm == "ZSTD_1"
        with pytest.raises(rustfits.CodecNotInstalled, match="HDU 1"):
            hdu[0, 0]
        assert hdu[3:3].shape == (0, 30)
    with opened(WHOLE.replace(b"ZCMPTYPE", b"ZCMPTYPO")) as fits:
        assert repr(fits[1]).endswith("  compression: None\n")
        with pytest.raises(ValueError, match="ZCMPTYPE"):
            fits[1].read()


def test_a_small_file_that_claims_a_huge_tile_asks_for_no_memory():
    """Run in a process that may have 2 GB of address space more than it needs to start."""
    code = """
import re, resource, sys, rustfits
raw = open(sys.argv[1], "rb").read()
with rustfits.FITS.from_bytes(raw) as fits:
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (2 << 30),) * 2)
    try:
        fits[1].read()
    except (ValueError, MemoryError) as error:
        # Not ru_maxrss, in which that of the process which started this one lives on.
        print(type(error).__name__, re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
"""
    raw = with_card(with_card(WHOLE, "ZNAXIS1", 1 << 28), "ZTILE1", 1 << 28)
    done = run_with_file(code, raw)
    kind, peak = done.stdout.split()
    assert kind in ("LimitExceeded", "OutOfMemory", "TileDecodeError")
    assert int(peak) < 400_000


def run_with_file(code, raw):
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".fits") as file:
        file.write(raw)
        file.flush()
        return subprocess.run(
            [sys.executable, "-c", code, file.name], capture_output=True, text=True, timeout=120, check=True
        )


def kilobytes(key):
    """Return VmRSS, what the process has in memory, or VmHWM, the most it had since `forget_peak`."""
    status = Path("/proc/self/status")
    if not status.exists():  # the most of all tests before, too
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(key))


def forget_peak():
    with contextlib.suppress(OSError):  # there is no such thing everywhere
        Path("/proc/self/clear_refs").write_text("5")


@pytest.mark.parametrize("codec", [rustfits.Gzip1, rustfits.Gzip2, rustfits.NoCompress])
def test_files_with_bytes_changed_at_random_never_do_worse_than_an_error(codec):
    whole, _ = image_file(compress=codec(tile_shape=(7, 11)))

    @settings(max_examples=120)
    @given(st.lists(st.tuples(st.integers(2880, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=6))
    @example([(len(whole) - 1, 0)])
    def check(changes):
        raw = whole.copy()
        for place, byte in changes:
            raw[place] = byte
        try:
            with opened(raw) as fits:
                for hdu in fits:
                    repr(hdu)
                    if isinstance(hdu, rustfits.ImageHDU) and hdu.has_data and hdu.size < 1 << 24:
                        hdu.read()
                        hdu[tuple(slice(None, None, 3) for _ in hdu.shape)]
        except (rustfits.FitsError, MemoryError, OverflowError):
            pass

    forget_peak()
    before = kilobytes("VmRSS")
    check()
    assert kilobytes("VmHWM") - before < 2_000_000


def test_tiles_may_share_their_bytes_and_lie_in_any_order_behind_a_gap():
    rows = np.arange(600, dtype=np.int32).reshape(20, 30)
    rows[10:] = rows[:10]
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.write_image(rows, compress=rustfits.Gzip1())
        raw, start = bytearray(fits.to_bytes()), hdu._extent.data_start
        heap_nbytes = hdu.header["PCOUNT"]
    table = np.frombuffer(raw, ">i4", 40, start).reshape(20, 2).copy()
    heap = raw[start + 160 : start + 160 + heap_nbytes]
    blobs = [bytes(heap[at : at + count]) for count, at in table[:10].tolist()]
    order = [3, 1, 9, 0, 8, 2, 7, 4, 6, 5]
    starts = dict(zip(order, np.cumsum([0] + [len(blobs[row]) for row in order])[:-1].tolist(), strict=True))
    table[:, 0] = [len(blobs[row % 10]) for row in range(20)]
    table[:, 1] = [starts[row % 10] for row in range(20)]
    joined, gap = b"".join(blobs[row] for row in order), 1000
    data = table.tobytes() + b"\xff" * gap + joined
    raw = with_card(raw, "PCOUNT", gap + len(joined))
    at = raw.index(b"END".ljust(80), 2880)
    raw[at : at + 160] = f"{'THEAP':8}= {160 + gap:>20}".ljust(80).encode() + b"END".ljust(80)
    with opened(raw[:start] + data.ljust(padded(len(data)), b"\0")) as fits:
        np.testing.assert_array_equal(fits[1].read(), rows)
        fits[1].clear_tile_cache()
        np.testing.assert_array_equal(fits[1][5:17:2, 3], rows[5:17:2, 3])
        assert fits[1].header["THEAP"] == 160 + gap
        fits[1].write(rows + 1)
        assert "THEAP" not in fits[1].header
        np.testing.assert_array_equal(fits[1].read(), rows + 1)


def test_errors_of_damaged_tiles_keep_no_pixels_by_the_frames_they_came_through():
    from rustfits.tiles.damage import find

    raw = WHOLE.copy()
    start = int.from_bytes(raw[TABLE + 12 : TABLE + 16], "big")
    raw[TABLE + 24 + start + 20] ^= 0x55  # the stream of row 2
    raw[TABLE + 16 + 4 : TABLE + 20 + 4] = (1 << 30).to_bytes(4, "big")  # the descriptor of row 3
    with opened(raw) as fits:
        decoder = fits[1]._forgiving()
        find(decoder)
    assert sorted(decoder.damage) == [1, 2]
    assert [error.__traceback__ for error in decoder.damage.values()] == [None, None]
    assert [error.__cause__ or error.__context__ for error in decoder.damage.values()] == [None, None]


def verified(fits):
    str(fits.verify())


def masked(fits):
    fits[1].read(on_error="mask")


@functools.cache
def with_cut_streams(codec):
    with rustfits.FITS("mem://", "w+") as fits:
        image = np.random.default_rng(4).integers(0, 1000, (1100, 1000)).astype("i2")
        hdu = fits.write_image(image, compress=getattr(rustfits, codec)(tile_shape=(100, 1000)))
        raw, start, row_nbytes = bytearray(fits.to_bytes()), hdu._extent.data_start, hdu.header["NAXIS1"]
    for row in (2, 7):
        place = start + (row + 1) * row_nbytes - 8  # of the last descriptor
        raw[place : place + 4] = (int.from_bytes(raw[place : place + 4], "big") - 9).to_bytes(4, "big")
    return raw


@pytest.mark.parametrize("nthreads", [1, 2])
@pytest.mark.parametrize("read", [verified, masked, lambda fits: fits[1].read(), lambda fits: fits[1][:, 3]])
@pytest.mark.parametrize("codec", ["Gzip1", "Gzip2", "NoCompress"])
def test_what_held_a_damaged_tile_goes_without_the_garbage_collector(codec, read, nthreads):
    """An error in a variable of a frame that it holds itself keeps that frame's arrays, tens of MB of a large image."""
    raw = with_cut_streams(codec)
    before = rustfits.get_num_threads()
    rustfits.set_num_threads(nthreads)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        with opened(raw) as fits, contextlib.suppress(rustfits.TileDecodeError):
            read(fits)
        gc.collect()
        kept = [found for found in gc.garbage if isinstance(found, types.FrameType | BaseException)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        rustfits.set_num_threads(before)
    assert kept == []


def test_the_bytes_of_what_is_no_file_go_without_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(rustfits.HeaderError) as caught:
            rustfits.FITS.from_bytes(b"x" * 5760)
        kept = weakref.ref(caught.value)
        del caught
        assert kept() is None
    finally:
        gc.enable()
