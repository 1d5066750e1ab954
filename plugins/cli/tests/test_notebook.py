"""What notebooks show: facts, a few rows, the right picture; and never an exception, nor markup of a file."""

import base64
import io
import re
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import rustfits
from rustfits_cli.notebook import LONGEST, MIDDLE
from rustfits_cli.preview import Look, draw


def picture(html):
    (coded,) = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(coded))))


def cells(html):
    return re.findall(r"<td>(.*?)</td>", html)


@pytest.fixture
def fits():
    with rustfits.FITS("mem://", "w+") as file:
        yield file


def test_a_file_lists_its_hdus(fits):
    fits.write_image(np.zeros((20, 30), "i2"), extname="PLAIN")
    fits.write_image(np.zeros((20, 30), "i4"), extname="PACKED", compress="GZIP_2")
    html = fits._repr_html_()
    assert "2 HDUs" in html
    assert cells(html)[:5] == ["0", "PLAIN", "image", "20 x 30", "int16"]
    assert {"PACKED", "int32", "GZIP_2", "20 of 1 x 30"} <= set(cells(html))


def test_a_closed_file_says_so(fits):
    fits.write_image(np.zeros((20, 30), "i2"))
    hdu = fits[0]
    fits.close()
    assert "closed" in fits._repr_html_()
    assert "20 x 30" in hdu._repr_html_()
    assert "<img" not in hdu._repr_html_()


@given(
    pixels=hnp.arrays(
        st.sampled_from(["u1", "i2", "u2", "i4", "f4", "f8"]), hnp.array_shapes(min_dims=1, max_dims=3, max_side=9)
    ),
    compress=st.sampled_from([None, "GZIP_2"]),
)
def test_an_image_is_drawn_whatever_it_is(pixels, compress):
    with rustfits.FITS("mem://", "w+") as file:
        html = file.write_image(pixels, compress=compress)._repr_html_()
    shown = pixels[0] if pixels.ndim == 3 else pixels.reshape(-1, pixels.shape[-1])
    assert np.array_equal(picture(html), np.asarray(draw(shown, Look(), LONGEST)))
    assert " x ".join(map(str, pixels.shape)) in html


def test_of_a_large_image_the_middle_is_drawn_and_no_more_is_decoded(fits):
    pixels = np.zeros((3000, 4000), "i2")
    pixels[1200:1800, 1700:2300] = 100
    hdu = fits.write_image(pixels, compress=rustfits.Gzip2(tile_shape=(500, 500)))
    hdu.set_tile_cache_size(1 << 30)
    html = hdu._repr_html_()
    assert f"{MIDDLE} x {MIDDLE} pixels in the middle" in html
    middle = pixels[988 : 988 + MIDDLE, 1488 : 1488 + MIDDLE]
    assert np.array_equal(picture(html), np.asarray(draw(middle, Look(), LONGEST)))
    assert hdu.tile_cache_used <= 16 * 500 * 500 * 2 < pixels.nbytes


def test_a_tile_that_is_damaged_is_told(fits):
    fits.write_image(np.arange(600, dtype="i4").reshape(20, 30), compress="GZIP_2")
    raw = bytearray(fits.to_bytes())
    raw[raw.rindex(bytes([31, 139, 8])) + 20] ^= 0x55
    with rustfits.FITS.from_bytes(raw) as damaged:
        html = damaged[1]._repr_html_()
    assert "tile in table row 20" in html
    assert "<img" not in html


def test_a_table_shows_its_first_rows(fits):
    pytest.importorskip("rustfits_tables", reason="not installed: rustfits-tables")
    stars = {"id": np.arange(7, dtype="i4"), "name": np.array(["x" * 50] + ["b"] * 6)}
    for compress in (None, True):
        html = fits.write_table(stars, compress=compress)._repr_html_()
        shown = cells(html)[-10:]
        assert shown[::2] == ["0", "1", "2", "3", "4"]
        assert shown[1] == "x" * 39 + "\N{HORIZONTAL ELLIPSIS}"
        assert "2 more rows" in html


def test_a_wide_table_shows_its_first_columns(fits):
    pytest.importorskip("rustfits_tables", reason="not installed: rustfits-tables")
    html = fits.write_table({f"c{n}": np.zeros(2) for n in range(30)})._repr_html_()
    assert "<th>c11</th>" in html
    assert "<th>c12</th>" not in html
    assert "18 more columns" in html


def test_an_ascii_table_and_one_without_rows_are_shown(fits):
    pytest.importorskip("rustfits_tables", reason="not installed: rustfits-tables")
    fits.create_ascii_table_hdu([("star", "i4")], 0, formats={"star": "I4"})
    assert "<th>star</th>" in fits[-1]._repr_html_()


def test_nothing_of_a_file_is_taken_as_markup(fits):
    evil = "<script>alert(1)</script>&"
    hdu = fits.write_image(np.zeros((5, 5), "i2"), extname=evil, header={"OBJECT": evil})
    shown = [fits._repr_html_(), hdu._repr_html_(), hdu.header._repr_html_()]
    if find_spec("rustfits_tables") is not None:
        shown.append(fits.write_table({"c": np.array([evil])})._repr_html_())
    for html in shown:
        assert "<script" not in html
        assert "&lt;script&gt;" in html


def test_a_header_shows_every_card(fits):
    hdu = fits.write_image(np.zeros((5, 5), "i2"), header={"OBJECT": "M13"})
    html = hdu.header._repr_html_()
    assert "OBJECT  = &#x27;M13" in html
    assert html.count("\n") + 1 == len(hdu.header.cards)


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_nothing_is_loaded_before_it_is_asked_for():
    code = """
import sys, numpy as np, rustfits
hdu = rustfits.FITS("mem://", "w+").write_image(np.zeros((5, 5), "i2"))
hdu.read(), repr(hdu)
print("rustfits_cli" in sys.modules, "rustfits_cli.notebook" in sys.modules, hdu._repr_html_() is None)
"""
    assert run(code) == "False False False"


def test_without_this_package_notebooks_show_the_text():
    code = """
import numpy as np, rustfits
from rustfits.codec import registry
registry.discovery.entry_points = lambda group, anew=False: ()
fits = rustfits.FITS("mem://", "w+")
hdu = fits.write_image(np.zeros((5, 5), "i2"))
print(hdu._repr_html_(), fits._repr_html_())
"""
    assert run(code) == "None None"
