"""What an HDU knows of its header is one snapshot, which is replaced as a whole with the cards."""

from functools import cached_property

import numpy as np
import pytest
from editing import create, images, keys, needs_rice, pixels_of, quantised
from hypothesis import given
from hypothesis import strategies as st

import rustfits
from rustfits import FITS, FitsError, Gzip2
from rustfits.header.cards import Cards
from rustfits.tiles.zimage import CompressedSnapshot, TileTable

PIXELS = np.arange(3000, dtype="i2").reshape(50, 60)


def known(part):
    """Return everything that a part of a snapshot can tell, and what it refuses to."""
    told = {}
    for kind in type(part).__mro__:
        for name, member in vars(kind).items():
            if isinstance(member, cached_property | property):
                try:
                    told[name] = getattr(part, name)
                except FitsError as error:
                    told[name] = str(error)
    return told


def assert_as_if_read_anew(hdu):
    """Check that what was carried over from edit to edit is what the header says now, the codec given apart."""
    snapshot = hdu._state.snapshot
    assert snapshot.cards is hdu._state.cards
    anew = CompressedSnapshot(snapshot.cards, TileTable(snapshot.cards, snapshot.table._codec))
    carried, fresh = known(snapshot.table), known(anew.table)
    assert snapshot.layout == anew.layout
    assert carried == fresh


@given(data=st.data(), image=images(), seed=st.integers(0, 999))
def test_what_is_carried_over_from_edit_to_edit_is_what_the_header_says(data, image, seed):
    fits = FITS("mem://", "w+")
    hdu, _ = create(fits, image, seed)
    for _ in range(data.draw(st.integers(1, 5))):
        work = data.draw(st.sampled_from(["set", "set", "extend", "write", "repack", "card"]))
        try:
            if work == "set":
                hdu[data.draw(keys(hdu.shape))] = 5
            elif work == "extend":
                hdu.extend(pixels_of(image[0], image[1], (data.draw(st.integers(1, 5)), *hdu.shape[1:]), seed))
            elif work == "write":
                hdu.write(pixels_of(image[0], image[1], hdu.shape, seed + 1))
            elif work == "repack":
                hdu.repack()
            else:
                hdu.header["BUNIT"] = "adu"
        except FitsError:  # no tiles yet, or such keys
            pass
        assert_as_if_read_anew(hdu)
    with FITS.from_bytes(fits.to_bytes()) as again:
        assert known(again["EDITED"]._facts)["grid"] == hdu._facts.grid
        assert again["EDITED"]._state.snapshot.layout == hdu._state.snapshot.layout


@needs_rice
def test_an_edit_of_floats_whose_header_names_no_null_yet_keeps_nothing_that_is_wrong():
    fits, _ = quantised(np.random.default_rng(1).normal(0, 10, (40, 30)).astype("f4"))
    raw = fits.to_bytes().replace(b"ZBLANK  =", b"OTHER   =")
    with FITS.from_bytes(raw, "r+") as again:
        hdu = again["EDITED"]
        assert hdu.header.get("ZBLANK") is None
        hdu[3, 4] = np.nan
        assert_as_if_read_anew(hdu)
        assert hdu.header["ZBLANK"] == hdu._facts.quantization.null
        assert np.isnan(hdu[3, 4])


def test_an_edit_of_pixels_replaces_the_layout_and_nothing_else():
    fits = FITS("mem://", "w+")
    hdu = fits.write_image(PIXELS, compress=Gzip2(tile_shape=(10, 60)))
    before = hdu._state.snapshot
    hdu[3, 4] = -77
    after = hdu._state.snapshot
    assert after is not before
    assert after.table is before.table
    assert after.layout.heap_nbytes > before.layout.heap_nbytes


def test_another_keyword_replaces_the_snapshot_as_a_whole():
    fits = FITS("mem://", "w+")
    hdu = fits.write_image(PIXELS, compress=Gzip2(tile_shape=(10, 60)))
    assert hdu[0, 5] == 5
    before = hdu._state.snapshot
    hdu.header["BZERO"] = 1000.5
    assert hdu._state.snapshot.table is not before.table
    assert hdu[0, 5] == 1005.5
    assert hdu.compression == Gzip2(tile_shape=(10, 60))


@pytest.mark.parametrize("compress", [None, Gzip2(tile_shape=(10, 60), level=2)])
def test_a_change_that_fails_brings_back_the_very_snapshot(compress):
    fits = FITS("mem://", "w+")
    hdu = fits.write_image(PIXELS, compress=compress)
    hdu.read()
    before = hdu._state.snapshot
    with pytest.raises(RuntimeError), fits.transaction():
        hdu.header["BSCALE"] = 2.0
        hdu.extend(np.full((3, 60), 9, dtype="i2"))
        assert hdu.shape == (53, 60)
        assert hdu[0, 5] == 10
        raise RuntimeError
    assert hdu._state.snapshot is before
    np.testing.assert_array_equal(hdu.read(), PIXELS)


def test_numbers_as_they_are_stored_come_from_what_is_known_of_the_table_too():
    fits = FITS("mem://", "w+")
    hdu = fits.write_image(PIXELS.astype("u2"), compress=Gzip2(tile_shape=(10, 60)))
    np.testing.assert_array_equal(hdu.read(), PIXELS.astype("u2"))
    source = hdu._source
    np.testing.assert_array_equal(hdu.read(scale=False), PIXELS - np.int32(32768))
    assert hdu._source is source


def test_a_header_is_built_and_encoded_once_for_an_image_that_is_written(monkeypatch, tmp_path):
    done = []
    build, encode = Cards.build, Cards.encode
    monkeypatch.setattr(Cards, "build", lambda entries: done.append("build") or build(entries))
    monkeypatch.setattr(Cards, "encode", lambda cards: done.append("encode") or encode(cards))
    header = {"OBJECT": "M13", "EXPTIME": (2.5, "seconds")}
    rustfits.write(tmp_path / "a.fits", PIXELS, header=header)
    assert done == ["build", "encode"]
    with FITS(tmp_path / "a.fits", "r+") as fits:
        done.clear()
        fits.write_image(PIXELS, compress=Gzip2(), header=header)
        assert done == ["build", "encode"]
        done.clear()
        fits.write_image(PIXELS, header=fits[0].header)
        assert done == ["build", "encode"]
