"""`pack` and `unpack` beside fpack and funpack, in both directions, and killed at their system calls."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rustfits
from rustfits_cli import jobs, packing, wholefile
from rustfits_cli.main import main
from rustfits_cli.rawcards import header_bytes, keyword, raw_hdu

DATA = Path(__file__).resolve().parents[3] / "tests" / "data"
FILES = sorted(DATA.glob("*.f*"))
UNLIKE = {
    "compressed_with_nan.fits": "CFITSIO writes its own NaN",
    "synthetic_zblank_column.fits": "CFITSIO does not know ZBLANK as a column",
    "cta_lst_zfits_custom_codec.fits.fz": "nothing here knows its codec",
    "bok90prime_mask_plio_PI.fits.fz": "CFITSIO writes its own comments of structural keywords",
}
needs_fpack = pytest.mark.skipif(shutil.which("fpack") is None, reason="fpack is not installed")
SUMS = ("CHECKSUM", "DATASUM", "")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == code, result.output
        return result

    return run


def peer(*arguments):
    done = subprocess.run([str(argument) for argument in arguments], capture_output=True, check=False, timeout=60)
    assert not done.returncode, done.stderr.decode()


def hdus_of(path, left_out=SUMS):
    """Return cards and data of each HDU; blank cards and sums, which funpack adds to every HDU, are left out."""
    with rustfits.FITS(path) as fits:
        raws = [raw_hdu(hdu) for hdu in fits]
        return [([card for card in raw.cards if keyword(card) not in left_out], b"".join(raw.pieces())) for raw in raws]


def is_ztable(path):
    with rustfits.FITS(path) as fits:
        return any(hdu.header.get("ZTABLE") is True for hdu in fits)


@pytest.fixture
def mosaic(tmp_path):
    """An image first, others behind, and tables and an empty HDU between them."""
    path = tmp_path / "mosaic.fits"
    noise = np.random.default_rng(1)
    floats = noise.normal(100, 5, (70, 60)).astype("f4")
    floats[3, 4:9] = np.nan
    floats[5] = 2.5
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(noise.poisson(50, (40, 50)).astype("i2"), header={"OBJECT": ("M13", "a cluster")})
        fits.write_image(floats, extname="FLOATS")
        fits.write_image(noise.integers(0, 60000, (3, 20, 30)).astype("u2"), extname="CUBE", extver=2)
        fits.create_image_hdu("u1", (), extname="EMPTY")
        fits.write_image(noise.normal(0, 1e-9, (20, 40)), extname="DOUBLES")
        for hdu in fits:
            hdu.add_checksum()
    return path


# -- the same files as fpack ------------------------------------------------------------------------------------------

OPTIONS = [
    ("m13.fits", ["-r"], []),
    ("m13.fits", ["-r", "-t", "50,70"], ["--tile", "50,70"]),
    ("m13.fits", ["-r", "-w"], ["--tile", "whole"]),
    ("m13.fits", ["-p"], ["--codec", "plio"]),
    ("m13.fits", ["-h"], ["--codec", "hcompress"]),
    ("noise.fits", ["-r", "-qt", "4"], ["--seed", "checksum"]),
    ("noise.fits", ["-q7", "8"], ["--level", "8", "--seed", "7"]),
    ("noise.fits", ["-qz9", "8"], ["--level", "8", "--seed", "9", "--method", "dither2"]),
    ("noise.fits", ["-q0", "8"], ["--level", "8", "--method", "no-dither"]),
    ("noise.fits", ["-q7", "-0.5"], ["--step", "0.5", "--seed", "7"]),
    ("noise.fits", ["-h", "-q7", "4"], ["--codec", "HCOMPRESS_1", "--seed", "7"]),
    ("cube.fits", ["-r"], []),
    ("mosaic.fits", ["-q7", "4"], ["--seed", "7"]),
]


@needs_fpack
@pytest.mark.parametrize(("name", "theirs", "ours"), OPTIONS, ids=lambda value: " ".join(value) if value else None)
def test_cards_rows_and_heaps_are_those_of_fpack(run, tmp_path, mosaic, name, theirs, ours):
    noise = np.random.default_rng(5)
    shutil.copy(DATA / "m13.fits", tmp_path)
    pixels = noise.normal(1000, 30, (45, 200)).astype("f4")
    pixels[7, 3] = np.nan
    rustfits.write(tmp_path / "noise.fits", pixels)
    rustfits.write(tmp_path / "cube.fits", noise.poisson(1000, (5, 30, 200)).astype("i4"))
    peer("fpack", *theirs, "-O", "theirs.fz", name)
    run("pack", name, "-o", "ours.fz", *ours)
    compared = 0
    for (cards, data), (expected, bytes_expected) in zip(hdus_of("ours.fz"), hdus_of("theirs.fz"), strict=True):
        if b"GZIP_COMPRESSED_DATA" in header_bytes(expected):  # a gzip stream is not the same in every library
            ours_alone, theirs_alone = set(cards) - set(expected), set(expected) - set(cards)
            assert {keyword(card)[:5] for card in ours_alone | theirs_alone} <= {"TFORM", "PCOUN", "TTYPE"}
            continue
        compared += 1
        assert cards == expected
        assert data == bytes_expected
    assert compared >= 2
    with rustfits.FITS("ours.fz") as fits:
        assert all(hdu.verify_checksum() is True for hdu in fits if isinstance(hdu, rustfits.CompressedImageHDU))


@needs_fpack
@pytest.mark.parametrize("codec", ["RICE", "GZIP_1", "GZIP_2", "HCOMPRESS", "PLIO", "NOCOMPRESS"])
def test_funpack_gives_back_what_was_packed(run, tmp_path, codec):
    shutil.copy(DATA / "m13.fits", tmp_path)
    run("pack", "m13.fits", "--codec", codec)
    peer("funpack", "-C", "-O", "back.fits", "m13.fits.fz")
    assert hdus_of("back.fits", left_out=()) == hdus_of("m13.fits", left_out=())
    peer("fitsverify", "-q", "m13.fits.fz")


@needs_fpack
@pytest.mark.parametrize("dtype", ["i2", "f4", "f8"])
def test_gzip_2_by_default_is_smaller_than_that_of_fpack_and_funpack_reads_it(run, tmp_path, dtype):
    pixels = np.random.default_rng(3).normal(1000, 12, (100, 3000)).astype(dtype)
    rustfits.write(tmp_path / "noise.fits", pixels)
    run("pack", "noise.fits", "--codec", "GZIP_2", "--lossless")
    peer("fpack", "-g2", "-q", "0", "-O", "theirs.fz", "noise.fits")
    assert (tmp_path / "noise.fits.fz").stat().st_size <= (tmp_path / "theirs.fz").stat().st_size
    peer("funpack", "-O", "back.fits", "noise.fits.fz")
    assert np.array_equal(rustfits.read(tmp_path / "back.fits"), pixels)


@needs_fpack
def test_funpack_gives_back_every_hdu_of_a_mosaic(run, mosaic):
    run("pack", mosaic, "--lossless")
    peer("funpack", "-O", "back.fits", f"{mosaic}.fz")
    assert hdus_of("back.fits") == hdus_of(mosaic)
    peer("fitsverify", "-q", f"{mosaic}.fz")


@needs_fpack
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_packed_and_funpack_gives_back_the_same_as_from_the_original(run, path):
    if is_ztable(path) or path.name in UNLIKE or path.name == "galsim_uncompressed_fallback_f8.fits.fz":
        pytest.skip(UNLIKE.get(path.name, "funpack of this installation does not read it"))
    run("pack", path, "-o", "packed.fz", "--lossless")
    peer("funpack", "-O", "packed.fits", "packed.fz")
    with rustfits.FITS(path) as fits:
        compressed = any(isinstance(hdu, rustfits.CompressedImageHDU) for hdu in fits)
    if compressed:
        peer("funpack", "-O", "original.fits", path)
    else:
        shutil.copy(path, "original.fits")
    assert hdus_of("packed.fits") == hdus_of("original.fits")


# -- and the other way ------------------------------------------------------------------------------------------------


@needs_fpack
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_unpacked_files_are_those_of_funpack(run, path):
    if path.name in UNLIKE:
        pytest.skip(UNLIKE[path.name])
    run("unpack", path, "-o", "ours.fits")
    peer("funpack", "-O", "theirs.fits", path)
    assert hdus_of("ours.fits") == hdus_of("theirs.fits")


@needs_fpack
@pytest.mark.parametrize("option", ["-r", "-g1", "-g2", "-h", "-p"])
def test_what_fpack_packed_comes_back_byte_for_byte(run, tmp_path, option):
    shutil.copy(DATA / "m13.fits", tmp_path)
    peer("fpack", option, "m13.fits")
    run("unpack", "m13.fits.fz", "-o", "back.fits")
    assert Path("back.fits").read_bytes() == (DATA / "m13.fits").read_bytes()


def test_what_was_packed_comes_back_byte_for_byte(run, mosaic, tmp_path):
    before = mosaic.read_bytes()
    run("pack", mosaic, "--lossless", "--delete")
    assert not mosaic.exists()
    run("unpack", f"{mosaic}.fz", "--delete")
    assert mosaic.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mosaic.fits"]


def test_checksums_of_quantised_images_are_those_of_the_new_pixels(run, mosaic):
    run("pack", mosaic)
    run("unpack", f"{mosaic}.fz", "-o", "back.fits")
    with rustfits.FITS("back.fits") as fits, rustfits.FITS(mosaic) as original:
        assert fits[1].header["DATASUM"] != original[1].header["DATASUM"]
        assert all(hdu.verify_checksum() is True for hdu in fits)
        assert fits[0].header["CHECKSUM"] == original[0].header["CHECKSUM"]


DTYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_image_comes_back_whatever_the_bands(tmp_path, data):
    shape = tuple(data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4), label="shape"))
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES), label="dtype"))
    seed = data.draw(st.integers(0, 99), label="seed")
    noise = np.random.default_rng(seed)
    whole = np.frombuffer(noise.bytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape)
    pixels = whole if data.draw(st.booleans()) else noise.normal(50, 3, shape).astype(dtype)
    if dtype.kind == "f":
        pixels = np.where(np.isfinite(pixels), pixels, np.nan).astype(dtype)
    tile = ",".join(str(data.draw(st.integers(-1, 5))) for _ in shape)
    lossless = dtype.kind == "f" and data.draw(st.booleans(), label="lossless")
    codec = data.draw(
        st.sampled_from(["GZIP_1", "GZIP_2", "NOCOMPRESS"] if lossless else ["RICE_1", "GZIP_1", "GZIP_2"])
    )
    method = data.draw(st.sampled_from(["dither1", "dither2", "no-dither"]))
    path = tmp_path / "any.fits"
    path.unlink(missing_ok=True)
    rustfits.write(path, pixels)
    options = ["--force", "--tile", tile, "--method", method, "--codec", codec, *(["--lossless"] if lossless else [])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "BAND_NBYTES", data.draw(st.sampled_from([1, 200, 8 << 20]), label="band"))
        result = CliRunner().invoke(main, ["pack", str(path), *options])
        assert not result.exit_code, result.output
        result = CliRunner().invoke(main, ["unpack", f"{path}.fz", "-o", str(tmp_path / "back.fits"), "--force"])
        assert not result.exit_code, result.output
    found = rustfits.read(tmp_path / "back.fits")
    assert found.dtype == dtype.newbyteorder("=")
    if dtype.kind != "f" or lossless:
        assert found.tobytes() == pixels.tobytes()
        assert (tmp_path / "back.fits").read_bytes() == path.read_bytes()
    else:
        assert np.array_equal(np.isnan(found), np.isnan(pixels))


@pytest.mark.parametrize("method", ["dither1", "dither2", "no_dither"])
def test_bands_make_the_same_bytes_as_one_piece(run, tmp_path, monkeypatch, method):
    pixels = np.random.default_rng(4).normal(10, 1, (50, 40)).astype("f4")
    rustfits.write(tmp_path / "x.fits", pixels)
    options = ["--seed", "9990", "--method", method.replace("_", "-"), "--tile", "40,3"]
    run("pack", "x.fits", "-o", "whole.fz", *options)
    monkeypatch.setattr(packing, "BAND_NBYTES", 1)
    run("pack", "x.fits", "-o", "bands.fz", *options)
    assert hdus_of("bands.fz") == hdus_of("whole.fz")
    quantize = rustfits.Quantize(seed=9990, method=method)
    with rustfits.FITS("mem://", "w+") as fits:
        made = fits.write_image(pixels, compress=rustfits.Rice1(tile_shape=(3, 40)), quantize=quantize)
        assert np.array_equal(made.read(), rustfits.read("bands.fz"))


@pytest.mark.parametrize(
    ("codec", "dtype"),
    [
        *product(["HCOMPRESS_1", "RICE_1", "GZIP_2"], ["u1", "i2", "i4", "f4"]),
        *product(["PLIO_1"], ["u1", "i2", "i4"]),  # quantised floats may be negative
    ],
)
def test_bands_of_every_codec_make_the_same_bytes(run, tmp_path, monkeypatch, codec, dtype):
    pixels = np.random.default_rng(4).poisson(30, (53, 41)).astype(dtype)
    rustfits.write(tmp_path / "x.fits", pixels)
    options = ["--seed", "5", "--codec", codec, "--tile", "41,8"]
    run("pack", "x.fits", "-o", "whole.fz", *options)
    monkeypatch.setattr(packing, "BAND_NBYTES", 1)
    run("pack", "x.fits", "-o", "bands.fz", *options)
    assert hdus_of("bands.fz") == hdus_of("whole.fz")
    run("unpack", "bands.fz", "-o", "back.fits")
    if dtype != "f4":
        assert Path("back.fits").read_bytes() == Path("x.fits").read_bytes()


@needs_fpack
@pytest.mark.parametrize(
    "cards",
    [
        {"FZALGOR": "NONE"},
        {"FZALGOR": "HCOMPRESS_1"},
        {"FZTILE": "(20,10)"},
        {"FZALGOR": "GZIP_2", "FZTILE": "(50,4)"},
    ],
    ids=str,
)
def test_keywords_that_direct_fpack_are_followed(run, tmp_path, cards):
    pixels = np.random.default_rng(0).poisson(9, (40, 50)).astype("i2")
    astropy_fits.PrimaryHDU(pixels, astropy_fits.Header(cards)).writeto(tmp_path / "x.fits")  # ours leaves FZ cards out
    peer("fpack", "x.fits")
    run("pack", "x.fits", "-o", "ours.fz")
    skip = ("PCOUNT", "TFORM1", *SUMS)
    ours, theirs = ([cards for cards, _ in hdus_of(name, left_out=skip)] for name in ("ours.fz", "x.fits.fz"))
    assert ours == theirs


def test_a_heap_without_rows_is_part_of_its_hdu(tmp_path, run):
    sizes = {"NAXIS": 2, "NAXIS1": 8, "NAXIS2": 0, "PCOUNT": 3000, "GCOUNT": 1, "TFIELDS": 1}
    header = astropy_fits.Header([("XTENSION", "BINTABLE"), ("BITPIX", 8), *sizes.items(), ("TFORM1", "1PJ(0)")])
    table = header.tostring().encode() + b"\1" * 3000 + bytes(2760)
    rustfits.write(tmp_path / "x.fits", np.arange(600, dtype="i4").reshape(20, 30))
    with (tmp_path / "x.fits").open("ab") as file:
        file.write(table)
    with rustfits.FITS(tmp_path / "x.fits", "r+") as fits:
        fits.write_image(np.arange(60, dtype="i2").reshape(6, 10), extname="BEHIND")
    run("pack", "x.fits", "-o", "x.fz")
    run("unpack", "x.fz", "-o", "back.fits")
    assert table in (tmp_path / "x.fz").read_bytes()
    assert (tmp_path / "back.fits").read_bytes() == (tmp_path / "x.fits").read_bytes()


# -- nothing is lost --------------------------------------------------------------------------------------------------


def test_nothing_is_replaced_without_force(run, mosaic):
    target = Path(f"{mosaic}.fz")
    target.write_text("precious")
    assert "--force" in run("pack", mosaic, code=1).stderr
    assert target.read_text() == "precious"
    run("pack", mosaic, "--force")
    assert rustfits.read(target).shape == (40, 50)
    assert "another name" in run("unpack", mosaic, code=2).stderr
    assert "the file itself" in run("pack", mosaic, "-o", f"./{mosaic.name}", "--force", code=1).stderr
    (mosaic.parent / "sub").mkdir()
    shutil.copy(mosaic, mosaic.parent / "sub")
    several = run("pack", mosaic, f"sub/{mosaic.name}", "--folder", "sub", code=2)
    assert "would become one" in several.stderr


def test_a_bad_file_stops_no_other_and_is_named_at_the_end(run, mosaic, tmp_path):
    names = [f"n{number}.fits" for number in range(7)]
    for name in names:
        shutil.copy(mosaic, tmp_path / name)
    (tmp_path / "n3.fits").write_bytes(mosaic.read_bytes()[:9000])
    rustfits.write(tmp_path / "n8.fits", np.zeros((3, 3), "i8"))
    for njobs in ("1", "3"):
        result = run("pack", "n*.fits", "--force", "-j", njobs, code=1)
        assert result.stderr.splitlines()[-3:] == ["2 of 8 files failed:", "  n3.fits", "  n8.fits"]
        assert "64-bit" in result.stderr
        made = sorted(path.name for path in tmp_path.glob("*.fz"))
        assert made == [f"{name}.fz" for name in names if name != "n3.fits"]
        for name in made:
            (tmp_path / name).unlink()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def _wrong_pixel(patch, kind):
    """Have the encoder be given another pixel than the file has."""
    genuine = rustfits.FITS.write_image

    def spoil(self, pixels, **options):
        if pixels.dtype.kind == kind:
            pixels = pixels.copy()
            pixels.reshape(-1)[-3] += 40 if kind == "f" else 1
        return genuine(self, pixels, **options)

    patch.setattr(rustfits.FITS, "write_image", spoil)


def _wrong_byte(patch, where):
    """Have the file hold another byte than was to be written."""
    genuine = packing._Table.finish

    def spoil(self, quantize):
        packed = genuine(self, quantize)
        place = {"rows": self._heap - 8, "heap": self._heap + packed.heap_nbytes // 2}[where]
        self._out.seek(place)
        (byte,) = self._out.read(1)
        self._out.seek(place)
        self._out.write(bytes([byte ^ 1]))
        return packed

    patch.setattr(packing._Table, "finish", spoil)


def _wrong_place(patch, _):
    """Have rows point at other bytes of the heap than their own."""
    genuine = packing._Table.finish

    def spoil(self, quantize):
        self._rows[-1]["COMPRESSED_DATA"][:, 1] -= 1
        return genuine(self, quantize)

    patch.setattr(packing._Table, "finish", spoil)


@pytest.mark.parametrize(
    ("spoil", "how", "says"),
    [
        (_wrong_pixel, "i", "are not what they were"),
        (_wrong_pixel, "f", "are not what they were"),
        (_wrong_byte, "rows", "not those that were written"),
        (_wrong_byte, "heap", "not those that were written"),
        (_wrong_place, "", "tile"),
    ],
)
def test_what_is_packed_wrongly_is_found_and_the_original_stays(run, mosaic, monkeypatch, spoil, how, says):
    spoil(monkeypatch, how)
    before = mosaic.read_bytes()
    result = run("pack", mosaic, "--delete", "--seed", "1", code=1)
    assert says in result.stderr
    assert "fault of its own" not in result.stderr
    assert mosaic.read_bytes() == before
    assert [path.name for path in mosaic.parent.iterdir()] == [mosaic.name]


@pytest.mark.parametrize("late", [np.nan, 1e30], ids=["null", "not quantised"])
def test_heaps_move_when_columns_or_cards_come_up_late(run, tmp_path, monkeypatch, late):
    pixels = np.random.default_rng(4).normal(10, 1, (300, 40)).astype("f4")
    pixels[250, 3:5] = [late, -late]
    cards = {f"KEY{number}": number for number in range(36 - 24)}  # one card more is one block more
    rustfits.write(tmp_path / "x.fits", pixels, header=cards)
    run("pack", "x.fits", "-o", "whole.fz", "--seed", "1")
    monkeypatch.setattr(packing, "BAND_NBYTES", 1000)
    run("pack", "x.fits", "-o", "bands.fz", "--seed", "1")
    ours, one_piece = ([cards for cards, _ in hdus_of(name, left_out=SUMS)] for name in ("bands.fz", "whole.fz"))
    assert ours == one_piece
    assert np.array_equal(rustfits.read("bands.fz"), rustfits.read("whole.fz"), equal_nan=True)
    with rustfits.FITS("bands.fz") as fits:
        assert fits.verify().ok


def test_bytes_move_whole_towards_the_end_of_a_file(monkeypatch):
    monkeypatch.setattr(packing, "COPY_NBYTES", 7)
    raw = bytes(range(100))
    for by in (1, 5, 30, 200):
        file = io.BytesIO(raw)
        packing.move(file, 10, 10 + by, 90)
        assert file.getvalue()[10 + by :] == raw[10:]


def test_an_original_whose_checksum_is_wrong_is_not_deleted(run, mosaic):
    run("pack", mosaic, "--lossless")
    raw = bytearray(Path(f"{mosaic}.fz").read_bytes())
    raw[raw.index(b"M13")] ^= 1
    mosaic.with_name("odd.fits.fz").write_bytes(raw)
    assert "not deleted" in run("unpack", "odd.fits.fz", "--delete", code=1).stderr
    assert mosaic.with_name("odd.fits.fz").exists()
    assert "CHECKSUM" in run("unpack", "odd.fits.fz", "-v").stderr


def test_a_full_disk_leaves_the_original_alone(run, mosaic, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wholefile, "pack_image", full)
    assert "the disk is full" in run("pack", mosaic, "--delete", code=1).stderr
    assert [path.name for path in mosaic.parent.iterdir()] == [mosaic.name]


def test_pipes_carry_whole_files(mosaic):
    program = [sys.executable, "-m", "rustfits_cli"]
    packed = subprocess.run(
        [*program, "pack", "-", "--lossless"], input=mosaic.read_bytes(), capture_output=True, check=True
    )
    back = subprocess.run([*program, "unpack", "-"], input=packed.stdout, capture_output=True, check=True)
    assert back.stdout == mosaic.read_bytes()
    assert b"ZIMAGE" in packed.stdout
    bad = subprocess.run([*program, "unpack", "-"], input=b"nothing", capture_output=True, check=False)
    assert (bad.returncode, bad.stdout) == (1, b"")
    assert b"Traceback" not in bad.stderr


@pytest.mark.parametrize("suffix", ["gz", "bz2"])
def test_files_compressed_as_a_whole_are_packed(run, mosaic, suffix):
    import bz2
    import gzip

    compress = {"gz": gzip.compress, "bz2": bz2.compress}[suffix]
    path = mosaic.with_name(f"{mosaic.name}.{suffix}")
    path.write_bytes(compress(mosaic.read_bytes()))
    run("pack", path, "-o", "x.fz", "--lossless")
    run("unpack", "x.fz", "-o", "back.fits")
    assert Path("back.fits").read_bytes() == mosaic.read_bytes()


CALLS = ("write", "fsync", "link", "rename", "renameat", "unlink", "unlinkat", "rmdir", "ftruncate", "mkdir")


def strace(folder, arguments, *options):
    command = ["strace", "-f", "-qq", "-o", str(folder / "trace"), f"--trace={','.join(CALLS)}", *options]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "RUSTFITS_NUM_THREADS": "1"}
    program = [sys.executable, "-m", "rustfits_cli", *map(str, arguments)]
    return subprocess.run([*command, *program], env=environment, capture_output=True, check=False, cwd=folder)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("command", ["pack", "unpack"])
def test_killed_at_any_call_nothing_is_lost_and_no_half_file_has_the_name(run, tmp_path, mosaic, command):
    original = mosaic.read_bytes()
    run("pack", mosaic, "--lossless")
    packed = Path(f"{mosaic}.fz").read_bytes()
    folder = tmp_path / "killed"

    def begin():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        name = "x.fits" if command == "pack" else "x.fits.fz"
        (folder / name).write_bytes(original if command == "pack" else packed)
        return [command, name, "--delete", *(["--lossless"] if command == "pack" else [])]

    if strace(folder, begin()).returncode:
        pytest.skip("strace may not trace here")
    made = re.findall(r"^(?:\d+ +)?(\w+)\(", (folder / "trace").read_text(), re.MULTILINE)
    assert {"write", "fsync", "link", "unlink"} <= set(made)
    points = [(call, number) for call in sorted(set(made)) for number in range(1, made.count(call) + 1)]
    states = set()
    for call, number in points:
        strace(folder, begin(), f"--inject={call}:signal=SIGKILL:when={number}")
        left = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".fits", ".fz")}
        assert left.get("x.fits", original) == original
        assert left.get("x.fits.fz", packed) == packed
        assert left
        states.add(frozenset(left))
    assert len(states) == 3  # before, both, after


def test_memory_is_that_of_a_few_bands_whatever_the_size(tmp_path):
    program = (
        "import resource, sys; from rustfits_cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )

    def peak(nrows):
        pixels = np.random.default_rng(0).poisson(30, (nrows, 4000)).astype("i2")
        rustfits.write(tmp_path / f"{nrows}.fits", pixels)
        command = [sys.executable, "-c", program, "pack", "-q", str(tmp_path / f"{nrows}.fits")]
        return int(subprocess.run(command, capture_output=True, check=True).stdout) >> 10

    assert peak(20_000) - peak(5000) < 40  # MiB; the images are 153 and 38 MiB


@pytest.fixture
def events(tmp_path):
    """A table of every type, with arrays of variable length and sums, between images."""
    noise, n = np.random.default_rng(0), 700
    arrays = np.empty(n, object)
    arrays[:] = [noise.integers(0, 9, row % 5).astype("i4") for row in range(n)]
    columns = {
        **{f"X{dtype}": noise.integers(0, 90, n).astype(dtype) for dtype in ("u1", "i2", "u2", "i4", "u4", "i8")},
        **{f"Y{dtype}": noise.normal(size=(n, 2)).astype(dtype) for dtype in ("f4", "f8", "c8")},
        "NAME": np.array([f"star {row}" for row in range(n)]),
        "OK": noise.random(n) > 0.5,
        "LIST": arrays,
    }
    columns["Yf4"][3] = np.nan
    path = tmp_path / "events.fits"
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(np.arange(600, dtype="i2").reshape(20, 30))
        table = fits.write_table(columns, extname="EVENTS", units={"OK": "s"}, var_dtypes={"LIST": "i4"})
        table.header["OBJECT"] = ("M13", "what was looked at")
        table.add_checksum()
        fits.write_image(np.arange(60, dtype="i2").reshape(6, 10), extname="BEHIND")
    return path


@needs_fpack
@pytest.mark.parametrize("option", ["--tables", "--only-tables"])
def test_tables_are_packed_and_come_back_byte_for_byte_by_unpack_and_funpack(run, events, option):
    result = run("pack", events, option, "-o", "x.fz")
    assert "stay" not in result.stderr
    run("unpack", "x.fz", "-o", "back.fits")
    assert Path("back.fits").read_bytes() == events.read_bytes()
    peer("fitsverify", "-q", "x.fz")
    peer("funpack", "-O", "theirs.fits", "x.fz")
    with rustfits.FITS("theirs.fits") as theirs, rustfits.FITS(events) as ours, rustfits.FITS("x.fz") as packed:
        table = packed["EVENTS"]
        assert table.header["ZTABLE"] is True
        assert isinstance(packed["BEHIND"], rustfits.CompressedImageHDU) is (option == "--tables")
        assert table.verify().ok
        assert table.verify_datasum()
        for column in ours["EVENTS"].colnames:
            for one, other in zip(ours["EVENTS"][column][:], theirs["EVENTS"][column][:], strict=True):
                assert np.array_equal(one, other, equal_nan=np.asarray(one).dtype.kind in "fc"), column


@needs_fpack
def test_tables_that_fpack_packed_come_back_byte_for_byte(run, events):
    peer("fpack", "-table", "-O", "x.fz", events)
    run("unpack", "x.fz", "-o", "back.fits")
    ours, original = (hdus_of(path) for path in ("back.fits", events))
    assert ours == original
    run("copy", "x.fz[EVENTS]", "copied.fits", "--decompress")
    assert hdus_of("copied.fits")[1] == original[1]
    run("copy", "copied.fits", "again.fits", "--tables")
    run("copy", "again.fits", "back again.fits", "--decompress")
    assert hdus_of("back again.fits")[1] == original[1]


def test_a_table_that_would_not_come_back_stays_as_it_is_and_that_is_told(run, events, monkeypatch):
    genuine = wholefile.check_copy

    def refuse(before, after):
        genuine(before, after)
        raise wholefile.Different("spoiled")

    with monkeypatch.context() as patch:
        patch.setattr(wholefile, "check_copy", refuse)
        result = run("pack", events, "--tables", "--no-verify", "-o", "x.fz")
        assert "stays as it is" not in result.stderr
        result = run("pack", events, "--only-tables", "-o", "y.fz", code=1)  # what is copied is refused too
    assert "spoiled" in result.stderr
    assert not Path("y.fz").exists()
    with rustfits.FITS(events, "r+") as fits:
        fits["EVENTS"].header["ZTABLE"] = False
    result = run("pack", events, "--tables", "-o", "z.fz")
    assert "HDU 1 stays as it is" in result.stderr
    assert hdus_of("z.fz")[2] == hdus_of(events)[1]


def test_a_table_of_an_unknown_codec_is_not_unpacked_and_that_is_told(run):
    result = run("unpack", DATA / "cta_lst_zfits_custom_codec.fits.fz", "-o", "x.fits", code=1)
    assert re.search("cta_lst.*HDU [0-9]+: no codec for ZCMPTYPE 'CTA'", result.stderr)
    assert "table.fits" not in result.stderr
    assert not Path("x.fits").exists()


@pytest.mark.parametrize("spoiled", ["heap", "cards"])
def test_a_table_that_was_written_wrongly_is_found(run, events, monkeypatch, spoiled):
    genuine = wholefile._Work._write_table

    def spoil(self, index, made, cards):
        start = self._out.seek(0, 2)
        genuine(self, index, made, cards)
        self._out.seek(start + (len(header_bytes(cards)) + made.data_nbytes - 9 if spoiled == "heap" else 3000))
        self._out.write(b"!")

    monkeypatch.setattr(wholefile._Work, "_write_table", spoil)
    result = run("pack", events, "--tables", "--delete", code=1)
    assert "not those that were written" in result.stderr
    assert events.exists()
    assert not Path(f"{events}.fz").exists()


@pytest.mark.parametrize("name", ["memtest.fits", "nomtam_ztable_gzip_mixed.fits.fz"])
def test_tables_are_copied_and_that_is_told(run, monkeypatch, name):
    command = "unpack" if "ztable" in name else "pack"
    if command == "unpack":
        monkeypatch.setattr(rustfits, "CompressedTableHDU", ())  # as without rustfits-tables
    result = run(command, DATA / name, "-o", "x.fits")
    assert "as they are" in result.stderr or "as it is" in result.stderr
    assert Path("x.fits").read_bytes() == (DATA / name).read_bytes()
    assert run(command, DATA / name, "-o", "x.fits", "--force", "-q").stderr == ""


# -- what is not what it seems ----------------------------------------------------------------------------------------


def with_own_cards(tmp_path):
    """A compressed primary image whose empty first HDU has a card of its own, as astropy writes it."""
    pixels = np.arange(600, dtype="i4").reshape(20, 30)
    first = astropy_fits.PrimaryHDU()
    first.header["TELESCOP"] = "VLT"
    packed = astropy_fits.CompImageHDU(pixels, header=astropy_fits.PrimaryHDU(pixels).header)
    astropy_fits.HDUList([first, packed]).writeto(tmp_path / "own.fits.fz")
    with rustfits.FITS(tmp_path / "own.fits.fz") as fits:
        assert "ZSIMPLE" in fits[1].header
    return pixels


@pytest.mark.parametrize("command", [("unpack", "--delete", "own.fits.fz"), ("copy", "--decompress", "own.fits.fz")])
def test_an_empty_first_hdu_with_cards_of_its_own_is_kept(run, tmp_path, command):
    pixels = with_own_cards(tmp_path)
    run(*command, *(["own.fits"] if command[0] == "copy" else []))
    with rustfits.FITS("own.fits") as fits:
        assert fits[0].header["TELESCOP"] == "VLT"
        assert np.array_equal(fits[1].read(), pixels)


def test_cards_of_an_empty_first_hdu_are_a_difference(run, tmp_path):
    rustfits.write(tmp_path / "plain.fits", with_own_cards(tmp_path))
    for names, side in ((("own.fits.fz", "plain.fits"), "A"), (("plain.fits", "own.fits.fz"), "B")):
        assert f"HDU 0: TELESCOP: in {side} alone" in run("diff", *names, code=1).stdout
        run("diff", *names, "--ignore", "TELESCOP")


def test_no_file_is_replaced_by_what_another_becomes(run, tmp_path):
    names = ("x.fits", "x.fits.fz")
    for number, name in enumerate(names):
        rustfits.write(tmp_path / name, np.full((20, 20), number, "i2"))
    before = [(tmp_path / name).read_bytes() for name in names]
    (tmp_path / "link").symlink_to(tmp_path)
    for order in (names, names[::-1], ("link/x.fits", "x.fits.fz")):
        said = run("pack", "--delete", "--force", *order, code=2).stderr
        assert "x.fits.fz: the new file needs another name" in said  # it ends in .fz, so that it is no FILE to pack
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.fits").write_bytes(before[0])
    (tmp_path / "other").symlink_to(tmp_path / "out" / "x.fits")
    for order in (("x.fits.fz", "other"), ("other", "x.fits.fz")):
        said = run("unpack", "--force", "--delete", "--folder", "out", *order, code=2).stderr
        assert "is a FILE too" in said
    assert (tmp_path / "out" / "x.fits").read_bytes() == before[0]
    assert [(tmp_path / name).read_bytes() for name in names] == before


@pytest.mark.parametrize("way", ["replaced", "in place", "longer"])
def test_an_original_that_changes_meanwhile_is_not_deleted(run, mosaic, monkeypatch, way):
    genuine, raw = wholefile.flush_to_disk, mosaic.read_bytes()
    changed = raw[:5760] + b"\1" * 20 + raw[5780:]

    def meanwhile(path):
        if way == "replaced":
            other = mosaic.with_name("other")
            other.write_bytes(raw)
            os.utime(other, ns=(mosaic.stat().st_atime_ns, mosaic.stat().st_mtime_ns))
            other.replace(mosaic)
        else:
            with mosaic.open("r+b") as file:
                file.write(changed + b"\0" * 2880 * (way == "longer"))
        genuine(path)

    monkeypatch.setattr(wholefile, "flush_to_disk", meanwhile)
    assert "changed meanwhile, not deleted" in run("pack", mosaic, "--delete", code=1).stderr
    assert mosaic.exists()
    assert Path(f"{mosaic}.fz").exists()


@pytest.mark.parametrize("dtype", ["i4", "f4"])
def test_wrong_pixels_under_right_checksums_are_told_and_nothing_is_deleted(run, tmp_path, dtype):
    pixels = np.random.default_rng(0).integers(0, 99, (20, 30)).astype(dtype)
    with rustfits.FITS(tmp_path / "x.fits", "w+") as fits:
        fits.write_image(pixels).add_checksum()
    run("pack", "x.fits", "--lossless")
    with astropy_fits.open("x.fits.fz", disable_image_compression=True) as fits:
        fits[1].header["ZDATASUM"] = str(int(fits[1].header["ZDATASUM"]) - 1)
        fits.writeto("bad.fits.fz", checksum=True)
    assert "not deleted" in run("unpack", "--delete", "bad.fits.fz", code=1).stderr
    assert Path("bad.fits.fz").exists()
    assert not Path("bad.fits").exists()
    said = run("unpack", "bad.fits.fz").stderr
    assert "ZDATASUM was made of, though its bytes are those of its DATASUM" in said
    assert "verify" not in said  # which would find nothing wrong
    command = [sys.executable, "-m", "rustfits_cli", "unpack", "-"]
    piped = subprocess.run(command, input=Path("bad.fits.fz").read_bytes(), capture_output=True, check=True)
    assert b"ZDATASUM" in piped.stderr
    assert piped.stdout == Path("bad.fits").read_bytes()
    Path("x.fits").unlink()
    assert run("unpack", "--delete", "x.fits.fz").stderr == ""


@pytest.mark.parametrize("options", [["--seed", "1"], ["--codec", "HCOMPRESS_1", "--scale", "9", "--level", "2"]])
def test_rounded_pixels_have_another_datasum(run, tmp_path, options):
    pixels = np.random.default_rng(0).normal(1000, 99, (40, 30)).astype("f4" if "--seed" in options else "i4")
    with rustfits.FITS(tmp_path / "x.fits", "w+") as fits:
        fits.write_image(pixels).add_checksum()
    run("pack", "x.fits", *options, "--delete")
    assert run("unpack", "x.fits.fz", "--delete").stderr == ""
    assert not np.array_equal(rustfits.read("x.fits"), pixels)


@needs_fpack
@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_infinite_pixels_are_told_or_kept_or_become_nan(run, tmp_path, value, dtype):
    pixels = np.random.default_rng(0).normal(100, 1, (20, 200)).astype(dtype)
    pixels[5, 7] = value
    rustfits.write(tmp_path / "x.fits", pixels)
    told = run("pack", "x.fits", "--delete", code=1).stderr
    assert "infinite pixels" in told
    assert "--lossless" in told
    assert "authors" not in told
    run("pack", "x.fits", "--no-verify")
    with rustfits.FITS("x.fits.fz") as fits:
        assert fits[1].header["ZBLANK"] == packing.NULL
        found = fits[1].read()
    assert np.array_equal(np.isnan(found), ~np.isfinite(pixels))
    peer("funpack", "-O", "back.fits", "x.fits.fz")
    assert np.array_equal(np.isnan(astropy_fits.getdata("back.fits")), ~np.isfinite(pixels))
    run("pack", "x.fits", "--lossless", "--force")
    assert np.array_equal(rustfits.read("x.fits.fz"), pixels)


@pytest.mark.parametrize("codec", [[], ["--codec", "GZIP_1"]])
def test_level_0_keeps_every_bit_as_it_does_for_fpack(run, tmp_path, codec):
    pixels = np.random.default_rng(0).normal(100, 1, (20, 200)).astype("f4")
    rustfits.write(tmp_path / "x.fits", pixels)
    run("pack", "x.fits", "--level", "0", *codec)
    run("pack", "x.fits", "--lossless", *codec, "-o", "lossless.fz")
    assert np.array_equal(rustfits.read("x.fits.fz"), pixels)
    assert Path("x.fits.fz").read_bytes() == Path("lossless.fz").read_bytes()
    run("pack", "x.fits", "--level", "0", "--step", "0.5", "--force")
    assert not np.array_equal(rustfits.read("x.fits.fz"), pixels)


@needs_fpack
@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4"])
def test_integers_of_much_noise_are_rounded_as_fpack_does(run, tmp_path, dtype, index):
    pixels = np.random.default_rng(0).normal(120, 20, (60, 80)).astype(dtype)
    with rustfits.FITS("x.fits", "w+") as fits:
        if index:
            fits.write_image(np.zeros((0,), "u1"))
        fits.write_image(pixels, header={"OBJECT": "M13"})
    run("pack", "x.fits", "-o", "ours.fz", "--round-integers", "--seed", "7")
    peer("fpack", "-i2f", "-q7", "4", "-O", "theirs.fz", "x.fits")
    with rustfits.FITS("ours.fz") as ours, rustfits.FITS("theirs.fz") as theirs:
        assert ours[1].dtype == theirs[1].dtype == np.dtype("f4")
        assert np.array_equal(ours[1].read(), theirs[1].read())
        assert np.abs(ours[1].read() - pixels).max() < 20 / 8 * 2
        assert ours[1].header["OBJECT"] == "M13"
        assert "BZERO" not in ours[1].header
    peer("fitsverify", "-q", "ours.fz")
    run("unpack", "ours.fz", "-o", "back.fits")
    assert rustfits.read("back.fits").dtype == np.dtype("f4")


def test_integers_of_little_noise_or_too_large_keep_every_bit(run, tmp_path):
    noise = np.random.default_rng(0)
    with rustfits.FITS("x.fits", "w+") as fits:
        fits.write_image(noise.normal(120, 2, (60, 80)).astype("i2"))
        fits.write_image(noise.normal(2e8, 1e5, (60, 80)).astype("i4"))
        blank = noise.normal(900, 30, (60, 80)).astype("i2")
        blank[3, 4] = -5
        fits.write_image(blank, blank=-5)
    result = run("pack", "x.fits", "-o", "x.fz", "--round-integers")
    assert "HDU 0 keeps every bit: its noise" in result.stderr
    assert "HDU 1 keeps every bit: its integers are too large" in result.stderr
    with rustfits.FITS("x.fz") as packed, rustfits.FITS("x.fits") as fits:
        for index in (0, 1):
            assert np.array_equal(packed[index + 1].read(), fits[index].read())
        found = packed[3].read()
        assert np.flatnonzero(np.isnan(found)).tolist() == [3 * 80 + 4]
    assert "--level" in run("pack", "x.fits", "--round-integers", "--lossless", code=2).output


# -- progress ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["pack", "unpack"])
def test_it_is_told_how_far_a_large_file_is(run, tmp_path, monkeypatch, capsys, command):
    rustfits.write("x.fits", np.random.default_rng(0).poisson(9, (400, 500)).astype("i2"))
    run("pack", "x.fits", "-o", "x.fz")
    monkeypatch.setattr(packing, "BAND_NBYTES", 50_000)
    monkeypatch.setattr(jobs, "REDRAWN_SECONDS", -1)
    recipe = packing.Recipe(packing.codec_named("RICE_1"), None, None)
    name = "x.fits" if command == "pack" else "x.fz"
    task = wholefile.Task(name, "new", recipe if command == "pack" else None)
    told = []
    assert not wholefile.do(task, told.append).error
    assert len(told) >= 8
    assert 0.9 < sum(told) / Path(name).stat().st_size <= 1
    Path("new").unlink()
    monkeypatch.setattr(jobs, "LARGE_NBYTES", 1)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert not jobs.show_progress([task], 1, quiet=False, verbose=False)[0].error
    bars = re.findall(r"\[(#*)\.*\] 0/1 files", capsys.readouterr().err)
    assert len(bars) >= 8
    assert [len(bar) for bar in bars] == sorted(len(bar) for bar in bars)
    assert len(bars[-1]) >= 18


def _killed_at_n1(task):
    if task.name == "n1.fits":
        os.kill(os.getpid(), signal.SIGKILL)
    return wholefile.do(task)


def test_files_of_a_process_that_was_killed_are_told(monkeypatch, tmp_path):
    if not sys.platform.startswith("linux"):
        pytest.skip("files share a process here")
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        rustfits.write(f"n{number}.fits", np.zeros((20, 30), "i2"))

    monkeypatch.setattr(jobs, "do", _killed_at_n1)
    recipe = packing.Recipe(packing.codec_named("GZIP_1"), None, None)
    tasks = [wholefile.Task(f"n{number}.fits", f"n{number}.fz", recipe) for number in range(4)]
    done = {each.name: each for each in jobs.run_all(tasks, 2)}
    assert sorted(done) == [task.name for task in tasks]
    assert "killed" in done["n1.fits"].error
    for name, each in done.items():
        assert bool(each.error) is not Path(name).with_suffix(".fz").exists() or name in ("n0.fits", "n2.fits")


@pytest.mark.parametrize("keyword", ["RICE_1", "GZIP_1", "HCOMPRESS_1"])
def test_what_keeps_every_bit_goes_before_a_codec_that_the_header_wants(run, tmp_path, keyword):
    path = tmp_path / "x.fits"
    pixels = np.random.default_rng(3).normal(100, 5, (20, 30)).astype("f4")
    astropy_fits.PrimaryHDU(pixels, astropy_fits.Header({"FZALGOR": keyword})).writeto(path)  # ours leaves it out
    run("pack", "--lossless", path)
    np.testing.assert_array_equal(rustfits.read(f"{path}.fz", 1), pixels)
    with rustfits.FITS(f"{path}.fz") as fits:
        assert fits[1].header["ZCMPTYPE"] == ("GZIP_1" if keyword == "GZIP_1" else "GZIP_2")


@pytest.mark.parametrize("options", [[], ["--tables"]], ids=" ".join)
@pytest.mark.parametrize(
    "path", [path for path in FILES if not path.name.startswith("cta_")], ids=lambda path: path.name
)
def test_every_file_comes_back_byte_for_byte_without_loss(run, path, options):
    run("unpack", path, "-o", "plain.fits")
    run("pack", "--lossless", *options, "plain.fits")
    run("unpack", "plain.fits.fz", "-o", "back.fits")
    assert Path("back.fits").read_bytes() == Path("plain.fits").read_bytes()


def test_what_is_said_of_many_hdus_is_said_once():
    said = [*(f"HDU {number}: its sum is wrong" for number in (1, 2, 3)), "HDU 5 stays", "HDU 4: odd", "HDU 7: odd"]
    assert jobs.together(said) == ["HDUs 1 to 3: its sum is wrong", "HDU 5 stays", "HDUs 4, 7: odd"]
    assert jobs.together(["HDU 1: odd: very"]) == ["HDU 1: odd: very"]


def test_what_is_packed_is_not_packed_again(run, tmp_path):
    rustfits.write(tmp_path / "x.fits", np.zeros((5, 6), "i2"))
    run("pack", "x.fits")
    before = Path("x.fits.fz").read_bytes()
    assert "x.fits.fz: the new file needs another name" in run("pack", "x.fits.fz", "--delete", code=2).stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.fits", "x.fits.fz"]
    assert Path("x.fits.fz").read_bytes() == before
    run("pack", "x.fits.fz", "--suffix", ".again")
    assert Path("x.fits.fz.again").read_bytes() == before
