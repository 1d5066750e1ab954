"""Hcompress1 keeps the contract of a codec; test_hcompress.py compares its bytes with CFITSIO's."""

from rustfits.testing import CodecConformance
from rustfits_hcompress import Hcompress1


class TestHcompress1(CodecConformance):
    codec = Hcompress1()


class TestHcompress1WithLoss(CodecConformance):
    codec = Hcompress1(scale=4, smooth=True)
