"""Small forms of the fuzzers: files changed at random, alone and beside peers, and every bit of small files.

`RUSTFITS_FUZZ_CASES` sets how many changed files are read, `RUSTFITS_FUZZ_BITS` how many bits of each seed are flipped
(0: all of them), `RUSTFITS_FUZZ_SEED` with what they begin.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest

import rustfits

sys.path.insert(0, str(Path(__file__).parent))
import fuzz_container
import fuzz_files
import fuzz_peers
from fuzz_seeds import TILE, image_file, pixels, seeds

NCASES = int(os.environ.get("RUSTFITS_FUZZ_CASES", "200"))
NBITS = int(os.environ.get("RUSTFITS_FUZZ_BITS", "150"))
SEED = int(os.environ.get("RUSTFITS_FUZZ_SEED", "1"))
linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs /proc/self/clear_refs: Linux")

CODECS = [
    ("Gzip1", "i2"),
    ("Gzip2", "f8"),
    ("NoCompress", "i2"),
    ("Rice1", "i4"),
    ("Hcompress1", "i2"),
    ("Plio1", "i4"),
]


@linux
@pytest.mark.filterwarnings("ignore")
def test_files_changed_at_random_give_data_or_errors_of_ours_within_their_memory_and_time():
    assert fuzz_files.run(SEED, range(NCASES), every=5) == []


@linux
def test_bytes_changed_at_random_are_data_or_an_error_of_ours():
    assert fuzz_container.run(SEED, 5 * NCASES) == 0


@linux
def test_what_peers_read_of_changed_files_we_read_too_or_say_why_not():
    pytest.importorskip("fitsio", reason="not installed: fitsio")
    pytest.importorskip("astropy", reason="not installed: astropy")
    unexplained, counts = fuzz_peers.run(SEED, range(NCASES))
    assert unexplained == []
    assert counts["fitsio: the same"] > 0
    assert counts["astropy: the same"] > 0


def compressed(name, dtype, **arguments):
    kind = getattr(rustfits, name, None)
    if kind is None:
        pytest.skip(f"plugin not installed: {name}")
    try:
        return image_file(pixels(dtype), compress=kind(tile_shape=TILE), **arguments)
    except rustfits.CodecNotInstalled as error:
        pytest.skip(f"plugin not installed: {error.package}")


def flipped(raw, places):
    for place in places:
        changed = bytearray(raw)
        changed[place // 8] ^= 1 << place % 8
        yield place, bytes(changed)


def chosen(first, stop):
    places = range(first, stop)
    return places if not NBITS else sorted(random.Random(SEED).sample(places, min(NBITS, len(places))))


@pytest.mark.parametrize(("name", "dtype"), [*CODECS, (None, "f4")])
def test_with_checksums_every_bit_that_flips_is_told(name, dtype):
    raw = image_file(pixels(dtype)) if name is None else compressed(name, dtype)
    with rustfits.FITS.from_bytes(raw, "r+") as fits:
        for hdu in fits:
            hdu.add_checksum()
        raw = bytes(fits.to_bytes())
    with rustfits.FITS.from_bytes(raw) as fits:
        expected, nhdus = fits.verify(), len(fits)
        assert expected.ok
    for place, changed in flipped(raw, chosen(0, 8 * len(raw))):
        try:
            with rustfits.FITS.from_bytes(changed) as fits:
                report = fits.verify()
                lost = any(
                    verdict.check == "CHECKSUM" and verdict.status in ("bad", "absent")
                    for hdu in report.hdus
                    for verdict in hdu.verdicts
                )
                assert lost or not report.ok or len(fits) < nhdus, f"bit {place}"
        except rustfits.FitsError:
            pass


@pytest.mark.parametrize(("name", "dtype"), CODECS)
def test_without_checksums_a_bit_of_the_data_harms_its_own_tile_alone(name, dtype):
    raw = compressed(name, dtype)
    with rustfits.FITS.from_bytes(raw) as fits:
        extent, expected = fits[1]._extent, fits[1].read()
    first, stop = 8 * extent.data_start, 8 * (extent.data_start + extent.data_nbytes)
    for place, changed in flipped(raw, chosen(first, stop)):
        with rustfits.FITS.from_bytes(changed) as fits:
            damaged = fits[1].damaged_tiles()
            found = fits[1].read(on_error="mask")
            if not damaged:
                assert found.tobytes() == fits[1].read().tobytes()
            else:
                with pytest.raises(rustfits.FitsError, match=f"row {damaged[0].row + 1}|reach"):
                    fits[1].read()
            differ = (np.asarray(found) != expected) & ~(
                np.isnan(np.asarray(found, float)) & np.isnan(np.asarray(expected, float))
            )
            rows = np.flatnonzero((differ | np.ma.getmaskarray(found)).any(axis=1)) // TILE[0]
            assert len(set(rows.tolist()) | {tile.row for tile in damaged}) <= 1, f"bit {place}"


def test_the_seeds_are_sound():
    for name, raw in seeds().items():
        with rustfits.FITS.from_bytes(raw) as fits:
            assert fits.damage is None, name
            for hdu in fits:
                if isinstance(hdu, rustfits.ImageHDU) and hdu.has_data:
                    with np.errstate(all="ignore"):
                        try:
                            hdu.read()
                        except rustfits.CodecNotInstalled:
                            assert "cta" in name
                        except rustfits.NotSupported:
                            assert name == "astropy groups"
