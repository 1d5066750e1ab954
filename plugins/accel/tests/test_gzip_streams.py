"""Streams of gzip are what others inflate, and are read, or refused, as by the core."""

import contextlib
import gzip
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_variants import CORE, VARIANTS, batch_of

import rustfits_accel.kernels
from rustfits.plugin import TileDecodeError


@pytest.mark.parametrize("without", [False, True], ids=["libdeflate", "standard library"])
class TestGzip:
    @pytest.fixture(autouse=True)
    def _library(self, monkeypatch, without):
        if without:
            monkeypatch.setattr(rustfits_accel.kernels, "libdeflate", None)
        else:
            pytest.importorskip("deflate", reason="the package deflate is not installed")

    @pytest.mark.parametrize("level", [None, 0, 1, 9])
    def test_what_is_deflated_here_inflates_everywhere(self, level):
        data = np.random.default_rng(2).integers(0, 9, 5000, dtype=np.uint8)
        nbytes = np.array([4000, 1, 999])
        encoded = VARIANTS[0].deflate(data, nbytes, level)
        stop = np.cumsum(encoded.length)
        members = [encoded.data[end - length : end].tobytes() for end, length in zip(stop, encoded.length, strict=True)]
        assert b"".join(gzip.decompress(member) for member in members) == data.tobytes()
        assert all(member[4:8] == bytes(4) for member in members)

    @pytest.mark.parametrize(
        "stream",
        [
            gzip.compress(bytes(100)),
            gzip.compress(b"") + gzip.compress(bytes(40)) + gzip.compress(bytes(60)),
            gzip.compress(bytes(100)) + b"junk behind the last member",
            zlib.compress(bytes(100)),
        ],
        ids=["one member", "several members", "trailing bytes", "zlib"],
    )
    def test_every_stream_the_core_reads_is_read(self, stream):
        out = np.ones(100, np.uint8)
        VARIANTS[0].inflate("GZIP_2", batch_of([stream]), np.array([100]), out)
        assert not out.any()

    @pytest.mark.parametrize(
        "stream",
        [
            b"",
            gzip.compress(bytes(100))[:-1],
            gzip.compress(bytes(99)),
            gzip.compress(bytes(101)),
            gzip.compress(bytes(1 << 24)),
            gzip.compress(bytes(100))[:-4] + struct.pack("<I", 0xFFFFFFFF),
            gzip.compress(bytes(100))[:-8] + bytes(8),
            gzip.compress(bytes(60)) + b"junk",
            b"not gzip",
        ],
        ids=["empty", "cut", "short", "long", "bomb", "false size", "false checksum", "half and junk", "text"],
    )
    def test_a_damaged_stream_is_refused_in_the_words_of_the_core(self, stream):
        with pytest.raises(TileDecodeError, match="decompression") as expected:
            CORE.inflate("GZIP_1", batch_of([stream]), np.array([100]), np.empty(100, np.uint8))
        with pytest.raises(TileDecodeError, match="decompression") as found:
            VARIANTS[0].inflate("GZIP_1", batch_of([stream]), np.array([100]), np.empty(100, np.uint8))
        assert str(found.value) == str(expected.value)

    @settings(max_examples=150)
    @given(position=st.integers(0, 10**6), bit=st.integers(0, 7), kept=st.integers(0, 10**6))
    def test_a_flipped_bit_never_gives_other_bytes(self, position, bit, kept, without):
        text = bytes(range(200)) * 3
        stream = bytearray(gzip.compress(text, mtime=0))
        stream[position % len(stream)] ^= 1 << bit
        stream = bytes(stream[: len(stream) - kept % 3])
        out = np.empty(len(text), np.uint8)
        with contextlib.suppress(TileDecodeError):
            VARIANTS[0].inflate("GZIP_1", batch_of([stream]), np.array([len(text)]), out)
            assert out.tobytes() == text
