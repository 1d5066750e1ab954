"""The codec keeps the contract."""

from rustfits_delta import Delta1

from rustfits.testing import CodecConformance


class TestDelta(CodecConformance):
    codec = Delta1()
