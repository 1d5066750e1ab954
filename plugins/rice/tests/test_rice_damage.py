"""RICE_1 streams that are cut, changed or invented: a clear error or some pixels, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustfits.plugin import TileBatch, TileDecodeError
from rustfits_rice import Rice1, _kernel
from rustfits_rice.codec import VARIANTS

USABLE = range(_kernel.best_variant() + 1)
GUARD = 99


def statuses(blobs, npixels, dtype, *, block=32, variant=None, slack=b""):
    """Decode blobs, each to npixels; return their statuses and pixels, the room around them being guarded."""
    data = np.frombuffer(b"".join(blobs) + slack, dtype=np.uint8)
    length = np.array([len(blob) for blob in blobs])
    room = np.full(npixels * len(blobs) + 64, GUARD, dtype=dtype)
    out = room[32:-32]
    status = _kernel.decode(
        data,
        np.cumsum(length) - length,
        length,
        np.full(len(blobs), npixels),
        block,
        out.view(np.uint8),
        out.itemsize,
        _kernel.best_variant() if variant is None else variant,
    )
    assert (room[:32] == GUARD).all()
    assert (room[-32:] == GUARD).all()
    return status, out.reshape(len(blobs), npixels)


def encoded(pixels, block=32):
    data, _ = _kernel.encode(pixels.view(np.uint8), np.array([pixels.size]), block, pixels.itemsize, 0)
    return bytes(data)


def noise(dtype, npixels, sigma=20):
    limits = np.iinfo(dtype)
    return np.clip(np.random.default_rng(npixels).normal(100, sigma, npixels), limits.min, limits.max).astype(dtype)


@pytest.mark.parametrize("variant", USABLE, ids=lambda variant: VARIANTS[variant])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4"])
@pytest.mark.parametrize("sigma", [0, 1, 20, 1e9])
def test_every_truncation_is_found_and_spares_the_other_tiles(dtype, sigma, variant):
    pixels = noise(dtype, 200, sigma)
    blob = encoded(pixels)
    for nbytes in range(len(blob)):
        for before in (2, 10):  # in few tiles and in enough for the widest kernel
            good = [blob] * before
            status, out = statuses([*good, blob[:nbytes], *good], 200, dtype, variant=variant)
            assert status.tolist() == [0] * before + [1] + [0] * before
            np.testing.assert_array_equal(np.delete(out, before, axis=0), [pixels] * 2 * before)
        assert statuses([blob[:nbytes]], 200, dtype, variant=variant)[0].tolist() == [1]


@pytest.mark.parametrize("variant", USABLE, ids=lambda variant: VARIANTS[variant])
def test_bytes_behind_the_last_pixel_are_ignored(variant):
    pixels = noise("i4", 200)
    status, out = statuses([encoded(pixels) + b"\0\xff\0"] * 22, 200, "i4", variant=variant)
    assert not status.any()
    np.testing.assert_array_equal(out, [pixels] * 22)


@pytest.mark.parametrize("variant", USABLE, ids=lambda variant: VARIANTS[variant])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4"])
@pytest.mark.parametrize("sigma", [0, 2, 20, 1e9])
def test_the_first_pixels_of_tiles_come_whatever_follows_them(sigma, dtype, variant):
    pixels = noise(dtype, 500, sigma)
    blob = encoded(pixels)
    for npixels in (1, 31, 32, 33, 64, 100, 224, 499):
        # Whole tiles, and those whose bytes mean nothing after the blocks of these pixels.
        spoiled = encoded(pixels[: -(-npixels // 32) * 32]) + b"\xff" * 9
        for blobs in ([blob] * 3, [blob] * 22, [spoiled] * 22):
            status, out = statuses(blobs, npixels, dtype, variant=variant)
            assert not status.any()
            np.testing.assert_array_equal(out, [pixels[:npixels]] * len(blobs))


@settings(max_examples=300)
@given(st.data())
def test_every_variant_says_the_same_of_changed_bytes(data):
    dtype = data.draw(st.sampled_from(["u1", "i2", "i4"]))
    block = data.draw(st.sampled_from([1, 16, 32, 64, 100]))
    blobs = []
    for sigma in data.draw(st.lists(st.sampled_from([0, 1, 20, 1e9]), min_size=1, max_size=40)):
        blob = bytearray(encoded(noise(dtype, 150, sigma), block))
        for _ in range(data.draw(st.sampled_from([0, 0, 0, 1, 3]))):
            blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
        blobs.append(bytes(blob))
    wanted, pixels = statuses(blobs, 150, dtype, block=block, variant=0)
    for variant in USABLE:
        for alone in (False, True):
            parts = [[blob] for blob in blobs] if alone else [blobs]
            done = [statuses(part, 150, dtype, block=block, variant=variant) for part in parts]
            status = np.concatenate([each for each, _ in done])
            out = np.concatenate([each for _, each in done])
            assert (status == wanted).all()
            assert (out == pixels)[wanted == 0].all()


@settings(max_examples=300)
@given(
    st.lists(st.binary(max_size=60), min_size=1, max_size=40),
    st.integers(0, 300),
    st.sampled_from(["u1", "i2", "i4"]),
    st.sampled_from([1, 7, 32, 64, 65, 2**31 - 1]),
)
def test_random_bytes_give_pixels_or_a_status(blobs, npixels, dtype, block):
    results = [statuses(blobs, npixels, dtype, block=block, variant=variant)[0].tolist() for variant in USABLE]
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("variant", USABLE, ids=lambda variant: VARIANTS[variant])
@pytest.mark.parametrize("code", range(27, 32))
def test_a_code_that_means_nothing_is_named_with_its_row(code, variant, monkeypatch):
    monkeypatch.setattr("rustfits_rice.codec.VARIANT", variant)
    pixels = noise("i4", 100)
    good, bad = encoded(pixels), bytes(4) + bytes([code << 3]) + bytes(500)
    for ntiles in (5, 20):
        blobs = [good] * 2 + [bad] + [good] * (ntiles - 3)
        length = np.array([len(blob) for blob in blobs])
        out = np.empty((ntiles, 100), dtype=np.int32)
        shape, row = np.full((ntiles, 1), 100), np.arange(7, 7 + ntiles)
        batch = TileBatch(
            np.frombuffer(b"".join(blobs), dtype=np.uint8), np.cumsum(length) - length, length, shape, row
        )
        with pytest.raises(TileDecodeError, match="RICE_1: tile in table row 10: a block with a code"):
            Rice1().decode(batch, out.reshape(-1))
        np.testing.assert_array_equal(np.delete(out, 2, axis=0), [pixels] * (ntiles - 1))


@pytest.mark.parametrize("variant", USABLE, ids=lambda variant: VARIANTS[variant])
@pytest.mark.parametrize("nzeros", [*range(40, 80), 500, 100000])
def test_long_unary_parts_are_read_at_every_alignment(nzeros, variant):
    step = nzeros // 2 if nzeros % 2 == 0 else -(nzeros + 1) // 2
    for before in range(8):
        # By hand: the pixel 0; code 1, so fs = 0; some symbols of value 0; one of nzeros; again 0, to 20 symbols.
        bits = "0" * 32 + "00001" + "1" * before + "0" * nzeros + "1" * (20 - before)
        blob = int(bits + "0" * (-len(bits) % 8), 2).to_bytes((len(bits) + 7) // 8, "big")
        status, out = statuses([blob] * 19, 20, "i4", block=20, variant=variant)
        assert not status.any()
        np.testing.assert_array_equal(out, [[0] * before + [step] * (20 - before)] * 19)


@pytest.mark.parametrize(("start", "length"), [(-1, 5), (0, -1), (0, 9), (9, 1), (8, 1), (2**62, 2**62)])
def test_a_tile_outside_the_data_is_refused(start, length):
    status = _kernel.decode(
        np.zeros(8, dtype=np.uint8),
        np.array([start]),
        np.array([length]),
        np.array([3]),
        32,
        np.zeros(12, dtype=np.uint8),
        4,
        0,
    )
    assert status.tolist() == [3]


@pytest.mark.parametrize("npixels", [[4], [2, 2], [-1, 1], [2**62]])
def test_pixels_without_room_are_refused(npixels):
    ntiles = len(npixels)
    out = np.zeros(12, dtype=np.uint8)
    status = _kernel.decode(
        np.zeros(8, dtype=np.uint8),
        np.zeros(ntiles, dtype=np.int64),
        np.full(ntiles, 8),
        np.array(npixels),
        32,
        out,
        4,
        0,
    )
    assert status[-1] == 4


def test_a_huge_block_needs_no_memory_of_its_own():
    # All differences 0: 5 bits for any number of pixels.
    blob = np.array([7], dtype=">i4").tobytes() + bytes(1)
    status, out = statuses([blob] * 5, 100000, "i4", block=2**31 - 1)
    assert not status.any()
    assert (out == 7).all()
