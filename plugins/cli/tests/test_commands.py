"""The commands, as a shell sees them."""

from __future__ import annotations

import hashlib
import json
import os
from importlib import resources
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import rustfits
from rustfits_cli import demo as demo_module
from rustfits_cli.main import main
from rustfits_cli.plot import Axis

DATA = Path(__file__).resolve().parents[3] / "tests" / "data"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def packed(tmp_path):
    path = tmp_path / "packed.fits"
    pixels = np.arange(30 * 40, dtype="u2").reshape(30, 40)
    with rustfits.FITS(path, "w+") as fits:
        header = {"CRPIX1": 20.5, "CRPIX2": (10.0, "row"), "OBJECT": "M13"}
        fits.write_image(pixels, extname="SCI", compress=rustfits.Gzip2(tile_shape=(10, 10)), header=header)
        fits["SCI"].add_checksum()
    return path


# -- files compressed as a whole --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bz2", "xz", "zst", "gz"])
def test_files_compressed_as_a_whole_are_read_by_every_command(run, packed, name):
    modules = {"bz2": "bz2", "xz": "lzma", "gz": "gzip", "zst": "zstandard"}
    compress = pytest.importorskip(modules[name], reason=f"the package {modules[name]} is not installed").compress
    path = packed.with_name(f"file.fits.{name}")
    path.write_bytes(compress(packed.read_bytes()))
    assert "SCI" in run("info", path).output
    run("verify", path)
    path.write_bytes(path.read_bytes()[:60])
    words = {"bz2": "bzip2", "xz": "xz", "gz": "gzip", "zst": "zstd"}
    assert f"not a valid {words[name]} file" in run("info", path, code=1).output


# -- demo -------------------------------------------------------------------------------------------------------------


def test_the_demo_tries_every_codec_and_finds_every_pixel_right(run):
    output = run("demo").output
    for codec in rustfits.codecs():
        assert codec in output
    assert "every pixel right" in output
    assert "WRONG" not in output


def test_the_demo_writes_a_picture_where_it_says(run, tmp_path):
    output = run("demo").output
    assert str(tmp_path / "rustfits-demo.png") in output
    with Image.open(tmp_path / "rustfits-demo.png") as picture:
        assert picture.size == (300, 300)


def test_the_image_of_the_demo_is_the_one_of_the_tests():
    shipped = (resources.files("rustfits_cli.data") / "m13.fits").read_bytes()
    assert hashlib.sha256(shipped).digest() == hashlib.sha256((DATA / "m13.fits").read_bytes()).digest()


def test_one_wrong_pixel_fails_the_demo(run, monkeypatch):
    def spoil(codec, pixels, header, folder):
        found = pixels.copy()
        found[7, 9] += 2
        wrong, largest = demo_module.differences(found, pixels)
        return demo_module.Result(codec, 2.0, 1.0, 1.0, largest, wrong)

    monkeypatch.setattr(demo_module, "try_codec", spoil)
    result = run("demo", code=1)
    assert "1 PIXELS WRONG" in result.output
    assert "codecs failed: GZIP_1" in result.output


def test_a_codec_that_cannot_hold_the_image_does_not_fail_the_demo(tmp_path):
    pixels = np.full((300, 300), -1.5, dtype="f4")
    results = {result.codec: result for result in demo_module.try_every_codec(pixels, {}, tmp_path)}
    assert results["GZIP_2"].wrong == 0
    assert not results["GZIP_2"].refusal
    for codec in set(results) - {"GZIP_1", "GZIP_2", "NOCOMPRESS"}:
        assert results[codec].refusal
        assert not results[codec].broken


def test_a_result_of_another_dtype_is_all_wrong():
    pixels = np.ones((3, 3), dtype="i2")
    assert demo_module.differences(pixels.astype("i4"), pixels) == (9, float("inf"))


# -- info -------------------------------------------------------------------------------------------------------------


def row_of(output, index):
    return next(line for line in output.splitlines() if line.split()[:1] == [str(index)])


def test_info_shows_one_line_for_each_hdu(run, packed):
    output = run("info", packed).output
    for word in ("SCI", "image", "30 x 40", "uint16", "GZIP_2", "12 of 10 x 10"):
        assert word in row_of(output, 1)
    assert "image" in row_of(output, 0)


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_info_tells_the_dtype_that_reading_gives(run, tmp_path, dtype):
    rustfits.write(tmp_path / "x.fits", np.zeros((2, 3), dtype=dtype))
    assert f" {np.dtype(dtype)} " in f"{row_of(run('info', 'x.fits').output, 0)} "


@pytest.mark.parametrize("path", sorted(DATA.glob("*.f*")), ids=lambda path: path.name)
def test_info_works_on_every_file_whatever_is_installed(run, path):
    output = run("info", path).output
    with rustfits.FITS(path) as fits:
        assert len(output.splitlines()) >= 1 + len(fits)


def test_info_names_the_package_of_a_missing_codec(run, tmp_path):
    data = (DATA / "m13_gzip.fits").read_bytes()
    (tmp_path / "odd.fits").write_bytes(data.replace(b"'GZIP_1  '", b"'ODD_9   '"))
    output = run("info", "odd.fits").output
    assert "ODD_9" in row_of(output, 1)
    assert "no codec for ZCMPTYPE 'ODD_9'" in output


def test_names_that_look_like_markup_or_escapes_are_shown_as_they_are(run, tmp_path):
    with rustfits.FITS(tmp_path / "odd.fits", "w+") as fits:
        fits.write_image(np.zeros((2, 2), dtype="i2"), extname="[bold]X[/]")
    assert "[bold]X[/]" in run("info", "odd.fits").output


# -- codecs, verify, preview, cutout ----------------------------------------------------------------------------------


def test_codecs_lists_names_distributions_and_versions(run):
    output = run("codecs").output
    for name, source in rustfits.codecs().items():
        line = next(line for line in output.splitlines() if line.startswith(f"{name} "))
        assert line.split()[1:] == [source.distribution, source.version]


def test_verify_finds_a_good_file_good(run, packed):
    output = run("verify", packed).output
    assert row_of(output, 1).split() == ["1", "SCI", "ok", "absent", "absent", "ok", "ok", "ok"]
    assert f"{packed}: ok" in output


@pytest.fixture
def summed(tmp_path):
    with rustfits.FITS(tmp_path / "x.fits", "w+") as fits:
        fits.write_image(np.zeros((3, 3), dtype="i2")).add_checksum()
    return tmp_path / "x.fits"


def changed(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("arguments", [[], ["--no-decode"]])
def test_verify_finds_a_changed_pixel(run, summed, arguments):
    assert row_of(run("verify", *arguments, summed).output, 0).split() == ["0", "ok", "ok", "ok", "-", "-", "-"]
    changed(summed, 2880 + 5)
    result = run("verify", *arguments, summed, code=1)
    assert row_of(result.output, 0).split() == ["0", "ok", "BAD", "BAD", "-", "-", "-"]
    assert "bad HDUs: 0" in result.output
    assert "HDU 0: DATASUM: it is '0', but the data unit sums up to" in result.output


def test_verify_finds_a_changed_byte_of_a_table(run, tmp_path):
    path = tmp_path / "table.fits.fz"
    path.write_bytes((DATA / "cta_lst_zfits_custom_codec.fits.fz").read_bytes())
    run("verify", "--no-decode", path)  # nobody has the codec
    changed(path, -1500)
    result = run("verify", "--no-decode", path, code=1)
    assert row_of(result.output, 2).split()[2:5] == ["ok", "BAD", "BAD"]


def test_verify_finds_a_changed_byte_of_an_unknown_extension(run, summed):
    cards = [
        "XTENSION= 'FOREIGN '",
        "BITPIX  = 8",
        "NAXIS   = 1",
        "NAXIS1  = 2880",
        "PCOUNT  = 0",
        "GCOUNT  = 1",
        "END",
    ]
    with summed.open("ab") as file:
        file.write("".join(card.ljust(80) for card in cards).ljust(2880).encode() + bytes(2880))
    with rustfits.FITS(summed, "r+") as fits:
        fits[1].add_checksum()
    run("verify", summed)
    changed(summed, -100)
    assert row_of(run("verify", summed, code=1).output, 1).split() == ["1", "ok", "BAD", "BAD", "-", "-", "-"]


def test_verify_goes_on_after_a_bad_file_and_one_that_cannot_be_read(run, summed, packed, tmp_path):
    changed(summed, 2880)
    (tmp_path / "text.fits").write_text("no FITS file\n" * 500)
    result = run("verify", tmp_path / "none.fits", summed, "text.fits", packed, code=2)
    assert "none.fits: cannot be read: Failed to open" in result.stderr
    assert "text.fits: cannot be read: a header must start with SIMPLE" in result.stderr
    assert f"{summed}: bad HDUs: 0" in result.stdout
    assert f"{packed}: ok" in result.stdout
    assert run("verify", summed, packed, code=1)


def test_verify_writes_json(run, summed, packed, tmp_path):
    changed(summed, 2880)
    told = json.loads(run("verify", "--json", packed, summed, "none.fits", code=2).stdout)
    assert [each["ok"] for each in told] == [True, False, False]
    assert told[0]["hdus"][1]["verdicts"][5]["check"] == "tiles"
    assert told[1]["hdus"][0]["verdicts"][1]["status"] == "bad"
    assert "Failed to open" in told[2]["error"]


@pytest.mark.parametrize(("tail", "code"), [(bytes(200), 0), (b"special records", 1)])
def test_verify_reports_what_follows_the_last_hdu(run, summed, tail, code):
    nbytes = summed.stat().st_size
    with summed.open("ab") as file:
        file.write(tail)
    output = run("verify", summed, code=code).output
    assert f"tail: {len(tail)} bytes after the last HDU, from byte {nbytes} on" in output


def test_verify_tells_why_an_image_cannot_be_decoded(run, packed):
    data = bytearray(packed.read_bytes())
    data[-2880:] = bytes(2880)
    packed.write_bytes(data)
    result = run("verify", packed, code=1)
    assert row_of(result.output, 1).split()[-1] == "BAD"
    assert "12 of 12 tiles cannot be decoded: table row 1" in result.output
    assert "COMPRESSED_DATA" in result.output


def test_verify_says_a_line_for_each_file_if_told(run, packed, tmp_path):
    bad = tmp_path / "bad.fits"
    bad.write_bytes(packed.read_bytes()[:-2880] + bytes(2880))
    (tmp_path / "no.fits").write_bytes(b"nothing")
    result = run("verify", "-q", packed.name, bad.name, code=1)
    assert result.stdout.splitlines() == ["packed.fits: ok", "bad.fits: bad HDUs: 1"]
    result = run("verify", "-q", "no.fits", packed.name, code=2)
    assert result.stdout.splitlines() == ["packed.fits: ok"]
    assert result.stderr.count("\n") == 1


def test_verify_names_the_package_of_a_missing_codec(run, packed):
    packed.write_bytes(packed.read_bytes().replace(b"'GZIP_2  '", b"'ODD_9   '"))
    result = run("verify", packed, code=2)
    assert "HDU 1: the pixels cannot be read here: no codec for ZCMPTYPE 'ODD_9'" in result.output
    assert row_of(result.output, 1).split()[5:] == ["-", "-", "-"]
    assert "packed.fits: ok as far as it could be read: HDU 1 could not" in result.output


def test_preview_writes_a_picture_of_an_hdu(run, packed, tmp_path):
    run("preview", packed, "sky.png", "--hdu", "SCI")
    with Image.open(tmp_path / "sky.png") as picture:
        assert picture.size == (40, 30)


def test_preview_of_a_cube_shows_its_first_plane(run, tmp_path):
    rustfits.write(tmp_path / "cube.fits", np.zeros((3, 4, 5, 6), dtype="i2"))
    run("preview", "cube.fits", "cube.png")
    with Image.open(tmp_path / "cube.png") as picture:
        assert picture.size == (6, 5)


def test_a_cutout_holds_its_pixels_and_moves_the_reference_pixel(run, packed, tmp_path):
    run("cutout", packed, "5:25,10:", "part.fits")
    with rustfits.FITS(tmp_path / "part.fits") as fits, rustfits.FITS(packed) as source:
        hdu = fits["SCI"]
        np.testing.assert_array_equal(hdu.read(), source["SCI"][5:25, 10:])
        assert (hdu.stored_dtype, hdu.dtype) == ("i2", source["SCI"].dtype)
        assert (hdu.header["CRPIX1"], hdu.header["CRPIX2"], hdu.header["OBJECT"]) == (10.5, 5.0, "M13")
        assert hdu.header.comment_of("CRPIX2") == "row"
        assert not [key for key in hdu.header if key.startswith("Z")]


def test_a_cutout_keeps_commentary_and_the_version(run, tmp_path):
    with rustfits.FITS(tmp_path / "x.fits", "w+") as fits:
        header = {"COMMENT": ["seen", "twice"], "HISTORY": "flat fielded", "CRPIX1": 3.0}
        fits.write_image(
            np.arange(12, dtype="u2").reshape(3, 4), extname="SCI", extver=3, header=header, compress="GZIP_2"
        )
    run("cutout", "x.fits", "1:,2:", "part.fits", "--compress", "GZIP_1")
    with rustfits.FITS(tmp_path / "part.fits") as fits:
        header = fits["SCI", 3].header
        assert (header["COMMENT"], header["HISTORY"], header["CRPIX1"]) == (["seen", "twice"], ["flat fielded"], 1.0)
        assert fits["SCI"].read().tolist() == [[6, 7], [10, 11]]


def test_a_cutout_of_scaled_pixels_holds_physical_values(run, tmp_path):
    with rustfits.FITS(tmp_path / "scaled.fits", "w+") as fits:
        hdu = fits.write_image(np.arange(12, dtype="i2").reshape(3, 4), blank=7)
        hdu.header.update({"BSCALE": 0.5, "BZERO": 100.0})
    run("cutout", "scaled.fits", "1,:", "part.fits", "--compress", "gzip_2")
    found = rustfits.read(tmp_path / "part.fits")
    np.testing.assert_array_equal(found, [[102.0, 102.5, 103.0, np.nan]])


def test_a_cutout_replaces_only_what_it_is_told_to_and_never_what_it_reads(run, packed, tmp_path):
    before = packed.read_bytes()
    (tmp_path / "part.fits").write_bytes(b"precious")
    assert "--overwrite" in run("cutout", packed, "1:2,1:2", "part.fits", code=1).stderr
    assert (tmp_path / "part.fits").read_bytes() == b"precious"
    run("cutout", packed, "1:2,1:2", "part.fits", "--overwrite", "--compress", "NOPE_1", code=1)
    assert (tmp_path / "part.fits").read_bytes() == b"precious"
    run("cutout", packed, "1:2,1:2", "part.fits", "--overwrite")
    assert rustfits.read(tmp_path / "part.fits").shape == (1, 1)
    (tmp_path / "link.fits").symlink_to("part.fits")
    run("cutout", packed, "1:3,1:2", "link.fits", "--overwrite")
    assert rustfits.read(tmp_path / "part.fits").shape == (2, 1)
    (tmp_path / "link.fits").unlink()
    (tmp_path / "link.fits").symlink_to(packed)
    for output in ("packed.fits", "link.fits"):
        assert "itself" in run("cutout", packed, "1:2,1:2", output, "--overwrite", code=1).stderr
        assert "itself" in run("preview", packed, output, code=1).stderr
    assert packed.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"packed.fits", "part.fits", "link.fits"}


# -- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("info", "nothing-here.fits"),
        ("info", DATA / "README.md"),
        ("preview", DATA / "m13.fits", "sky.png", "--hdu", "NOPE"),
        ("preview", DATA / "m13.fits", "sky.png", "--hdu", "5"),
        ("preview", DATA / "m13.fits", "no/such/folder/sky.png"),
        ("cutout", DATA / "m13.fits", "1:2,x", "part.fits"),
        ("cutout", DATA / "m13.fits", "", "part.fits"),
        ("cutout", DATA / "m13.fits", "400,1", "part.fits"),
        ("cutout", DATA / "m13.fits", "1:2,1:2", "part.fits", "--compress", "NOPE_1"),
        ("demo", "--output", "no/such/folder/demo.png"),
    ],
    ids=lambda arguments: " ".join(Path(argument).name for argument in arguments),
)
def test_a_fault_is_one_line_and_exit_code_1(run, arguments):
    result = run(*arguments, code=1)
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1


def test_the_version_is_told(run):
    assert rustfits.__version__ in run("--version").output


# -- recover ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def half_made(packed):
    """Kill a writer in the middle of a change; then another program writes the file anew as it is."""
    child = os.fork()
    if not child:
        with rustfits.FITS(packed, "r+") as fits, fits.transaction():
            fits["SCI"][:10, 1:] = 7  # parts of tiles: whole ones would wait for the end of the transaction
            os._exit(0)
    os.waitpid(child, 0)
    later = packed.stat().st_mtime + 10
    os.utime(packed, (later, later))
    return packed


def test_recover_applies_the_journal_or_sets_it_aside_as_the_user_says(run, half_made):
    journal = Path(f"{half_made}.rfjournal")
    half, saved = half_made.read_bytes(), journal.read_bytes()
    assert "--apply" in run("info", half_made, code=1).output
    assert "say --apply or --discard" in run("recover", half_made, code=2).output
    assert f"now {journal}.unused-1" in "".join(run("recover", half_made, "--discard").output.split("\n"))
    assert half_made.read_bytes() == half
    os.utime(half_made, (9e8, 9e8))
    journal.write_bytes(saved)
    assert "as it was before the change" in run("recover", half_made, "--apply").output
    assert rustfits.read(half_made)[0, 0] == 0
    assert "no such journal" in run("recover", half_made, "--apply", code=1).output


# -- files a bit outside the rules ------------------------------------------------------------------------------------


def damaged(path, tail=b"", stray=None):
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(np.arange(12, dtype="i2").reshape(3, 4), header={"OBJECT": "MARK"})
    raw = path.read_bytes()
    path.write_bytes((raw if stray is None else raw.replace(*stray)) + tail)


COMMANDS = [("info",), ("cutout", "0:1,0:1", "out.fits"), ("preview", "out.png")]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_reads_past_stray_bytes_unless_told_not_to(run, tmp_path, command):
    damaged(tmp_path / "x.fits", stray=(b"MARK", b"M\xc4RK"))
    name, *more = command
    assert "non-printable byte" in run(name, "x.fits", *more, "--strict", code=1).stderr
    run(name, "x.fits", *more)
    (tmp_path / "out.fits").unlink(missing_ok=True)
    run(name, "x.fits", *more, "--lenient")
    (tmp_path / "out.fits").unlink(missing_ok=True)
    damaged(tmp_path / "x.fits", stray=(b"NAXIS2  = ", b"NAXIS2  =\t"))
    assert "non-printable byte" in run(name, "x.fits", *more, code=1).stderr


def test_stray_bytes_are_what_verify_looks_for(run, tmp_path):
    damaged(tmp_path / "x.fits", stray=(b"MARK", b"M\xc4RK"))
    assert "0xc4" in run("verify", "x.fits", code=1).output
    assert "non-printable byte" in run("verify", "x.fits", "--strict", code=2).output
    damaged(tmp_path / "x.fits", tail=b"SPECIAL".ljust(2880))
    assert "must start with XTENSION" in run("verify", "x.fits", code=1).output.replace("\n", " ")


def test_what_is_sound_is_listed_before_damage_is_told_of(run, tmp_path):
    damaged(tmp_path / "x.fits", tail=b"SPECIAL".ljust(2880))
    result = run("info", "x.fits", code=1)
    assert "3 x 4" in result.stdout
    assert "must start with XTENSION" in result.stderr
    assert "damage: a header must start with XTENSION" in run("info", "x.fits", "--lenient").stdout
    damaged(tmp_path / "x.fits", tail=bytes(28800))
    assert "damage" not in run("info", "x.fits").output


# -- bench ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["i2", "u2", "f4"])
def test_bench_tries_every_codec_and_tells_errors_in_units_of_the_noise(run, tmp_path, dtype):
    pixels = np.random.default_rng(0).normal(1000, 20, (60, 300)).astype(dtype)
    rustfits.write(tmp_path / "x.fits", pixels)
    found = json.loads(run("bench", "x.fits", "--json").stdout)
    if dtype == "f4":
        steps = [one for one in found if one["setting"] == "level 4"]
        assert steps
        for one in steps:  # steps of a quarter of the noise: errors are even up to an eighth
            assert 0.1 < one["largest"] < 0.16
            assert one["rms"] == pytest.approx(0.25 / np.sqrt(12), rel=0.15)
        found = [one for one in found if one["setting"] == "every bit"]
    assert {one["codec"] for one in found} >= {"GZIP_1", "GZIP_2", "NOCOMPRESS"}
    assert all(one["largest"] == 0 and one["ratio"] > 0 for one in found if "refusal" not in one)
    assert run("bench", "x.fits").stdout.splitlines()[0].startswith("60 x 300 pixels")


def test_bench_says_why_a_codec_cannot_hold_the_image(run, tmp_path):
    rustfits.write(tmp_path / "x.fits", np.arange(12, dtype="i8").reshape(3, 4))
    assert "64-bit" in run("bench", "x.fits").stdout


@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_bench_draws_what_it_prints(run, tmp_path, dtype):
    pixels = np.random.default_rng(0).normal(1000, 20, (40, 100)).astype(dtype)
    rustfits.write(tmp_path / "x.fits", pixels)
    assert "x.svg" in run("bench", "x.fits", "--plot", "x.svg").stdout
    found = json.loads(run("bench", "x.fits", "--plot", "x.png", "--json").stdout)
    tried = [one for one in found if "refusal" not in one]
    tree = ElementTree.parse("x.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    lossy = [one for one in tried if one["rms"]]
    assert len(tree.findall(f"{space}circle")) == 3 * len(tried) + len(lossy) + 2  # read, written, legend; error; key
    texts = [mark.text for mark in tree.findall(f"{space}text")]
    for number, one in enumerate(tried, start=1):
        assert f"{number}  {one['codec']}, {one['setting']}" in texts
    for mark in tree.findall(f"{space}circle"):
        assert 0 < float(mark.get("cx")) < 1040
        assert 0 < float(mark.get("cy")) < 460
    with Image.open("x.png") as picture:
        assert picture.size == (2080 if dtype == "f4" else 1328, 920)  # of integers nothing is lost: one diagram
        assert len(set(picture.getcolors(1 << 20))) > 10
    assert ".svg or .png" in run("bench", "x.fits", "--plot", "x.pdf", code=1).output


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (1.2, 1.3), (0.01, 900), (3, 4000), (1e-9, 2e-9)])
def test_axes_have_some_round_numbers_within(low, high):
    axis = Axis.of([low, high], 10, 300, "x")
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 10
    assert all(10 <= axis(tick) <= 310 for tick in ticks)
    assert all(axis(tick) - axis(before) >= 20 for before, tick in pairwise(ticks))
    assert 10 <= axis(low) <= axis(high) <= 310
