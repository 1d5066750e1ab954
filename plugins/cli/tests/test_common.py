"""What all commands have in common: files, HDUs, faults, widths, completion."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from click.testing import CliRunner

import rustfits
from rustfits_cli.main import BROKEN, main
from rustfits_cli.show import TextTable

DATA = Path(__file__).resolve().parents[3] / "tests" / "data"
PROGRAM = [sys.executable, "-m", "rustfits_cli"]


def rustfits_process(*arguments, code=0, environment=None, **options):
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True,
        env=os.environ | (environment or {}),
        check=False,
        timeout=120,
        **options,
    )
    assert done.returncode == code, done.stderr.decode()
    return done


@pytest.fixture
def mosaic(tmp_path):
    path = tmp_path / "mosaic.fits"
    with rustfits.FITS(path, "w+") as fits:
        for version in (1, 2, 3):
            fits.write_image(np.full((3, 4), version, "i2"), extname="SCI", extver=version, compress="GZIP_1")
        fits.write_image(np.zeros((2, 2), "i2"))
    return path


def test_what_info_prints_is_what_hdu_takes(mosaic, tmp_path):
    listed = json.loads(rustfits_process("info", "--json", mosaic).stdout)[0]["hdus"]
    assert [line.get("name") for line in listed] == [None, "SCI", "SCI,2", "SCI,3", None]
    for line in listed[1:]:
        for key in {line.get("name"), str(line["index"])} - {None}:
            rustfits_process("cutout", mosaic, "0:1,0:1", "part.fits", "--hdu", key, "--overwrite", cwd=tmp_path)
            assert rustfits.read(tmp_path / "part.fits").item() == (line["index"] if line["index"] < 4 else 0)


def test_several_files_and_patterns_are_taken_and_a_bad_one_stops_none(mosaic, tmp_path):
    (tmp_path / "a.fits").write_bytes(mosaic.read_bytes())
    (tmp_path / "bad.fits").write_text("nothing")
    done = rustfits_process("info", "*.fits", "nowhere.fits", code=1, cwd=tmp_path)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert out.count("SCI,3") == 2
    assert [name in line for name, line in zip(("bad.fits", "nowhere.fits"), err.splitlines(), strict=True)] == [
        True
    ] * 2
    assert "Traceback" not in err
    assert "no file fits this pattern" in rustfits_process("info", "*.fz", code=1, cwd=tmp_path).stderr.decode()


def terminal_output(arguments, columns):
    """Return what a terminal of some width is shown."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": str(columns), "LINES": "24", "TERM": "dumb"}
    process = subprocess.Popen([*PROGRAM, *map(str, arguments)], stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait() == 0, shown
    return shown.decode().replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\r\n", "\n")


@pytest.mark.parametrize("path", sorted(DATA.glob("*.f*"))[::4], ids=lambda path: path.name)
def test_a_line_of_info_for_each_hdu_fits_a_terminal_of_80_columns(path):
    lines = terminal_output(["info", path], 80).splitlines()
    assert max(map(len, lines)) <= 80
    with rustfits.FITS(path) as fits:
        assert sum(line.split()[0].isdecimal() for line in lines if line.strip()) >= len(fits)


@pytest.mark.parametrize(
    "path", [*sorted(DATA.glob("*m13*")), DATA / "decam_ooi_rice.fits"], ids=lambda path: path.name
)
def test_the_numbers_of_an_image_stand_in_one_line_of_a_terminal_of_80_columns(path):
    heading, *lines = terminal_output(["stats", path], 80).splitlines()
    assert max(map(len, [heading, *lines])) <= 80
    numbers = json.loads(rustfits_process("stats", "--json", path).stdout)[0]
    assert lines[0].split()[-1] == f"{numbers['noise']:.6g}"


def test_a_pipe_that_is_closed_early_is_no_fault(mosaic):
    script = f'"{sys.executable}" -m rustfits_cli info {" ".join([str(mosaic)] * 300)} | head -1'
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True, timeout=120)
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("preview", DATA / "m13.fits", "no/folder/x.png"), "no/folder/x.png: the folder"),
        (("cutout", DATA / "m13.fits", "1,1", "no/folder/x.fits"), "no/folder/x.fits: the folder"),
        (("info", "."), "not a regular file"),
    ],
)
def test_faults_of_the_system_are_sentences(tmp_path, arguments, said):
    err = rustfits_process(*arguments, code=1, cwd=tmp_path).stderr.decode()
    assert said in err
    assert "[Errno" not in err
    assert len(err.splitlines()) == 1


def test_a_fault_of_the_program_is_one_line_too(monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("oh\nno")

    monkeypatch.setattr(rustfits, "codecs", broken)
    result = CliRunner().invoke(main, ["codecs"])
    assert result.exit_code == BROKEN
    assert "RuntimeError: oh no" in result.stderr
    monkeypatch.setenv("RUSTFITS_TRACEBACK", "1")
    assert isinstance(CliRunner().invoke(main, ["codecs"]).exception, RuntimeError)


OUTPUTS = ["--help", "--version", "info --help", "info X", "header X", "diff X X", "stats X", "codecs", "pack X -o -"]


@pytest.mark.parametrize("words", OUTPUTS)
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("how", "said"), [("> /dev/full", "the disk is full"), (">&-", "output is closed")])
def test_output_that_nobody_takes_is_one_line_and_exit_code_1(words, unbuffered, how, said):
    if "full" in how and not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    arguments = words.replace("X", str(DATA / "m13.fits")).split()
    command = ["sh", "-c", f'"$@" {how}', "sh", *PROGRAM, *arguments]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert said in done.stderr


def test_streams_that_are_closed_and_not_needed_are_no_fault(tmp_path):
    command = f'"$@" pack -q {DATA / "m13.fits"} --folder {tmp_path} <&- >&- 2>&-'
    subprocess.run(["sh", "-c", command, "sh", *PROGRAM], check=True, timeout=60)
    assert np.array_equal(rustfits.read(tmp_path / "m13.fits.fz"), rustfits.read(DATA / "m13.fits"))
    done = subprocess.run(["sh", "-c", '"$@" info - <&-', "sh", *PROGRAM], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert b"standard input or output is closed" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        "info -",
        "header -",
        "stats -",
        "verify -",
        "checksum -",
        "diff - m13.fits",
        "diff m13.fits -",
        "copy - new.fits",
        "cutout - 0:3,0:3 new.fits",
        "preview - new.png",
        "pack - -o new.fits.fz",
    ],
)
def test_a_file_comes_from_standard_input_too(tmp_path, words):
    raw = (DATA / "m13.fits").read_bytes()
    (tmp_path / "m13.fits").write_bytes(raw)
    rustfits_process(*words.split(), input=raw, cwd=tmp_path)
    for new in tmp_path.glob("new.fits*"):
        found = rustfits.read(new)
        assert np.array_equal(found, rustfits.read(DATA / "m13.fits")[: found.shape[0], : found.shape[1]])


def test_random_groups_and_single_rows_are_told_as_what_they_are(tmp_path):
    groups = astropy_fits.GroupData(np.zeros((3, 4, 5), "f4"), parnames=["UU"], pardata=[np.arange(3.0)], bitpix=-32)
    astropy_fits.GroupsHDU(groups).writeto(tmp_path / "groups.fits")
    listed = json.loads(rustfits_process("info", "--json", tmp_path / "groups.fits").stdout)[0]["hdus"]
    assert (listed[0]["kind"], listed[0]["shape"]) == ("random groups", "3 groups of 4 x 5")
    columns = [astropy_fits.Column("a", "J", array=[1])]
    astropy_fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "one.fits")
    listed = json.loads(rustfits_process("info", "--json", tmp_path / "one.fits").stdout)[0]["hdus"]
    assert (listed[1]["shape"], listed[1]["dtype"]) == ("1 row", "1 column")


def test_tables_are_folded_at_blanks_and_no_wider_than_told():
    table = TextTable(("name", "text"))
    table.add("A", "many words that do not fit one line of it")
    lines = table.lines(24)
    assert max(map(len, lines)) <= 24
    words = " ".join(lines).split()
    assert words[2:] == ["A", *"many words that do not fit one line of it".split()]  # noqa: SIM905
    assert len(table.lines()) == 2


@pytest.mark.parametrize("name", main.list_commands(click.Context(main)))
def test_the_help_of_every_command_is_readable(name):
    text = CliRunner().invoke(main, [name, "--help"], env={"COLUMNS": "80"}, terminal_width=80).output
    assert text.startswith("Usage: ")
    assert "\\" not in text  # a mark for click that was not understood
    assert max(map(len, text.splitlines())) <= 80
    command = main.get_command(click.Context(main), name)
    assert command is not None
    for parameter in command.params:  # what the manual prints as it is
        assert not isinstance(parameter.default, Path), parameter.name


def test_numbers_are_never_cut_in_two():
    table = TextTable(("name", "min", "max"), right=slice(1, 3))
    table.add("COMPRESSED_IMAGE", "12345.678", "98765.4321")
    for width in (1, 10, 20, 30):
        assert table.lines(width)[1].split()[1:] == ["12345.678", "98765.4321"]
    assert max(map(len, table.lines(30))) <= 30
    assert max(map(len, table.lines(27))) == 27  # with one blank between columns


# -- completion -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_is_printed(shell):
    script = rustfits_process("completion", shell).stdout.decode()
    assert "_RUSTFITS_COMPLETE" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script.encode(), check=True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("rustfits pre", {"plain,preview"}),
        ("rustfits preview mosaic.fits x.png --hdu SCI,", {"plain,SCI,2", "plain,SCI,3"}),
        ("rustfits cutout mosaic.fits 1,1 x.fits --compress gzip", {"plain,GZIP_1", "plain,GZIP_2"}),
        ("rustfits info mos", {"file,mos"}),
    ],
)
def test_commands_files_hdus_and_codecs_are_completed(mosaic, words, expected):
    environment = {"_RUSTFITS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = rustfits_process(environment=environment, cwd=mosaic.parent)
    assert set(done.stdout.decode().splitlines()) == expected


# -- info --quantization ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["dither1", "dither2", "no_dither"])
def test_steps_of_quantised_images_are_told(tmp_path, method):
    pixels = np.random.default_rng(0).normal(9, 1, (20, 100)).astype("f4")
    pixels[4] = 3.0
    with rustfits.FITS(tmp_path / "x.fits", "w+") as fits:
        fits.write_image(pixels, compress="GZIP_1", quantize=rustfits.Quantize(level=-0.25, method=method, seed=77))
        fits.write_image(pixels, compress="GZIP_2")
        fits.write_image(pixels.astype("i2"), compress="GZIP_2")
    arguments = ["info", "--quantization", str(tmp_path / "x.fits")]
    result = CliRunner().invoke(main, [*arguments, "--json"])
    quantised, lossless = json.loads(result.stdout)[0]["quantization"]
    assert (quantised["least"], quantised["largest"], quantised["tiles"]) == (0.25, 0.25, 20)
    assert quantised["quantised"] >= 19
    assert quantised.get("seed") == (None if method == "no_dither" else 77)
    assert (lossless["method"], lossless["quantised"]) == ("NONE", 0)
    shown = CliRunner().invoke(main, arguments).stdout
    assert "0.25" in shown
    with astropy_fits.open(tmp_path / "x.fits", disable_image_compression=True) as peer:
        steps = peer[1].data["ZSCALE"]
        assert (steps != 0).sum() == quantised["quantised"]


# -- names that a terminal would obey ---------------------------------------------------------------------------------

EVIL = "night\x1b[31m\x9b2J\x07.fits"
SHOWN = r"night\x1b[31m\x9b2J\x07.fits"


@pytest.mark.skipif(sys.platform == "win32", reason="names there hold no such characters")
@pytest.mark.parametrize("good", [True, False], ids=["good", "no FITS"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["info", EVIL, EVIL + "2"],
        ["header", EVIL],
        ["header", "-k", "NAXIS", EVIL, EVIL + "2"],
        ["set", EVIL, "OBJECT=x"],
        ["checksum", EVIL],
        ["checksum", "--remove", EVIL],
        ["verify", EVIL],
        ["stats", EVIL],
        ["diff", EVIL, EVIL + "2"],
        ["pack", "-v", EVIL],
        ["pack", EVIL, EVIL + "2", "--codec", "PLIO_1", "--folder", "missing"],
        ["unpack", "-v", EVIL, "-o", EVIL + "3"],
        ["copy", EVIL, EVIL + "3"],
        ["cutout", EVIL, "0:2,0:2", EVIL + "3"],
        ["preview", EVIL, EVIL + ".png"],
        ["table", EVIL],
        ["salvage", EVIL, EVIL + "3"],
        ["bench", EVIL, "--plot", EVIL + ".svg"],
        ["recover", EVIL, "--apply"],
        ["info", EVIL + "none"],
        ["info", EVIL + "*.none"],
    ],
    ids=lambda words: " ".join(words[:2]).replace(EVIL, "NAME"),
)
def test_names_of_files_reach_a_terminal_escaped(tmp_path, monkeypatch, arguments, good):
    monkeypatch.chdir(tmp_path)
    for name in (EVIL, EVIL + "2"):
        if good:
            rustfits.write(name, np.arange(100, dtype="i2").reshape(10, 10))
        else:
            Path(name).write_text("this is no FITS file")
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code in (0, 1, 2)
    assert all(char.isprintable() or char == "\n" for char in result.output), ascii(result.output)
    if result.exit_code and "column" not in result.output:
        assert SHOWN[:-5] in result.output
