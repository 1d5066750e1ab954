"""The examples of the manual that need other array libraries run, one after the other."""

import re
from pathlib import Path

import numpy as np
import pytest

import rustfits

PAGE = Path(__file__).parents[2] / "docs" / "arrays.md"


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
def test_the_examples_of_the_page_on_arrays_run(tmp_path, monkeypatch):
    for name in ("astropy", "dask.array", "photutils", "rustfits_arrays", "xarray", "zarr"):
        pytest.importorskip(name, reason=f"not installed: {name}")
    pytest.importorskip("matplotlib", reason="not installed: matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    counts = (np.arange(480 * 640) % 60_000).astype("u2").reshape(480, 640)
    with rustfits.FITS("counts.fits", "w+") as fits:
        fits.write_image(counts, extname="SCI", compress=rustfits.Gzip2(tile_shape=(100, 200)))
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["total"] == counts.sum()
    expected = (counts - np.median(counts[:100, :100])) / 2.5
    assert np.array_equal(rustfits.read("calibrated.fits"), expected.astype("f4"))
    assert np.allclose(names["profile"], counts[::-2].mean(axis=1))
    assert np.array_equal(names["cutout"].data, counts[215:266, 295:346])
    assert np.array_equal(names["frame"].data, counts)
    names["pyplot"].close("all")
