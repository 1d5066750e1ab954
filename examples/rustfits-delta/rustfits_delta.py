"""Differences of neighbouring pixels, through zlib: a whole codec for rustfits."""

import zlib

import numpy as np

from rustfits.plugin import InvalidParameter, TileCodec, hookimpl


class Delta1(TileCodec):
    """Differences along the tile, through zlib."""

    zcmptype = "DELTA_1"
    level: int = 6  # a parameter: Delta1(level=9, tile_shape=(64, 64))

    def __post_init__(self):
        """Check the parameters, as a user gave them or a header has them."""
        super().__post_init__()  # tile_shape, heap_format
        if not isinstance(self.level, int) or not 0 <= self.level <= 9:
            raise InvalidParameter("level", self.level, "must be an int from 0 to 9")

    @classmethod
    def from_parameters(cls, parameters, **common):
        """Build the codec from the ZNAMEn/ZVALn pairs of a header."""
        return cls(level=parameters.get("LEVEL", 6), **common)

    def parameters(self, pixel):
        """Return what the header keeps."""
        return {"LEVEL": self.level}

    def encode_tile(self, pixels):
        """Return the bytes of one tile."""
        flat = pixels.reshape(-1)
        differences = np.diff(flat, prepend=flat.dtype.type(0))  # wraps around, and so does the sum below
        return zlib.compress(differences.astype(flat.dtype.newbyteorder(">")).tobytes(), self.level)

    def decode_tile(self, data, out):
        """Fill ``out``, an array of the tile's shape."""
        stream = zlib.decompressobj()
        try:
            raw = stream.decompress(data, out.nbytes + 1)  # never more than fits
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if len(raw) != out.nbytes or not stream.eof:
            raise ValueError(f"the stream does not hold exactly the {out.nbytes} bytes of the tile")
        differences = np.frombuffer(raw, dtype=out.dtype.newbyteorder(">"))
        out[...] = np.cumsum(differences, dtype=out.dtype).reshape(out.shape)


@hookimpl
def rustfits_register_codec():
    """Return the class that the entry point DELTA_1 promises."""
    return Delta1
