"""The examples of the page on clusters run, one after the other."""

import re
from pathlib import Path

import numpy as np
import pytest

import rustfits

PAGE = Path(__file__).parents[3] / "docs" / "cluster.md"


@pytest.mark.skipif("RICE_1" not in rustfits.codecs(), reason="plugin not installed: rice")
def test_the_examples_of_the_page_on_clusters_run(tmp_path, monkeypatch):
    pytest.importorskip("dask.array", reason="not installed: dask[array]")
    monkeypatch.chdir(tmp_path)
    Path("night").mkdir()
    pixels = np.random.default_rng(1).normal(100, 5, (3, 300, 700)).astype("f4")
    for number, each in enumerate(pixels):
        with rustfits.FITS(f"night/e{number}.fits.fz", "w+") as fits:
            fits.write_image(each, extname="SCI", compress="GZIP_2")
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
    assert np.isclose(names["mean"], pixels[0].mean())
    with rustfits.FITS("stack.fits.fz") as fits:
        assert fits.verify().ok
        assert abs(fits["STACK"].read() - np.median(pixels, axis=0)).max() < 1
