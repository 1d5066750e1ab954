"""`rustfits salvage`: a clean file of all that is sound, and a report of what is not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tracemalloc
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from click.testing import CliRunner

import rustfits
from rustfits_cli.main import main

DATA = Path(__file__).resolve().parents[3] / "tests" / "data"
PIXELS = (np.arange(600, dtype=np.int32) ** 2 % 1000).reshape(20, 30)
FLOATS = np.random.default_rng(2).normal(100, 5, (20, 30)).astype("f4")


@pytest.fixture
def night(tmp_path):
    """Return a file with images and a table, and where each HDU lies."""
    path = tmp_path / "night.fits"
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(PIXELS.astype("i2"))
        fits.write_image(PIXELS, extname="RICE", compress=rustfits.Gzip1(tile_shape=(5, 30)))
        fits.write_image(FLOATS, extname="SKY", compress=rustfits.Gzip2(tile_shape=(5, 30)), quantize=None)
        fits.write_table({"n": np.arange(1000), "x": np.linspace(0, 1, 1000)}, extname="STARS")
        fits.write_image(FLOATS, extname="LAST")
        for hdu in fits:
            hdu.add_checksum()
        extents = [hdu.extent for hdu in fits]
    return path, extents


def salvaged(path, code):
    out = path.with_name("out.fits")
    command = [sys.executable, "-m", "rustfits_cli", "salvage", path, out, "--json", "--overwrite"]
    before = path.read_bytes()
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert done.returncode == code, done.stderr.decode()
    assert path.read_bytes() == before
    check_clean(out)
    return {one["what"]: one for one in json.loads(done.stdout)["hdus"]}, out


def check_clean(path):
    with rustfits.FITS(path) as fits:
        assert fits.damage is None
        for hdu in fits:
            assert isinstance(hdu, rustfits.TableHDU) or not hdu.has_data or hdu.read() is not None
    if shutil.which("fitsverify"):
        done = subprocess.run(["fitsverify", "-q", path], capture_output=True, text=True, check=False)
        assert "verification OK" in done.stdout, done.stdout


def test_a_sound_file_is_copied_byte_for_byte(night):
    path, _ = night
    found, out = salvaged(path, 0)
    assert {one["state"] for one in found.values()} == {"whole"}
    assert out.read_bytes() == path.read_bytes()


def test_tiles_that_are_lost_are_marked_and_all_others_are_kept(night):
    path, extents = night
    raw = bytearray(path.read_bytes())
    for extent in extents[1:3]:
        start = extent.data_start + 4 * 8
        raw[start + 30 : start + 34] = bytes(4)
    path.write_bytes(raw)
    found, out = salvaged(path, 1)
    assert [one["state"] for one in found.values()] == ["whole", "mended", "mended", "whole", "whole"]
    assert "1 of 4 tiles are lost (table rows 1)" in found["HDU 1 RICE"]["said"]
    with rustfits.FITS(out) as fits, astropy_fits.open(out) as theirs:
        assert not fits[1][:5].any()
        np.testing.assert_array_equal(fits[1][5:], PIXELS[5:])
        assert np.isnan(fits[2][:5]).all()
        np.testing.assert_array_equal(fits[2][5:], FLOATS[5:])
        np.testing.assert_array_equal(theirs[1].data, fits[1].read())
        np.testing.assert_array_equal(theirs[2].data, fits[2].read())
        assert fits[1].verify_checksum()


@pytest.mark.parametrize("what", ["start", "size", "end"])
def test_hdus_behind_a_damaged_header_are_found(night, what):
    path, extents = night
    raw = bytearray(path.read_bytes())
    place = extents[2].header_start
    if what == "start":
        raw[place : place + 8] = b"\0" * 8
    elif what == "size":
        at = raw.index(b"NAXIS2", place)
        raw[at + 10 : at + 30] = b"                9999"
    else:
        at = raw.index(b"END     ", place)
        raw[at : at + 8] = b"EDN     "
    path.write_bytes(raw)
    found, out = salvaged(path, 1)
    assert [one["state"] for one in found.values()].count("lost") == 1
    with rustfits.FITS(out) as fits:
        assert [hdu.header.get("EXTNAME") for hdu in fits] == [None, "RICE", "STARS", "LAST"]
        np.testing.assert_array_equal(fits["RICE"].read(), PIXELS)
        np.testing.assert_array_equal(fits["STARS"].read()["n"], np.arange(1000))
        np.testing.assert_array_equal(fits["LAST"].read(), FLOATS)


def test_a_file_without_its_first_header_gives_its_extensions(night):
    path, _ = night
    raw = bytearray(path.read_bytes())
    raw[:80] = b"?" * 80
    path.write_bytes(raw)
    found, out = salvaged(path, 1)
    assert next(iter(found.values()))["state"] == "lost"
    with rustfits.FITS(out) as fits:
        assert [hdu.header.get("EXTNAME") for hdu in fits] == [None, "RICE", "SKY", "STARS", "LAST"]


@pytest.mark.parametrize("hdu", range(5))
def test_of_a_file_that_is_cut_all_that_is_there_is_kept(night, hdu):
    path, extents = night
    cut = extents[hdu].data_start + extents[hdu].data_nbytes // 2 + 1
    path.write_bytes(path.read_bytes()[:cut])
    found, out = salvaged(path, 1)
    assert [one["state"] for one in found.values()] == [*["whole"] * hdu, "mended"]
    with rustfits.FITS(path) as old, rustfits.FITS(out) as fits:
        assert len(fits) == hdu + 1
        if hdu == 3:
            nrows = (cut - extents[3].data_start) // 16
            np.testing.assert_array_equal(fits[3].read()["n"], np.arange(nrows))
            return
        expected = old[hdu].read(on_error="mask")
        pixels = fits[hdu].read()
        assert expected.mask.any()
        assert not expected.mask.all()
        np.testing.assert_array_equal(pixels[~expected.mask], expected.compressed())
        lost = pixels[expected.mask]
        assert np.isnan(lost).all() if pixels.dtype.kind == "f" else not lost.any()


def test_rows_whose_arrays_are_cut_off_are_left_out(tmp_path):
    path = tmp_path / "arrays.fits"
    cells = np.empty(50, dtype=object)
    cells[:] = [np.arange(i, dtype="i4") for i in range(50)]
    with rustfits.FITS(path, "w+") as fits:
        hdu = fits.write_table({"n": np.arange(50), "cells": cells}, var_dtypes={"cells": "i4"})
        extent = hdu.extent
    path.write_bytes(path.read_bytes()[: extent.data_start + extent.data_nbytes - 1000])
    found, out = salvaged(path, 1)
    assert found["HDU 1"]["state"] == "mended"
    with rustfits.FITS(out) as fits:
        rows = fits[1].read()
        assert 30 < len(rows) < 50
        for n, cell in zip(rows["n"], rows["cells"], strict=True):
            np.testing.assert_array_equal(cell, np.arange(n))


def test_a_blank_marks_lost_integers_where_there_is_one(tmp_path):
    path = tmp_path / "blank.fits"
    with rustfits.FITS(path, "w+") as fits:
        extent = fits.write_image(PIXELS.astype("i2"), blank=-99).extent
    path.write_bytes(path.read_bytes()[: extent.data_start + 500])
    _, out = salvaged(path, 1)
    with rustfits.FITS(out) as fits:
        flat = fits[0].read().reshape(-1)
        np.testing.assert_array_equal(flat[:250], PIXELS.reshape(-1)[:250])
        assert (flat[250:] == -99).all()


REAL = ("compressed_with_nan.fits", "m13_hcomp.fits", "decam_ooi_rice.fits", "memtest.fits", "ascii.fits")


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("part", [0.4, 0.67, 0.9])
def test_real_files_that_are_cut_give_clean_ones(tmp_path, name, part):
    raw = (DATA / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(raw[: int(part * len(raw))])
    salvaged(path, 1)


def test_codecs_that_are_absent_are_told():
    path = DATA / "cta_lst_zfits_custom_codec.fits.fz"
    command = [sys.executable, "-m", "rustfits_cli", "salvage", path, "nowhere/out.fits"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "does not exist" in done.stderr


@pytest.mark.parametrize("raw", [b"", b"nothing" * 1000])
def test_what_is_no_fits_file_makes_none(tmp_path, raw):
    path = tmp_path / "x.fits"
    path.write_bytes(raw)
    command = [sys.executable, "-m", "rustfits_cli", "salvage", path, tmp_path / "out.fits"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no sound HDU" in done.stderr
    assert not (tmp_path / "out.fits").exists()


def with_card(raw, keyword, value):
    at = raw.index(f"{keyword:8}=".encode(), 2880)
    return raw[:at] + f"{keyword:8}= {value:>20}".ljust(80).encode() + raw[at + 80 :]


@pytest.mark.parametrize("keyword", ["NAXIS1", "NAXIS2", "PCOUNT"])
@pytest.mark.parametrize("kind", ["plain", "packed", "table"])
def test_what_a_header_claims_is_not_made_up(tmp_path, kind, keyword):
    path = tmp_path / "x.fits"
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(PIXELS)
        if kind == "table":
            fits.write_table({"n": np.arange(10)})
        else:
            fits.write_image(PIXELS, compress=rustfits.Gzip1() if kind == "packed" else None)
    path.write_bytes(with_card(path.read_bytes(), keyword, 5_000_000_000))
    found, out = salvaged(path, 1)
    assert found["HDU 1"]["state"] == "lost"
    assert "are lost, in a file of" in found["HDU 1"]["said"]
    assert out.stat().st_size < path.stat().st_size


def test_bytes_of_a_header_that_are_no_text_are_not_copied(tmp_path):
    path = tmp_path / "x.fits"
    with rustfits.FITS(path, "w+") as fits:
        fits.write_table({"n": np.arange(10)})
    path.write_bytes(path.read_bytes().replace(b"TTYPE1  = 'n ", b"TTYPE1  = 'n\xeb"))
    command = [sys.executable, "-m", "rustfits_cli", "salvage", path, tmp_path / "out.fits"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "bytes of the header that are no text are '_' now" in done.stdout
    with rustfits.FITS(tmp_path / "out.fits", lenient=False) as fits:
        assert fits[1].read()["n_"].tolist() == list(range(10))


def test_a_cut_hdu_of_an_unknown_kind_is_told_as_lost(tmp_path):
    path = tmp_path / "x.fits"
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(PIXELS)
        fits.write_image(PIXELS)
    path.write_bytes(path.read_bytes().replace(b"'IMAGE   '", b"'DUMP    '")[:-2880])
    found, _ = salvaged(path, 1)
    assert found["HDU 1"]["state"] == "lost"
    assert "not known" in found["HDU 1"]["said"]


@pytest.mark.parametrize("kind", ["gzip", "bz2", "lzma"])
@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_what_comes_out_of_a_file_compressed_as_a_whole_is_kept(tmp_path, kind, cut, suffix):
    pixels = np.random.default_rng(1).integers(0, 30000, (1000, 1000)).astype("i2")
    rustfits.write(tmp_path / "plain.fits", pixels)
    packed = import_module(kind).compress((tmp_path / "plain.fits").read_bytes())
    path = tmp_path / f"whole.fits{suffix}"
    path.write_bytes(packed[: len(packed) * 2 // 3] if cut else packed)
    report, out = salvaged(path, code=int(cut))
    found = rustfits.read(out)
    assert report["HDU 0"]["state"] == ("mended" if cut else "whole")
    assert ("stream" in report) == cut
    assert str(path) in report["HDU 0"]["said"] or "rustfits-" not in report["HDU 0"]["said"]
    ngood = pixels.size // 3 if cut else pixels.size  # bzip2 gives whole blocks of 900 kB
    assert np.array_equal(found.ravel()[:ngood], pixels.ravel()[:ngood])


@pytest.mark.parametrize(("magic", "program"), [(b"\x1f\x9d\x90", "uncompress"), (b"\x28\xb5\x2f\xfd", "zstd -d")])
def test_streams_that_only_other_programs_read_are_named(tmp_path, magic, program):
    (tmp_path / "x.fits").write_bytes(magic + b"1" * 3000)
    command = [sys.executable, "-m", "rustfits_cli", "salvage", "x.fits", "out.fits"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"uncompress it first, with {program};" in done.stderr
    assert not (tmp_path / "out.fits").exists()


@pytest.mark.parametrize(("name", "said"), [("folder", "this is a folder"), ("nowhere.fits", "there is no such file")])
def test_what_is_no_file_is_one_line_and_exit_code_1(tmp_path, name, said):
    (tmp_path / "folder").mkdir()
    command = [sys.executable, "-m", "rustfits_cli", "salvage", name, "out.fits"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert said in done.stderr


def test_a_table_that_claims_many_rows_is_cut_without_a_list_of_them(tmp_path):
    with rustfits.FITS("mem://", "w+") as fits:
        fits.write_table({"a": np.arange(100, dtype="i4")})
        raw = bytes(fits.to_bytes())
    at = raw.index(b"NAXIS2  =", 2880)
    raw = raw[: at + 10] + b"500000".rjust(20) + raw[at + 30 :]
    path, out = tmp_path / "claims.fits", tmp_path / "out.fits"
    path.write_bytes(raw)
    tracemalloc.start()
    try:
        result = CliRunner().invoke(main, ["salvage", str(path), str(out)])
        assert out.exists(), result.output
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12_000_000
    with rustfits.FITS(out) as fits:
        np.testing.assert_array_equal(fits[1].read()["a"][:100], np.arange(100))
        assert fits[1].nrows == 720  # the last block is filled with zeros
