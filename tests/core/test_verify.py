"""The report of a verification, and what is read of plain files that are damaged."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits
from rustfits import FITS
from rustfits.errors import ChecksumError, FitsIOError, ImageError, TruncatedFile

DATA = Path(__file__).parents[1] / "data"
CHECKS = ["structure", "DATASUM", "CHECKSUM", "ZDATASUM", "ZHECKSUM", "tiles"]
DTYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


def image_file(pixels, *, sums=True, **arguments):
    with FITS("mem://", "w+") as fits:
        hdu = fits.write_image(pixels, **arguments)
        if sums:
            hdu.add_checksum()
        return bytearray(fits.to_bytes())


PIXELS = np.arange(3000, dtype="i2").reshape(50, 60)
WHOLE = image_file(PIXELS)


def status(report):
    return {verdict.check: verdict.status for verdict in report.verdicts}


def test_an_intact_image_is_ok_and_every_verdict_has_a_reason():
    report = FITS.from_bytes(WHOLE).verify()
    assert report.ok
    assert len(report) == 1
    assert [verdict.check for verdict in report[0].verdicts] == CHECKS
    assert status(report[0]) == dict.fromkeys(CHECKS[:3], "ok") | dict.fromkeys(CHECKS[3:], "does not apply")
    assert all(verdict.reason for verdict in [*report[0].verdicts, report.tail])


def test_a_report_goes_into_json_and_can_be_read():
    report = FITS.from_bytes(WHOLE).verify()
    told = json.loads(json.dumps(report.to_dict()))
    assert told["ok"] is True
    assert told["tail"]["nbytes"] == 0
    assert told["hdus"][0]["verdicts"][1] == {
        "check": "DATASUM",
        "status": "ok",
        "reason": "it is the sum of the data unit",
    }
    assert "mem://: ok\nHDU 0 (IMAGE_HDU): ok\n  structure  ok" in str(report)
    assert hash(report) == hash(FITS.from_bytes(WHOLE).verify())
    with pytest.raises(KeyError, match="there are: structure, DATASUM"):
        report[0]["datasums"]


@settings(max_examples=80)
@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_no_changed_byte_is_overlooked(at, change):
    raw = WHOLE.copy()
    raw[at] ^= change
    try:
        with FITS.from_bytes(raw, lenient=True) as fits:
            report = fits.verify()
    except rustfits.FitsError:
        return
    # What is left of a CHECKSUM whose keyword was hit is no CHECKSUM; the data are proven by DATASUM all the same.
    assert not report.ok or (at < 2880 and "absent" in status(report[0]).values())


def test_a_header_that_was_edited_is_told_from_data_that_were():
    with FITS.from_bytes(WHOLE, "r+") as fits:
        fits[0].header["OBJECT"] = "M13"
        report = fits[0].verify()
        assert status(report)["DATASUM"] == "ok"
        assert report["CHECKSUM"].reason.startswith("the header is not what it was")
        fits[0][3, 4] = 77
        report = fits[0].verify()
        assert [verdict.check for verdict in report.bad] == ["DATASUM", "CHECKSUM"]
        assert str(int(PIXELS.astype(">i2").view(">u4").sum(dtype="u8") % (2**32 - 1))) in report["DATASUM"].reason


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("m13.fits", [("ok", "ok")]),
        ("memtest.fits", [("absent", "ok"), ("bad", "bad")]),
        ("cta_lst_zfits_custom_codec.fits.fz", [("ok", "ok")] * 3),
        ("nomtam_ztable_gzip_mixed.fits.fz", [("ok", "ok")] * 2),
        ("ascii.fits", [("absent", "absent")] * 2),
    ],
)
def test_tables_are_verified_like_images(name, expected):
    with FITS(DATA / name) as fits:
        report = fits.verify()
    assert [(hdu["DATASUM"].status, hdu["CHECKSUM"].status) for hdu in report] == expected
    assert {hdu["structure"].status for hdu in report} == {"ok"}


def test_a_changed_byte_of_a_table_is_found():
    raw = bytearray((DATA / "cta_lst_zfits_custom_codec.fits.fz").read_bytes())
    with FITS.from_bytes(raw) as fits:
        raw[fits[2]._extent.data_start + 1234] ^= 1
    report = FITS.from_bytes(raw).verify()
    assert [hdu.ok for hdu in report] == [True, True, False]


# -- structure --------------------------------------------------------------------------------------------------------


def structure(raw):
    return FITS.from_bytes(raw, lenient=True).verify()[0]["structure"]


def test_a_data_unit_that_is_cut_short_is_bad_and_so_are_its_sums():
    report = FITS.from_bytes(WHOLE[:-4000]).verify()[0]
    assert report["structure"].reason.startswith("1360 of the 6000 bytes of the data unit are missing")
    assert [verdict.check for verdict in report.bad] == CHECKS[:3]


def test_missing_and_wrong_fill_is_told():
    assert "bytes that fill its last block are missing" in structure(WHOLE[:-100]).reason
    raw = WHOLE.copy()
    raw[-1] = 1
    assert structure(raw).reason == "the 2640 bytes that fill the last block are not all zeros"
    assert structure(WHOLE).status == "ok"


def test_stray_bytes_of_a_header_are_named_by_their_card():
    raw = WHOLE.replace(b"HDU checksum", b"HDU chec\xe9sum")
    verdict = structure(raw)
    assert verdict.status == "bad"
    assert "(CHECKSUM) holds a byte 0xe9" in verdict.reason
    raw = WHOLE.copy()
    raw[2879] = ord("x")
    assert structure(raw).reason == "the bytes after END are not blank"


def test_keywords_that_an_image_needs_are_checked():
    raw = image_file(PIXELS.astype("u2"), sums=False)
    verdict = structure(raw.replace(b"BZERO   =                32768", b"BZERO   =               'high'"))
    assert "keyword BZERO has 'high'" in verdict.reason


def extension(kind, gcount, *, naxis1=99):
    """Return a file of an empty primary HDU and an extension of bytes."""
    groups = {"XTENSION": f"'{kind:8}'", "BITPIX": 8, "NAXIS": 2, "NAXIS1": naxis1, "NAXIS2": 1, "PCOUNT": 0}
    cards = {**groups, "GCOUNT": gcount, "TFIELDS": 1, "TTYPE1": "'A       '"}
    cards |= {"TFORM1": f"'A{naxis1}'", "TBCOL1": 1} if kind == "TABLE" else {"TFORM1": f"'{naxis1}B'"}
    first = {"SIMPLE": "T", "BITPIX": 8, "NAXIS": 0}
    head = [
        "".join([*(f"{key:8}= {value:>20}".ljust(80) for key, value in part.items()), "END"]).ljust(2880).encode()
        for part in (first, cards)
    ]
    nbytes = naxis1 * gcount
    fill = b" " if kind == "TABLE" else b"\0"
    return b"".join(head) + (bytes(b"1" * nbytes)).ljust(-(-nbytes // 2880) * 2880, fill)


@pytest.mark.parametrize("kind", ["IMAGE", "TABLE", "BINTABLE"])
@pytest.mark.parametrize("gcount", [0, 2])
def test_an_extension_of_the_standard_has_one_group(kind, gcount):
    verdict = FITS.from_bytes(extension(kind, gcount), lenient=True).verify()[1]["structure"]
    assert verdict.status == "bad"
    assert f"GCOUNT is {gcount}; of an extension {kind} it must be 1" in verdict.reason
    assert "GCOUNT" not in FITS.from_bytes(extension(kind, 1)).verify()[1]["structure"].reason


def test_an_extension_of_another_kind_may_have_groups_but_not_none():
    verdicts = [FITS.from_bytes(extension("FOREIGN", gcount)).verify()[1]["structure"] for gcount in (0, 1, 3)]
    assert [verdict.status for verdict in verdicts] == ["bad", "ok", "ok"]
    assert "GCOUNT is 0; it must be 1 or more" in verdicts[0].reason


def test_of_a_compressed_image_without_a_group_the_count_is_told():
    raw = image_file(PIXELS, sums=False, compress=rustfits.Gzip1())
    at = raw.index(b"GCOUNT  =")
    raw[at : at + 80] = f"GCOUNT  = {0:>20}".ljust(80).encode()
    assert "GCOUNT is 0" in FITS.from_bytes(raw, lenient=True).verify()[1]["structure"].reason


def test_the_fill_of_ascii_tables_is_blanks():
    raw = bytearray((DATA / "ascii.fits").read_bytes())
    raw[-1] = 0
    assert FITS.from_bytes(raw).verify()[1]["structure"].reason.endswith("are not all blanks")


# -- bytes after the last HDU -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", [bytes(100), b" " * 2000])
def test_a_tail_of_zeros_or_blanks_is_reported_and_no_damage(tail):
    report = FITS.from_bytes(bytes(WHOLE) + tail).verify()
    assert report.ok
    assert report.tail_nbytes == len(tail)
    assert f"{len(tail)} bytes after the last HDU, from byte {len(WHOLE)} on" in report.tail.reason


def test_any_other_tail_is_bad():
    report = FITS.from_bytes(bytes(WHOLE) + bytes(50) + b"x").verify()
    assert all(hdu.ok for hdu in report)
    assert not report.ok
    assert report.tail.status == "bad"


# -- reading what is left ---------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    st.sampled_from(DTYPES), st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(0, 7000), st.booleans()
)
def test_missing_pixels_are_masked_and_the_others_are_right(dtype, shape, missing, scale):
    pixels = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    raw = image_file(pixels, sums=False)
    end = 2880 + pixels.nbytes
    raw = raw[: max(end - missing, 2880)]
    hdu = FITS.from_bytes(raw)[0]
    found = hdu.read(scale=scale, on_error="mask")
    there = (len(raw[2880:end])) // pixels.itemsize
    assert found.mask.reshape(-1).tolist() == [False] * there + [True] * (pixels.size - there)
    whole = FITS.from_bytes(image_file(pixels, sums=False))[0].read(scale=scale)
    assert found.dtype == whole.dtype
    assert (found.data.reshape(-1)[:there] == whole.reshape(-1)[:there]).all()
    if found.dtype.kind == "f" and there < pixels.size:
        assert np.isnan(found.data.reshape(-1)[there:]).all()
    if missing and there < pixels.size:
        with pytest.raises(TruncatedFile):
            hdu.read()


def test_blanks_are_masked_along():
    pixels = np.arange(12, dtype="i2").reshape(3, 4)
    raw = image_file(pixels, sums=False, blank=5)[: 2880 + 20]
    found = FITS.from_bytes(raw)[0].read(mask_blank=True, on_error="mask")
    assert np.flatnonzero(found.mask).tolist() == [5, 10, 11]
    with pytest.raises(ImageError, match="mask_blank is for integers"):
        FITS.from_bytes(image_file(np.ones(3, "f4")))[0].read(mask_blank=True, on_error="mask")


def test_another_word_for_on_error_is_refused():
    with pytest.raises(ImageError, match="on_error is 'raise' or 'mask', not 'ignore'"):
        FITS.from_bytes(WHOLE)[0].read(on_error="ignore")


# -- checksum=True ----------------------------------------------------------------------------------------------------


@pytest.fixture
def damaged(tmp_path):
    """A file whose first HDU is intact and whose second is not."""
    path = tmp_path / "x.fits"
    with FITS(path, "w+") as fits:
        for name in ("GOOD", "WRONG"):
            fits.write_image(PIXELS, extname=name).add_checksum()
        at = fits["WRONG"]._extent.data_start + 7
    raw = bytearray(path.read_bytes())
    raw[at] ^= 4
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize(
    "use",
    [
        lambda hdu: hdu.read(),
        lambda hdu: hdu[3, 4],
        lambda hdu: hdu[3:5, 4:9],
        lambda hdu: hdu.read_many([0]),
        lambda hdu: hdu.cutouts([(20, 20)], 4),
        lambda hdu: hdu.read(on_error="mask"),
    ],
)
def test_a_wrong_sum_is_found_at_the_first_read_and_the_next(damaged, use):
    with FITS(damaged, checksum=True) as fits:
        assert fits["GOOD"].read().tolist() == PIXELS.tolist()
        assert fits["WRONG"].header["NAXIS"] == 2
        for _ in range(2):
            with pytest.raises(
                ChecksumError, match=r"DATASUM is wrong.*without checksum=True.*HDU 1 \('WRONG'\)"
            ) as error:
                use(fits["WRONG"])
        assert error.value.keyword == "DATASUM"
    with FITS(damaged) as fits:
        use(fits["WRONG"])


def test_the_verdicts_of_a_damaged_hdu_can_be_had_all_the_same(damaged):
    with FITS(damaged, checksum=True) as fits:
        assert fits["WRONG"].verify_checksum() is False
        assert not fits.verify().ok
        with pytest.raises(ChecksumError):
            fits["WRONG"].read()


def test_sums_are_verified_once(damaged, monkeypatch):
    from rustfits.hdu import sums, verify

    asked = []
    monkeypatch.setattr(verify, "measured", lambda *args: asked.append(1) or sums.measured(*args))
    with FITS(damaged, checksum=True) as fits:
        for _ in range(3):
            fits["GOOD"][0, 0]
            fits["GOOD"].read()
    assert len(asked) == 1


def test_what_is_edited_is_verified_before_and_no_more_after(damaged):
    with FITS(damaged, "r+", checksum=True) as fits:
        fits["GOOD"].header["OBJECT"] = "M13"
        fits["GOOD"][0, 0] = 9
        assert fits["GOOD"][0, 0] == 9
        for change in (
            lambda: fits["WRONG"].header.__setitem__("OBJECT", "M13"),
            lambda: fits["WRONG"].__setitem__((0, 0), 9),
            fits["WRONG"].add_checksum,
        ):
            with pytest.raises(ChecksumError):
                change()
    with FITS(damaged, "r+") as fits:
        assert "OBJECT" not in fits["WRONG"].header
        fits["WRONG"].add_checksum()
    with FITS(damaged, checksum=True) as fits:
        fits["WRONG"].read()


# -- limits -----------------------------------------------------------------------------------------------------------


def test_limits_are_public_and_each_has_its_reason():
    source = Path(rustfits.limits.__file__).read_text()
    names = [name for name in vars(rustfits.limits) if name.startswith("MAX_")]
    assert len(names) > 8
    for name in names:
        assert re.search(rf'\n{name}(: [^=\n]+)? = [^\n]+\n"""', source), name


def test_a_gzip_file_that_unpacks_to_too_much_is_refused(monkeypatch, tmp_path):
    import gzip

    path = tmp_path / "x.fits.gz"
    path.write_bytes(gzip.compress(bytes(WHOLE)))
    assert FITS(path)[0].shape == PIXELS.shape
    monkeypatch.setattr(rustfits.limits, "MAX_UNPACKED_NBYTES", len(WHOLE))
    assert FITS(path)[0].shape == PIXELS.shape
    monkeypatch.setattr(rustfits.limits, "MAX_UNPACKED_NBYTES", len(WHOLE) - 1)
    for attempt in (lambda: FITS(path), lambda: FITS.from_bytes(path.read_bytes())):
        with pytest.raises((FitsIOError, OSError), match="MAX_UNPACKED_NBYTES"):
            attempt()
