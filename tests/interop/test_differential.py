"""The same images through rustfits, CFITSIO, astropy, fpack and funpack, both ways, bit for bit.

`RUSTFITS_DIFFERENTIAL_CASES` sets the number of cases; what peers refuse, or crash on, is counted and printed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import rustfits
from rustfits_testing.peers import heap_tiles

pytest.importorskip("fitsio", reason="peer not installed: fitsio")
fits = pytest.importorskip("astropy.io.fits", reason="peer not installed: astropy")
sys.path.insert(0, str(Path(__file__).parent))
from differential_cases import Case, make_case  # noqa: E402
from peer_process import Peer, PeerError  # noqa: E402

NCASES = int(os.environ.get("RUSTFITS_DIFFERENTIAL_CASES", "300"))
STEP = 25
CANONICAL = ("RICE_1", "HCOMPRESS_1", "PLIO_1")  # equal pixels make equal bytes
FPACK = {"RICE_1": "-r", "HCOMPRESS_1": "-h", "PLIO_1": "-p", "GZIP_1": "-g1", "GZIP_2": "-g2"}
CLASSES = {"RICE_1": "Rice1", "HCOMPRESS_1": "Hcompress1", "PLIO_1": "Plio1", "GZIP_1": "Gzip1", "GZIP_2": "Gzip2"}


@pytest.fixture(scope="module")
def refusals():
    counts = Counter()
    yield counts
    for text, count in sorted(counts.items()):
        print(f"{count:5} x {text}", file=sys.stderr)


@pytest.fixture(scope="module")
def peers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("peers")
    peers = [Peer(name, folder) for name in ("fitsio", "astropy")]
    yield peers
    for peer in peers:
        peer.close()


def write_here(case: Case, path: Path) -> None:
    options = {"tile_shape": case.tile}
    if case.codec == "HCOMPRESS_1":
        options |= {"scale": case.scale, "smooth": case.smooth}
    quantize = None if case.quantize is None else rustfits.Quantize(**case.quantize)
    with rustfits.FITS(path, "w+") as file:
        file.write_image(case.pixels, compress=getattr(rustfits, CLASSES[case.codec])(**options), quantize=quantize)


def read_here(path: Path) -> np.ndarray:
    with rustfits.FITS(path) as file:
        return file[1].read()


def assert_equal(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    if not (found.dtype == expected.dtype or found.dtype.kind in "iu"):
        raise AssertionError(f"{what}: {found.dtype}, not {expected.dtype}")
    np.testing.assert_array_equal(found, expected, err_msg=what)


def tiles_and_columns(path: Path) -> tuple[tuple, dict]:
    with fits.open(path, disable_image_compression=True) as hdus:
        header, table = hdus[1].header, hdus[1].data
        columns = {name: np.array(table[name]) for name in ("ZSCALE", "ZZERO") if name in table.names}
        return tuple(header.get(f"ZTILE{axis}") for axis in range(1, header["ZNAXIS"] + 1)), columns


def check_streams(case: Case, here: Path, cfitsio: Path) -> None:
    """Compare what was stored, not only what it means, where the format leaves no choice."""
    tiles, columns = tiles_and_columns(here)
    peer_tiles, peer_columns = tiles_and_columns(cfitsio)
    if tiles != peer_tiles or (case.quantize and not case.without_runs):
        return
    for name, column in columns.items():
        assert column.tobytes() == peer_columns[name].tobytes(), f"{case}: {name}"
    if case.codec in CANONICAL:
        assert heap_tiles(here) == heap_tiles(cfitsio), f"{case}: heap"


def check(case: Case, peers: list[Peer], refusals: Counter, folder: Path) -> None:
    here = folder / "here.fits"
    write_here(case, here)
    found = read_here(here)
    what = f"{case.codec} {case.pixels.dtype} of {case.pixels.ndim} axes"
    if case.quantize is None and case.scale <= 1:
        assert_equal(found, case.pixels, f"{case}: read back")
    for peer in peers:
        theirs = folder / f"{peer.name}.fits"
        theirs.unlink(missing_ok=True)
        options = {"codec": case.codec, "tile": list(case.tile[::1]), "quantize": case.quantize}
        options |= {"scale": case.scale, "smooth": case.smooth, "blocksize": 32}
        try:
            assert_equal(peer.read(here), found, f"{case}: ours read by {peer.name}")
        except PeerError as error:
            refusals[f"{peer.name} reading {what}: {error}"] += 1
        try:
            peer.write(theirs, case.pixels, **options)
            expected = peer.read(theirs)
            assert_equal(read_here(theirs), expected, f"{case}: {peer.name}'s read here")
        except PeerError as error:
            theirs.unlink(missing_ok=True)
            refusals[f"{peer.name} writing {what}: {error}"] += 1
            continue
        if peer.name == "fitsio":
            check_streams(case, here, theirs)
    check_tools(case, what, here, found, refusals, folder)


def check_tools(case: Case, what: str, here: Path, found: np.ndarray, refusals: Counter, folder: Path) -> None:
    if shutil.which("fitsverify"):
        report = subprocess.run(["fitsverify", "-q", str(here)], capture_output=True, text=True, check=False)
        assert "verification OK" in report.stdout, f"{case}: {report.stdout}"
    if shutil.which("funpack"):
        check_funpack(case, what, here, found, refusals, folder)
    if shutil.which("fpack"):
        check_fpack(case, what, here, refusals, folder)


def check_funpack(case: Case, what: str, path: Path, found: np.ndarray, refusals: Counter, folder: Path) -> None:
    plain = unpacked(path, folder)
    if plain is None:
        refusals[f"funpack {what}"] += 1
    elif not same(plain, found) and varies(path, plain, folder):
        refusals[f"funpack gives other pixels each time it is run: {what}"] += 1
    elif case.kind == "nan" and not same(plain, found) and disagrees_with_itself(folder):
        refusals[f"funpack gives other pixels than fitsio for a file of fitsio's with NaN: {what}"] += 1
    else:
        assert_equal(plain, found, f"{case}: funpack of {path.name}")


def check_fpack(case: Case, what: str, here: Path, refusals: Counter, folder: Path) -> None:
    """Read what fpack makes of the same pixels, and compare what it stored."""
    packed = folder / "fpack.fits"
    reason = pack(case, packed, folder / "unpacked.fits")
    if reason:
        refusals[f"fpack writing {what}: {reason}"] += 1
        return
    if shutil.which("funpack"):
        check_funpack(case, what, packed, read_here(packed), refusals, folder)
    check_streams(case, here, packed)


def pack(case: Case, packed: Path, plain: Path) -> str:
    """Let fpack write the pixels of a case; return why it did not, or nothing."""
    for path in (packed, plain):
        path.unlink(missing_ok=True)
    with rustfits.FITS(plain, "w+") as file:
        file.write_image(case.pixels)
    options = [FPACK[case.codec], "-t", ",".join(map(str, reversed(case.tile)))]
    if case.pixels.dtype.kind == "f":
        method, level, seed = "NO_DITHER", 0, 1
        if case.quantize:
            method, level, seed = (case.quantize[key] for key in ("method", "level", "seed"))
        letter = {"NO_DITHER": "-q0", "SUBTRACTIVE_DITHER_1": f"-q{seed}", "SUBTRACTIVE_DITHER_2": f"-qz{seed}"}[method]
        options += [letter if case.quantize else "-q", str(level)]
    if case.scale:
        options += ["-s", str(-case.scale)]
    done = subprocess.run(["fpack", *options, "-O", packed, plain], check=False, capture_output=True, text=True)
    if done.returncode:
        return f"exit status {done.returncode}"
    with rustfits.FITS(packed) as file:
        return "" if len(file) > 1 and type(file[1]).__name__ == "CompressedImageHDU" else "left as it was"


def unpacked(path: Path, folder: Path) -> np.ndarray | None:
    """Return the pixels that funpack restores, or None if it refuses."""
    plain = folder / "plain.fits"
    plain.unlink(missing_ok=True)
    if subprocess.run(["funpack", "-O", str(plain), str(path)], check=False, capture_output=True).returncode:
        return None
    with rustfits.FITS(plain) as file:
        return next(hdu for hdu in file if hdu.has_data).read()


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def varies(path: Path, plain: np.ndarray, folder: Path) -> bool:
    """Whether funpack restores other pixels when it is run again.

    It does for floats without loss in tiles narrower than the image, of which it marks some as null at random.
    """
    return not all(same(unpacked(path, folder), plain) for _ in range(20))


def disagrees_with_itself(folder: Path) -> bool:
    """Whether funpack reads fitsio's own file of the case under way otherwise than fitsio does.

    It does for NaN in tiles narrower than the image; of images with four axes CFITSIO makes no file to try it on.
    """
    theirs = folder / "fitsio.fits"
    return not theirs.exists() or not same(unpacked(theirs, folder), read_here(theirs))


@pytest.mark.parametrize("first", range(0, NCASES, STEP))
def test_every_library_reads_what_every_library_writes(first, peers, refusals, tmp_path):
    for name in CLASSES.values():
        if not hasattr(rustfits, name):
            pytest.skip(f"codec not installed: {name}")
    for seed in range(first, min(first + STEP, NCASES)):
        check(make_case(seed), peers, refusals, tmp_path)
