"""What one file may ask for: refused by arithmetic, before memory is asked for it, with limits that can be set."""

from __future__ import annotations

import gzip
import zlib

import numpy as np
import pytest

import rustfits
from rustfits import limits

PIXELS = np.arange(6000, dtype=np.int16).reshape(60, 100)


def file_of(pixels, **arguments):
    with rustfits.FITS("mem://", "w+") as fits:
        fits.write_image(pixels, **arguments)
        return bytearray(fits.to_bytes())


def with_cards(raw, **values):
    """Return the file with other values on cards that it has."""
    for keyword, value in values.items():
        at = raw.index(f"{keyword:8}=".encode())
        raw = raw[:at] + f"{keyword:8}= {value:>20}".ljust(80).encode() + raw[at + 80 :]
    return bytes(raw)


def image(raw):
    fits = rustfits.FITS.from_bytes(raw)
    return next(hdu for hdu in fits if hdu.has_data)


def kinds():
    return {
        "plain": file_of(PIXELS),
        "gzip": file_of(PIXELS, compress=rustfits.Gzip1()),
        "raw": file_of(PIXELS, compress=rustfits.NoCompress()),
    }


READS = {
    "read": lambda hdu: hdu.read(),
    "masked": lambda hdu: hdu.read(on_error="mask"),
    "stored": lambda hdu: hdu.read(scale=False),
    "section": lambda hdu: hdu[1:59, ::2],
    "many": lambda hdu: hdu.read_many([np.s_[:30], np.s_[30:]]),
}


@pytest.mark.parametrize("kind", ["plain", "gzip", "raw"])
@pytest.mark.parametrize("how", list(READS))
def test_a_service_sets_how_much_one_read_may_have(kind, how, monkeypatch):
    hdu = image(kinds()[kind])
    READS[how](hdu)
    monkeypatch.setattr(limits, "MAX_READ_NPIXELS", 2000)
    with pytest.raises(rustfits.LimitExceeded, match=r"rustfits\.limits\.MAX_READ_NPIXELS allows, 2000; .*HDU"):
        READS[how](hdu)
    monkeypatch.setattr(limits, "MAX_READ_NPIXELS", 6000)
    READS[how](hdu)
    monkeypatch.setattr(limits, "MAX_READ_NBYTES", 5000)
    with pytest.raises(
        ValueError, match=r"bytes of pixels are more than rustfits\.limits\.MAX_READ_NBYTES allows, 5000"
    ):
        READS[how](hdu)
    monkeypatch.setattr(limits, "MAX_READ_NBYTES", 12000)
    READS[how](hdu)
    np.testing.assert_array_equal(hdu[3, 4:9], PIXELS[3, 4:9])  # small parts are there all the time


SMALL_READS = {
    "pixel": lambda hdu: hdu[1, 1],
    "box": lambda hdu: hdu[1:3, 1:3],
    "steps": lambda hdu: hdu[1:9:2, 1:3],
    "cutouts": lambda hdu: hdu.cutouts([(3, 3)], 3),
    "damaged": lambda hdu: hdu.damaged_tiles(),
}


@pytest.mark.parametrize("codec", [rustfits.Gzip1, rustfits.Gzip2, rustfits.NoCompress])
@pytest.mark.parametrize("how", [*READS, *SMALL_READS])
def test_a_tile_larger_than_a_service_allows_is_not_decoded_for_any_part_of_it(codec, how, monkeypatch):
    from rustfits.tiles.decode import TileDecoder

    decoded, decode = [], TileDecoder.decode

    def counted(self, entries, out, shapes):
        decoded.append(out.nbytes)
        decode(self, entries, out, shapes)

    monkeypatch.setattr(TileDecoder, "decode", counted)
    look = (READS | SMALL_READS)[how]
    raw = file_of(PIXELS, compress=codec(tile_shape=(60, 100)))
    monkeypatch.setattr(limits, "MAX_TILE_NBYTES", PIXELS.nbytes - 1)
    hdu = image(raw)
    for _ in range(3):  # compiled kernels take boxes from the second on
        with pytest.raises(
            rustfits.LimitExceeded, match=r"12000 bytes .* one tile .*limits\.MAX_TILE_NBYTES allows, 11999; .*HDU 1"
        ):
            look(hdu)
    assert decoded == []
    assert hdu.verify()["tiles"].status == "bad"
    assert decoded == []
    monkeypatch.setattr(limits, "MAX_TILE_NBYTES", PIXELS.nbytes)
    look(image(raw))
    assert max(decoded) <= PIXELS.nbytes


def test_a_limit_of_tiles_leaves_images_of_small_tiles_alone(monkeypatch):
    monkeypatch.setattr(limits, "MAX_TILE_NBYTES", 200)
    hdu = image(file_of(PIXELS, compress=rustfits.Gzip1(tile_shape=(1, 100))))
    np.testing.assert_array_equal(hdu.read(), PIXELS)
    np.testing.assert_array_equal(hdu[3:9, 5:8], PIXELS[3:9, 5:8])
    plain = image(file_of(PIXELS))
    np.testing.assert_array_equal(plain.read(), PIXELS)


def test_the_ratio_to_the_file_counts_beyond_what_is_free(monkeypatch):
    raw = file_of(np.zeros((2000, 1000), dtype=np.int16), compress=rustfits.Gzip1(tile_shape=(2000, 1000)))
    monkeypatch.setattr(limits, "MAX_RATIO", 100)
    assert image(raw).read().shape == (2000, 1000)
    monkeypatch.setattr(limits, "FREE_NBYTES", 3_000_000)
    with pytest.raises(rustfits.LimitExceeded, match=f"4000000 bytes of pixels out of a file of {len(raw)} bytes"):
        image(raw).read()
    with pytest.raises(rustfits.LimitExceeded, match="MAX_RATIO"):
        image(raw)[1500:1510, :10]  # which needs the whole tile
    monkeypatch.setattr(limits, "MAX_RATIO", 1000)
    assert not image(raw).read().any()


@pytest.mark.parametrize("codec", [rustfits.Gzip1, rustfits.Gzip2, rustfits.NoCompress])
def test_a_tile_that_its_bytes_cannot_hold_is_named(codec):
    raw = file_of(PIXELS, compress=codec(tile_shape=(60, 100)))
    claimed = with_cards(raw, ZNAXIS1=4 * 10**6, ZTILE1=4 * 10**6)
    with pytest.raises(
        rustfits.TileDecodeError, match=r"table row 1: its [0-9]+ bytes are too few for 240000000 pixels"
    ):
        image(claimed).read()
    with pytest.raises(rustfits.LimitExceeded, match="480000000 of 480000000 bytes of pixels are lost"):
        image(claimed).read(on_error="mask")
    (tile,) = image(claimed).damaged_tiles()
    assert (tile.row, tile.shape) == (0, (60, 4 * 10**6))
    assert "too few" in tile.reason


def test_other_tiles_of_such_an_image_are_as_good_as_ever():
    zeros = np.zeros((3, 1 << 24), dtype=np.int16)
    raw = file_of(zeros, compress=rustfits.Gzip1(tile_shape=(1, 1 << 24)))
    with rustfits.FITS.from_bytes(bytes(raw)) as fits:
        table = fits[1]._extent.data_start
    raw[table + 8 : table + 12] = (200).to_bytes(4, "big")  # the length of the second tile
    hdu = image(bytes(raw))
    assert [tile.row for tile in hdu.damaged_tiles()] == [1]
    masked = hdu.read(on_error="mask")
    assert masked.mask[1].all()
    assert not masked.mask[::2].any()
    assert not hdu[2].any()
    with pytest.raises(rustfits.TileDecodeError, match="table row 2"):
        hdu.read()


def test_pixels_that_are_not_there_are_made_up_in_proportion():
    raw = bytes(file_of(PIXELS))
    half = raw[: 2880 + 6000]
    assert image(half).read(on_error="mask").mask.sum() == 3000
    claimed = with_cards(raw, NAXIS1=10**9)
    with pytest.raises(rustfits.LimitExceeded, match="are lost, in a file of"):
        image(claimed).read(on_error="mask")
    with pytest.raises(rustfits.TruncatedFile):
        image(claimed).read()


@pytest.mark.parametrize("on_error", ["raise", "mask"])
def test_a_table_that_is_not_there_costs_nothing(on_error):
    raw = file_of(PIXELS, compress=rustfits.Gzip1())
    nrows = 2 * 10**9
    claimed = with_cards(raw, ZNAXIS1=1, ZNAXIS2=nrows, ZTILE1=1, NAXIS2=nrows)
    with pytest.raises(rustfits.TruncatedFile, match=f"the table of {nrows} rows"):
        image(claimed).read(on_error=on_error)
    with pytest.raises(rustfits.TruncatedFile):
        image(claimed).damaged_tiles()
    assert not rustfits.FITS.from_bytes(claimed).verify().ok


def header_of(cards, value="= 1"):
    text = "SIMPLE  =                    T".ljust(80) + "BITPIX  =                    8".ljust(80)
    text += "NAXIS   =                    0".ljust(80)
    text += "".join(f"K{number:<7}{value}".ljust(80) for number in range(cards - 4)) + "END".ljust(80)
    return text.encode() + b" " * (-len(text) % 2880)


@pytest.mark.parametrize("ncards", [100, 1000])
def test_the_cards_of_a_header_are_counted(ncards, monkeypatch):
    raw = header_of(ncards)
    monkeypatch.setattr(limits, "MAX_CARDS", ncards)
    assert len(rustfits.FITS.from_bytes(raw)) == 1
    monkeypatch.setattr(limits, "MAX_CARDS", ncards - 1)
    with pytest.raises(rustfits.LimitExceeded, match=rf"byte 0 of .* rustfits\.limits\.MAX_CARDS allows, {ncards - 1}"):
        rustfits.FITS.from_bytes(raw)


def test_a_later_header_that_is_too_long_spares_the_hdus_before_it(monkeypatch):
    raw = bytes(file_of(PIXELS)) + header_of(400).replace(
        b"SIMPLE  =                    T", b"XTENSION= 'IMAGE   '          "
    )
    monkeypatch.setattr(limits, "MAX_CARDS", 300)
    with rustfits.FITS.from_bytes(raw) as fits:
        np.testing.assert_array_equal(fits[0].read(), PIXELS)
        assert isinstance(fits.damage, rustfits.LimitExceeded)


def test_memory_that_the_system_does_not_have_is_an_error_of_ours(monkeypatch):
    from rustfits.tiles import reader

    def none(*arguments):
        raise MemoryError("Unable to allocate 1.00 TiB")

    hdu = image(file_of(PIXELS, compress=rustfits.Gzip1(tile_shape=(60, 100))))
    monkeypatch.setattr(reader.memory, "empty", none)
    with pytest.raises(rustfits.OutOfMemory, match=r"1\.00 TiB \(in HDU 1") as caught:
        hdu.read_many([np.s_[:30]])
    assert isinstance(caught.value, MemoryError)
    assert isinstance(caught.value, rustfits.FitsError)


@pytest.mark.parametrize("level", [1, 6, 9])
def test_no_deflate_stream_beats_its_ratio(level):
    for nbytes in (1, 100, 10**4, 10**6, 10**7):
        stream = len(gzip.compress(bytes(nbytes), level))
        most = rustfits.Gzip1().most_npixels(np.array([stream]), np.dtype("u1"))
        assert most is not None
        assert nbytes <= most[0]
    assert len(zlib.compress(bytes(10**8), 9)) * 1032 >= 10**8


@pytest.mark.parametrize("nrows", [20_000, 800_000, 5_000_000])
def test_a_small_table_that_is_not_there_is_not_noted_row_by_row(nrows, monkeypatch):
    """Claims below what is free cost nothing either: no tile is described, and no array of them is made."""
    from rustfits.tiles import damage, decode

    raw = with_cards(file_of(PIXELS, compress=rustfits.Gzip1()), ZNAXIS1=1, ZNAXIS2=nrows, ZTILE1=1, NAXIS2=nrows)
    monkeypatch.setattr(damage, "DamagedTile", None)
    monkeypatch.setattr(decode, "TileSurvey", None)
    with pytest.raises(rustfits.TruncatedFile, match=f"the table of {nrows} rows"):
        image(raw).read(on_error="mask")
    with pytest.raises(rustfits.TruncatedFile, match=f"the table of {nrows} rows"):
        image(raw).damaged_tiles()
    assert not rustfits.FITS.from_bytes(raw).verify().ok


@pytest.mark.parametrize("nbytes", [1 << 63, 1 << 64, 10**30])
@pytest.mark.parametrize("codec", [rustfits.Gzip1, rustfits.Gzip2])
def test_a_heap_longer_than_numbers_count_holds_the_tiles_that_the_file_has(nbytes, codec):
    pixels = np.arange(280, dtype="i2").reshape(14, 20)
    sound = bytes(file_of(pixels, compress=codec(tile_shape=(5, 20))))
    raw = with_cards(sound, PCOUNT=nbytes, GCOUNT=0)  # of size 0
    expected = image(sound).cutouts([(6, 7)], 4)
    with rustfits.FITS.from_bytes(raw) as fits:
        hdu = fits[1]
        assert hdu.damaged_tiles() == []
        np.testing.assert_array_equal(hdu.read(), pixels)
        np.testing.assert_array_equal(hdu.read(on_error="mask"), pixels)
        np.testing.assert_array_equal(hdu.read_many([np.s_[2:9, 3:5]])[0], pixels[2:9, 3:5])
        np.testing.assert_array_equal(hdu.cutouts([(6, 7)], 4), expected)
        assert hdu.verify().index == 1
