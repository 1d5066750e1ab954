"""Rice1 keeps the contract of a codec, and reads what CFITSIO's encoder wrote."""

import pytest

from rustfits.testing import CodecConformance
from rustfits_rice import Rice1

codecs = pytest.importorskip(
    "astropy.io.fits.hdu.compressed._codecs", reason="astropy, which holds CFITSIO's encoder, is the peer"
)


class TestRice1(CodecConformance):
    codec = Rice1()

    def encode(self, pixels):
        peer = codecs.Rice1(blocksize=self.codec.blocksize, bytepix=pixels.itemsize, tilesize=pixels.size)
        return bytes(peer.encode(pixels))


class TestRice1InBlocksOf16(TestRice1):
    codec = Rice1(blocksize=16, tile_shape=(3, 40))
