"""Headers that come with new pixels, or that another header is updated from: what is taken of them, and what is not."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given as examples
from hypothesis import strategies as st
from plain_images import DTYPES, image_of, pixels_of

from rustfits import FITS, CompressedImageHDU, ImageError, UnsupportedPixels, codecs
from rustfits.errors import HeaderError
from rustfits.header.keys import describes_data, is_protected_key

PIXELS = np.arange(12, dtype="i2").reshape(3, 4)

OF_DATA = {
    "BSCALE": 0.5,
    "BZERO": 32768,
    "BLANK": -1,
    "BLOCKED": True,
    "ZSCALE": 2.0,
    "ZZERO": 7.0,
    "ZTABLE": True,
    "ZTILELEN": 5,
    "ZFORM1": "1J",
    "ZCTYP12": "GZIP_1",
    "FZALGOR": "RICE_1",
    "FZTILE": "ROW",
    "TUNIT1": "Jy",
    "TDISP12": "I5",
    "TDMIN3": 1,
    "TCTYP2": "RA---TAN",
    "TCD2_3": 1.0,
}
OF_USERS = {"OBJECT": "M 31", "ZPT": 25.0, "ZMAG": 1.5, "ZTILT": 3, "TEMP": -9.5, "TUNITS": "K", "FZERO": 1, "T1": 2}


@pytest.fixture
def fits():
    with FITS("mem://", "w+") as file:
        yield file


@pytest.mark.parametrize("compress", [None, "GZIP_2"])
def test_what_describes_other_data_is_left_out_by_its_exact_name(fits, compress):
    header = fits.write_image(PIXELS.astype("f4"), header={**OF_DATA, **OF_USERS}, compress=compress).header
    assert not set(OF_DATA) & set(header.keys())
    assert {key: header[key] for key in OF_USERS} == OF_USERS
    assert all(map(describes_data, OF_DATA))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compress", [None, "GZIP_1"])
def test_the_header_of_every_dtype_leaves_the_pixels_of_every_other(fits, dtype, compress):
    source = image_of(pixels_of(dtype, (2, 3)))
    for other in DTYPES:
        pixels = pixels_of(other, (4, 5))
        hdu = fits.write_image(pixels, header=source.header, compress=compress)
        found = hdu.read()
        assert found.dtype == pixels.dtype
        assert found.tobytes() == pixels.tobytes()


@examples(
    st.dictionaries(
        st.one_of(
            st.from_regex(r"[A-Z][A-Z0-9_-]{0,7}", fullmatch=True),
            st.sampled_from([*OF_DATA, "NAXIS1", "ZBITPIX", "TFORM1", "CHECKSUM", "EXTEND", "GROUPS", "ZQUANTIZ"]),
        ).filter(lambda key: key not in ("END", "CONTINUE", "COMMENT", "HISTORY", "HIERARCH")),
        st.one_of(st.integers(-(2**40), 2**40), st.floats(allow_nan=False, allow_infinity=False), st.booleans()),
        max_size=12,
    ),
    st.sampled_from(["u1", "u2", "i8", "f4", "f8"]),
    st.sampled_from([None, "GZIP_2"]),
)
def test_no_header_changes_pixels(entries, dtype, compress):
    pixels = pixels_of(dtype, (3, 4))
    with FITS("mem://", "w+") as fits:
        hdu = fits.write_image(pixels, header=entries, compress=compress, bscale=None if dtype == "u2" else 1)
        assert hdu.read().tobytes() == pixels.tobytes()
        for key, value in entries.items():
            if not describes_data(key):
                assert hdu.header[key] == value
        assert FITS.from_bytes(fits.to_bytes())[hdu.index].read().tobytes() == pixels.tobytes()


# -- integers that may be stored numbers ------------------------------------------------------------------------------


def scaled_header():
    hdu = image_of(PIXELS, bscale=0.5, bzero=10.0)
    assert hdu.read().tolist() == (PIXELS * 0.5 + 10).tolist()
    return hdu.header


def needs(compress):
    if compress is not None and compress not in codecs():
        pytest.skip(f"no codec installed for {compress}")


@pytest.mark.parametrize("compress", [None, "RICE_1", "GZIP_2"])
@pytest.mark.parametrize("form", ["header", "to_dict", "skip_protected", "dict"])
def test_integers_of_the_stored_type_of_a_scaled_header_have_to_be_explained(fits, compress, form):
    needs(compress)
    header = scaled_header()
    given = {
        "header": header,
        "to_dict": header.to_dict(),
        "skip_protected": header.to_dict(skip_protected=True),
        "dict": dict(header.items()),
    }[form]
    with pytest.raises(ImageError, match=r"BSCALE 0.5 and BZERO 10.0.*bscale= and bzero=.*physical values"):
        fits.write_image(PIXELS, header=given, compress=compress)
    assert not len(fits)
    stored = fits.write_image(PIXELS, header=given, compress=compress, bscale=0.5, bzero=10)
    assert stored.read().tolist() == (PIXELS * 0.5 + 10).tolist()
    assert stored.read(scale=False).tolist() == PIXELS.tolist()
    plain = fits.write_image(PIXELS, header=given, compress=compress, bscale=1)
    assert plain.read().tolist() == PIXELS.tolist()
    assert "BSCALE" not in plain.header
    physical = fits.write_image(PIXELS * 0.5 + 10, header=given, compress=compress and "GZIP_2")
    assert physical.read().tolist() == (PIXELS * 0.5 + 10).tolist()


def test_integers_of_another_type_than_the_scaled_ones_are_values(fits):
    for dtype in ("u1", "i1", "u2", "i4", "u4", "i8", "u8"):
        assert fits.write_image(PIXELS.astype(dtype), header=scaled_header()).read().dtype == dtype
    floats = image_of(PIXELS.astype("f4"), bscale=2.0)
    assert floats.read().tolist() == (PIXELS * 2.0).tolist()
    assert fits.write_image(PIXELS, header=floats.header).read().tolist() == PIXELS.tolist()


@pytest.mark.parametrize("dtype", ["i1", "u2", "u4", "u8"])
def test_numbers_stored_by_a_convention_have_no_other_scaling(fits, dtype):
    for given in ({"bscale": 2.0}, {"bzero": 1}):
        with pytest.raises(ImageError, match="as they are stored"):
            fits.write_image(PIXELS.astype(dtype), **given)
        with pytest.raises(ImageError, match="as they are stored"):
            fits.create_image_hdu(dtype, (3, 4), **given)
    assert not len(fits)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"bscale": 0}, ImageError),
        ({"bzero": np.inf}, ImageError),
        ({"bscale": "2"}, TypeError),
        ({"bzero": True}, TypeError),
    ],
)
def test_scaling_is_of_finite_numbers_that_are_not_zero(fits, given, kind):
    with pytest.raises(kind):
        fits.write_image(PIXELS, **given)
    assert not len(fits)


def test_a_scaling_that_is_a_convention_meets_what_the_codec_can_hold(fits):
    needs("PLIO_1")
    hdu = fits.write_image(PIXELS, compress="GZIP_1", bzero=32768)
    assert (hdu.read() == PIXELS.astype("u2") + 32768).all()
    assert hdu.read().dtype == "u2"
    with pytest.raises(UnsupportedPixels, match="negative"):
        fits.write_image(PIXELS, compress="PLIO_1", bzero=32768)


def test_blank_and_masks_go_with_stored_numbers(fits):
    masked = np.ma.masked_equal(PIXELS, 5)
    for compress in (None, "GZIP_2"):
        found = fits.write_image(masked, blank=-1, bscale=0.5, compress=compress).read(mask_blank=True)
        assert (found.mask == masked.mask).all()
        assert (found == PIXELS * 0.5).all()


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [None, "GZIP_2"])
def test_the_arguments_name_the_hdu(fits, compress):
    source = image_of(PIXELS, extname="SCI", extver=7).header
    for given, expected in [
        ({}, ("SCI", 7)),
        ({"extname": "WGT"}, ("WGT", 7)),
        ({"extver": 2}, ("SCI", 2)),
        ({"extname": "WGT", "extver": 2}, ("WGT", 2)),
    ]:
        hdu = fits.write_image(PIXELS, compress=compress, header=source, **given)
        assert (hdu.extname, hdu.extver) == expected
        names = [card[:8].strip() for card in hdu.header.cards]
        assert names.count("EXTNAME") == names.count("EXTVER") == 1


def test_the_name_of_all_tables_of_tiles_is_not_copied(fits):
    source = fits.write_image(PIXELS, compress="GZIP_2", extname="COMPRESSED_IMAGE")
    assert source.extname == "COMPRESSED_IMAGE"
    assert fits.write_image(PIXELS, header=source.header).extname is None
    assert fits.write_image(PIXELS, header=source.header, extname="SCI").extname == "SCI"


# -- forms of headers -------------------------------------------------------------------------------------------------


def cards_of(*cards):
    return SimpleNamespace(cards=list(cards))


def test_anything_with_cards_of_keyword_value_and_comment_is_a_header(fits):
    header = cards_of(
        ("SIMPLE", True, ""),
        ("BITPIX", 16, ""),
        ("OBJECT", "M 31", "target"),
        ("HISTORY", "flat", ""),
        ["EXPTIME", 2.5],
        ("", "text", ""),
        ("UNDEF", None, "no value"),
        ("END", "", ""),
        "WRITTEN = 5 / as text",
        ("EQUINOX", 2000.0, "a comment that has no room " * 5),
        ("HISTORY", "dark", ""),
    )
    for target in (fits.write_image(PIXELS, header=header).header, fits.write_image(PIXELS).header):
        if "OBJECT" not in target:
            target.update(header, copy_commentary=True)
        assert (target["OBJECT"], target.comment_of("OBJECT"), target["EXPTIME"]) == ("M 31", "target", 2.5)
        assert (target["HISTORY"], target[""]) == (["flat", "dark"], ["text"])
        assert target["UNDEF"] is None
        assert (target["WRITTEN"], target["EQUINOX"]) == (5, 2000.0)
    lines = [card for card in fits[0].header.cards if card[:7] in ("OBJECT ", "HISTORY", "EXPTIME")]
    assert [line.split()[0] for line in lines] == ["OBJECT", "HISTORY", "EXPTIME", "HISTORY"]


@pytest.mark.parametrize("cards", [[("A",)], [5], [("A", [])], [("b.c", 1)], ["OBJECT  = 'J\xf6rg'"]])
def test_cards_that_are_none_are_refused(fits, cards):
    with pytest.raises(HeaderError):
        fits.write_image(PIXELS, header=cards_of(*cards))
    assert not len(fits)


def test_a_dict_made_of_a_header_is_that_header(fits):
    source = fits.write_image(
        PIXELS, extname="SCI", header={"OBJECT": ("M 31", "target"), "COMMENT": ["a", "b"]}
    ).header
    source["LONG"] = "x'" * 60
    source["ESO Det Dit"] = 2.5
    for given in (source.to_dict(), source.to_dict(skip_protected=True), dict(source.items())):
        made = fits.write_image(PIXELS.astype("f8"), header=given).header
        assert made["COMMENT"] == ["a", "b"]
        assert {key: made[key] for key in ("OBJECT", "LONG", "ESO Det Dit", "EXTNAME")} == {
            "OBJECT": "M 31",
            "LONG": "x'" * 60,
            "ESO Det Dit": 2.5,
            "EXTNAME": "SCI",
        }
        target = fits.write_image(PIXELS).header
        target.update(given)
        assert target["LONG"] == "x'" * 60
        assert "COMMENT" not in target
        target.update(given, copy_commentary=True)
        assert target["COMMENT"] == ["a", "b"]


@pytest.mark.parametrize(
    "header", [5, "text", [("A", 1)], {"A": []}, {"A": {}}, {"A": {"x": 1}}, {"COMMENT": 5}, {5: 1}]
)
def test_what_is_no_header_is_refused(fits, header):
    with pytest.raises((HeaderError, TypeError)):
        fits.write_image(PIXELS, header=header)
    assert not len(fits)
    with pytest.raises((HeaderError, TypeError)):
        fits.write_image(PIXELS).header.update(header)


# -- update -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [lambda header: header, lambda header: header.to_dict()])
def test_updating_from_the_header_of_other_pixels_keeps_the_scaling(fits, form):
    source = image_of(PIXELS, bscale=0.5, bzero=10.0, blank=-5, header={"OBJECT": "M 31"}).header
    hdu = fits.write_image(PIXELS.astype("u2"), blank=3)
    hdu.header.update(form(source))
    assert hdu.header["OBJECT"] == "M 31"
    assert (hdu.read() == PIXELS).all()
    assert (hdu.header["BZERO"], hdu.header["BLANK"]) == (32768, 3 - 32768)
    with hdu.header.edit() as edit:
        edit.update(form(source))
    assert (hdu.read() == PIXELS).all()


def test_updating_from_a_table_of_tiles_brings_nothing_of_it(fits):
    source = fits.write_image(PIXELS, compress="GZIP_2", header={"OBJECT": "M 31"})
    assert isinstance(source, CompressedImageHDU)
    source.header["ZSCALE"] = 2.0
    hdu = fits.write_image(PIXELS.astype("f4"), compress="GZIP_2")
    before = set(hdu.header.keys())
    hdu.header.update(source.header)
    assert set(hdu.header.keys()) - before == {"OBJECT"}
    hdu.header.update({"BSCALE": 2.0})  # a user's own word counts
    assert (hdu.read() == PIXELS * 2.0).all()


def test_structural_keywords_of_a_mapping_are_skipped_and_single_ones_refused(fits):
    header = fits.write_image(PIXELS).header
    header.update({"NAXIS": 5, "BITPIX": 8, "OBJECT": "M 31", "BSCALE": 9.0})
    assert (header["NAXIS"], header["BITPIX"], header["OBJECT"]) == (2, 16, "M 31")
    assert "BSCALE" not in header
    with pytest.raises(HeaderError, match=r"protected.*leave it out"):
        header["NAXIS"] = 5


def test_keywords_of_data_and_protected_ones_are_no_users():
    for key in OF_USERS:
        assert not describes_data(key)
        assert not is_protected_key(key)
