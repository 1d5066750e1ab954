"""The example of the page on remote files runs, against a server of this machine."""

import re
from pathlib import Path

import numpy as np

import rustfits

PAGE = Path(__file__).parents[3] / "docs" / "remote.md"


def test_the_examples_of_the_page_on_remote_files_run(server):
    pixels = (np.arange(2_500_000) % 1009).astype("i4").reshape(1250, 2000)
    pixels = np.hstack([pixels, pixels[:, :200]])
    with rustfits.FITS("mem://", "w+") as fits:
        fits.write_image(pixels, extname="SCI", compress=rustfits.Gzip2(tile_shape=(100, 100)))
        content = fits.to_bytes()
    server.put(content, "/survey.fits.fz")
    root = server.put(content, "/").rstrip("/")
    text = PAGE.read_text(encoding="utf-8").replace("https://example.org", root)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
    assert np.array_equal(names["cutout"], pixels[1000:1050, 2000:2050])
