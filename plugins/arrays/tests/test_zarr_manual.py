"""The examples of the page on xarray and Zarr run, and so does the survey."""

import re
import subprocess
import sys

import numpy as np
import pytest
from files import NIGHT, ROOT

import rustfits

PAGE = ROOT / "docs" / "xarray-zarr.md"


def test_the_examples_of_the_page_run(tmp_path, monkeypatch):
    for name in ("xarray", "zarr", "virtualizarr", "icechunk"):
        pytest.importorskip(name, reason=f"not installed: {name}")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 8
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    counts = names["counts"]
    assert np.array_equal(names["difference"], counts[::-1])
    assert names["sci"].attrs["units"] == "adu"
    assert names["spectrum"].z == 1.42e9
    assert np.array_equal(names["pixels"], counts[100:200, 5])
    assert np.array_equal(names["strip"], counts[:, 300:310] * 2)
    assert np.array_equal(names["again"]["WEIGHT/image"], names["weights"])
    assert sorted(names["virtual"].children) == ["SCI", "SKY", "WEIGHT"]
    assert np.array_equal(names["tile"], counts[:100, :100])


def test_a_mosaic_is_cut_from_a_survey_over_http(tmp_path):
    for name in ("zarr", "aiohttp", "rustfits_remote"):
        pytest.importorskip(name, reason=f"not installed: {name}")
    small = [] if NIGHT else ["--files", "4", "--hdus", "4", "--size", "128"]
    command = [sys.executable, str(ROOT / "examples" / "survey_zarr.py"), str(tmp_path), *small]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "its pixels are those that were written" in told
    requests, nbytes = re.search(r"cutout of \(\d+, \d+\): (\d+) requests, ([\d,]+) bytes", told).groups()
    assert int(requests) == 8  # for each of four files its tiles, and its state
    if "RICE_1" in rustfits.codecs():
        assert int(nbytes.replace(",", "")) < 20_000
