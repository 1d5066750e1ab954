"""Quantised floats in every form that the format allows, in files made by hand; other libraries are asked, too."""

from __future__ import annotations

import numpy as np
import pytest
from handmade import Table, bitpix, dequantized, edited, gzipped, image_cards, shuffled, tiles_of

import rustfits

SHAPE, TILE = (6, 300), (1, 300)
METHODS = ["NO_DITHER", "SUBTRACTIVE_DITHER_1", "SUBTRACTIVE_DITHER_2"]
NULL, ZERO = -2147483647, -2147483646
SCALE = np.array([0.25, 0.1, 3.0, 1e-3, 7.7, 0.5])
ZEROS = np.array([-3.5, 0.0, 1e4, 2.25, -1e-3, 100.0])
STORED = np.random.default_rng(7).integers(-9000, 9000, SHAPE, dtype="i4")
STORED[2, [0, 5, 17, 299]] = NULL
STORED[4, 8:20] = ZERO


def file_of(stored=STORED, *, columns=None, cards=None, dtype="f4", codec="GZIP_1", numbers=None):
    """Return an image with one tile per row; ``numbers`` are the columns beside the tiles."""
    numbers = {"ZSCALE": SCALE, "ZZERO": ZEROS} if numbers is None else numbers
    forms = columns or {"COMPRESSED_DATA": "1PB"} | dict.fromkeys(numbers, "1D")
    table = Table(forms, SHAPE[0])
    for row, tile in enumerate(tiles_of(stored, TILE)):
        table.put("COMPRESSED_DATA", row, (shuffled if codec == "GZIP_2" else gzipped)(tile))
    for name, values in numbers.items():
        table.fill(name, values)
    return table.file(image_cards(codec, bitpix(dtype), SHAPE, TILE) | (cards or {}))


def pixels_of(method, dtype="f4", *, stored=STORED, scale=SCALE, zero=ZEROS, seed=1, null=NULL):
    null = np.broadcast_to(null, SHAPE[0])
    rows = [dequantized(stored[row], row, method, scale[row], zero[row], seed, null[row]) for row in range(SHAPE[0])]
    return np.array(rows).astype(dtype)


def read(raw):
    with rustfits.FITS.from_bytes(raw) as file:
        return file[1].read()


def check(raw, expected, readers, *, unless=()):
    found = read(raw)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    readers.agree(raw, expected, unless=unless)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("codec", ["GZIP_1", "GZIP_2"])
@pytest.mark.parametrize("method", METHODS)
def test_each_method_gives_the_floats_of_the_definition(method, codec, dtype, readers):
    raw = file_of(cards={"ZQUANTIZ": method, "ZDITHER0": 9997, "ZBLANK": NULL}, codec=codec, dtype=dtype)
    check(raw, pixels_of(method, dtype, seed=9997), readers)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_without_a_zquantiz_there_is_no_dither(dtype, readers):
    raw = file_of(cards={"ZDITHER0": 5, "ZBLANK": NULL}, dtype=dtype)
    check(raw, pixels_of("NO_DITHER", dtype), readers)


def test_a_dither_without_a_seed_begins_with_the_first_number(readers):
    raw = file_of(cards={"ZQUANTIZ": METHODS[1], "ZBLANK": NULL})
    check(raw, pixels_of(METHODS[1], seed=1), readers, unless=("astropy",))  # which takes it for 0


@pytest.mark.parametrize("text", ["NONE", "none    "])
def test_with_zquantiz_none_the_streams_hold_floats_though_there_are_columns(text, readers):
    floats = np.random.default_rng(1).normal(size=SHAPE).astype("f4")
    scales = {"ZSCALE": np.ones(6), "ZZERO": np.zeros(6)}  # CFITSIO applies them to floats, too
    raw = file_of(floats, cards={"ZQUANTIZ": text}, numbers=scales)
    check(raw, floats, readers, unless=("astropy",) if text == "NONE" else ("astropy", "fitsio"))


@pytest.mark.parametrize("text", [None, "NONE", "NO_DITHER", "SUBTRACTIVE_DITHER_1", "WHATEVER"])
def test_without_columns_the_streams_hold_floats_whatever_zquantiz_says(text, readers):
    floats = np.random.default_rng(1).normal(size=SHAPE)
    raw = file_of(floats, cards={} if text is None else {"ZQUANTIZ": text}, dtype="f8", numbers={})
    check(raw, floats, readers, unless=("astropy",) if text == "WHATEVER" else ())


@pytest.mark.parametrize("codec", ["GZIP_1", "GZIP_2", "RICE_1"])
@pytest.mark.parametrize("method", [None, *METHODS])
@pytest.mark.parametrize(("kept", "missing"), [("ZSCALE", "ZZERO"), ("ZZERO", "ZSCALE")])
def test_one_of_zscale_and_zzero_alone_makes_no_pixels(kept, missing, method, codec):
    numbers = {kept: {"ZSCALE": SCALE, "ZZERO": ZEROS}[kept]}
    cards = {} if method is None else {"ZQUANTIZ": method}
    raw = file_of(numbers=numbers, cards=cards, codec=codec, columns={"COMPRESSED_DATA": "1PB", kept: "1D"})
    reads = (
        lambda hdu: hdu.read(),
        lambda hdu: hdu[1:3, 4:9],
        lambda hdu: hdu[0, 0],
        lambda hdu: hdu.read_many([np.s_[:2], np.s_[3:]]),
        lambda hdu: hdu.cutouts([(2, 2)], 3),
        lambda hdu: hdu.read(on_error="mask"),
    )
    with rustfits.FITS.from_bytes(raw) as file:
        for look in reads:
            with pytest.raises(rustfits.HeaderError, match=f"{missing} is missing, as a column and as a keyword"):
                look(file[1])
        for decode in (True, False):
            verdict = file[1].verify(decode=decode)["structure"]
            assert verdict.status == "bad"
            assert f"{missing} is missing" in verdict.reason


@pytest.mark.parametrize(("column", "keyword"), [("ZSCALE", "ZZERO"), ("ZZERO", "ZSCALE")])
def test_of_zscale_and_zzero_one_may_be_a_keyword(column, keyword):
    number = {"ZSCALE": 0.25, "ZZERO": -3.5}[keyword]
    numbers = {column: {"ZSCALE": SCALE, "ZZERO": ZEROS}[column]}
    raw = file_of(numbers=numbers, cards={"ZQUANTIZ": "NO_DITHER", keyword: number, "ZBLANK": NULL})
    used = {"scale": SCALE, "zero": ZEROS, keyword[1:].lower(): np.full(6, number)}
    np.testing.assert_array_equal(read(raw), pixels_of("NO_DITHER", **used))


@pytest.mark.parametrize("text", ["SUBTRACTIVE_DITHER_3", "dither"])
def test_an_unknown_method_is_refused_by_its_name_when_pixels_are_read(text):
    with rustfits.FITS.from_bytes(file_of(cards={"ZQUANTIZ": text})) as file:
        assert file[1].shape == SHAPE
        with pytest.raises(ValueError, match="ZQUANTIZ"):
            file[1].read()


@pytest.mark.parametrize("null", [-2147483648, -2147483647, 0, 8999, 32767])
def test_the_keyword_zblank_says_which_integer_is_null(null, readers):
    stored = np.where(STORED == NULL, 123, STORED)
    stored[1, ::50] = null
    raw = file_of(stored, cards={"ZQUANTIZ": METHODS[1], "ZDITHER0": 3, "ZBLANK": null})
    expected = pixels_of(METHODS[1], stored=stored, seed=3, null=null)
    assert np.isnan(expected[1, ::50]).all()
    check(raw, expected, readers)


@pytest.mark.parametrize("keyword", [None, -2147483648])
def test_a_column_zblank_says_it_for_each_tile_and_goes_before_the_keyword(keyword, readers):
    nulls = np.array([NULL, -2147483648, 77, 0, -9001, 5], dtype="i4")
    stored = np.where(STORED == NULL, 123, STORED)
    stored[:, 40:44] = nulls[:, None]
    columns = {"COMPRESSED_DATA": "1PB", "ZSCALE": "1D", "ZZERO": "1D", "ZBLANK": "1J"}
    cards = {"ZQUANTIZ": METHODS[1], "ZDITHER0": 3} | ({} if keyword is None else {"ZBLANK": keyword})
    raw = file_of(stored, columns=columns, cards=cards, numbers={"ZSCALE": SCALE, "ZZERO": ZEROS, "ZBLANK": nulls})
    expected = pixels_of(METHODS[1], stored=stored, seed=3, null=nulls)
    assert np.isnan(expected[:, 40:44]).all()
    check(raw, expected, readers)


def test_without_any_zblank_the_null_is_the_one_of_cfitsio():
    raw = file_of(cards={"ZQUANTIZ": METHODS[2], "ZDITHER0": 3})
    np.testing.assert_array_equal(read(raw), pixels_of(METHODS[2], seed=3))


@pytest.mark.parametrize("form", ["1E", "E", "1D", "D"])
def test_scales_may_have_single_precision(form, readers):
    scale, zero = SCALE.astype("f4").astype("f8"), ZEROS.astype("f4").astype("f8")
    columns = {"COMPRESSED_DATA": "1PB", "ZSCALE": form, "ZZERO": form}
    raw = file_of(columns=columns, cards={"ZBLANK": NULL}, numbers={"ZSCALE": scale, "ZZERO": zero})
    check(raw, pixels_of("NO_DITHER", scale=scale, zero=zero), readers)


@pytest.mark.parametrize("method", [None, *METHODS])
def test_one_scale_for_all_tiles_may_stand_in_keywords(method):
    """Nobody else reads floats so, since CFITSIO takes an image without the columns for one that is not quantised."""
    cards = {"ZSCALE": 0.25, "ZZERO": -10.5, "ZBLANK": NULL, "ZDITHER0": 12}
    cards |= {} if method is None else {"ZQUANTIZ": method}
    expected = pixels_of(method or "NO_DITHER", scale=[0.25] * 6, zero=[-10.5] * 6, seed=12)
    raw = file_of(codec="RICE_1", cards=cards, numbers={})
    if "RICE_1" not in rustfits.codecs():
        pytest.skip("codec not installed: RICE_1")
    with rustfits.FITS("mem://", "w+") as file:
        file.write_image(STORED, compress=rustfits.Rice1(tile_shape=TILE))
        raw = edited(file.to_bytes(), ZBITPIX=-32, **cards)
    np.testing.assert_array_equal(read(raw), expected)
    if method is not None:
        np.testing.assert_array_equal(read(file_of(cards=cards, numbers={})), expected)


@pytest.mark.parametrize(("column", "values"), [("ZSCALE", SCALE), ("ZZERO", ZEROS)])
def test_one_of_them_may_be_a_column_and_the_other_a_keyword(column, values, readers):
    other = "ZZERO" if column == "ZSCALE" else "ZSCALE"
    raw = file_of(cards={other: 2.5, "ZBLANK": NULL}, numbers={column: values})
    scale, zero = (values, [2.5] * 6) if column == "ZSCALE" else ([2.5] * 6, values)
    np.testing.assert_array_equal(read(raw), pixels_of("NO_DITHER", scale=scale, zero=zero))


def test_columns_go_before_keywords_of_the_same_name(readers):
    raw = file_of(cards={"ZSCALE": 9.0, "ZZERO": 9.0, "ZBLANK": NULL})
    check(raw, pixels_of("NO_DITHER"), readers)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("method", METHODS)
def test_tiles_that_were_not_quantised_stand_beside_those_that_were(method, dtype, readers):
    """Each tile is in one of three columns; other libraries know only two of them together."""
    floats = np.random.default_rng(2).normal(size=SHAPE).astype(dtype)
    floats[1, 3] = floats[4, 7] = np.nan
    forms = {"COMPRESSED_DATA": "1PB", "GZIP_COMPRESSED_DATA": "1PB", "ZSCALE": "1D", "ZZERO": "1D"}
    raw_form = {"f4": "1PE", "f8": "1PD"}[dtype]
    cards = image_cards("GZIP_2", bitpix(dtype), SHAPE, TILE) | {"ZQUANTIZ": method, "ZDITHER0": 77, "ZBLANK": NULL}
    expected = pixels_of(method, dtype, seed=77)
    for columns, unless in [
        (forms, ()),
        ({"UNCOMPRESSED_DATA": raw_form, **forms}, ("fitsio", "astropy")),
    ]:
        table = Table(columns, 6)
        table.fill("ZSCALE", SCALE)
        table.fill("ZZERO", ZEROS)
        for row in range(6):
            if row in (1, 4):
                table.put("GZIP_COMPRESSED_DATA", row, gzipped(floats[row]))
                expected[row] = floats[row]
            elif row == 5 and "UNCOMPRESSED_DATA" in columns:
                table.put("UNCOMPRESSED_DATA", row, floats[row].astype(floats.dtype.newbyteorder(">")).tobytes())
                expected[row] = floats[row]
            else:
                table.put("COMPRESSED_DATA", row, shuffled(STORED[row]))
        check(table.file(cards), expected, readers, unless=unless)


@pytest.mark.parametrize("form", ["B", "E"])
def test_raw_tiles_of_old_fpack_are_read_beside_quantised_ones(form, readers):
    floats = np.random.default_rng(2).normal(size=SHAPE).astype("f4")
    columns = {"COMPRESSED_DATA": "1PB", "UNCOMPRESSED_DATA": f"1P{form}", "ZSCALE": "1D", "ZZERO": "1D"}
    table = Table(columns, 6)
    table.fill("ZSCALE", SCALE)
    table.fill("ZZERO", ZEROS)
    expected = pixels_of("NO_DITHER")
    for row in range(6):
        if row == 3:
            table.put("UNCOMPRESSED_DATA", row, floats[row].astype(">f4").tobytes())
            expected[row] = floats[row]
        else:
            table.put("COMPRESSED_DATA", row, gzipped(STORED[row]))
    raw = table.file(image_cards("GZIP_1", -32, SHAPE, TILE) | {"ZBLANK": NULL})
    check(raw, expected, readers, unless=() if form == "E" else ("fitsio", "astropy"))


@pytest.mark.parametrize(("dtype", "kept"), [("f4", "f8"), ("f8", "f4")])
@pytest.mark.parametrize("codec", ["GZIP_1", "GZIP_2"])
def test_gzipped_floats_may_have_another_width_than_the_image(dtype, kept, codec, readers):
    """The length of a stream tells its width, as in CFITSIO."""
    floats = np.random.default_rng(3).normal(size=SHAPE).astype(kept)
    streams = gzipped if codec == "GZIP_1" else shuffled
    table = Table({"COMPRESSED_DATA": "1PB"}, 6)
    for row in range(6):
        table.put("COMPRESSED_DATA", row, streams(floats[row]))
    raw = table.file(image_cards(codec, bitpix(dtype), SHAPE, TILE))
    check(raw, floats.astype(dtype), readers, unless=("astropy",))


def test_a_fallback_may_have_another_width_than_the_image():
    floats = np.random.default_rng(3).normal(size=SHAPE).astype("f4")
    columns = {"COMPRESSED_DATA": "1PB", "GZIP_COMPRESSED_DATA": "1PB", "ZSCALE": "1D", "ZZERO": "1D"}
    table = Table(columns, 6)
    table.fill("ZSCALE", SCALE)
    table.fill("ZZERO", ZEROS)
    for row in range(6):
        table.put("GZIP_COMPRESSED_DATA", row, gzipped(floats[row]))
    raw = table.file(image_cards("GZIP_1", -64, SHAPE, TILE) | {"ZQUANTIZ": "NO_DITHER"})
    np.testing.assert_array_equal(read(raw), floats.astype("f8"))


def test_quantised_integers_may_be_narrower_than_32_bits(readers):
    stored = STORED.clip(-9000, 9000)
    table = Table({"COMPRESSED_DATA": "1PB", "ZSCALE": "1D", "ZZERO": "1D"}, 6)
    table.fill("ZSCALE", SCALE)
    table.fill("ZZERO", ZEROS)
    for row in range(6):
        table.put("COMPRESSED_DATA", row, gzipped(stored[row], "i2"))
    raw = table.file(image_cards("GZIP_1", -32, SHAPE, TILE) | {"ZBLANK": -32768})
    check(raw, pixels_of("NO_DITHER", stored=stored, null=-32768), readers, unless=("astropy",))


class TestNullsOfIntegers:
    PIXELS = np.arange(60, dtype="i2").reshape(6, 10)

    def file(self, cards, columns=None, nulls=None):
        table = Table({"COMPRESSED_DATA": "1PB"} | (columns or {}), 6)
        for row, tile in enumerate(tiles_of(self.PIXELS, (1, 10))):
            table.put("COMPRESSED_DATA", row, gzipped(tile))
        if nulls is not None:
            table.fill("ZBLANK", nulls)
        return table.file(image_cards("GZIP_1", 16, (6, 10), (1, 10)) | cards)

    @pytest.mark.parametrize("cards", [{"ZBLANK": 34}, {"BLANK": 34}, {"ZBLANK": 34, "BLANK": 35}])
    def test_a_keyword_masks_pixels_only_where_they_are_asked_to_be(self, cards):
        with rustfits.FITS.from_bytes(self.file(cards)) as file:
            np.testing.assert_array_equal(file[1].read(), self.PIXELS)
            masked = file[1].read(mask_blank=True)
        np.testing.assert_array_equal(masked.mask, self.PIXELS == 34)

    @pytest.mark.parametrize("cards", [{}, {"ZBLANK": 3}])
    def test_a_column_masks_by_tile(self, cards):
        nulls = np.array([0, 11, 3, -1, 49, 50])
        with rustfits.FITS.from_bytes(self.file(cards, {"ZBLANK": "1J"}, nulls)) as file:
            masked = file[1].read(mask_blank=True)
            assert (masked.data == self.PIXELS).all()
        np.testing.assert_array_equal(masked.mask, nulls[:, None] == self.PIXELS)
