import numpy as np
import pytest

import rustfits
from rustfits import FITS, TileDecodeError
from rustfits.tiles.onetile import entry_of


def floats():
    pixels = np.random.default_rng(2).normal(100, 3, (40, 30)).astype("f4")
    pixels[:10] = np.nan  # tiles that cannot be quantised go to the other column
    pixels[12, 3] = np.nan
    return pixels


CASES = {
    "integers": (np.arange(1200, dtype="i4").reshape(40, 30), {}),
    "64-bit descriptors": (np.arange(1200, dtype="i2").reshape(40, 30), {"heap_format": "Q"}),
    "quantised floats": (floats(), {}),
}


@pytest.fixture(params=CASES)
def fits(request, tmp_path):
    pixels, options = CASES[request.param]
    codec = rustfits.Gzip2(tile_shape=(10, 20), **options)
    quantize = rustfits.Quantize() if pixels.dtype.kind == "f" else None
    with FITS(tmp_path / "file.fits", "w+") as fits:
        fits.write_image(pixels, compress=codec, quantize=quantize)
        yield fits


def test_a_tile_by_itself_is_as_among_others(fits):
    decoder = fits[1]._decoder()
    for row in range(fits[1].n_tiles):
        one, expected = entry_of(decoder, row), decoder.entries(np.array([row]))
        assert (one.numbers is None) == (expected.numbers is None)
        names = ["rows", "source", "start", "length"] + ["scale", "zero", "null"] * (one.numbers is not None)
        for name in names:
            found, wanted = getattr(one, name), getattr(expected, name)
            assert found.dtype == wanted.dtype
            assert found.tolist() == wanted.tolist()


@pytest.mark.parametrize("cell", [(-1, 0), (5, -1), (5, 1 << 20), (1 << 20, 0), (0, 0)])
def test_a_descriptor_that_is_wrong_is_left_to_the_usual_way(fits, cell):
    hdu = fits[1]
    column = hdu._table.sources[0]
    raw = np.array(cell, dtype=">i4" if column.code == "P" else ">i8").tobytes()
    row = hdu.n_tiles - 1  # quantised in all cases
    with hdu._file.changing():
        hdu._file.storage.write(hdu._extent.data_start + row * hdu._table.layout.row_nbytes + column.offset, raw)
    assert entry_of(hdu._decoder(), row) is None
    with pytest.raises(TileDecodeError, match=f"table row {row + 1}"):
        hdu[39, 29] = 100
