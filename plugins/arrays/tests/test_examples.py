"""The examples run, and what they write is right."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rustfits

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.skipif("RICE_1" not in rustfits.codecs(), reason="plugin not installed: rice")
def test_a_night_is_calibrated_packed_and_stacked(tmp_path):
    pytest.importorskip("distributed", reason="not installed: distributed")
    command = [sys.executable, EXAMPLES / "night.py", tmp_path, "--exposures", "4", "--size", "200", "--workers", "2"]
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, check=True)
    assert "10^6 of them take" in done.stdout
    raw = {
        kind: np.stack([rustfits.read(path).astype("f8") for path in sorted((tmp_path / "raw").glob(f"{kind}*"))])
        for kind in ("bias", "flat", "exposure")
    }
    assert {kind: len(frames) for kind, frames in raw.items()} == {"bias": 10, "flat": 10, "exposure": 4}
    bias = np.median(raw["bias"], axis=0)
    flat = np.median(raw["flat"], axis=0) - bias
    expected = (raw["exposure"] - bias) / (flat / flat.mean())
    for number, calibrated in enumerate(expected):
        with rustfits.FITS(tmp_path / "packed" / f"exposure{number:04}.fits.fz") as fits:
            assert fits["SCI"].header["EXPTIME"] == 30
            assert fits.verify().ok
            assert abs(fits["SCI"].read() - calibrated).max() < 1.5  # quanta of about a 16th of the noise
    with rustfits.FITS(tmp_path / "stack.fits.fz") as fits:
        assert abs(fits["STACK"].read() - expected.mean(axis=0)).max() < 2
