"""Plio1 keeps the contract of a codec; test_plio.py compares its bytes with CFITSIO's."""

from rustfits.testing import CodecConformance
from rustfits_plio import Plio1


class TestPlio1(CodecConformance):
    codec = Plio1(tile_shape=(5, 100), heap_format="Q")
    limits = (0, 2**27 - 1)
