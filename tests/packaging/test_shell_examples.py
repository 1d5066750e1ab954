"""The commands of the README and the manual run, on small files, and print what the page says."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rustfits

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
PATHS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in PATHS}
CODECS = {"HCOMPRESS_1", "PLIO_1", "RICE_1"}
PEERS = PAGES["docs/command-line.md"]


def lines_of(text):
    """Return the lines for the shell that begin with a command of ours, or feed one: of blocks, and those set in."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL) + re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    lines = (line.strip() for block in blocks for line in block.splitlines())
    return [line for line in lines if re.match(r"(cat \S+ \| )?rustfits ", line)]


SESSIONS = [page for page, text in PAGES.items() if "```console" in text]
LINES = [pytest.param(line, id=f"{Path(page).stem}: {line}") for page in PAGES for line in lines_of(PAGES[page])]
# Of the table of peers: what is called here what others call so. Options alone stand behind a command.
CELLS = re.findall(r"^\| `.*\|(.*)\|$", PEERS[PEERS.index("## Peers") : PEERS.index("## Tables")], re.MULTILINE)
OURS = [command.replace(r"\|", "|") for cell in CELLS for command in re.findall(r"`(rustfits [^`]*\.f[^`]*)`", cell)]


@pytest.fixture(autouse=True)
def _all_there():
    for name in ("rustfits_cli", "rustfits_tables"):
        pytest.importorskip(name, reason=f"not installed: {name}")
    if missing := CODECS - set(rustfits.codecs()):
        pytest.skip(f"plugins not installed: {', '.join(sorted(missing))}")


def run(command, folder):
    """Run a line as a shell would, with the commands of this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "100"}
    shell = ["bash", "-c", command]
    done = subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.parametrize("page", SESSIONS)
def test_a_session_prints_what_the_page_says(page, tmp_path):
    """What is printed may be cut by dots; the width of blanks does not count."""
    shutil.copy(DATA / "m13.fits", tmp_path / "m13.fits")
    if "pack m13.fits" not in PAGES[page]:
        shutil.copy(DATA / "m13_rice.fits", tmp_path / "m13.fits.fz")
    how, ntried = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, 0
    for block in re.findall(r"```console\n(.*?)```", PAGES[page], re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, told = part.partition("\n")
            printed = run(command, tmp_path)
            assert doctest.OutputChecker().check_output(told, printed, how), f"{command}\n{printed}"
            ntried += 1
    assert ntried


def fill(folder, command):
    """Put the files into a folder that a command speaks of: none that it makes, as no file is replaced."""
    x = folder / "x.fits"
    pixels = np.random.default_rng(1).normal(1000, 10, (200, 210)).astype("i2")
    catalogue = {"RA": np.linspace(0, 9, 500), "DEC": np.linspace(-9, 0, 500)}
    with rustfits.FITS(x, "w+") as fits:
        fits.write_image(pixels, header={"OBJECT": "M31", "EXPTIME": 30.0, "DATE-OBS": "2026-01-01"})
        fits.write_table(catalogue, extname="STARS", header={"EXPTIME": 30.0})
        fits.write_image(pixels.astype("i4"), extname="ERRORS")
        for hdu in fits:
            hdu.add_checksum()
    events = {"TIME": np.arange(1000.0), "PI": np.arange(1000, dtype="i4")}
    rustfits.write(folder / "events.fits", events, extname="EVENTS")
    for name in ("a.fits", "b.fits"):
        shutil.copy(x, folder / name)
    if "unpack x.fits.fz" in command:
        x.unlink()
    if not re.search(r"rustfits pack", command):
        for name in ("x.fz", "x.fits.fz", "sky.fits.fz", "field.fits.fz"):
            with rustfits.FITS(folder / name, "w+") as fits:
                for extname in ("SCI", "SKY", "WEIGHT"):
                    fits.write_image(pixels, extname=extname, compress="RICE_1")
        if "unpack *" in command:
            (folder / "x.fz").unlink()  # its name would be that of another
    for name in re.findall(r"--folder (\S+)", command):
        if not name.startswith("/"):
            (folder / name).mkdir()


@pytest.mark.parametrize("line", LINES)
def test_a_line_for_the_shell_runs(line, tmp_path):
    if ".parquet" in line:
        pytest.importorskip("pyarrow", reason="not installed: pyarrow")
    line = re.sub(r"  +#.*", "", line).replace("/scratch", "scratch")
    fill(tmp_path, line)
    run(line, tmp_path)


@pytest.mark.parametrize("command", OURS)
def test_what_others_call_otherwise_runs(command, tmp_path):
    fill(tmp_path, command)
    run(command, tmp_path)


def test_there_are_lines_and_peers():
    assert len(LINES) > 10
    assert len(OURS) > 20
