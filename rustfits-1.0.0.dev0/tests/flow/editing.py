"""What the tests of edits share: images to edit, keys, and a model of what must come of it."""

import numpy as np
import pytest
from hypothesis import strategies as st

import rustfits
from rustfits import FITS, Quantize
from rustfits.heap.bintable import ELEMENT_NBYTES

INTEGERS = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8"]
FLOATS = ["f4", "f8"]
HELD = {  # dtypes that each codec holds without loss
    "GZIP_1": INTEGERS + FLOATS,
    "GZIP_2": INTEGERS + FLOATS,
    "NOCOMPRESS": INTEGERS + FLOATS,
    "RICE_1": ["u1", "i1", "i2", "u2", "i4", "u4"],
    "HCOMPRESS_1": ["u1", "i2", "u2", "i4"],
    "PLIO_1": ["u1", "i2", "i4"],
}
CLASSES = {
    "GZIP_1": "Gzip1",
    "GZIP_2": "Gzip2",
    "NOCOMPRESS": "NoCompress",
    "RICE_1": "Rice1",
    "HCOMPRESS_1": "Hcompress1",
    "PLIO_1": "Plio1",
}
PIXELS = np.arange(60, dtype=np.int32).reshape(6, 10)
ROW = np.arange(10, dtype="i4")[None]
NEXT = np.arange(77, dtype="i4").reshape(7, 11)  # in the HDU behind the one that is edited


def installed():
    return [name for name in HELD if name in rustfits.codecs()]


needs_rice = pytest.mark.skipif("RICE_1" not in installed(), reason="no plugin for RICE_1")
needs_hcompress = pytest.mark.skipif("HCOMPRESS_1" not in installed(), reason="no plugin for HCOMPRESS_1")


def codec_of(name, **arguments):
    return getattr(rustfits, CLASSES[name])(**arguments)


def pixels_of(name, dtype, shape, seed):
    """Return pixels, most of them small, some extreme, as far as the codec holds them."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 120, shape)
    if dtype[0] == "f":
        pixels = pixels + random.normal(0, 3, shape)
    pixels = pixels.astype(dtype)
    if name in ("GZIP_1", "GZIP_2", "NOCOMPRESS", "RICE_1") and pixels.size:
        extremes = [np.nan, np.inf, -0.0] if dtype[0] == "f" else [np.iinfo(dtype).min, np.iinfo(dtype).max]
        pixels.reshape(-1)[random.integers(0, pixels.size)] = extremes[random.integers(0, len(extremes))]
    return pixels


@st.composite
def images(draw, names=None):
    """Return the name of a codec, a dtype, a shape, a tile shape and a heap format that go together."""
    name = draw(st.sampled_from(names or installed()))
    if name == "HCOMPRESS_1":
        shape = draw(st.tuples(st.integers(4, 30), st.integers(4, 20)))
        tile = (draw(st.sampled_from([shape[0], 4 * shape[0]])), shape[1])
        if draw(st.booleans()):
            tile = (
                draw(st.sampled_from([n for n in range(4, shape[0] + 1) if shape[0] % n in (0, *range(4, n))])),
                shape[1],
            )
    else:
        ndim = draw(st.integers(1, 4))
        shape = draw(st.tuples(st.integers(0, 9), *[st.integers(1, 9)] * (ndim - 1)))
        tile = draw(st.none() | st.tuples(*[st.integers(1, 10)] * ndim))
    return name, draw(st.sampled_from(HELD[name])), shape, tile, draw(st.sampled_from("PQ"))


@st.composite
def keys(draw, shape):
    entries = []
    for size in shape[: draw(st.integers(0, len(shape)))]:
        bound = st.none() | st.integers(-size - 1, size + 1)
        entry = st.builds(slice, bound, bound, st.none() | st.integers(1, 4))
        entries.append(draw(st.integers(-size, size - 1) | entry if size else entry))
    return tuple(entries)


def create(fits, image, seed=0):
    """Append an image and another one behind it; return its HDU and its pixels."""
    name, dtype, shape, tile, heap_format = image
    codec = codec_of(name, tile_shape=tile, heap_format=heap_format)
    pixels = pixels_of(name, dtype, shape, seed)
    fits.create_image_hdu(dtype, shape, compress=codec, extname="EDITED")
    if pixels.size:
        fits["EDITED"].write(pixels)
    fits.write_image(NEXT, extname="NEXT")
    return fits["EDITED"], pixels


def assert_same_bits(found, expected):
    assert (found.dtype, found.shape) == (expected.dtype.newbyteorder("="), expected.shape)
    assert np.ascontiguousarray(found).tobytes() == np.ascontiguousarray(expected).astype(found.dtype).tobytes()


def assert_sound(fits, name="EDITED"):
    """Check that the table of a compressed image is as its header says, and that the HDUs after it are whole."""
    hdu, raw = fits[name], np.frombuffer(fits.to_bytes(), np.uint8)
    header, layout = hdu.header, hdu._state.snapshot.layout
    assert raw.size % 2880 == 0
    assert layout.nrows == max(hdu.n_tiles, layout.nrows)
    stop = hdu._extent.data_start + hdu._extent.data_nbytes
    assert not raw[stop : hdu._extent.stop].any()
    table = raw[hdu._extent.data_start :][: layout.table_nbytes].view(layout.row_dtype(layout.columns))
    for column in layout.columns:
        if column.descriptor:
            count, offset = table[column.name].astype(np.int64).T
            largest = header[f"TFORM{column.number}"].partition("(")[2].rstrip(")") or "0"  # nothing before a write
            assert count.max(initial=0) <= int(largest)
            stop = offset + count * ELEMENT_NBYTES[column.element]
            assert (stop[count > 0] <= layout.heap_nbytes).all()
    if "NEXT" in fits:
        np.testing.assert_array_equal(fits["NEXT"].read(), NEXT)


def quantised(pixels, *, name="RICE_1", tile=None, method="dither1", seed=5, level=4.0):
    """Return a handle of a file in memory with an image of quantised floats, and its HDU."""
    fits = FITS("mem://", "w+")
    quantize = Quantize(level=level, method=method, seed=seed)
    hdu = fits.write_image(pixels, compress=codec_of(name, tile_shape=tile), quantize=quantize, extname="EDITED")
    fits.write_image(NEXT, extname="NEXT")
    return fits, hdu
