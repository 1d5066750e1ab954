"""Checksums of compressed images, and what is read of those that are damaged."""

from __future__ import annotations

import numpy as np
import pytest
from editing import assert_same_bits, create, images
from hypothesis import given, settings
from hypothesis import strategies as st

from rustfits import FITS, Gzip1, Gzip2, NoCompress, Quantize
from rustfits.errors import ChecksumError, CodecNotInstalled, FitsError, ImageError, TileDecodeError, TruncatedFile
from rustfits.hdu import sums

PIXELS = np.random.default_rng(0).integers(0, 100, (30, 40)).astype("i2")
FLOATS = np.random.default_rng(0).normal(100, 5, (30, 40)).astype("f4")
KINDS = {
    "i2": (PIXELS, {"compress": Gzip1(tile_shape=(10, 10))}),
    "u2": (PIXELS.astype("u2"), {"compress": Gzip2(tile_shape=(7, 13))}),
    "f4": (FLOATS, {"compress": Gzip2(tile_shape=(10, 10))}),
    "quantised": (FLOATS, {"compress": Gzip1(tile_shape=(10, 10)), "quantize": Quantize(level=4)}),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def written(pixels, arguments, *, own=True, z=True):
    """Return a file, open for changes, whose compressed image has the sums of its own bytes, those of its pixels."""
    fits = FITS("mem://", "w+")
    hdu = fits.write_image(pixels, **arguments)
    if z:
        hdu.add_checksum()
    if own:
        with hdu._changing():
            sums.add_checksum(hdu._file, hdu._extent, hdu._state)
    return FITS.from_bytes(fits.to_bytes(), "r+")


def damaged(fits, row, *, own_right=False):
    """Return the file with a byte of a tile changed in the middle, so that the tile cannot be decoded."""
    hdu, raw = fits[1], bytearray(fits.to_bytes())
    entries = hdu._decoder().entries(np.array([row]))
    at = hdu._decoder().heap_start + int(entries.start[0]) + int(entries.length[0]) // 2
    raw[at : at + 4] = bytes(byte ^ 0xFF for byte in raw[at : at + 4])
    changed = FITS.from_bytes(raw, "r+")
    if own_right:
        hdu = changed[1]
        with hdu._changing():
            sums.add_checksum(hdu._file, hdu._extent, hdu._state)
    return changed


def verdicts(fits):
    return {verdict.check: verdict.status for verdict in fits[1].verify().verdicts}


ALL = ["structure", "DATASUM", "CHECKSUM", "ZDATASUM", "ZHECKSUM", "tiles"]


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("z", [True, False])
def test_an_intact_image_is_never_called_bad(kind, own, z):
    with written(*kind, own=own, z=z) as fits:
        assert fits[1].verify_checksum() is (True if own or z else None)
        assert fits[1].verify_datasum() is (True if z else None)
        expected = dict.fromkeys(ALL, "ok")
        expected |= {} if own else {"DATASUM": "absent", "CHECKSUM": "absent"}
        expected |= {} if z else {"ZDATASUM": "absent", "ZHECKSUM": "absent"}
        assert verdicts(fits) == expected
        assert fits[1].damaged_tiles() == []


@pytest.mark.parametrize("own", [True, False])
def test_adding_sums_renews_those_of_the_bytes_only_where_they_are(kind, own):
    with written(*kind, own=own) as fits:
        hdu = fits[1]
        hdu.header["FILTER"] = "r"
        hdu[0, 0] = hdu[0, 1]
        assert hdu.verify_checksum() is False
        hdu.add_checksum()
        assert ("CHECKSUM" in hdu.header, "DATASUM" in hdu.header) == (own, own)
        assert (hdu.verify_checksum(), hdu.verify_datasum()) == (True, True)
        assert all(verdict.status in ("ok", "absent") for verdict in hdu.verify().verdicts)


def test_a_datasum_alone_is_renewed_alone(kind):
    with written(*kind, own=False) as fits:
        hdu = fits[1]
        with hdu._changing():
            sums.add_datasum(hdu._file, hdu._extent, hdu._state)
        hdu[3, 3] = hdu[4, 4]
        assert hdu.verify_checksum() is False
        hdu.add_checksum()
        assert "CHECKSUM" not in hdu.header
        assert verdicts(fits) == dict.fromkeys(ALL, "ok") | {"CHECKSUM": "absent"}


def test_a_zdatasum_of_other_pixels_tells_nothing_as_long_as_the_bytes_are_right(kind):
    with written(*kind) as fits:
        hdu = fits[1]
        hdu._state.change({"ZDATASUM": "1234567"})
        assert hdu.verify_datasum() is None  # DATASUM is right
        assert hdu.verify()["ZDATASUM"].status == "does not apply"
        hdu._state.change({"DATASUM": "1"})
        assert hdu.verify_datasum() is False
        assert hdu.verify()["ZDATASUM"].status == "bad"
    with written(*kind, own=False) as fits:
        fits[1]._state.change({"ZDATASUM": "1234567"})
        assert fits[1].verify_datasum() is False
        assert fits[1].verify_checksum() is False
        assert [verdict.check for verdict in fits[1].verify().bad] == ["ZDATASUM", "ZHECKSUM"]


def test_checksum_answers_for_datasum_too(kind):
    with written(*kind) as fits:
        hdu = fits[1]
        hdu._state.change({"DATASUM": "7", "CHECKSUM": "0" * 16})
        found = sums.measured(hdu._file, hdu._extent)
        from rustfits.hdu.checksum import encode, fold

        hdu._state.change({"CHECKSUM": encode(fold(sum(found)))})
        assert verdicts(fits)["CHECKSUM"] == "ok"
        assert verdicts(fits)["DATASUM"] == "bad"
        assert hdu.verify_checksum() is False


@pytest.mark.parametrize("keyword", ["ZDATASUM", "ZHECKSUM", "DATASUM", "CHECKSUM"])
def test_blank_sums_are_undefined(kind, keyword):
    with written(*kind) as fits:
        fits[1]._state.change({keyword: ""})
        verdict = fits[1].verify()[keyword]
        assert verdict.status == "absent"
        assert "blank" in verdict.reason
        if keyword == "ZDATASUM":
            assert fits[1].verify_datasum() is None
        if keyword == "CHECKSUM":
            assert fits[1].verify_checksum() is True  # that of ZHECKSUM


# -- damage -----------------------------------------------------------------------------------------------------------


def test_a_damaged_tile_is_false_where_checksum_says_so(kind):
    with damaged(written(*kind), 3) as fits:
        assert fits[1].verify_checksum() is False
        assert fits[1].verify_datasum() is False


@pytest.mark.parametrize("own_right", [True, False])
def test_a_damaged_tile_raises_where_no_checksum_says_so(kind, own_right):
    with damaged(written(*kind, own=False), 3, own_right=own_right) as fits:
        for verify in (fits[1].verify_checksum, fits[1].verify_datasum, fits[1].add_checksum, fits[1].add_datasum):
            with pytest.raises(TileDecodeError, match="table row 4"):
                verify()
        report = fits[1].verify()
        assert report["tiles"].status == "bad"
        assert "1 of " in report["tiles"].reason
        assert "table row 4" in report["tiles"].reason
        assert report["ZDATASUM"].status == "does not apply"


@settings(max_examples=80, deadline=None)
@given(images(), st.integers(0, 99), st.data())
def test_the_pixels_around_damage_are_read(image, seed, data):
    with FITS("mem://", "w+") as fits:
        hdu, pixels = create(fits, image, seed)
        if not pixels.size:
            return
        whole, snapshot, start = hdu.read(), hdu._state.snapshot, hdu._extent.data_start
        rows = data.draw(st.sets(st.integers(0, snapshot.table.grid.ntiles - 1)))
        raw = bytearray(fits.to_bytes())
        for row in rows:
            for source in filter(None, snapshot.table.sources):  # a descriptor that points beyond the heap
                at = start + row * snapshot.layout.row_nbytes + source.offset
                width = source.nbytes // 2
                raw[at : at + 2 * width] = (1 << 8 * width - 2).to_bytes(width, "big") * 2
    hdu = FITS.from_bytes(raw)[hdu.index]
    tiles = hdu.damaged_tiles()
    assert [tile.row for tile in tiles] == sorted(rows)
    found = hdu.read(on_error="mask")
    lost = np.zeros(whole.shape, bool)
    for tile in tiles:
        assert not lost[tile.section].any()
        lost[tile.section] = True
        assert "descriptor" in tile.reason
    np.testing.assert_array_equal(np.ma.getmaskarray(found), lost)
    assert_same_bits(np.where(lost, 0, found.data), np.where(lost, 0, whole))
    assert found.dtype == whole.dtype
    if whole.dtype.kind == "f":
        assert np.isnan(found.data[lost]).all()


@pytest.mark.parametrize("rows", [[0], [11], [0, 1, 2, 5, 11], range(12)])
def test_damaged_bytes_of_tiles_are_found_among_others(rows, shared_out):
    shared_out.use(3)
    fits = written(*KINDS["quantised"], own=False)
    for row in rows:
        fits = damaged(fits, row)
    tiles = fits[1].damaged_tiles()
    assert [tile.row for tile in tiles] == list(rows)
    row = rows[-1]
    corner = row // 4 * 10, row % 4 * 10
    assert (tiles[-1].start, tiles[-1].stop) == (corner, (corner[0] + 10, corner[1] + 10))
    assert tiles[-1].to_dict()["stop"] == list(tiles[-1].stop)
    assert f"table row {row + 1} (pixels {corner[0]}:{corner[0] + 10},{corner[1]}:{corner[1] + 10})" in str(tiles[-1])
    found = fits[1].read(on_error="mask")
    assert found.mask.sum() == 100 * len(rows)
    assert not np.isnan(found.compressed()).any()
    assert f"{len(rows)} of 12 tiles cannot be decoded" in fits[1].verify()["tiles"].reason


@pytest.mark.parametrize("cut", [3000, 9000, 10])
def test_what_is_left_of_a_file_cut_short_is_read(cut):
    fits = written(
        np.random.default_rng(0).integers(0, 30000, (60, 80)).astype("i2"), {"compress": NoCompress()}, z=False
    )
    whole, raw = fits[1].read(), fits.to_bytes()
    end = fits[1]._extent.data_start + fits[1]._extent.data_nbytes
    short = FITS.from_bytes(raw[: end - cut])[1]
    found = short.read(on_error="mask")
    lost = found.mask.all(axis=1)
    assert lost.any()
    np.testing.assert_array_equal(found.mask, np.repeat(lost[:, None], 80, axis=1))
    np.testing.assert_array_equal(found.data[~lost], whole[~lost])
    assert len(short.damaged_tiles()) == lost.sum()
    assert (
        "the file is truncated" in short.damaged_tiles()[0].reason or "end at byte" in short.damaged_tiles()[0].reason
    )
    report = short.verify()
    assert {verdict.check for verdict in report.bad} == {"structure", "DATASUM", "CHECKSUM", "tiles"}


def test_nothing_is_left_of_a_file_cut_short_within_its_table():
    fits = written(PIXELS, {"compress": Gzip1(tile_shape=(1, 1))}, own=False, z=False)
    short = FITS.from_bytes(fits.to_bytes()[: fits[1]._extent.data_start + 2880])[1]
    assert short.read(on_error="mask").mask.all()
    assert len(short.damaged_tiles()) == PIXELS.size


def test_a_tile_that_was_never_written_is_named():
    fits = FITS("mem://", "w+")
    fits.create_image_hdu("i2", (30, 40), compress=Gzip1(tile_shape=(10, 40)))
    report = fits[1].verify()
    assert report["tiles"].reason.startswith("3 of 3 tiles cannot be decoded: table row 1")
    assert "has no data in any of" in report["tiles"].reason


def test_blanks_are_masked_along_with_damage():
    fits = written(PIXELS, {"compress": Gzip1(tile_shape=(10, 10)), "blank": 7})
    whole = fits[1].read(mask_blank=True)
    fits = damaged(fits, 5)
    found = fits[1].read(on_error="mask", mask_blank=True)
    expected = np.ma.getmaskarray(whole).copy()
    expected[10:20, 10:20] = True
    np.testing.assert_array_equal(found.mask, expected)
    np.testing.assert_array_equal(found.compressed(), whole.data[~expected])


def test_scaling_is_applied_to_what_is_left_or_not():
    fits = damaged(written(*KINDS["u2"], own=False), 2)
    assert fits[1].read(on_error="mask").dtype == "u2"
    assert fits[1].read(on_error="mask", scale=False).dtype == "i2"


def test_a_cache_does_not_hide_damage():
    with FITS("mem://", "w+") as fits:
        hdu = fits.write_image(PIXELS, compress=Gzip1(tile_shape=(10, 10)))
        hdu.add_checksum()
        hdu.read()
        entries = hdu._decoder().entries(np.array([3]))
        at = hdu._decoder().heap_start + int(entries.start[0])
        fits._file.storage._data[at : at + 20] = bytes(20)  # behind the back of the handle
        assert hdu[12, 3] == PIXELS[12, 3]
        assert [tile.row for tile in hdu.damaged_tiles()] == [3]
        with pytest.raises(TileDecodeError):
            hdu.verify_datasum()


def test_a_codec_that_is_missing_is_no_damage():
    raw = written(*KINDS["i2"]).to_bytes().replace(b"'GZIP_1  '", b"'ODD_9   '")
    with FITS.from_bytes(raw, "r+") as fits:
        report = fits[1].verify()
        assert report["tiles"].status == "does not apply"
        assert "no codec for ZCMPTYPE 'ODD_9'" in report.unread
        assert fits[1].verify_checksum() is False  # the header was changed just now
        hdu = fits[1]
        with hdu._changing():
            sums.add_checksum(hdu._file, hdu._extent, hdu._state)
        assert hdu.verify_checksum() is True
        assert hdu.verify().ok
        for attempt in (hdu.verify_datasum, hdu.damaged_tiles, lambda: hdu.read(on_error="mask")):
            with pytest.raises(CodecNotInstalled):
                attempt()


def test_a_table_that_describes_no_image_is_bad():
    raw = written(*KINDS["i2"], own=False).to_bytes().replace(b"'COMPRESSED_DATA'", b"'COMPRESSED_DUTY'")
    report = FITS.from_bytes(raw)[1].verify()
    assert "the table has none of the columns" in report["structure"].reason
    assert report["tiles"].status == "bad"


def test_pixels_need_not_be_decoded():
    with damaged(written(*KINDS["i2"]), 3) as fits:
        report = fits[1].verify(decode=False)
        assert [verdict.check for verdict in report.bad] == ["DATASUM", "CHECKSUM"]
        assert "not decoded" in report["tiles"].reason


def test_verifying_waits_for_the_end_of_extending():
    fits = written(*KINDS["i2"])
    with fits[1].extending():
        for attempt in (fits[1].verify, fits.verify, fits[1].damaged_tiles, lambda: fits[1].read(on_error="mask")):
            with pytest.raises(ImageError, match="extending"):
                attempt()


def test_the_first_read_verifies_the_sums_of_pixels_where_there_are_no_others(kind, tmp_path):
    path = tmp_path / "x.fits"
    for own in (True, False):
        fits = written(*kind, own=own)
        path.write_bytes(fits.to_bytes())
        with FITS(path, checksum=True) as intact:
            assert intact[1].read().shape == (30, 40)
        if own:
            path.write_bytes(damaged(fits, 3).to_bytes())
        else:
            fits[1]._state.change({"ZDATASUM": "99"})
            path.write_bytes(fits.to_bytes())
        with FITS(path, checksum=True) as wrong, pytest.raises(ChecksumError, match="DATASUM is wrong"):
            wrong[1][0:3, 0:3]


WHOLE = {name: bytearray(written(*kind).to_bytes()) for name, kind in KINDS.items()}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.data())
def test_no_changed_byte_is_overlooked_and_none_stops_the_verification(name, data):
    raw = WHOLE[name].copy()
    with FITS.from_bytes(raw) as fits:
        start, stop = fits[1]._extent.header_start, fits[1]._extent.stop
    at = data.draw(st.integers(start, stop - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    try:
        fits = FITS.from_bytes(raw, lenient=True)
    except FitsError:
        return
    if len(fits) == 1:
        assert fits.damage is not None
        return
    report = fits[1].verify()
    # A CHECKSUM whose keyword was hit is none any more; the data are proven by DATASUM all the same.
    assert not report.ok or "absent" in {report["CHECKSUM"].status, report["DATASUM"].status}
    if report["CHECKSUM"].status == "bad" and report.kind == "COMPRESSED_IMAGE_HDU":
        assert fits[1].verify_checksum() is False
        assert fits[1].verify_datasum() in (True, False, None)


@pytest.mark.parametrize(("old", "new"), [("'1PB(", "'1ZB("), ("ZNAXIS1 ", "ZNAXES1 "), ("ZCMPTYPE", "ZCMPTIPE")])
def test_a_header_of_no_image_is_told_and_not_raised(old, new):
    raw = WHOLE["i2"].replace(old.encode(), new.encode())
    assert raw != WHOLE["i2"]
    hdu = FITS.from_bytes(raw)[1]
    assert hdu.verify()["tiles"].status == "bad"
    assert (hdu.verify_checksum(), hdu.verify_datasum()) == (False, False)


def test_a_file_that_is_verified_first_can_be_extended_in_a_block(kind, tmp_path):
    path = tmp_path / "x.fits"
    path.write_bytes(written(*kind).to_bytes())
    with FITS(path, "r+", checksum=True) as fits:
        rows = fits[1][:10] if kind[0].dtype.kind == "f" else kind[0][:10]
        with fits[1].extending():
            fits[1].extend(rows)
        assert len(fits[1]) == 40


# -- repacking --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ("ok", "ok")),
        ({"OBJECT": "M13"}, ("ok", "bad")),
        ({"DATASUM": "5"}, ("bad", "bad")),
        ({"CHECKSUM": ""}, ("ok", "absent")),
    ],
)
def test_repacking_renews_the_sums_that_were_right(kind, change, expected):
    with written(*kind) as fits:
        hdu = fits[1]
        for value in (3, 4, 5):
            hdu[5:15, 5:15] = np.full((10, 10), hdu[6, value], hdu.read().dtype)
        hdu.add_checksum()
        hdu._state.change(change)
        before, nbytes = hdu.read(), hdu._extent.data_nbytes
        hdu.repack()
        assert hdu._extent.data_nbytes < nbytes
        assert_same_bits(hdu.read(), before)
        found = verdicts(fits)
        assert (found["DATASUM"], found["CHECKSUM"]) == expected


def test_repacking_what_has_no_holes_changes_no_byte(kind):
    with written(*kind) as fits:
        fits[1].repack()
        before = fits.to_bytes()
        fits[1].repack()
        assert fits.to_bytes() == before


def test_repacking_needs_the_file_to_be_whole():
    fits = written(*KINDS["i2"])
    short = FITS.from_bytes(fits.to_bytes()[:-2880], "r+")
    with pytest.raises(TruncatedFile):
        short[1].repack()


@settings(max_examples=40, deadline=None)
@given(images(), st.integers(0, 99))
def test_any_image_is_intact_by_every_check(image, seed):
    with FITS("mem://", "w+") as fits:
        hdu, pixels = create(fits, image, seed)
        if not pixels.size:
            return
        with hdu._changing():
            sums.add_checksum(hdu._file, hdu._extent, hdu._state)
        hdu.add_checksum()
        assert {verdict.status for verdict in hdu.verify().verdicts} == {"ok"}
        assert (hdu.verify_datasum(), hdu.verify_checksum()) == (True, True)


def test_of_an_hdu_that_is_not_there_whole_the_checksum_is_wrong():
    raw = WHOLE["f4"].copy()
    at = raw.index(b"GCOUNT")
    raw[at + 29 : at + 30] = b"3"
    hdu = FITS.from_bytes(raw)[1]
    assert hdu.verify()["CHECKSUM"].status == "bad"
    assert hdu.verify_checksum() is False
