"""Codecs that are wrong on purpose: the suite finds each, and says in a sentence what is wrong with it."""

import inspect
import itertools
import re
import zlib

import numpy as np
import pytest

from rustfits.plugin import EncodedTiles, InvalidParameter, TileCodec
from rustfits.testing import CodecConformance


class Right(TileCodec):
    zcmptype = "RIGHT_1"
    pixel_dtypes = ("i2",)
    quantizable = False

    level: int = 6

    def __post_init__(self):
        super().__post_init__()
        if self.level not in range(10):
            raise InvalidParameter("level", self.level, "must be an int from 0 to 9")

    def encode_tile(self, pixels):
        return zlib.compress(pixels.astype(">i2").tobytes(), self.level)

    def decode_tile(self, data, out):
        stream = zlib.decompressobj()
        raw = stream.decompress(data, out.nbytes + 1)
        if len(raw) != out.nbytes or not stream.eof:
            raise ValueError(f"the stream does not hold exactly {out.nbytes} bytes")
        out[...] = np.frombuffer(raw, ">i2").reshape(out.shape)


class ReturnsItsPixels(Right):
    def decode_tile(self, data, out):
        return np.frombuffer(zlib.decompress(data), ">i2").reshape(out.shape)


class AssignsToTheName(Right):
    def decode_tile(self, data, out):
        out = np.frombuffer(zlib.decompress(data), ">i2").reshape(out.shape)


class Unannotated(Right):
    effort = 3


class OfTheMachine(Right):
    def encode_tile(self, pixels):
        return zlib.compress(pixels.astype("<i2").tobytes())


class FillsAPart(Right):
    def decode_tile(self, data, out):
        raw = np.frombuffer(zlib.decompress(data), ">i2")
        count = min(raw.size, out.size)
        out.reshape(-1)[:count] = raw[:count]


class Unbounded(Right):
    def decode_tile(self, data, out):
        raw = zlib.decompress(data)
        if len(raw) != out.nbytes:
            raise ValueError("another size")
        out[...] = np.frombuffer(raw, ">i2").reshape(out.shape)


class BelievesTheStream(Right):
    def encode_tile(self, pixels):
        return pixels.size.to_bytes(4, "big") + super().encode_tile(pixels)

    def decode_tile(self, data, out):
        room = bytearray(min(int.from_bytes(data[:4].tobytes(), "big"), 1 << 26))
        if len(room) != out.size:
            raise ValueError("another size")
        super().decode_tile(data[4:], out)


class ForgetsItsParameter(Right):
    @classmethod
    def from_parameters(cls, parameters, **common):
        return cls(level=parameters.get("level", 6), **common)


class NeedsWhatTheHeaderDoesNotSay(Right):
    mask: int = 6

    def parameters(self, pixel):
        return {}

    def encode_tile(self, pixels):
        return super().encode_tile(pixels ^ np.int16(self.mask))

    def decode_tile(self, data, out):
        super().decode_tile(data, out)
        out ^= np.int16(self.mask)


class RefusesInItsOwnWay(Right):
    def __post_init__(self):
        if self.level not in (6, 7):
            raise KeyError(self.level)
        super().__post_init__()


class DeclaresTooMuch(Right):
    pixel_dtypes = ("i2", "i4")

    def encode_tile(self, pixels):
        if pixels.dtype != np.int16:
            raise ValueError("no room for such numbers")
        return super().encode_tile(pixels)


class NamesNumbersOtherwise(Right):
    pixel_dtypes = ("int16", "u2")


class ForgetsItsParent(Right):
    def __post_init__(self):
        pass


class HasAFault(Right):
    def encode_tile(self, pixels):
        return {}["nothing"]


class LiesOfLengths(Right):
    def encode(self, batch):
        tiles = super().encode(batch)
        return EncodedTiles(tiles.data, tiles.length + 1)


class MakesNoBytes(Right):
    def encode_tile(self, pixels):
        return b"" if np.ptp(pixels) == 0 else super().encode_tile(pixels)

    def decode_tile(self, data, out):
        if data.size:
            super().decode_tile(data, out)
        else:
            out[...] = 0


class ReturnsText(Right):
    def encode_tile(self, pixels):
        return "abc"


class WritesBehind(Right):
    def decode(self, batch, out):
        super().decode(batch, out)
        if out.base is not None and out.size:
            out.base.reshape(-1)[-1] = 0


class NamesAnotherTile(Right):
    def decode(self, batch, out):
        super().decode(type(batch)(batch.data, batch.start, batch.length, batch.shape, batch.row * 0), out)


class FailsAsAWhole(Right):
    def decode(self, batch, out):
        for shape, start, length in zip(batch.shape, batch.start, batch.length, strict=True):
            zlib.decompress(batch.data[start : start + length])
            assert len(shape)
        super().decode(batch, out)


class NoCapsule(Right):
    def c_decoder(self, pixel):
        return "decode"


class SaysTooFew(Right):
    def most_npixels(self, nbytes, pixel):
        return nbytes


class NoPrefixes(Right):
    decodes_prefixes = True


FAULTS = {
    ReturnsItsPixels: (
        "every_pixel_comes_back",
        r"decode_tile of RIGHT_1 returned ndarray; it must fill the array out",
    ),
    AssignsToTheName: (
        "every_pixel_comes_back",
        r"left the array out of .* as it was; it must fill all of it, as in out\[...\]",
    ),
    Unannotated: ("parameters_are_annotated", r"effort = 3 has no annotation.*write effort: int = 3"),
    OfTheMachine: ("every_pixel_comes_back", r"gave .* for pixel \d+ of .*, which was .*one byte order"),
    FillsAPart: (
        "a_tile_of_another_size",
        r"raised nothing, and left pixels of out as they were.*fill out whole or raise",
    ),
    Unbounded: ("holds_more_than_its_tile", r"asked for \d+ bytes of memory.* are allowed: bound what is unpacked"),
    BelievesTheStream: ("claims_of_huge_sizes", r"asked for \d+ bytes of memory.*check a size that a stream claims"),
    ForgetsItsParameter: ("other_parameters", r"'LEVEL': 7.*from_parameters must read what parameters writes"),
    NeedsWhatTheHeaderDoesNotSay: ("other_parameters", r"gives other pixels.*decoding needs must be among parameters"),
    RefusesInItsOwnWay: ("other_parameters", r"level=5\) raised KeyError.*must be refused by InvalidParameter"),
    DeclaresTooMuch: ("every_pixel_comes_back", r"encode failed for 1 tile of int32.*the class must declare less"),
    NamesNumbersOtherwise: ("abilities_are_declared", r"pixel_dtypes has \['int16', 'u2'\]; it must name one of u1"),
    ForgetsItsParent: ("equal_parameters", r"must call super\(\)\.__post_init__\(\)"),
    HasAFault: ("every_pixel_comes_back", r"KeyError: a fault of its own"),
    LiesOfLengths: ("every_pixel_comes_back", r"returned \d+ bytes with 1 lengths for 1 tiles: it breaks the contract"),
    MakesNoBytes: ("every_pixel_comes_back", r"gave lengths array\(\[0\].*no tile may have no bytes"),
    ReturnsText: ("every_pixel_comes_back", r"encode failed .*memoryview: a bytes-like object is required"),
    WritesBehind: ("every_pixel_comes_back", r"wrote outside the array out.*check lengths against out\.size"),
    NamesAnotherTile: ("a_cut_tile_is_named", r"it must name row 7"),
    FailsAsAWhole: ("a_cut_tile_is_named", r"raised PluginError.*damage must be a TileDecodeError"),
    NoCapsule: ("compiled_decoders", r"c_decoder returned 'decode'; it must return None, or a PyCapsule"),
    SaysTooFew: ("no_stream_holds_more", r"most_npixels says that .* sound tiles would be refused"),
    NoPrefixes: ("first_pixels_of_tiles", r"decode failed for .*"),
}


def failures(kind, only=""):
    """Return what the tests of the suite say of a codec class, by their names, as pytest would run them."""
    suite = type("Suite", (CodecConformance,), {"codec": kind()})()
    found = {}
    for name, test in inspect.getmembers(suite, inspect.ismethod):
        if not name.startswith("test_") or only not in name:
            continue
        marks = [mark.args for mark in getattr(test, "pytestmark", ())]
        for values in itertools.product(*(mark[1] for mark in marks)):
            try:
                test(**dict(zip((mark[0] for mark in marks), values, strict=True)))
            except pytest.skip.Exception:
                pass
            except (Exception, pytest.fail.Exception) as error:
                found.setdefault(name, error)
    return found


def test_a_codec_that_is_right_passes():
    assert failures(Right) == {}


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_a_fault_is_found_and_said_in_a_sentence(kind):
    name, sentence = FAULTS[kind]
    found = failures(kind, name)
    assert found
    for error in found.values():
        assert isinstance(error, pytest.fail.Exception | AssertionError)
        assert re.search(sentence, str(error).replace("\n", " ")), str(error)
