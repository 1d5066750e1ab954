"""What the author of the package tests: that it keeps the contract."""

from rustfits_example_bz2 import Bz2

from rustfits.testing import CodecConformance


class TestBz2(CodecConformance):
    codec = Bz2(level=5, tile_shape=(8, 8))
