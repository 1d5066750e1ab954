"""The table of a compressed image in every form that the format allows, in files made by hand."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from handmade import Table, bitpix, edited, gzipped, image_cards, ntiles, shuffled, tiles_of

import rustfits

PIXELS = np.random.default_rng(3).integers(-300, 300, (23, 31), dtype="i4")
TILE = (5, 8)


def table_of(pixels, tile, columns=None, *, put=None, stream=gzipped):
    table = Table(columns or {"COMPRESSED_DATA": "1PB"}, ntiles(pixels.shape, tile))
    for row, part in enumerate(tiles_of(pixels, tile)):
        table.put(put(row) if put else "COMPRESSED_DATA", row, stream(part))
    return table


def cards_of(pixels, tile, codec="GZIP_1"):
    return image_cards(codec, bitpix(pixels.dtype), pixels.shape, tile)


def raw_bytes(tile):
    return tile.astype(tile.dtype.newbyteorder(">")).tobytes()


def check(raw, expected, readers, *, unless=()):
    with rustfits.FITS.from_bytes(raw) as file:
        found = file[1].read()
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        key = (..., slice(1, None, 3))
        np.testing.assert_array_equal(file[1][key], expected[key])
    readers.agree(raw, expected, unless=unless)


@pytest.mark.parametrize("form", ["1PB", "PB", "1QB", "QB", "1PB ", "1QB    "])
def test_descriptors_have_32_or_64_bits_and_their_format_many_spellings(form, readers):
    raw = table_of(PIXELS, TILE, {"COMPRESSED_DATA": form.strip()}).file(cards_of(PIXELS, TILE))
    check(edited(raw, TFORM1=form), PIXELS, readers)
    with rustfits.FITS.from_bytes(raw) as file:
        assert file[1].compression == rustfits.Gzip1(tile_shape=TILE, heap_format=form.lstrip("1")[0])


@pytest.mark.parametrize("form", ["1PB", "1QB"])
@pytest.mark.parametrize("gap", [1, 8, 2880, 100_003])
def test_the_heap_may_begin_behind_a_gap(form, gap, readers):
    raw = table_of(PIXELS, TILE, {"COMPRESSED_DATA": form}).file(cards_of(PIXELS, TILE), gap=gap)
    # astropy asks for PCOUNT bytes from the end of the gap on, which may be more than the file has.
    check(raw, PIXELS, readers, unless=("astropy",) if gap > 1000 else ())


def test_a_keyword_theap_without_a_gap_says_nothing_new(readers):
    table = table_of(PIXELS, TILE)
    raw = table.file(cards_of(PIXELS, TILE) | {"THEAP": 8 * table.nrows})
    check(raw, PIXELS, readers)


def test_tiles_may_lie_in_any_order_with_holes_between_them(readers):
    table = Table({"COMPRESSED_DATA": "1PB"}, ntiles(PIXELS.shape, TILE))
    parts = list(enumerate(tiles_of(PIXELS, TILE)))
    for row, part in parts[::2][::-1] + parts[1::2]:
        table.add(b"\xff" * (row * 131 % 977))
        table.put("COMPRESSED_DATA", row, gzipped(part))
    table.add(b"\xff" * 5000)
    check(table.file(cards_of(PIXELS, TILE)), PIXELS, readers)


def test_equal_tiles_may_share_their_bytes(readers):
    pixels = np.tile(PIXELS[:5, :8], (3, 4))
    pixels[5:10, 8:16] += 1
    table, places = Table({"COMPRESSED_DATA": "1QB"}, 12), {}
    for row, part in enumerate(tiles_of(pixels, TILE)):
        stream = gzipped(part)
        start = places.setdefault(stream, len(table.heap))
        if start == len(table.heap):
            table.add(stream)
        table.point("COMPRESSED_DATA", row, len(stream), start)
    assert len(places) == 2
    check(table.file(cards_of(pixels, TILE)), pixels, readers)


def test_tiles_may_overlap(readers):
    """Rows of a ramp, each of which begins three pixels further on in the same bytes."""
    pixels = (np.arange(20)[:, None] * 3 + np.arange(30)).astype("i2")
    table = Table({"COMPRESSED_DATA": "1PB", "UNCOMPRESSED_DATA": "1PI"}, 20)
    table.add(raw_bytes(np.arange(90, dtype="i2")))
    for row in range(20):
        table.point("UNCOMPRESSED_DATA", row, 60, 6 * row)
    check(table.file(cards_of(pixels, (1, 30), "NOCOMPRESS")), pixels, readers)


def test_without_ztilen_a_tile_is_one_row(readers):
    raw = table_of(PIXELS, (1, 31)).file(cards_of(PIXELS, None))
    check(raw, PIXELS, readers, unless=("astropy",))  # which insists on ZTILEn
    cube = PIXELS[:20].reshape(4, 5, 31)
    raw = table_of(cube, (1, 1, 31)).file(cards_of(cube, None))
    check(raw, cube, readers, unless=("astropy",))
    with rustfits.FITS.from_bytes(raw) as file:
        assert file[1].compression == rustfits.Gzip1(tile_shape=(1, 1, 31))


def test_some_ztilen_may_be_absent():
    raw = edited(table_of(PIXELS, (5, 31)).file(cards_of(PIXELS, (5, 31))), ZTILE1=None)
    with rustfits.FITS.from_bytes(raw) as file:
        np.testing.assert_array_equal(file[1].read(), PIXELS)


@pytest.mark.parametrize("tile", [(40, 50), (23, 32), (1000, 8), (5, 2**31 - 1), (2**62, 2**62)])
def test_tiles_may_be_larger_than_the_image(tile, readers):
    actual = tuple(min(pair) for pair in zip(tile, PIXELS.shape, strict=True))
    raw = table_of(PIXELS, actual).file(cards_of(PIXELS, tile))
    huge = prod(tile) > 1 << 30
    check(raw, PIXELS, readers, unless=("fitsio", "astropy") if huge else ())
    with rustfits.FITS.from_bytes(raw) as file:
        assert file[1].compression.tile_shape == tile


@pytest.mark.parametrize("ndim", range(1, 10))
def test_images_have_1_to_9_axes(ndim, readers):
    shape, tile = (5, 3, 2, 3, 1, 2, 3, 2, 4)[-ndim:], (2, 3, 1, 2, 1, 1, 2, 2, 3)[-ndim:]
    pixels = np.arange(prod(shape), dtype="i2").reshape(shape)
    raw = table_of(pixels, tile).file(cards_of(pixels, tile))
    # CFITSIO reads compressed images of one to three axes.
    check(raw, pixels, readers, unless=("fitsio",) if ndim > 3 else ())
    if ndim > 3:
        assert readers.refuse(raw, "fitsio")


def test_rows_behind_the_last_tile_are_left_alone():
    table = Table({"COMPRESSED_DATA": "1PB"}, 40)
    for row, part in enumerate(tiles_of(PIXELS, TILE)):
        table.put("COMPRESSED_DATA", row, gzipped(part))
    with rustfits.FITS.from_bytes(table.file(cards_of(PIXELS, TILE))) as file:
        np.testing.assert_array_equal(file[1].read(), PIXELS)
        assert file[1].n_tiles == 20


def test_columns_of_other_software_and_of_other_letter_case_do_no_harm(readers):
    columns = {"NOTE": "1J", "compressed_data": "1PB", "MORE": "1QD", "WEIGHT": "1E"}
    table = table_of(PIXELS, TILE, columns, put=lambda row: "compressed_data")
    for name in ("NOTE", "WEIGHT"):
        table.fill(name, list(range(table.nrows)))
    check(table.file(cards_of(PIXELS, TILE)), PIXELS, readers, unless=("astropy",))
    raw = table.file(cards_of(PIXELS, TILE))
    check(edited(raw, TTYPE2="COMPRESSED_DATA"), PIXELS, readers)


@pytest.mark.parametrize("name", [None, "", "SCI", "compressed image  "])
def test_an_image_needs_no_name(name, readers):
    raw = table_of(PIXELS, TILE).file(cards_of(PIXELS, TILE) | ({} if name is None else {"EXTNAME": name}))
    check(raw, PIXELS, readers)
    with rustfits.FITS.from_bytes(raw) as file:
        assert file[1].extname == (None if name is None else name.rstrip())
        assert file[1].extver == 1


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f4", "f8"])
def test_each_tile_may_be_in_another_column(dtype):
    """Compressed, gzipped or as it is: the first descriptor that is not empty counts, for integers too."""
    pixels = PIXELS.astype(dtype)
    element = {"u1": "B", "i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}[dtype]
    names = ["COMPRESSED_DATA", "GZIP_COMPRESSED_DATA", "UNCOMPRESSED_DATA"]
    columns = dict(zip(names, ["1PB", "1QB", f"1P{element}"], strict=True))
    table = Table({name: columns[name] for name in names[::-1]}, 20)
    for row, part in enumerate(tiles_of(pixels, TILE)):
        name = names[row * 7 % 3]
        table.put(name, row, {names[0]: shuffled, names[1]: gzipped, names[2]: raw_bytes}[name](part))
    table.put(names[1], 0, gzipped(tiles_of(pixels, TILE)[0] * 0))  # never looked at: tile 0 is compressed
    with rustfits.FITS.from_bytes(table.file(cards_of(pixels, TILE, "GZIP_2"))) as file:
        np.testing.assert_array_equal(file[1].read(), pixels)
        np.testing.assert_array_equal(file[1][3:20:4, 7:], pixels[3:20:4, 7:])


@pytest.mark.parametrize("column", ["GZIP_COMPRESSED_DATA", "UNCOMPRESSED_DATA"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_an_image_may_be_in_a_fallback_column_as_a_whole(column, dtype, readers):
    pixels = PIXELS.astype(dtype)
    form = "1PB" if column.startswith("GZIP") else {"f4": "1PE", "f8": "1PD"}[dtype]
    stream = gzipped if column.startswith("GZIP") else raw_bytes
    raw = table_of(pixels, TILE, {"COMPRESSED_DATA": "1PB", column: form}, put=lambda row: column, stream=stream)
    check(raw.file(cards_of(pixels, TILE, "RICE_1") | {"ZNAME1": "BLOCKSIZE", "ZVAL1": 32}), pixels, readers)


def test_a_fallback_column_alone_is_enough():
    raw = table_of(PIXELS, TILE, {"GZIP_COMPRESSED_DATA": "1PB"}, put=lambda row: "GZIP_COMPRESSED_DATA")
    with rustfits.FITS.from_bytes(raw.file(cards_of(PIXELS, TILE))) as file:
        np.testing.assert_array_equal(file[1].read(), PIXELS)


@pytest.mark.parametrize("dtype", ["i8", "u8"])
@pytest.mark.parametrize(("codec", "stream"), [("GZIP_1", gzipped), ("GZIP_2", shuffled)])
def test_64_bit_integers_are_exact(dtype, codec, stream, readers):
    """CFITSIO has no compressed images of them."""
    pixels = np.random.default_rng(5).integers(0, 256, (23, 31, 8), dtype="u1").view("i8")[..., 0]
    cards = cards_of(pixels, TILE, codec) | ({"BSCALE": 1, "BZERO": 2**63} if dtype == "u8" else {})
    raw = table_of(pixels, TILE, stream=stream).file(cards)
    expected = pixels if dtype == "i8" else (pixels.view("u8") ^ np.uint64(1 << 63))
    check(raw, expected, readers, unless=("fitsio",))
    assert readers.refuse(raw, "fitsio")


@pytest.mark.parametrize("after", ["write", "checksum"])
def test_sums_of_the_image_stand_in_z_cards(after, readers):
    raw = table_of(PIXELS, TILE).file(cards_of(PIXELS, TILE))
    with rustfits.FITS("mem://", "w+") as plain:
        plain.write_image(PIXELS)
        plain[0].add_checksum()
        datasum = plain[0].header["DATASUM"]
    with rustfits.FITS.from_bytes(edited(raw, ZDATASUM=datasum), "r+") as file:
        hdu = file[1]
        assert hdu.verify_datasum() is True
        assert hdu.verify_checksum() is None
        if after == "write":
            hdu.write(PIXELS + 1)
            assert hdu.verify_datasum() is False
        hdu.add_checksum()
        assert (hdu.verify_datasum(), hdu.verify_checksum()) == (True, True)
        readers.agree(file.to_bytes(), hdu.read())
