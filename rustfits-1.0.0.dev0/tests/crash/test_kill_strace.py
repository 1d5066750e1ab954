"""The kernel's own view: strace kills a whole Python process at the system calls themselves, whoever makes them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rustfits import FITS

sys.path.insert(0, str(Path(__file__).parent))
from crash_edits import EDITS, prepared
from crash_points import COUNTED

ALL = os.environ.get("RUSTFITS_CRASH_POINTS") == "all"
CALLS = (
    "write",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "ftruncate",
    "truncate",
    "fsync",
    "fdatasync",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
)
PROGRAM = """
import sys
import rustfits
sys.path.insert(0, sys.argv[1])
from crash_edits import EDITS
with rustfits.FITS(sys.argv[2], "r+", durability=sys.argv[4]) as fits:
    EDITS[sys.argv[3]](fits)
"""
CREATION = """
import sys
import rustfits
sys.path.insert(0, sys.argv[1])
from crash_edits import write_anew
with rustfits.FITS(sys.argv[2], sys.argv[3], durability="power") as fits:
    write_anew(fits)
"""
OPEN = "import sys, rustfits; rustfits.FITS(sys.argv[1]).close()"


def strace(folder, arguments, *options):
    command = ["strace", "-f", "-qq", "-o", str(folder / "trace"), f"--trace={','.join(CALLS)}", *options]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([*command, sys.executable, *arguments], env=environment, capture_output=True, check=False)


@pytest.fixture(scope="module", autouse=True)
def injecting(tmp_path_factory):
    folder = tmp_path_factory.mktemp("strace")
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    program = "import os; os.write(2, b'')"
    if strace(folder, ["-c", program], "--inject=write:signal=SIGKILL:when=1").returncode not in (-9, 137):
        pytest.skip("strace may not trace here")


@pytest.mark.parametrize("durability", ["process", "power"] if ALL else ["process"])
@pytest.mark.parametrize("name", EDITS if ALL else ["set_a_card"])
def test_an_edit_killed_by_the_kernel_is_as_if_it_had_not_begun_or_as_if_it_was_done(tmp_path, name, durability):
    start, path = tmp_path / "start.fits", tmp_path / "file.fits"
    if not prepared(name, start):
        pytest.skip(f"{name} is not there yet")
    arguments = ["-c", PROGRAM, str(Path(__file__).parent), str(path), name, durability]
    shutil.copy(start, path)
    assert strace(tmp_path, arguments).returncode == 0
    before, after = start.read_bytes(), path.read_bytes()
    assert before != after
    made = re.findall(r"^(?:\d+ +)?(\w+)\(", (tmp_path / "trace").read_text(), re.MULTILINE)
    assert {"pwrite64", "unlink"} <= set(made)
    for call in sorted(set(made)):
        for number in range(1, made.count(call) + 1):
            shutil.copy(start, path)
            done = strace(tmp_path, arguments, f"--inject={call}:signal=SIGKILL:when={number}")
            assert done.returncode in (-9, 137), (call, number, done.stderr)
            COUNTED["edits, by strace"] += 1
            subprocess.run([sys.executable, "-c", OPEN, str(path)], check=True)
            assert path.read_bytes() in (before, after), (call, number)
            assert {found.name for found in tmp_path.iterdir()} == {"start.fits", "file.fits", "trace"}


@pytest.mark.parametrize(("mode", "there"), [("w+", True), ("w+", False), ("x", False)] if ALL else [("w+", True)])
def test_a_creation_killed_by_the_kernel_leaves_what_was_there_or_whole_changes(tmp_path, mode, there):
    start, path = tmp_path / "start.fits", tmp_path / "file.fits"
    prepared("set_a_card", start)
    arguments = ["-c", CREATION, str(Path(__file__).parent), str(path), mode]

    def reset():
        path.unlink(missing_ok=True)
        if there:
            shutil.copy(start, path)

    reset()
    assert strace(tmp_path, arguments).returncode == 0
    before, after = start.read_bytes() if there else None, path.read_bytes()
    with FITS(path) as fits:
        allowed = {before, after, after[: fits[1]._extent.stop]} | ({b""} if mode == "x" else set())
    made = re.findall(r"^(?:\d+ +)?(\w+)\(", (tmp_path / "trace").read_text(), re.MULTILINE)
    assert {"pwrite64", "unlink", "fsync"} <= set(made)
    assert any(call.startswith("rename") for call in made)
    found = set()
    for call in sorted(set(made)):
        for number in range(1, made.count(call) + 1):
            reset()
            done = strace(tmp_path, arguments, f"--inject={call}:signal=SIGKILL:when={number}")
            assert done.returncode in (-9, 137), (call, number, done.stderr)
            COUNTED["creations, by strace"] += 1
            subprocess.run([sys.executable, "-c", OPEN, str(path)], check=False, capture_output=True)
            content = path.read_bytes() if path.exists() else None
            assert content in allowed, (call, number)
            found.add(content)
            assert {each.name for each in tmp_path.iterdir()} <= {"start.fits", "file.fits", "trace", "file.fits.rfnew"}
    assert before in found
    assert len(found) >= 2
