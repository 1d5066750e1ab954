"""The short way of cutouts, compiled from key to pixels, gives what the core gives, or leaves it to the core."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import replace

import numpy as np
import pytest
from cutting import INTEGERS, OTHER_KEYS, refuse, starts_and_counts
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits
from rustfits.codec.choice import active, set_active
from rustfits.codec.kernels import Kernels
from rustfits.errors import FitsError
from rustfits.tiles.boxes import Boxes

pytest.importorskip("rustfits_accel", reason="the short way is in rustfits-accel")
pytest.importorskip("rustfits_rice", reason="its decoder for compiled callers is in rustfits-rice")

SHAPES = {
    (200, 300): (80, 90),
    (300, 150): (1, 150),  # tiles of a row
    (5, 60, 70): (1, 1, 70),
    (7, 50, 40): (2, 30, 40),
    (6000,): (700,),
    (3, 4, 20, 30): (2, 2, 9, 30),
    (12, 25000): (1, 25000),  # rows with many marks, and two turns of the random numbers
    (2, 130, 210): (1, 130, 210),
}


def image(shape, dtype):
    pixels = np.random.default_rng(3).normal(1000, 30, shape)
    pixels[..., ::17] = 0
    if dtype in ("f4", "f8"):
        pixels[..., ::29] = np.nan
        pixels.reshape(-1)[: pixels.size // 3] *= 1e30 if dtype == "f8" else 1  # tiles that go to the other column
    return pixels.astype(dtype)


def write(path, shape, dtype, method="dither2"):
    quantize = rustfits.Quantize(level=16, method=method, seed=9) if dtype[0] == "f" else None
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(image(shape, dtype), compress=rustfits.Rice1(tile_shape=SHAPES[shape]), quantize=quantize)


def boxes(shape):
    ends = starts_and_counts(shape).map(
        lambda box: [(at, min(at + n, size)) for (at, n), size in zip(box, shape, strict=True)]
    )
    return ends.map(lambda box: tuple(slice(*each) for each in box))


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("shape", SHAPES)
def test_boxes_are_those_of_the_whole_image(shape, dtype, tmp_path):
    path = tmp_path / "image.fits"
    write(path, shape, dtype, method="no_dither" if shape[0] == 7 else "dither2")
    set_active(Kernels())
    try:
        with rustfits.FITS(path) as fits:
            whole = fits[1].read()
    finally:
        set_active(None)

    @settings(max_examples=8)
    @given(keys=st.lists(boxes(shape), min_size=1, max_size=8), capacity=st.sampled_from([0, 20_000, 60_000, 1 << 25]))
    def check(keys, capacity):
        with rustfits.FITS(path) as fits:
            hdu = fits[1]
            hdu.set_tile_cache_size(capacity)
            for key in [*keys, *keys]:
                found = hdu[key]
                assert found.dtype == whole.dtype
                assert found.flags.c_contiguous
                assert np.array_equal(found.view(f"u{found.itemsize}"), whole[key].view(f"u{found.itemsize}"))
                assert hdu.tile_cache_used <= capacity
            assert np.array_equal(hdu.read(), whole, equal_nan=whole.dtype.kind == "f")

    check()


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("dtype", ["i4", "u2", "f4"])
def test_a_box_of_slices_goes_the_short_way(dtype, tmp_path, monkeypatch):
    path = tmp_path / "image.fits"
    write(path, (300, 150), dtype)
    with rustfits.FITS(path) as fits:
        fits[1][1:3, 5:9]  # the first one does not
        monkeypatch.setattr(Boxes, "read", refuse)
        assert fits[1][140:170, 20:60].shape == (30, 40)
        for kind in INTEGERS:
            assert fits[1][kind(70) : kind(100), kind(20) : kind(60)].shape == (30, 40)
        for bound in (None, True, -3, np.int64(301), 10**30):
            with pytest.raises(AssertionError, match="short way"):
                fits[1][140:bound, 20:60]
        with pytest.raises(TypeError):
            fits[1][140:150.0, 20:60]
        with pytest.raises(AssertionError, match="short way"):
            fits[1][140:170:2, 20:60]


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("dtype", ["i4", "u2", "f4"])
def test_integers_in_a_key_take_the_short_way_too(dtype, tmp_path, monkeypatch):
    path = tmp_path / "image.fits"
    write(path, (300, 150), dtype)
    with rustfits.FITS(path) as fits:
        hdu = fits[1]
        whole = hdu.read()
        hdu[1:3, 5:9]  # the first box does not
        monkeypatch.setattr(Boxes, "read", refuse)
        for key in ((7, 9), (-1, -1), (np.int64(7), slice(3, 60)), (slice(20, 70), 149), -300, (..., 7, slice(3, 9))):
            found = hdu[key]
            assert type(found) is type(whole[key])
            assert np.array_equal(found, whole[key], equal_nan=dtype == "f4")
        with pytest.raises(AssertionError, match="short way"):
            hdu[7, ::2]
        with pytest.raises(IndexError):
            hdu[300, 0]


def test_a_cache_larger_than_any_memory_is_no_obstacle(tmp_path):
    path = tmp_path / "image.fits"
    write(path, (200, 300), "i4")
    with rustfits.FITS(path) as fits:
        hdu = fits[1]
        hdu.set_tile_cache_size(10**30)
        for _ in range(4):
            assert np.array_equal(hdu[70:100, 80:100], image((200, 300), "i4")[70:100, 80:100])


@pytest.fixture(params=["compiled", "core"])
def either(request):
    """Read with the compiled kernels, where they are not kept out, and with those of the core."""
    if request.param == "core":
        set_active(Kernels())
    yield
    set_active(None)


@pytest.mark.usefixtures("either")
def test_of_an_image_larger_than_the_cache_only_what_is_wanted_often_or_whole_is_kept(tmp_path):
    path = tmp_path / "image.fits"
    write(path, (200, 300), "i4")
    pixels = image((200, 300), "i4")
    tile = 80 * 90 * 4
    with rustfits.FITS(path) as fits:
        hdu = fits[1]
        hdu.set_tile_cache_size(5 * tile)
        used = []
        for row in (90, 100, 110, 85):
            assert np.array_equal(hdu[row : row + 9, 95:105], pixels[row : row + 9, 95:105])
            used.append(hdu.tile_cache_used)
        assert used == [0, 0, tile, tile]
        assert np.array_equal(hdu[80:160, 0:90], pixels[80:160, 0:90])
        assert hdu.tile_cache_used == 2 * tile


@pytest.mark.parametrize("dtype", ["i2", "f4"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_core_and_compiled_kernels_keep_the_same_tiles(shape, dtype, tmp_path):
    path = tmp_path / "image.fits"
    write(path, shape, dtype)

    @settings(max_examples=8)
    @given(keys=st.lists(boxes(shape), min_size=1, max_size=12), capacity=st.sampled_from([0, 20_000, 60_000, 1 << 25]))
    def check(keys, capacity):
        seen = []
        for kernels in (None, Kernels()):
            set_active(kernels)
            try:
                with rustfits.FITS(path) as fits:
                    fits[1].set_tile_cache_size(capacity)
                    seen += [
                        (fits[1][key].tobytes(), fits[1].tile_cache_used, list(fits[1]._cache._tiles))
                        for key in [*keys, *keys]
                    ]
            finally:
                set_active(None)
        assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]

    check()


@pytest.mark.parametrize("key", [*OTHER_KEYS, (slice(190, 999), slice(4, 9))])
def test_other_keys_mean_what_they_mean_to_numpy(key, tmp_path):
    path = tmp_path / "image.fits"
    write(path, (200, 300), "i4")
    with rustfits.FITS(path) as fits:
        assert np.array_equal(fits[1][key], image((200, 300), "i4")[key])


def test_a_box_after_a_change_has_the_new_pixels(tmp_path):
    path = tmp_path / "image.fits"
    pixels = image((200, 300), "i4")
    write(path, (200, 300), "i4")
    with rustfits.FITS(path, "r+") as fits:
        hdu = fits[1]
        for number in range(3):
            assert np.array_equal(hdu[70:100, 80:100], pixels[70:100, 80:100])
            pixels[75:90, 85:95] = number
            hdu[75:90, 85:95] = number
        fits[0].header["LONG"] = "x" * 60
        for card in range(40):
            fits[0].header[f"CARD{card}"] = card  # the table moves
        assert np.array_equal(hdu[70:100, 80:100], pixels[70:100, 80:100])


def message(path, key):
    with rustfits.FITS(path) as fits:
        for _ in range(2):
            fits[1][0:2, 0:2]  # so that the short way is ready
        with pytest.raises(FitsError) as caught:
            fits[1][key]
    return type(caught.value), str(caught.value)


@pytest.mark.parametrize("damage", ["bytes", "descriptor", "end"])
@pytest.mark.parametrize("dtype", ["i4", "f4"])
def test_what_is_wrong_is_said_as_ever(damage, dtype, tmp_path):
    path = tmp_path / "image.fits"
    write(path, (300, 150), dtype)
    with rustfits.FITS(path) as fits:
        table, start = fits[1]._state.snapshot.layout, fits[1]._extent.data_start
        tile = int(fits[1]._decoder().survey().entries.start[150]) + start + table.heap_start
    raw = bytearray(path.read_bytes())
    if damage == "bytes":
        raw[tile : tile + 40] = b"\xff" * 4 + b"\xf8" * 36
    elif damage == "descriptor":
        raw[start + 150 * table.row_nbytes : start + 150 * table.row_nbytes + 8] = b"\x7f\xff\xff\xff" * 2
    else:
        del raw[tile + 9 :]
    path.write_bytes(raw)
    key = (slice(140, 160), slice(10, 90))
    found = message(path, key)
    set_active(Kernels())
    try:
        assert message(path, key) == found
    finally:
        set_active(None)
    if damage != "end":
        with rustfits.FITS(path) as fits:
            assert fits[1][200:230, 10:90].shape == (30, 80)


def test_an_image_without_pixels_and_a_file_cut_short_give_an_empty_box(tmp_path):
    path = tmp_path / "image.fits"
    write(path, (200, 300), "i4")
    with rustfits.FITS(path) as fits:
        start = fits[1]._extent.data_start
    path.write_bytes(path.read_bytes()[: start + 8])
    with rustfits.FITS(path) as fits:
        assert fits[1][5:5, 0:9].shape == (0, 9)


@pytest.mark.usefixtures("compiled")
class TestWhatIsHandedAround:
    """Arrays and structures that others may hold on to, or get wrong."""

    BOX = (slice(70, 90), slice(80, 100))  # four tiles

    @pytest.fixture
    def hdu(self, tmp_path):
        path = tmp_path / "image.fits"
        write(path, (200, 300), "i4")
        with rustfits.FITS.from_bytes(path.read_bytes()) as fits:  # no file of the system's to read from
            fits[1][self.BOX]
            fits[1][self.BOX]  # from here on the short way
            yield fits[1]

    def test_a_storage_may_keep_what_it_was_given_to_fill(self, hdu, monkeypatch):
        kept, storage = [], type(hdu._file.storage)
        read_into = storage.read_into

        def keeping(self, offset, target):
            read_into(self, offset, target)
            kept.append(target)

        monkeypatch.setattr(storage, "read_into", keeping)
        monkeypatch.setattr(Boxes, "read", refuse)
        hdu.set_tile_cache_size(0)  # so that all is read again
        hdu[self.BOX]
        assert kept
        assert all(isinstance(target, np.ndarray) and target.flags.owndata for target in kept)

    def test_an_interrupt_lets_go_of_the_tiles_that_were_found(self, hdu, monkeypatch):
        key = (slice(70, 165), slice(80, 100))  # two more tiles, which are not there
        tile = hdu._cache.take([0])[0][0]
        references = sys.getrefcount(tile)

        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(np, "empty", interrupted)
        for _ in range(5):
            with pytest.raises(KeyboardInterrupt):
                hdu[key]
        assert sys.getrefcount(tile) == references

    def test_a_decoder_that_cannot_resume_is_refused(self, hdu):
        new_capsule = ctypes.pythonapi.PyCapsule_New
        new_capsule.restype, new_capsule.argtypes = (
            ctypes.py_object,
            [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p],
        )
        nothing = ctypes.create_string_buffer(64)
        capsule = new_capsule(ctypes.addressof(nothing), b"rustfits.resumer.1", None)
        with pytest.raises(ValueError, match="resumes every 0 pixels"):
            resuming(hdu, capsule)


def resuming(hdu, capsule):
    """Ask for what reads boxes of an image with another decoder that resumes."""
    compiled = active()

    class Asked(Kernels):
        def box_reader(self, image, tiles, heap, keeper):
            return compiled.box_reader(replace(image, resumer=capsule, prefixes=True), tiles, heap, keeper)

    set_active(Asked())
    try:
        Boxes(hdu._decoder(), hdu._cache)._new_reader()
    finally:
        set_active(compiled)
