"""Tiles that compiled kernels decode to their places are those that the core puts there, or are left to the core."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits
from rustfits.codec.choice import active, set_active
from rustfits.codec.kernels import Kernels
from rustfits.errors import FitsError
from rustfits.tiles import reader
from rustfits.tiles.decode import TileDecoder
from rustfits.tiles.reader import TileReader
from rustfits.tiles.shortway import image_facts

pytest.importorskip("rustfits_accel", reason="the short way is in rustfits-accel")
pytest.importorskip("rustfits_rice", reason="its decoder for compiled callers is in rustfits-rice")

SHAPES = {
    (320, 330): (31, 37),  # more tiles than are noted at a time
    (300, 150): (100, 150),
    (6, 50, 60): (1, 20, 60),
    (7, 50, 40): (2, 30, 40),
    (60000,): (700,),
    (3, 4, 60, 70): (2, 2, 9, 30),
}


def image(shape, dtype):
    pixels = np.random.default_rng(3).normal(1000, 30, shape)
    pixels[..., ::17] = 0
    if dtype in ("f4", "f8"):
        pixels[..., ::29] = np.nan
    return pixels.astype(dtype)


def write(path, shape, dtype, method="dither2"):
    quantize = rustfits.Quantize(level=16, method=method, seed=9) if dtype[0] == "f" else None
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(image(shape, dtype), compress=rustfits.Rice1(tile_shape=SHAPES[shape]), quantize=quantize)


@pytest.fixture
def cores_way():
    yield lambda: set_active(Kernels())
    set_active(None)


def refuse(*_):
    raise AssertionError("these tiles were to go the short way, or to be there")


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("shape", SHAPES)
def test_sections_are_those_of_the_core(shape, dtype, tmp_path, cores_way):
    path = tmp_path / "image.fits"
    write(path, shape, dtype, method="no_dither" if shape[0] == 7 else "dither2")
    cores_way()
    with rustfits.FITS(path) as fits:
        whole = fits[1].read()
    set_active(None)
    ends = [st.tuples(st.integers(0, size), st.integers(0, size)).map(sorted) for size in shape]

    @settings(max_examples=12)
    @given(box=st.tuples(*ends), capacity=st.sampled_from([0, 60_000, 1 << 25]))
    def check(box, capacity):
        key = tuple(slice(first, stop) for first, stop in box)
        with rustfits.FITS(path) as fits:
            fits[1].set_tile_cache_size(capacity)
            for found, expected in ((fits[1][key], whole[key]), (fits[1].read(), whole)):
                assert found.dtype == whole.dtype
                assert np.array_equal(found.view(f"u{found.itemsize}"), expected.view(f"u{found.itemsize}"))

    check()


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("dtype", ["i2", "i4", "f4", "f8"])
def test_a_whole_image_goes_the_short_way(dtype, tmp_path, monkeypatch):
    path = tmp_path / "image.fits"
    write(path, (320, 330), dtype)
    monkeypatch.setattr(TileReader, "_fill", refuse)
    with rustfits.FITS(path) as fits:
        whole = fits[1].read()  # and all tiles are kept
        fits[1].set_tile_cache_size(0)
        assert np.array_equal(fits[1].read().view("u1"), whole.view("u1"))
        with pytest.raises(AssertionError, match="short way"):
            fits[1][::2]


@pytest.mark.parametrize("dtype", ["i2", "i4", "f4", "f8"])
def test_tiles_kept_by_the_short_way_are_read_again(dtype, tmp_path, monkeypatch):
    path = tmp_path / "image.fits"
    write(path, (320, 330), dtype)
    with rustfits.FITS(path) as fits:
        whole = fits[1].read()
        assert fits[1].tile_cache_used == whole.nbytes
        for way in (TileDecoder, "decode"), (reader, "place"):
            monkeypatch.setattr(*way, refuse)
        for found, expected in ((fits[1].read(), whole), (fits[1][40:50, 30:300], whole[40:50, 30:300])):
            assert np.array_equal(found.view(f"u{found.itemsize}"), expected.view(f"u{found.itemsize}"))


@pytest.mark.parametrize(
    ("dtype", "tile"), [("i4", (100, 100)), ("i2", (100, 100)), ("i4", (90, 101)), ("u1", (64, 64))]
)
def test_sections_too_large_for_the_cache_are_what_was_written(dtype, tile, tmp_path):
    path, shape = tmp_path / "image.fits", {"i4": (2100, 2101), "i2": (2100, 4196), "u1": (4200, 4200)}[dtype]
    pixels = np.random.default_rng(4).integers(0, 200, shape).astype(dtype)
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(pixels, compress=rustfits.Rice1(tile_shape=tile))
    with rustfits.FITS(path) as fits:
        assert np.array_equal(fits[1].read(), pixels)
        assert np.array_equal(fits[1][3:2099, 5:], pixels[3:2099, 5:])


@pytest.mark.parametrize("damage", ["bytes", "descriptor", "end"])
@pytest.mark.parametrize("dtype", ["i4", "f4"])
def test_what_is_wrong_is_said_as_ever(damage, dtype, tmp_path, cores_way):
    path = tmp_path / "image.fits"
    write(path, (320, 330), dtype)
    with rustfits.FITS(path) as fits:
        table, start = fits[1]._table.layout, fits[1]._extent.data_start
        tile = int(fits[1]._decoder().survey().entries.start[50]) + start + table.heap_start
    raw = bytearray(path.read_bytes())
    if damage == "bytes":
        raw[tile : tile + 40] = b"\xff" * 4 + b"\xf8" * 36
    elif damage == "descriptor":
        raw[start + 50 * table.row_nbytes : start + 50 * table.row_nbytes + 8] = b"\x7f\xff\xff\xff" * 2
    else:
        del raw[tile + 9 :]
    path.write_bytes(raw)

    def message():
        with rustfits.FITS(path) as fits, pytest.raises(FitsError) as caught:
            fits[1].set_tile_cache_size(0)
            fits[1].read()
        return type(caught.value), str(caught.value)

    found = message()
    cores_way()
    assert message() == found


@pytest.mark.usefixtures("compiled")
class TestNumbersThatDisagree:
    """What stands between the decoder and memory that is not its own."""

    @pytest.fixture
    def call(self, tmp_path):
        path = tmp_path / "image.fits"
        write(path, (320, 330), "i4")
        with rustfits.FITS(path) as fits:
            decoder = fits[1]._decoder()
            entries = decoder.survey().entries.part(slice(0, 18))
            placer = active().placer(**image_facts(decoder.table))
            nbytes = int((entries.start + entries.length).max())
            data = np.frombuffer(path.read_bytes(), np.uint8, nbytes, decoder.heap_start)
            arguments = {
                "start": (0, 0),
                "count": (62, 330),
                "row": entries.rows,
                "data": data,
                "position": entries.start,
                "length": entries.length,
                "npixels": decoder.table.grid.tile_shapes(entries.rows).prod(axis=1),
                "numbers": None,
                "out": np.zeros((62, 330), "i4"),
                "kept": None,
                "past": False,
            }
        return lambda **changed: placer(**{**arguments, **changed})

    def test_quantised_pixels_that_are_no_floats_are_refused(self, tmp_path):
        path = tmp_path / "image.fits"
        write(path, (320, 330), "f4")
        with rustfits.FITS(path) as fits:
            facts = image_facts(fits[1]._table)
        with pytest.raises(ValueError, match="floats of 4 or 8 bytes, not int16"):
            active().placer(**facts | {"dtype": np.dtype("i2")})

    @pytest.mark.parametrize("past", [False, True])
    def test_what_agrees_is_done(self, call, past):
        out = np.zeros((62, 330), "i4")
        assert call(out=out, past=past)
        assert np.array_equal(out, image((320, 330), "i4")[:62])

    def test_tiles_to_be_kept_lie_back_to_back(self, call):
        out, kept, expected = np.zeros((62, 330), "i4"), np.zeros(62 * 330, "i4"), image((320, 330), "i4")[:62]
        assert call(out=out, kept=kept.view(np.uint8))
        assert np.array_equal(out, expected)
        tiles = [expected[row : row + 31, first : first + 37] for row in (0, 31) for first in range(0, 330, 37)]
        assert np.array_equal(kept, np.concatenate([tile.reshape(-1) for tile in tiles]))

    @pytest.mark.parametrize(
        "changed",
        [
            {"row": np.arange(1, 19)},  # beyond the section
            {"row": np.arange(-1, 17)},
            {"row": np.arange(200, 218)},
            {"npixels": np.full(18, 31 * 36)},
            {"npixels": np.full(18, 10**9)},
            {"npixels": np.full(18, -1)},
            {"npixels": np.zeros(18, np.int64)},
            {"length": np.full(18, 3)},
            {"position": np.full(18, 10**12)},
            {"data": np.zeros(0, np.uint8)},
        ],
    )
    def test_tiles_with_a_fault_are_left_to_the_core(self, call, changed):
        assert not call(**changed)

    @pytest.mark.parametrize(
        "changed",
        [
            {"start": (0,)},
            {"start": (300, 0)},
            {"start": (-1, 0)},
            {"count": (62, 331)},
            {"out": np.zeros((62, 329), "i4")},
            {"out": np.zeros((62, 330), "i2")},
            {"out": np.zeros((62, 660), "i4")[:, ::2]},
            {"length": np.zeros(17, np.int64)},
            {"npixels": np.zeros(19, np.int64)},
            {"kept": np.zeros(62 * 330 * 4 - 1, np.uint8)},
            {"kept": np.zeros(62 * 330 * 4 + 1, np.uint8)},
        ],
    )
    def test_arguments_that_disagree_are_refused(self, call, changed):
        with pytest.raises((ValueError, BufferError)):
            call(**changed)
