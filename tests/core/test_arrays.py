"""Images as arrays: what NumPy gets of them, lazy arrays, and HDUs that go to other processes.

Other array libraries are in tests/arrays.
"""

import bz2
import copy
import gc
import gzip
import io
import lzma
import multiprocessing
import operator
import os
import pickle
import signal
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_images import DTYPES, image_of, pixels_of

import rustfits
from rustfits import FITS, ChecksumError, FileChanged, HandleClosed, ImageError, NotPicklable, NotSupported
from rustfits.codec import registry
from rustfits.container import hdulist, sharing
from rustfits.hdu.image.image import ImageHDU
from rustfits.header.cards import Cards
from rustfits.storage.memory import MemoryStorage

SHAPE = (30, 40)
CODECS = {"plain": None, "compressed": rustfits.Gzip2(tile_shape=(7, 16))}
KEYS = [np.s_[:], np.s_[::-1], np.s_[3, ::-2], np.s_[..., 5], np.s_[20:3:-3, 4:1], np.s_[-1, -2], np.s_[9:2:-1, 30::-7]]


def write(path):
    """Write images of every dtype and meaning, plain and compressed; return the pixels of each HDU."""
    expected = []
    with FITS(path, "w+") as fits:
        for codec in CODECS.values():
            for dtype in DTYPES:
                expected.append(pixels_of(dtype, SHAPE))
                fits.write_image(expected[-1], compress=codec)
            stored = np.clip(pixels_of("i2", SHAPE), -1000, 1000)
            fits.write_image(stored, bscale=0.5, bzero=3.0, compress=codec)
            expected.append(stored * 0.5 + 3)
            masked = np.ma.MaskedArray(stored, stored > 900)
            fits.write_image(masked, blank=-32768, compress=codec)
            expected.append(masked.filled(-32768))
    rest(path)
    return expected


def rest(path):
    """Let the last change be long ago."""
    os.utime(path, ns=(0, time.time_ns() - 10**11))


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    """A file of images of all kinds, which no test changes, and what is in it."""
    path = tmp_path_factory.mktemp("arrays") / "every.fits"
    return path, write(path)


@pytest.fixture
def two(tmp_path):
    """A file of a plain and a compressed image."""
    path = tmp_path / "two.fits"
    with FITS(path, "w+") as fits:
        fits.write_image(pixels_of("i2", SHAPE), extname="PLAIN")
        fits.write_image(pixels_of("u2", SHAPE), extname="PACKED", compress=CODECS["compressed"])
    rest(path)
    return path


def images(fits):
    return [hdu for hdu in fits if isinstance(hdu, ImageHDU) and hdu.ndim]


# -- what NumPy gets ---------------------------------------------------------------------------------------------------


def test_dtype_is_that_of_what_reading_gives_and_stored_dtype_that_of_the_file(every):
    path, expected = every
    with FITS(path) as fits:
        found = images(fits)
        assert len(found) == len(expected) == 24
        for hdu, pixels in zip(found, expected, strict=True):
            assert (
                hdu.dtype == hdu.read().dtype == hdu[3:5].dtype == hdu[0, 0].dtype == hdu.lazy().dtype == pixels.dtype
            )
            assert hdu.stored_dtype == hdu.read(scale=False).dtype
        assert {hdu.stored_dtype.str for hdu in found if hdu.dtype != hdu.stored_dtype} == {"<i2", "<i4", "<i8", "|u1"}


def test_asarray_is_one_read(every, monkeypatch):
    path, expected = every
    calls = []
    read = ImageHDU.read
    monkeypatch.setattr(ImageHDU, "read", lambda hdu, **arguments: calls.append(hdu) or read(hdu, **arguments))
    monkeypatch.setattr(ImageHDU, "__getitem__", lambda hdu, key: pytest.fail("walks the image"))
    with FITS(path) as fits:
        for hdu, pixels in zip(images(fits), expected, strict=True):
            found = np.asarray(hdu)
            assert found.dtype == pixels.dtype
            assert np.array_equal(found, pixels, equal_nan=True)
            assert calls == [hdu]
            calls.clear()


def test_numpy_functions_take_an_image_or_a_lazy_array(every):
    path, expected = every
    with FITS(path) as fits:
        for hdu, pixels in zip(images(fits), expected, strict=True):
            for array in (hdu, hdu.lazy()):
                with np.errstate(all="ignore"):
                    assert np.array_equal(np.mean(array), np.mean(pixels), equal_nan=True)
                    other = np.array(array, dtype="f4", copy=True), np.array(pixels, "f4")
                assert np.array_equal(*other, equal_nan=True)
                assert np.array_equal(np.concatenate([array, array]), np.concatenate([pixels] * 2), equal_nan=True)


def test_pixels_in_a_file_cannot_be_had_without_a_copy(two):
    with FITS(two) as fits:
        for array in (fits[0], fits[0].lazy()):
            with pytest.raises(ValueError, match=r"copy=False cannot be had"):
                np.array(array, copy=False)
        mine = np.asarray(fits[0])
        mine[...] = 0
        assert fits[0].read().any()


def test_an_image_without_axes_is_no_array():
    fits = FITS("mem://", "w+")
    fits.create_image_hdu("u1", ())
    with pytest.raises(ImageError, match="NAXIS=0"):
        np.asarray(fits[0])
    with pytest.raises(ImageError, match="NAXIS=0"):
        fits[0].lazy()


# -- lazy arrays -------------------------------------------------------------------------------------------------------


def test_lazy_arrays_tell_what_arrays_of_their_pixels_would(every):
    path, expected = every
    with FITS(path) as fits:
        for hdu, pixels in zip(images(fits), expected, strict=True):
            lazy = hdu.lazy()
            for name in ("shape", "ndim", "dtype", "size", "nbytes"):
                assert getattr(lazy, name) == getattr(pixels, name)
            assert len(lazy) == len(pixels)
            assert lazy.chunks == (None if type(hdu) is ImageHDU else (7, 16))
            assert repr(lazy) == (
                f"<LazyArray: HDU {hdu.index} of {path}, shape=(30, 40), dtype={pixels.dtype}, chunks={lazy.chunks}>"
            )


def test_tiles_larger_than_the_image_make_chunks_of_the_image(tmp_path):
    with FITS(tmp_path / "a.fits", "w+") as fits:
        fits.write_image(pixels_of("i2", (3, 4)), compress=rustfits.Gzip1(tile_shape=(100, 2)))
        fits.create_image_hdu("i2", (0, 4), compress=rustfits.Gzip1(tile_shape=(100, 2)))
    with FITS(tmp_path / "a.fits") as fits:
        assert [hdu.lazy().chunks for hdu in images(fits)] == [(3, 2), None]
        assert fits[2].lazy()[::-1].shape == np.asarray(fits[2].lazy()).shape == (0, 4)


def test_lazy_arrays_need_no_open_file_and_travel(every, monkeypatch, tmp_path):
    path, expected = every
    monkeypatch.chdir(path.parent)
    with FITS(path.name) as fits:
        lazies = [hdu.lazy() for hdu in images(fits)]
    monkeypatch.chdir(tmp_path)
    for lazy, pixels in zip(lazies, expected, strict=True):
        sent = pickle.dumps(lazy)
        assert len(sent) < 2000
        for array in (lazy, pickle.loads(sent), copy.copy(lazy), copy.deepcopy(lazy)):
            for key in KEYS:
                assert np.array_equal(array[key], pixels[key], equal_nan=True)
                assert array[key].dtype == pixels.dtype


@st.composite
def sections(draw):
    """Draw a shape, and a key of ints, slices of any step, and an ellipsis."""
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)))
    bound = st.none() | st.integers(-12, 12)
    step = st.none() | st.integers(-4, 4).filter(bool)
    axes = [st.integers(-size, size - 1) | st.builds(slice, bound, bound, step) for size in shape]
    key = [draw(axis) for axis in axes]
    first = draw(st.integers(0, len(key)))
    last = draw(st.integers(first, len(key)))
    return shape, draw(st.sampled_from([tuple(key), tuple(key[:first]), (*key[:first], ..., *key[last:])]))


@given(case=sections(), codec=st.sampled_from([None, rustfits.Gzip1()]))
def test_any_key_gives_what_numpy_gives(case, codec, tmp_path_factory):
    shape, key = case
    path = tmp_path_factory.mktemp("key") / "a.fits"
    pixels = pixels_of("u2", shape)
    with FITS(path, "w+") as fits:
        fits.write_image(pixels, compress=codec)
    with FITS(path) as fits:
        lazy = fits[-1].lazy()
    found, expected = lazy[key], pixels[key]
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert np.array_equal(found, expected)


def test_a_key_of_another_kind_is_an_error_as_of_images(two):
    with FITS(two) as fits:
        lazy = fits[0].lazy()
    for key, kind in [
        (np.s_[::0], ImageError),
        (np.s_[[1, 2]], ImageError),
        (np.s_[None], ImageError),
        (True, ImageError),
        (np.s_[..., ::-1, ...], ImageError),
        (np.s_[::-1, 0, 0], ImageError),
        (np.s_[::-1, 40], IndexError),
        (np.s_[::-1.5], TypeError),
    ]:
        with pytest.raises(kind):
            lazy[key]


def test_nothing_is_opened_for_a_part_without_pixels(two):
    with FITS(two) as fits:
        lazy = fits[1].lazy()
    two.unlink()
    assert (lazy[0:0, 0:0].shape, lazy[5:2, ::-1].shape, lazy[0:0].dtype) == ((0, 0), (0, 40), np.dtype("u2"))
    with pytest.raises(FileNotFoundError):
        lazy[0]


def test_tokens_are_equal_for_the_same_pixels_and_for_no_others(two, monkeypatch):
    def tokens(name):
        with FITS(name) as fits:
            return [hdu.lazy().__dask_tokenize__() for hdu in fits if hdu.has_data]

    before = tokens(two)
    monkeypatch.chdir(two.parent)
    assert tokens(two.name) == before == tokens(f"file://{two}")
    assert len(set(before)) == 2
    with FITS(two, "r+") as fits:
        fits[0][0, 0] = 5
    assert not set(tokens(two)) & set(before)


# -- HDUs in other hands -----------------------------------------------------------------------------------------------


def test_every_kind_of_hdu_travels(every):
    path, expected = every
    with FITS(path) as fits:
        sent = pickle.dumps(list(fits))
        shown = [repr(hdu) for hdu in fits]
    received = pickle.loads(sent)
    assert [repr(hdu) for hdu in received] == shown
    found = [hdu for hdu in received if isinstance(hdu, ImageHDU) and hdu.ndim]
    for hdu, pixels in zip(found, expected, strict=True):
        assert np.array_equal(hdu.read(), pixels, equal_nan=True)
        assert np.array_equal(hdu[9:2, 1:3], pixels[9:2, 1:3])
        assert hdu.verify().ok
    assert received[-1].header["ZCMPTYPE"] == "GZIP_2"


def test_tables_and_unknown_extensions_travel(tmp_path):
    primary = Cards.build([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0)])
    structure = [("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 4), ("NAXIS2", 5), ("PCOUNT", 0), ("GCOUNT", 1)]
    table = Cards.build([("XTENSION", "BINTABLE"), *structure, ("TFIELDS", 1), ("TTYPE1", "a"), ("TFORM1", "1J")])
    content = primary.encode() + table.encode() + bytes(2880)
    path, other = tmp_path / "table.fits", tmp_path / "other.fits"
    path.write_bytes(content)
    other.write_bytes(content.replace(b"BINTABLE", b"FOREIGN "))
    with FITS(path) as fits, FITS(other) as others:
        sent, kind = pickle.dumps([fits[1], others[1]]), type(fits[1])
    received, unknown = pickle.loads(sent)
    assert type(received) is kind
    assert (received.nrows, received.colnames) == (5, ("a",))
    assert type(unknown) is rustfits.HDU
    assert unknown.header["XTENSION"] == "FOREIGN"


def test_a_process_has_one_handle_for_all_of_one_file(two):
    with FITS(two) as fits:
        sent = pickle.dumps([fits[0], fits[1].lazy(), fits[1], fits[0].lazy()])
    plain, lazy, packed, other = [*pickle.loads(sent)[:3], pickle.loads(sent)[3]]
    assert np.array_equal(lazy[3], packed[3])
    assert np.array_equal(other[3], plain[3])
    assert plain._file is packed._file is lazy._image()._file is other._image()._file
    assert lazy._image() is packed
    assert pickle.loads(pickle.dumps(packed)) is packed
    descriptor = packed._file.storage.descriptor
    assert os.path.samestat(os.fstat(descriptor), os.stat(two))
    del plain, lazy, packed, other
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_threads_that_ask_at_once_open_the_file_once(two, monkeypatch):
    opened = []
    open_location = sharing.open_location

    def slow(*arguments, **keywords):
        time.sleep(0.05)
        opened.append(arguments)
        return open_location(*arguments, **keywords)

    monkeypatch.setattr(sharing, "open_location", slow)
    with FITS(two) as fits:
        lazies = [copy.copy(hdu.lazy()) for hdu in fits if hdu.has_data for _ in range(4)]
    threads = [threading.Thread(target=lazy.__getitem__, args=(0,)) for lazy in lazies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
    assert len({id(lazy._image()) for lazy in lazies}) == 2


def test_an_hdu_that_is_dropped_leaves_nothing_with_the_handle_of_its_file(two):
    with FITS(two) as fits:
        plain, packed = pickle.loads(pickle.dumps([fits[0], fits[-1]]))
    assert packed.read().any()
    cache = weakref.ref(packed._cache)
    del packed
    gc.collect()
    assert cache() is None
    assert plain.read().any()


class Watched(MemoryStorage):
    """Bytes behind a URL that notes what is read of them."""

    def __init__(self, content, etag, reads):
        super().__init__(content, name="https://host/a.fits", writable=False)
        self.etag, self.reads = etag, reads

    def identity(self):
        return (self.etag,)

    def _read_into(self, offset, target):
        self.reads.append((offset, offset + target.nbytes))
        return super()._read_into(offset, target)


def test_a_reader_of_a_url_asks_for_pixels_at_once_and_minds_the_etag(two, monkeypatch):
    content, etags, reads, options = two.read_bytes(), ["one"], [], []

    def answer(url, mode, remote, near):
        options.append(remote)
        return Watched(content, etags[-1], reads)

    monkeypatch.setattr(registry, "open_storage", answer)
    remote = rustfits.Remote(ranged=True, headers={"A": "b"})
    with FITS("https://host/a.fits", remote=remote) as fits:
        sent = [pickle.dumps(hdu.lazy()) for hdu in fits if hdu.has_data]
        places = [(hdu._extent.data_start, hdu._extent.stop) for hdu in fits if hdu.has_data]
        expected = [hdu.read() for hdu in fits if hdu.has_data]
    for one, (start, stop), pixels in zip(sent, places, expected, strict=True):
        lazy = pickle.loads(one)
        reads.clear()
        assert np.array_equal(lazy[2:9, 4:20], pixels[2:9, 4:20])
        assert all(start <= first < last <= stop for first, last in reads if (first, last) != (0, 3))
        assert reads
    assert options[-1].headers == {"A": "b"}
    assert options[-1].ranged
    etags.append("two")
    del lazy
    with pytest.raises(FileChanged, match="not as it was"):
        pickle.loads(sent[0])[0]


def test_a_handle_of_a_local_file_reads_no_header(two, monkeypatch):
    with FITS(two) as fits:
        sent, expected = pickle.dumps(fits[1]), fits[1].read()
    monkeypatch.setattr(hdulist, "scan_whole", lambda *_, **__: pytest.fail("scans the file"))
    assert np.array_equal(pickle.loads(sent).read(), expected)


# -- files that are changed --------------------------------------------------------------------------------------------


def edited_by_us(path):
    with FITS(path, "r+") as fits:
        fits[0][0, 0] = 1 + fits[0][0, 0] // 2
        fits[1][0, 0] = 7


def edited_by_others(path):
    content = bytearray(path.read_bytes())
    content[2880 + 5] ^= 1  # a pixel of the first image
    path.write_bytes(content)


def replaced(path):
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    os.replace(other, path)


@pytest.mark.parametrize("change", [edited_by_us, edited_by_others, replaced])
@pytest.mark.parametrize("number", [0, 1])
def test_a_file_that_was_changed_is_not_read_by_who_comes_later(two, change, number):
    with FITS(two) as fits:
        lazy, sent = fits[number].lazy(), pickle.dumps(fits[number])
    change(two)
    for read in (lambda: lazy[0], lambda: np.asarray(lazy), lambda: pickle.loads(sent)):
        with pytest.raises(FileChanged, match="take the HDU anew"):
            read()
    with FITS(two) as fits:
        assert np.array_equal(fits[number].lazy()[0], fits[number][0])


@pytest.mark.parametrize("change", [edited_by_us, edited_by_others])
def test_a_file_that_is_changed_under_its_readers_is_not_read_any_more(two, change):
    with FITS(two) as fits:
        hdus = pickle.loads(pickle.dumps([fits[0], fits[1]]))
        lazies = [fits[0].lazy(), fits[1].lazy()]
    for array in (*hdus, *lazies):
        assert array[0].size
    change(two)
    for _ in range(2):
        for array in (*hdus, *lazies):
            for read in (lambda array=array: array[0], lambda array=array: np.asarray(array)):
                with pytest.raises(FileChanged, match="take the HDU anew"):
                    read()
    with pytest.raises(FileChanged):
        pickle.dumps(hdus[0])


def test_an_open_file_that_was_replaced_is_read_as_it_was(two):
    with FITS(two) as fits:
        hdu, expected = copy.copy(fits[0]), fits[0].read()
    replaced(two)
    assert np.array_equal(hdu.read(), expected)


def test_an_hdu_that_is_not_there_any_more_cannot_be_sent(two):
    with FITS(two) as fits:
        with FITS(two, "r+") as other:
            other[0].header["OBJECT"] = "M13"
        with pytest.raises(FileChanged, match="refresh"):
            pickle.dumps(fits[0])
        with pytest.raises(FileChanged, match="refresh"):
            fits[0].lazy()
        fits.refresh()
        assert np.array_equal(fits[0].lazy(), fits[0].read())


# -- what cannot travel ------------------------------------------------------------------------------------------------


def refused(hdu, words):
    for act in (pickle.dumps, copy.copy, copy.deepcopy, ImageHDU.lazy):
        with pytest.raises(NotPicklable, match=words) as caught:
            act(hdu)
        assert isinstance(caught.value, TypeError)
        assert isinstance(caught.value, NotSupported)
        assert f"HDU {hdu.index}" in str(caught.value)
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("mode", ["r+", "w+", "x"])
def test_what_may_change_its_file_says_so(tmp_path, mode):
    path = tmp_path / "a.fits"
    for opened in ["w+", "r+"] if mode == "r+" else [mode]:
        with FITS(path, opened) as fits:
            if opened != "r+":
                fits.write_image(pixels_of("i2", SHAPE))
            refused(fits[0], "changed through this handle; open the file with mode 'r'")


def test_memory_says_so(two):
    refused(image_of(pixels_of("i2", SHAPE)), "in the memory of this process")
    for mode in ("r", "r+"):
        refused(FITS.from_bytes(two.read_bytes(), mode)[0], "in the memory of this process")


@pytest.mark.parametrize("name", ["a.fits.gz", "a.fits"])
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_a_file_under_gzip_says_so(two, name, mode):
    path = two.with_name(name)
    path.write_bytes(gzip.compress(two.read_bytes()))
    with FITS(path, mode) as fits:
        refused(fits[1], "compressed as a whole.*unpack the file first")


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_file_under_any_other_compression_and_an_open_file_say_so(two, compress):
    packed = two.with_name("packed")
    packed.write_bytes(compress(two.read_bytes()))
    with FITS(packed) as fits:
        refused(fits[1], "compressed as a whole.*unpack the file first")
    for file in (io.BytesIO(two.read_bytes()), two.open("rb")):
        with file, FITS(file) as fits:
            refused(fits[1], "opened as a file object")


def test_files_and_headers_do_not_travel_and_closed_files_say_so(two):
    with FITS(two) as fits:
        with pytest.raises(NotPicklable, match="pickle its HDUs"):
            pickle.dumps(fits)
        with pytest.raises(TypeError, match="header of an open file"):
            pickle.dumps(fits[0].header)
        hdu = fits[0]
    for act in (pickle.dumps, ImageHDU.lazy):
        with pytest.raises(HandleClosed):
            act(hdu)


def test_checksums_are_verified_before_the_first_read_there_too(two):
    with FITS(two, "r+") as fits:
        for hdu in fits:
            hdu.add_checksum()
    with FITS(two, checksum=True) as fits:
        good = fits[0].lazy()
    assert good[0].size
    raw = bytearray(two.read_bytes())
    raw[2880 + 7] ^= 1  # a pixel of the first image
    two.write_bytes(raw)
    rest(two)
    with FITS(two, checksum=True) as fits:
        hdu, lazy = pickle.loads(pickle.dumps(fits[0])), fits[0].lazy()
    for array in (hdu, lazy):
        with pytest.raises(ChecksumError):
            array[0]
    with FITS(two) as fits:
        assert fits[0].lazy()[0].size


# -- processes ---------------------------------------------------------------------------------------------------------

METHODS = [method for method in ("fork", "spawn") if method in multiprocessing.get_all_start_methods()]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("method", METHODS)
def test_processes_read_what_they_are_sent(every, method):
    path, expected = every
    with FITS(path) as fits:
        found = images(fits)
        arrays = [array for hdu in found for array in (hdu, hdu.lazy())]
        pixels = [each for each in expected for _ in range(2)]
        with multiprocessing.get_context(method).Pool(2) as pool:
            parts = pool.starmap(operator.getitem, [(array, np.s_[3:20:2, 5:]) for array in arrays], chunksize=4)
            pool.close()
            pool.join()
    for part, whole in zip(parts, pixels, strict=True):
        assert np.array_equal(part, whole[3:20:2, 5:], equal_nan=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_has_a_handle_of_its_own_and_waits_for_no_thread_of_its_parent(two):
    with FITS(two) as fits:
        lazy, expected = fits[1].lazy(), fits[1].read()
    lazy[0]
    handle = lazy._image()._file
    receiver, sender = multiprocessing.Pipe(duplex=False)
    with sharing._SHARED._guard, handle._lock.exclusive():  # as another thread may have them when the process forks
        child = os.fork()
        if not child:
            try:
                sender.send((lazy[...], lazy._image()._file is handle))
            finally:
                os._exit(0)
    sender.close()
    try:
        assert receiver.poll(30), "the fork waits"
        pixels, same = receiver.recv()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert np.array_equal(pixels, expected)
    assert not same


def test_threads_read_one_lazy_array_side_by_side(two):
    with FITS(two) as fits:
        lazy, expected = fits[1].lazy(), fits[1].read()
    found = {}

    def read(row):
        found[row] = lazy[row, ::-1]

    threads = [threading.Thread(target=read, args=(row,)) for row in range(SHAPE[0])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(found[row], expected[row, ::-1]) for row in range(SHAPE[0]))


def test_to_dask_says_what_to_install(two, monkeypatch):
    for name in ("rustfits_arrays", "rustfits_arrays.dask"):  # as if it were not there
        monkeypatch.setitem(sys.modules, name, None)
    with FITS(two) as fits:
        for hdu in fits:
            if isinstance(hdu, rustfits.ImageHDU):
                with pytest.raises(NotSupported, match=r"rustfits-arrays: pip install .*\[dask\]'"):
                    hdu.to_dask()
