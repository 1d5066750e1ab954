"""Every compiled kernel gives the bits of the core's form, in every instruction set this machine has."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_variants import CORE, VARIANTS, batch_of

from rustfits.plugin import DITHER_METHODS, Dither, InvalidParameter, PixelBatch, QuantizedTiles
from rustfits_accel import _kernel

BLANK, ZERO = -2147483647, -2147483646


def bits(pixels):
    """Return floats as integers, NaN in one form: which NaN comes of a NaN is left open."""
    return np.where(np.isnan(pixels), np.nan, pixels).view(f"u{pixels.itemsize}")


@settings(max_examples=120)
@given(
    npixels=st.lists(st.one_of(st.integers(0, 70), st.sampled_from([9499, 10001, 20500])), max_size=5),
    first_row=st.one_of(st.integers(0, 5), st.integers(9990, 10005), st.integers(0, 2**40)),
    zdither0=st.integers(-(2**66), 2**66),
    method=st.sampled_from(DITHER_METHODS),
    nulls=st.sampled_from([None, BLANK, -(2**31), 0, 2**35]),
    dtype=st.sampled_from(["f4", "f8"]),
    scales=st.sampled_from([1.0, 1e-30, 1e30, 1e300, np.inf, np.nan]),
    seed=st.integers(0, 2**32 - 1),
)
def test_dequantize(npixels, first_row, zdither0, method, nulls, dtype, scales, seed):
    rng = np.random.default_rng(seed)
    ntiles, npixels = len(npixels), np.array(npixels, dtype=np.int64)
    stored = rng.integers(-(2**31), 2**31, npixels.sum()).astype(np.int32)
    stored >>= rng.integers(0, 32, stored.size, dtype=np.int32)
    special = rng.random(stored.size) < 0.2
    stored[special] = rng.choice(np.array([BLANK, ZERO, -(2**31), 2**31 - 1, 0], np.int32), special.sum())
    scale, zero = rng.normal(size=ntiles) * scales, rng.normal(size=ntiles) * 1e3
    row = np.arange(first_row, first_row + ntiles)
    null = None if nulls is None else np.full(ntiles, nulls, dtype=np.int64)
    results = []
    for kernels in [CORE, *VARIANTS]:
        out = np.empty(stored.size, dtype)
        kernels.dequantize(
            QuantizedTiles(stored, npixels, row, scale=scale, zero=zero, null=null), Dither(method, zdither0), out
        )
        results.append(bits(out))
    for result in results[1:]:
        assert np.array_equal(result, results[0])


def awkward_pixels(rng, npixels, dtype, kind):
    """Return pixels of a kind that is hard on some step of quantising."""
    limits = np.finfo(dtype)
    with np.errstate(all="ignore"):
        pixels = (rng.normal(rng.normal() * 10, 1, npixels) * 10.0 ** rng.integers(-40, 39)).astype(dtype)
    if kind == "integers":
        pixels = np.round(rng.normal(0, 3, npixels)).astype(dtype)
    elif kind == "few values":
        pixels = rng.choice(np.array([0.0, -0.0, 1.5, 1e-9], dtype), npixels)
    elif kind == "constant":
        pixels = np.full(npixels, rng.normal(), dtype)
    elif kind == "extremes":
        choice = [limits.max, limits.min, limits.tiny, limits.smallest_subnormal, 0, 1, -1e30]
        pixels = rng.choice(np.array(choice, dtype), npixels)
    elif kind == "any bits":
        pixels = rng.integers(0, 256, npixels * limits.bits // 8, dtype=np.uint8).view(dtype)
    elif kind == "one outlier" and npixels:
        pixels = rng.normal(0, 1, npixels).astype(dtype)
        pixels[rng.integers(npixels)] = 10.0 ** rng.uniform(5, 12)
    return pixels


KINDS = ["noise", "noise", "integers", "few values", "constant", "extremes", "any bits", "one outlier"]


@settings(max_examples=250)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 14), st.integers(1, 70)), max_size=4),
    first_row=st.one_of(st.integers(0, 5), st.integers(9990, 10005)),
    zdither0=st.integers(-5, 10005),
    method=st.sampled_from(DITHER_METHODS),
    level=st.sampled_from([0, 4, 4.1, 16, 1e-3, 1e-320, 1e300, -1e-3, -0.5, -1e-300, -1e308]),
    kind=st.sampled_from(KINDS),
    holes=st.sampled_from([0, 0, 0.05, 0.6, 1]),
    zeros=st.sampled_from([0, 0, 0.3]),
    dtype=st.sampled_from(["f4", "f8"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_quantize(shapes, first_row, zdither0, method, level, kind, holes, zeros, dtype, seed):
    rng = np.random.default_rng(seed)
    shape = np.array(shapes, dtype=np.int64).reshape(-1, 3)
    npixels = int(shape.prod(axis=1).sum())
    pixels = awkward_pixels(rng, npixels, dtype, kind)
    pixels[rng.random(npixels) < zeros] = 0
    pixels[rng.random(npixels) < holes] = rng.choice([np.nan, np.inf, -np.inf])
    row = np.arange(first_row, first_row + len(shape))
    results = []
    for kernels in [CORE, *VARIANTS]:
        out = np.zeros(npixels, np.int32)
        scale, zero, quantized = kernels.quantize(PixelBatch(pixels, shape, row), level, Dither(method, zdither0), out)
        known = np.repeat(quantized, shape.prod(axis=1))
        results.append((scale.tobytes(), zero.tobytes(), quantized.tobytes(), out[known].tobytes()))
    assert results[1:] == results[:1] * len(VARIANTS)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", [(1, 20011), (130, 160), (2, 5000)])
def test_quantize_tiles_of_many_pixels(shape, dtype):
    rng = np.random.default_rng(4)
    pixels = rng.normal(1000, 30, (3, *shape)).astype(dtype)
    pixels[1, 0, ::50], pixels[2, :, 20:45] = np.nan, 7
    batch = PixelBatch(pixels.ravel(), np.array([shape] * 3), np.arange(3))
    results = []
    for kernels in [CORE, *VARIANTS]:
        out = np.zeros(pixels.size, np.int32)
        scale, zero, quantized = kernels.quantize(batch, 16, Dither("SUBTRACTIVE_DITHER_2", 9999), out)
        assert quantized.all()
        results.append((scale.tobytes(), zero.tobytes(), out.tobytes()))
    assert results[1:] == results[:1] * len(VARIANTS)


@settings(max_examples=120)
@given(
    npixels=st.lists(st.one_of(st.integers(0, 80), st.sampled_from([511, 512, 513, 1500])), max_size=6),
    itemsize=st.sampled_from([1, 2, 4, 8]),
    seed=st.integers(0, 2**32 - 1),
)
def test_shuffle(npixels, itemsize, seed):
    npixels = np.array(npixels, dtype=np.int64)
    nbytes = npixels * itemsize
    data = np.random.default_rng(seed).integers(0, 256, nbytes.sum(), dtype=np.uint8)
    expected, shuffled, restored = np.empty_like(data), np.empty_like(data), np.empty_like(data)
    pixels = data.view(f">u{itemsize}").astype(f"u{itemsize}")
    CORE.shuffle(pixels, npixels, expected)
    VARIANTS[0].shuffle(pixels, npixels, shuffled)
    assert np.array_equal(shuffled, expected)
    members = [gzip.compress(part.tobytes(), 1) for part in np.split(shuffled, np.cumsum(nbytes)[:-1])]
    for bytes_of, grouped in ((members, True), ([gzip.compress(data.tobytes(), 1)], False)):
        sizes = nbytes if grouped else nbytes.sum(keepdims=True)
        batch = batch_of(bytes_of[: sizes.size])
        VARIANTS[0].inflate("GZIP_2", batch, sizes, restored, itemsize=itemsize, shuffled=grouped)
        assert np.array_equal(restored.view(f"u{itemsize}"), data.view(f">u{itemsize}"))


@settings(max_examples=150)
@given(
    shape=st.lists(st.integers(0, 7), max_size=5),
    last=st.sampled_from([1, 3, 16, 50]),
    order=st.randoms(use_true_random=False),
    steps=st.sampled_from([1, 2]),
    kinds=st.sampled_from([("i2", "i2"), (">f4", ">f4"), ("f8", "f8"), ("f8", "f4"), (">i4", "i4")]),
)
def test_gather_and_scatter(shape, last, order, steps, kinds):
    """Axes in any order, with gaps or without, and dtypes that have to be converted."""
    axes = list(range(len(shape) + 1))
    order.shuffle(axes)
    sizes = [[*shape, last][axis] for axis in axes]
    image = np.random.default_rng(1).integers(0, 1000, [size * steps for size in sizes]).astype(kinds[0])
    source = image[(slice(None, None, steps),) * len(axes)].transpose(np.argsort(axes))
    expected = np.zeros([*shape, last], kinds[1])
    found = np.zeros_like(expected)
    CORE.gather(expected, source)
    VARIANTS[0].gather(found, source)
    assert np.array_equal(found, expected)
    assert np.array_equal(expected, source)
    for kernels in (CORE, VARIANTS[0]):
        image[...] = 0
        kernels.scatter(source, found)
        assert np.array_equal(source, expected)
        assert np.count_nonzero(image) == np.count_nonzero(expected)  # and nothing beside them


@settings(max_examples=100)
@given(
    npixels=st.integers(0, 300),
    dtype=st.sampled_from(["u1", "i2", "u2", "i4", "f4", "f8", "i8"]),
    begin=st.integers(0, 40),
    gap=st.sampled_from([1, 2]),
)
def test_to_native(npixels, dtype, begin, gap):
    source = np.random.default_rng(5).integers(0, 256, 8 * 700, dtype=np.uint8).view(f">{dtype}")[: npixels * gap : gap]
    room = np.zeros(begin + npixels + 40, dtype)
    expected = room.copy()
    CORE.to_native(expected[begin : begin + npixels], source)
    for kernels in VARIANTS:
        found = room.copy()
        kernels.to_native(found[begin : begin + npixels], source)
        assert np.array_equal(found.view(np.uint8), expected.view(np.uint8))


@pytest.mark.skipif(_kernel.best_isa() < 1, reason="this machine has no AVX2")
def test_large_pixels_are_written_past_the_cache():
    out = np.zeros(1064, np.uint8)
    out = out[-out.ctypes.data % 32 :][:1000]
    data = np.arange(1000, dtype=np.uint16).view(np.uint8)[:1000]
    assert _kernel.to_pixels_past(data, 2, 1, out)
    assert np.array_equal(out.view("u2"), data.view(">u2"))
    assert not _kernel.to_pixels_past(data, 2, 0, out)  # no AVX2 wanted
    assert not _kernel.to_pixels_past(data[2:], 2, 1, out[2:])  # out does not begin where it must
    with pytest.raises(ValueError, match="do not fill"):
        _kernel.to_pixels_past(data, 2, 1, out[:998])
    with pytest.raises(ValueError, match="do not fill"):
        _kernel.to_pixels_past(data[:7], 2, 1, out[:7])


def test_pixels_that_lie_together_are_gathered_by_the_kernel():
    image = np.arange(6 * 20 * 8 * 30).reshape(6 * 20, 8 * 30)
    tiles = np.zeros((6, 8, 20, 30), dtype=image.dtype)
    source = image.reshape(6, 20, 8, 30).transpose(0, 2, 1, 3)
    assert _kernel.gather(source, tiles)
    assert np.array_equal(tiles, source)
    assert not _kernel.gather(source[..., :7], np.zeros((6, 8, 20, 7), dtype=image.dtype))  # too short
    assert not _kernel.gather(source[::-1], tiles)
    image[...] = 0
    assert _kernel.scatter(tiles, source)
    assert np.array_equal(tiles, source)
    with pytest.raises(ValueError, match="do not fit"):
        _kernel.gather(source, tiles[:5])
    with pytest.raises(ValueError, match="do not fit"):
        _kernel.gather(source, np.zeros((6, 8, 20, 30), dtype="i2"))
    with pytest.raises((ValueError, BufferError)):
        tiles.setflags(write=False)
        _kernel.gather(source, tiles)


def test_an_unknown_method_is_refused():
    one = np.ones(1)
    with pytest.raises(InvalidParameter, match="ZQUANTIZ"):
        tiles = QuantizedTiles(
            np.zeros(1, np.int32), np.ones(1, np.int64), np.zeros(1, np.int64), scale=one, zero=one, null=None
        )
        VARIANTS[0].dequantize(tiles, Dither("NONE", 1), np.empty(1, "f4"))


class TestLengthsThatDisagree:
    """The binding stands between the kernels and memory that is not theirs."""

    @pytest.mark.parametrize("npixels", [[5], [3], [4, 1], [5, -1], [2**62, 2**62]])
    def test_pixels_that_do_not_add_up_are_refused(self, npixels):
        ntiles = len(npixels)
        row, ones = np.zeros(ntiles, np.int64), np.ones(ntiles)
        tiles = QuantizedTiles(np.zeros(4, np.int32), np.array(npixels), row, scale=ones, zero=ones, null=None)
        with pytest.raises(ValueError, match=r"tiles add up to|does not fit"):
            VARIANTS[0].dequantize(tiles, Dither("NO_DITHER", 1), np.empty(4, "f4"))

    @pytest.mark.parametrize("short", ["scale", "zero", "row", "null"])
    def test_a_tile_without_its_numbers_is_refused(self, short):
        numbers = {"scale": np.ones(2), "zero": np.ones(2), "row": np.zeros(2, np.int64), "null": np.zeros(2, np.int64)}
        numbers[short] = numbers[short][:1]
        tiles = QuantizedTiles(np.zeros(4, np.int32), np.array([2, 2]), **numbers)
        with pytest.raises(ValueError, match="2 tiles"):
            VARIANTS[0].dequantize(tiles, Dither("NO_DITHER", 1), np.empty(4, "f4"))

    @pytest.mark.parametrize("shape", [[[2, 3]], [[2, 2], [1, 1]], [[-1, 4], [2, 4]]])
    def test_tiles_that_are_not_those_pixels_are_refused(self, shape):
        ntiles = len(shape)
        batch = PixelBatch(np.zeros(4), np.array(shape), np.zeros(ntiles, np.int64))
        with pytest.raises(ValueError, match=r"tiles add up to|does not fit|are not rows"):
            VARIANTS[0].quantize(batch, 4, Dither("NO_DITHER", 1), np.zeros(4, np.int32))

    @pytest.mark.parametrize(("npixels", "dtype"), [([1], "f4"), ([4], "f4"), ([-1, 3], "i2"), ([2**62], "f8")])
    def test_tiles_that_are_not_all_of_the_pixels_are_refused(self, npixels, dtype):
        with pytest.raises(ValueError, match=r"does not fit|add up"):
            VARIANTS[0].shuffle(np.zeros(2, dtype), np.array(npixels), np.zeros(2 * np.dtype(dtype).itemsize, np.uint8))

    @pytest.mark.parametrize(("nbytes", "itemsize"), [(6, 4), (8, 3), (4, 4)])
    def test_bytes_that_are_not_the_pixels_wanted_are_refused(self, nbytes, itemsize):
        with pytest.raises(ValueError, match="pixels of"):
            _kernel.to_pixels(bytes(nbytes), itemsize, True, np.zeros(8, np.uint8))


@pytest.mark.parametrize("start", [-1, 10_000, 10_001, 2**63 - 1, -(2**63)])
def test_random_numbers_that_are_not_in_the_table_are_refused(start):
    starts = np.zeros(10_000, dtype=np.int64)
    starts[5000] = start
    one, number = np.ones(1), np.ones(1, dtype=np.int64)
    given = np.ones(1, "i4"), number, one, one, number, None, np.zeros(10_000, "f4"), starts
    with pytest.raises(ValueError, match="starts from"):
        _kernel.dequantize(*given, 0, 1, 0, np.empty(1, "f4"))
