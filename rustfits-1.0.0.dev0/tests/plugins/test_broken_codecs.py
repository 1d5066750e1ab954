"""Codec classes that break the contract: what is wrong with them is said, and no pixel is lost in silence."""

import numpy as np
import pytest

import rustfits
from rustfits.codec import registry
from rustfits.errors import InvalidParameter, PluginError, TileDecodeError
from rustfits.plugin import EncodedTiles

PIXELS = np.arange(60, dtype="i4").reshape(6, 10)


class Raw(rustfits.TileCodec):
    zcmptype = "RAW_1"

    def encode_tile(self, pixels):
        return pixels.astype(">i4").tobytes()

    def decode_tile(self, data, out):
        out[...] = data.view(">i4").reshape(out.shape)


@pytest.fixture
def packed(monkeypatch):
    """Return a function that compresses with a class, and gives the image as a new reader finds it."""

    def packed(kind, **parameters):
        monkeypatch.setitem(registry._codecs, kind.zcmptype, kind)
        with rustfits.FITS("mem://", "w+") as fits:
            fits.write_image(PIXELS, compress=kind(tile_shape=(2, 10), **parameters))
            return rustfits.FITS.from_bytes(fits.to_bytes())[1]

    return packed


def test_annotated_parameters_go_to_the_header_and_come_back(packed):
    class Own(Raw):
        level: int = 3
        scale: float = 1.0
        smooth: bool = False
        name: str = "a"
        nothing: int | None = None

    hdu = packed(Own, level=7, scale=2.0, smooth=True, name="b")
    assert hdu.compression == Own(tile_shape=(2, 10), level=7, scale=2.0, smooth=True, name="b")
    assert [hdu.header[f"ZNAME{number}"] for number in range(1, 5)] == ["LEVEL", "SCALE", "SMOOTH", "NAME"]
    assert "ZNAME5" not in hdu.header
    np.testing.assert_array_equal(hdu.read(), PIXELS)


def test_parameters_of_another_numeric_type_are_taken_by_their_value():
    class Own(Raw):
        level: int = 3
        scale: float = 1.0
        smooth: bool = False

    found = Own.from_parameters({"LEVEL": 7.0, "SCALE": 2, "SMOOTH": 1, "OTHER": 5})
    assert found == Own(level=7, scale=2.0, smooth=True)
    assert [type(value) for value in (found.level, found.scale, found.smooth)] == [int, float, bool]
    assert Own.from_parameters({"LEVEL": 7.5}).level == 7.5  # which the class may refuse


class Unannotated(Raw):
    level = 3

    @classmethod
    def from_parameters(cls, parameters, **common):
        return cls(level=parameters.get("LEVEL", 3), **common)


class WithoutCommon(Raw):
    @classmethod
    def from_parameters(cls, parameters):
        return cls()


class Nothing(Raw):
    @classmethod
    def from_parameters(cls, parameters, **common):
        return None


@pytest.mark.parametrize(
    ("kind", "said"), [(Unannotated, "annotated"), (WithoutCommon, "common"), (Nothing, "must return a Nothing")]
)
def test_a_class_that_cannot_be_built_is_named(packed, kind, said):
    hdu = packed(kind)
    for use in (hdu.read, lambda: hdu.compression, lambda: hdu[0]):
        with pytest.raises(PluginError, match=rf"{kind.__name__}.*{said}"):
            use()
    assert (hdu.shape, hdu.n_tiles) == ((6, 10), 3)
    assert "RAW_1" in repr(hdu)


def test_what_a_codec_says_of_a_parameter_stays_its_own_error(packed):
    class Picky(Raw):
        level: int = 3

        def __post_init__(self):
            super().__post_init__()
            if self.level != 3:
                raise InvalidParameter("level", self.level, "must be 3")

    hdu = packed(Picky)
    assert hdu.compression.level == 3
    raw = hdu._file.content().replace(b"ZVAL1   =                    3", b"ZVAL1   =                    4")
    with pytest.raises(InvalidParameter, match="must be 3"):
        rustfits.FITS.from_bytes(raw)[1].read()


@pytest.mark.parametrize("said", [None, ["LEVEL"], {"LEVEL": [1]}, {5: 1}])
def test_parameters_that_no_header_can_hold_are_refused_before_anything_is_written(said):
    class Odd(Raw):
        def parameters(self, pixel):
            return said

    with rustfits.FITS("mem://", "w+") as fits:
        with pytest.raises(PluginError, match=r"Odd\.parameters of RAW_1 returned .*dict"):
            fits.write_image(PIXELS, compress=Odd())
        assert not len(fits)


def test_a_decoder_that_returns_its_pixels_is_told_to_fill_the_array(packed):
    class Returns(Raw):
        def decode_tile(self, data, out):
            return data.view(">i4").reshape(out.shape)

    hdu = packed(Returns)
    for read in (hdu.read, lambda: hdu[0], lambda: hdu[1, 2]):
        with pytest.raises(PluginError, match=r"Returns\.decode_tile of RAW_1 returned ndarray; it must fill"):
            read()

    class ReturnsOut(Raw):
        def decode_tile(self, data, out):
            super().decode_tile(data, out)
            return out

    np.testing.assert_array_equal(packed(ReturnsOut).read(), PIXELS)


def test_a_damaged_tile_is_named_though_others_are_not(packed):
    class Fails(Raw):
        def decode_tile(self, data, out):
            raise KeyError("no such code")

    with pytest.raises(TileDecodeError, match=r"RAW_1: tile in table row 1: 'no such code'"):
        packed(Fails).read()


def test_a_tile_without_bytes_is_named():
    class Empty(Raw):
        def encode_tile(self, pixels):
            return b"" if pixels[0, 0] == 20 else super().encode_tile(pixels)

    with rustfits.FITS("mem://", "w+") as fits:
        with pytest.raises(PluginError, match=r"RAW_1 made no bytes of the tile in table row 2"):
            fits.write_image(PIXELS, compress=Empty(tile_shape=(2, 10)))
        assert not len(fits)


def _lies():
    def with_data(change):
        return lambda tiles: EncodedTiles(change(tiles.data), tiles.length)

    def with_length(change):
        return lambda tiles: EncodedTiles(tiles.data, change(tiles.length))

    return {
        "fewer bytes": with_data(lambda data: data[:-3]),
        "more bytes": with_data(lambda data: np.r_[data, data]),
        "floats": with_data(lambda data: data.astype("f4")),
        "two axes": with_data(lambda data: data.reshape(2, -1)),
        "a list of bytes": with_data(lambda data: data.tolist()),
        "negative": with_length(lambda length: -length),
        "negative, but the sum is right": with_length(lambda length: length + np.array([-200, 100, 100])),
        "huge": with_length(lambda length: length + (1 << 40)),
        "too few": with_length(lambda length: length[:-1]),
        "too many": with_length(lambda length: np.r_[length, 4]),
        "lengths as floats": with_length(lambda length: length.astype("f8")),
        "a list of lengths": with_length(lambda length: length.tolist()),
        "nothing": lambda tiles: None,
        "bytes": lambda tiles: tiles.data.tobytes(),
    }


class InBatches(Raw):
    def encode(self, batch):
        raw = np.frombuffer(batch.pixels.astype(">i4").tobytes(), np.uint8)
        return EncodedTiles(raw, batch.npixels * 4)


@pytest.mark.parametrize("lie", list(_lies()))
def test_a_codec_that_lies_of_what_it_made_changes_no_byte_of_the_file(lie, monkeypatch):
    class Own(InBatches):
        def encode(self, batch):
            return _lies()[lie](super().encode(batch))

    monkeypatch.setitem(registry._codecs, "RAW_1", Own)
    with rustfits.FITS("mem://", "w+") as fits:
        fits.write_image(PIXELS)
        before = bytes(fits.to_bytes())
        with pytest.raises(PluginError, match="the codec of RAW_1 returned"):
            fits.write_image(PIXELS, compress=Own(tile_shape=(2, 10)))
        assert bytes(fits.to_bytes()) == before


def test_a_codec_cannot_change_the_pixels_it_was_lent(monkeypatch):
    class Own(InBatches):
        def encode(self, batch):
            batch.pixels[...] = 0
            return super().encode(batch)

    monkeypatch.setitem(registry._codecs, "RAW_1", Own)
    mine = PIXELS.copy()
    with (
        rustfits.FITS("mem://", "w+") as fits,
        pytest.raises(PluginError, match=r"failed in Own\.encode: ValueError: .*read-only"),
    ):
        fits.write_image(mine, compress=Own(tile_shape=(2, 10)))
    np.testing.assert_array_equal(mine, PIXELS)


@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyError("x"), ZeroDivisionError(), OSError("gone")])
def test_what_a_codec_raises_becomes_an_error_that_names_it(error, packed, monkeypatch):
    class Own(InBatches):
        def decode(self, batch, out):
            raise error

        def encode(self, batch):
            if batch.pixels[0] == 7:
                raise error
            return super().encode(batch)

    hdu = packed(Own)
    with pytest.raises(PluginError, match=rf"RAW_1 failed in Own\.decode: {type(error).__name__}.*HDU 1"):
        hdu.read()
    with rustfits.FITS("mem://", "w+") as fits, pytest.raises(PluginError, match=r"failed in Own\.encode"):
        fits.write_image(np.full((4, 4), 7, "i4"), compress=Own(tile_shape=(2, 4)))


def test_a_codec_cannot_change_where_tiles_are(packed):
    class Own(InBatches):
        def decode(self, batch, out):
            try:
                batch.length[...] = 1
                batch.start[...] = 1
            except ValueError:
                pass
            super().decode(batch, out)

    hdu = packed(Own)
    for _ in range(3):
        np.testing.assert_array_equal(hdu[2:4, 3:5], PIXELS[2:4, 3:5])
