"""Files with something else than sound HDUs: bytes after the last, damaged headers, bytes that are no text."""

import gzip
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rustfits
from rustfits import FITS, DamagedEnd, FitsError, HDUNotFound, ImageHDU
from rustfits.errors import HeaderError, TruncatedFile
from rustfits.header.cards import Cards

BLOCK = 2880
PIXELS = np.arange(12, dtype="i2").reshape(3, 4)
SPECIAL = b"SPECIAL RECORD".ljust(80) * 36


def content(compress=None):
    with FITS("mem://", "w+") as fits:
        fits.write_image(PIXELS, extname="FIRST")
        fits.write_image(PIXELS + 1, extname="LAST", compress=compress)
        return fits.to_bytes()


def broken(what):
    """Return an extension that cannot be sized."""
    with FITS("mem://", "w+") as fits:
        fits.write_image(PIXELS)
        fits.write_image(PIXELS, extname="BAD")
        raw = fits.to_bytes()[2 * BLOCK :]
    old, new = {
        "BITPIX": (b"BITPIX  =                   16", b"BITPIX  =                   17"),
        "NAXIS1": (b"NAXIS1  =                    4", b"NAXIS1  =                   -4"),
        "NAXIS": (b"NAXIS   =                    2", b"NAXIX   =                    2"),
        "stray": (b"NAXIS   =                    2", b"NAXIS   =                   \xb22"),
        "END": (b"END" + b" " * 77, b" " * 80),
    }[what]
    assert raw.count(old) == 1
    return raw.replace(old, new)[: BLOCK if what == "END" else None]


DAMAGES = ["BITPIX", "NAXIS1", "NAXIS", "stray", "END"]


def opened(raw, tmp_path, **arguments):
    path = tmp_path / "x.fits"
    path.write_bytes(raw)
    return FITS(path, **arguments)


# -- tails of nothing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [None, "GZIP_2"])
@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.parametrize("nbytes", [1, 1000, BLOCK, 4320, 10 * BLOCK, (1 << 20) + 5])
@pytest.mark.parametrize("fill", [b"\0", b" "])
def test_zeros_and_blanks_at_the_end_are_no_damage(tmp_path, compress, mode, nbytes, fill):
    raw = content(compress)
    with opened(raw + (fill * nbytes)[:nbytes], tmp_path, mode=mode) as fits:
        assert (len(fits), len(list(fits)), fits.damage, fits.tail_nbytes) == (len(fits.hdus), len(fits), None, nbytes)
        assert (fits["LAST"].read() == PIXELS + 1).all()
        assert "NONE" not in fits
        assert "damage" not in repr(fits)
    assert (tmp_path / "x.fits").stat().st_size == len(raw) + nbytes


def test_the_next_hdu_replaces_such_a_tail(tmp_path):
    raw = content()
    for compress in (None, "GZIP_2"):
        with opened(raw + bytes(5 * BLOCK), tmp_path, mode="r+") as fits:
            fits.write_image(PIXELS, extname="NEW", compress=compress)
            assert fits.tail_nbytes == 0
        with FITS(tmp_path / "x.fits") as fits:
            assert [hdu.extname for hdu in fits] == ["FIRST", "LAST", "NEW"]
            assert (fits["NEW"].read() == PIXELS).all()
            assert fits.damage is None


@pytest.mark.parametrize("compress", [None, "GZIP_2"])
def test_an_hdu_grows_over_such_a_tail(tmp_path, compress):
    more = np.ones((2000, 4), "i2")
    for name in ("FIRST", "LAST"):
        with opened(content(compress) + b" " * (3 * BLOCK), tmp_path, mode="r+") as fits:
            before = fits[name].read()
            fits[name].extend(more)
        with FITS(tmp_path / "x.fits") as fits:
            assert (fits[name].read() == np.concatenate([before, more])).all()
            assert [hdu.extname for hdu in fits if hdu.extname] == ["FIRST", "LAST"]
            assert (fits["LAST"][:3] == PIXELS + 1).all()


def test_a_tail_is_seen_in_every_storage(tmp_path):
    raw = content() + bytes(BLOCK)
    assert FITS.from_bytes(raw).tail_nbytes == BLOCK
    with opened(gzip.compress(raw), tmp_path) as fits:
        assert (fits.tail_nbytes, len(list(fits))) == (BLOCK, 2)
    fits.close()
    with pytest.raises(OSError, match="closed"):
        fits.tail_nbytes  # noqa: B018
    assert FITS("mem://", "w+").tail_nbytes == 0
    assert rustfits.read(tmp_path / "x.fits", "LAST").tolist() == (PIXELS + 1).tolist()


# -- tails of something -----------------------------------------------------------------------------------------------


def tails():
    yield from ((SPECIAL, "special"), (bytes(BLOCK) + SPECIAL, "zeros before"), (b"\n" * 5000, "line feeds"))
    yield from ((broken(what), what) for what in DAMAGES)
    yield broken("BITPIX")[:1000], "part of a header"
    yield b"XTEN", "part of a word"


TAILS = [pytest.param(tail, id=name) for tail, name in tails()]


@pytest.mark.parametrize("tail", TAILS)
def test_the_hdus_before_a_damaged_end_are_there_and_the_end_is_told(tmp_path, tail):
    with opened(content() + tail, tmp_path) as fits:
        assert len(fits) == len(fits.hdus) == 2
        assert (fits[1].read() == PIXELS + 1).all()
        assert (fits["LAST"].read() == fits["LAST", 1].read()).all()
        assert isinstance(fits.damage, HeaderError | TruncatedFile)
        assert "HDU 2 of" in str(fits.damage)
        assert "damage:" in repr(fits)
        seen = []
        with pytest.raises(type(fits.damage), match="HDU 2 of"):
            seen.extend(hdu.extname for hdu in fits)
        with pytest.raises(type(fits.damage)):
            list(fits)
        for key in ("NONE", ("LAST", 2), 2, 50, -1, -3):
            with pytest.raises(type(fits.damage)):
                fits[key]
            with pytest.raises(type(fits.damage)):
                key in fits  # noqa: B015
        assert str(pickle.loads(pickle.dumps(fits.damage))) == str(fits.damage)
        fits.refresh()
        assert fits.damage is not None
    assert rustfits.read(tmp_path / "x.fits").tolist() == PIXELS.tolist()
    with pytest.raises(FitsError):
        rustfits.read_header(tmp_path / "x.fits", "NONE")


@pytest.mark.parametrize("tail", [tail for tail in TAILS if tail.id != "stray"])  # which they read past
def test_lenient_readers_find_an_end_there(tmp_path, tail):
    with opened(content() + tail, tmp_path, lenient=True) as fits:
        assert [hdu.extname for hdu in fits] == ["FIRST", "LAST"]
        assert fits.damage is not None
        assert "NONE" not in fits
        assert fits[-1].extname == "LAST"
        with pytest.raises(HDUNotFound):
            fits["NONE"]
    with pytest.raises(HDUNotFound):
        rustfits.read_header(tmp_path / "x.fits", "NONE", lenient=True)


@pytest.mark.parametrize("compress", [None, "GZIP_2"])
@pytest.mark.parametrize("tail", [SPECIAL, b"\n" * 5000])
def test_what_is_no_hdu_is_neither_moved_nor_written_over(tmp_path, tail, compress):
    raw = content(compress)
    with opened(raw + tail, tmp_path, mode="r+") as fits:
        fits["FIRST"].write(PIXELS[::-1].copy())
        fits["FIRST"].header["OBJECT"] = "M 31"
        before = fits.to_bytes()
        for change in (
            lambda: fits.write_image(PIXELS),
            lambda: fits.write_image(PIXELS, compress="GZIP_2"),
            lambda: fits.create_image_hdu("i2", (3,)),
            lambda: fits["LAST"].extend(np.ones((2000, 4), "i2")),
            lambda: fits["FIRST"].extend(np.ones((2000, 4), "i2")),
            lambda: fits["LAST"].header.update({f"KEY{number}": number for number in range(50)}),
        ):
            with pytest.raises(DamagedEnd, match=r"x\.fits.*must start with XTENSION.*salvage=True") as caught:
                change()
            assert isinstance(caught.value, OSError)
            assert isinstance(caught.value, ValueError)
            assert fits.to_bytes() == before
        assert before.endswith(tail)
    with FITS(tmp_path / "x.fits", "r+", salvage=True) as fits:
        assert (fits["FIRST"].read() == PIXELS[::-1]).all()
        fits.write_image(PIXELS, extname="NEW")
    with FITS(tmp_path / "x.fits") as fits:
        assert ([hdu.extname for hdu in fits if hdu.extname], fits.tail_nbytes) == (["FIRST", "LAST", "NEW"], 0)


@pytest.mark.parametrize("what", DAMAGES)
def test_a_file_with_a_damaged_hdu_is_changed_only_where_nothing_moves(tmp_path, what):
    raw, tail = content(), broken(what) + (b"" if what == "END" else content())
    with pytest.raises(DamagedEnd, match=r"HDU 2 of .*salvage=True"):
        opened(raw + tail, tmp_path, mode="r+")
    assert (tmp_path / "x.fits").read_bytes() == raw + tail
    with FITS(tmp_path / "x.fits", "r+", salvage=True) as fits:
        fits["LAST"].write(PIXELS)
        fits["LAST"].header["OBJECT"] = "M 31"
        assert fits.damage is not None
        for change in (
            lambda: fits.write_image(PIXELS),
            lambda: fits["LAST"].extend(np.ones((2000, 4), "i2")),
            lambda: fits["FIRST"].header.update({f"KEY{number}": number for number in range(50)}),
        ):
            with pytest.raises(DamagedEnd):
                change()
    changed = (tmp_path / "x.fits").read_bytes()
    assert changed[len(raw) :] == tail
    with FITS(tmp_path / "x.fits") as fits:
        assert (fits["LAST"].read() == PIXELS).all()
        assert fits["LAST"].header["OBJECT"] == "M 31"


def test_a_damaged_first_header_leaves_nothing_to_read():
    for what in DAMAGES:
        raw = broken(what).replace(b"XTENSION= 'IMAGE   '", b"SIMPLE  =          T")
        with pytest.raises((HeaderError, TruncatedFile)):
            FITS.from_bytes(raw)


# -- bytes that are no text -------------------------------------------------------------------------------------------


def with_card(card):
    """Return a file whose header has this card, of 80 bytes, and a sound one behind it."""
    assert len(card) == 80
    cards = [b"SIMPLE  =                    T", b"BITPIX  =                   16", b"NAXIS   =                    1"]
    cards += [b"NAXIS1  =                    3", card, b"EXPTIME =                 30.5 / seconds", b"END"]
    header = b"".join(each.ljust(80) for each in cards).ljust(BLOCK)
    return header + np.array([1, 2, 3], ">i2").tobytes().ljust(BLOCK, b"\0")


HARMLESS = [
    b"CCD-TEMP=  -64.0 / Actual temperature (\xb0C)",
    b"ORIGIN  = 'CASA 4.7.0-REL (r38335)\n'",
    b"HISTORY date 2013-04-16 (\xc4\x8dt, 16 dub)",
    b"HISTORY\tflat fielded\tby hand",
    b"COMMENT written on a PC".ljust(79) + b"\r",
    b"\0" * 80,
    b"NAXIS\xff1 = 5",
    b"EXTNAME = 'S\xdcD'",
    b"TUNIT1  = '\xb5Jy'",
    b"CHECKSUM= '\xff'",
    b"BSCALE  =                  1.0 / per \xb0",
    b"BZERO   =                      / \xb5",
    b"BLANK   = 5 / '\xff'",
]
NEEDED = [
    b"BSCALE  =                  1.0\xa0",
    b"BZERO   =                 \xa032768",
    b"BLANK   = \t5",
    b"TTYPE1  = 'fl\xfcx'",
    b"TFORM1  = '1\xc9'",
    b"ZCMPTYPE= 'RICE\x7f1'",
    b"TDIM1   = '(\xb2)'",
    b"bzero   = 3\0",
]


@pytest.mark.parametrize("card", HARMLESS)
@pytest.mark.parametrize("lenient", [None, True])
def test_stray_bytes_in_text_are_shown_as_underscores_and_kept(tmp_path, card, lenient):
    raw = with_card(card.ljust(80))
    with opened(raw, tmp_path, mode="r+", lenient=lenient) as fits:
        assert fits[0].read().tolist() == [1, 2, 3]
        shown = card.decode("latin-1").translate({code: "_" for code in range(256) if not 0x20 <= code <= 0x7E})
        assert shown.rstrip() in fits[0].header.cards
        fits[0].header["EXPTIME"] = 31.5
        fits[0].header["AIRMASS"] = 1.1
        fits[0].header.set_comment("AIRMASS", "sec z")
        del fits[0].header["EXPTIME"]
    assert card.ljust(80) in (tmp_path / "x.fits").read_bytes()
    with FITS(tmp_path / "x.fits") as fits:
        assert "EXPTIME" not in fits[0].header
        assert fits[0].header["AIRMASS"] == 1.1
    with pytest.raises(HeaderError, match=r"non-printable byte 0x.*card 5.*lenient=True"):
        FITS(tmp_path / "x.fits", lenient=False)


@pytest.mark.parametrize("card", NEEDED)
def test_stray_bytes_in_what_is_needed_are_an_error(tmp_path, card):
    with pytest.raises(HeaderError, match=r"non-printable byte 0x.*card 5.*lenient=True"):
        opened(with_card(card.ljust(80)), tmp_path)
    with FITS(tmp_path / "x.fits", lenient=True) as fits:
        assert fits[0].header["EXPTIME"] == 30.5


def test_cards_keep_stray_bytes_where_they_move_to(tmp_path):
    stray = b"HISTORY by J\xf6rg".ljust(80)
    with opened(with_card(stray), tmp_path, mode="r+") as fits:
        with fits[0].header.edit() as edit:
            for number in range(50):  # the header grows, and its data move
                edit[f"KEY{number}"] = number
        del fits[0].header["EXPTIME"]
        fits[0].header.add_history("more")
        assert fits[0].header["HISTORY"] == ["by J_rg", "more"]
    assert (tmp_path / "x.fits").read_bytes().count(stray) == 1
    with FITS(tmp_path / "x.fits") as fits:
        assert fits[0].read().tolist() == [1, 2, 3]
        copied = FITS("mem://", "w+").write_image(PIXELS, header=fits[0].header)
        assert copied.header["HISTORY"] == ["by J_rg", "more"]  # a new header holds text alone


def test_a_later_header_with_stray_bytes_is_as_the_first(tmp_path):
    later = with_card(HARMLESS[0].ljust(80)).replace(
        b"SIMPLE  =                    T", b"XTENSION= 'IMAGE   '".ljust(30)
    )
    with opened(content() + later + content()[BLOCK * 2 :], tmp_path) as fits:
        assert [hdu.extname for hdu in fits] == ["FIRST", "LAST", None, "LAST"]
        assert fits[2].read().tolist() == [1, 2, 3]
        fits.refresh()
        assert fits[2].header["CCD-TEMP"] == -64.0
    with FITS(tmp_path / "x.fits", lenient=False) as fits, pytest.raises(HeaderError, match="non-printable"):
        fits[2]


@given(st.binary(min_size=80, max_size=80), st.sampled_from([None, True, False]))
def test_any_card_is_read_or_refused_and_never_changed(card, lenient):
    raw = card + b"END".ljust(80)
    try:
        cards = Cards.parse(raw, lenient=lenient)
    except HeaderError:
        assert lenient is not True
        return
    stored = cards.encode()
    assert stored.startswith(card[: len(cards) * 80])
    assert cards.copy().encode() == stored


def test_the_short_ways_take_lenient(tmp_path):
    path = tmp_path / "x.fits"
    path.write_bytes(with_card(NEEDED[0].ljust(80)))
    for call in (rustfits.read, rustfits.read_header, rustfits.convenience.read):
        with pytest.raises(HeaderError, match="non-printable"):
            call(path)
    assert rustfits.read_header(path, lenient=True)["EXPTIME"] == 30.5
    path.write_bytes(with_card(HARMLESS[0].ljust(80)))
    assert rustfits.read(path).tolist() == [1, 2, 3]
    with pytest.raises(HeaderError, match="non-printable"):
        rustfits.read(path, lenient=False)


# -- older names, groups, images without data -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["IUEIMAGE", "IMAGE"])
def test_images_of_older_archives_are_images(name):
    raw = content().replace(b"XTENSION= 'IMAGE   '", f"XTENSION= '{name:8}'".encode())
    fits = FITS.from_bytes(raw)
    assert isinstance(fits[1], ImageHDU)
    assert (fits[1].read() == PIXELS + 1).all()


@pytest.mark.parametrize("name", ["A3DTABLE", "3DTABLE", "BINTABLE"])
def test_compressed_images_in_older_tables_are_images(name):
    raw = content("GZIP_2").replace(b"XTENSION= 'BINTABLE'", f"XTENSION= '{name:8}'".encode())
    assert (FITS.from_bytes(raw)["LAST"].read() == PIXELS + 1).all()


def groups(ngroups):
    cards = ["SIMPLE  = T", "BITPIX  = 16", "NAXIS   = 3", "NAXIS1  = 0", "NAXIS2  = 4", "NAXIS3  = 5", "GROUPS  = T"]
    cards += ["PCOUNT  = 3", f"GCOUNT  = {ngroups}", "END"]
    data = bytes(2 * ngroups * 23)
    return "".join(card.ljust(80) for card in cards).encode().ljust(BLOCK) + data.ljust(
        -(-len(data) // BLOCK) * BLOCK, b"\0"
    )


def test_random_groups_say_what_they_are(tmp_path):
    path = tmp_path / "x.fits"
    path.write_bytes(groups(7) + content()[2 * BLOCK :])
    with FITS(path) as fits:
        assert fits[0].has_data
        assert repr(fits[0])
        for read in (
            fits[0].read,
            lambda: fits[0][...],
            lambda: fits[0][0, 0],
            lambda: fits[0].read_many([0]),
            lambda: fits[0].cutouts([(1, 1, 0)], 1),
            lambda: fits[0].read(mask_blank=True),
        ):
            with pytest.raises(NotImplementedError, match=r"7 random groups"):
                read()
        assert (fits[1].read() == PIXELS + 1).all()
    with pytest.raises(NotImplementedError, match=r"random groups"):
        rustfits.read(path)
    assert rustfits.read(path, 1).tolist() == (PIXELS + 1).tolist()
    assert not FITS.from_bytes(groups(0))[0].has_data


def test_an_empty_axis_alone_makes_no_groups():
    fits = FITS.from_bytes(groups(7).replace(b"GROUPS  = T", b"GROUPS  = F").replace(b"PCOUNT  = 3", b"PCOUNT  = 0"))
    assert not fits[0].has_data
    assert fits[0].read().shape == (5, 4, 0)


def renamed(*names):
    """Return a table of tiles with these EXTNAME cards."""
    with FITS("mem://", "w+") as fits:
        fits.write_image(PIXELS, compress="GZIP_2")
        fits.write_image(PIXELS, extname="SCI", extver=2)
        raw = fits.to_bytes()
    cards = b"".join(f"EXTNAME = '{name}'".ljust(80).encode() for name in names)
    end = raw.index(b"END".ljust(80), BLOCK)
    return raw[:end] + cards + raw[end : -(-end // BLOCK) * BLOCK - len(cards)] + raw[-(-end // BLOCK) * BLOCK :]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["COMPRESSED_IMAGE", "FLUX"], "FLUX"),
        (["COMPRESSED_IMAGE", "COMPRESSED_IMAGE  ", "FLUX", "OTHER"], "FLUX"),
        (["FLUX", "COMPRESSED_IMAGE"], "FLUX"),
        (["FLUX", "OTHER"], "FLUX"),
        (["COMPRESSED_IMAGE"], "COMPRESSED_IMAGE"),
        ([], None),
    ],
)
def test_of_several_names_the_first_that_is_somebodys_counts(names, expected):
    fits = FITS.from_bytes(renamed(*names))
    assert fits[1].extname == expected
    if expected:
        assert fits[expected.lower()] is fits[1]
        assert f"({expected!r})" in fits[1]._state.place
        copied = FITS("mem://", "w+").write_image(PIXELS, header=fits[1].header)
        assert copied.extname == (None if expected == "COMPRESSED_IMAGE" else expected)


def test_a_name_with_a_number_selects_the_version():
    fits = FITS.from_bytes(renamed())
    assert fits["SCI,2"] is fits["sci , 2"] is fits["SCI", 2]
    for key in ("SCI,1", "SCI,x", ",2", "SCI,2,2"):
        assert key not in fits
    fits = FITS.from_bytes(renamed("SCI,2"))
    assert fits["SCI,2"] is fits[1]
