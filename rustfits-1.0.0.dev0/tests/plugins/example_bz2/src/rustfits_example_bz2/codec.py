"""The codec of ZCMPTYPE BZ2_1."""

import bz2

import numpy as np

from rustfits.plugin import InvalidParameter, TileCodec


class Bz2(TileCodec):
    """bzip2 of big-endian pixels."""

    zcmptype = "BZ2_1"
    pixel_dtypes = ("u1", "i2", "i4", "i8", "f4", "f8")

    level: int = 9

    def __post_init__(self):
        super().__post_init__()
        if self.level not in range(1, 10):
            raise InvalidParameter("level", self.level, "must be an int from 1 to 9")

    @classmethod
    def from_parameters(cls, parameters, **common):
        """Build the codec from LEVEL."""
        return cls(level=parameters.get("LEVEL", 9), **common)

    def parameters(self, pixel):
        """Return LEVEL."""
        return {"LEVEL": self.level}

    def decode_tile(self, data, out):
        """Decode one tile."""
        raw = bz2.BZ2Decompressor().decompress(data.tobytes(), max_length=out.nbytes + 1)
        if len(raw) != out.nbytes:
            raise ValueError(f"the stream gives {len(raw)} bytes, or more, of the {out.nbytes} bytes of the tile")
        out[...] = np.frombuffer(raw, dtype=out.dtype.newbyteorder(">")).reshape(out.shape)

    def encode_tile(self, pixels):
        """Return the compressed bytes of one tile."""
        return bz2.compress(pixels.astype(pixels.dtype.newbyteorder(">")).tobytes(), self.level)
