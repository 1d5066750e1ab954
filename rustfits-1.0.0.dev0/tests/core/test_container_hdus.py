"""The container as a sequence: keys, names, listing, and what is left after close."""

import gc
import threading
import weakref

import numpy as np
import pytest

from rustfits.container.fitsfile import FITS
from rustfits.errors import FitsError, HandleTainted, HDUIndexError, HDUKeyInvalid, HDUNotFound

PIXELS = np.arange(6, dtype=np.int32).reshape(2, 3)
EMPTY = {"BITPIX": 8, "NAXIS": 0, "PCOUNT": 0, "GCOUNT": 1}


@pytest.fixture
def fits():
    with FITS("mem://", "w+") as fits:
        fits.create_image_hdu("u1", ())
        fits.write_image(PIXELS, extname="Sci", extver=1)
        fits.write_image(PIXELS + 1, extname="SCI", extver=2)
        fits.write_image(PIXELS + 2, extname="ERR  ")
        yield fits


def test_numbers_count_from_both_ends(fits):
    for index in (0, 3, -1, -4, np.int64(2), np.uint8(1)):
        assert fits[index].index == index % 4
    for index in (4, -5, 10**30, np.int32(99)):
        with pytest.raises(HDUIndexError, match=r"out of range.*4 HDUs") as caught:
            fits[index]
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, IndexError)


def test_names_match_without_case_and_surrounding_blanks(fits):
    for name in ("sci", " SCI ", b"Sci", np.str_("sCi"), np.bytes_(b"sci")):
        assert fits[name] is fits[1]
    assert fits["err"].index == 3
    for name in ("NONE", "PRIMARY", "SC", "", "ünï"):
        with pytest.raises(HDUNotFound, match=r"no HDU named.*'Sci', 'SCI', 'ERR"):
            fits[name]


def test_a_name_is_found_however_its_card_spells_it(tmp_path):
    path, names = tmp_path / "names.fits", ("o'brien", "n" * 60 + "'" + "m" * 20, "last")
    with FITS(path, "w+") as fits:
        fits.write_image(PIXELS)
        for name in names:
            fits.write_image(PIXELS, extname=name)
    cards = ["XTENSION= 'IMAGE   '", *(f"{key:8}= {value:20}" for key, value in EMPTY.items())]
    cards += ["EXTNAME = 'be&'", "CONTINUE  'hind'", "END"]
    with path.open("ab") as file:
        file.write("".join(f"{card:80}" for card in cards).ljust(2880).encode())
    for index, name in enumerate((*names, "BEhind"), start=1):
        with FITS(path) as fits:
            assert fits[name.upper()].index == index


def test_a_name_and_a_version_select_together(fits):
    assert fits["SCI", 2] is fits[2]
    assert fits[(b"sci", np.int16(1))] is fits[1]
    assert fits["ERR", 1] is fits[3]
    for key in [("SCI", 3), ("ERR", 2)]:
        assert key not in fits
        with pytest.raises(HDUNotFound, match="no HDU named"):
            fits[key]


@pytest.mark.parametrize(
    "key",
    [
        None, 1.0, [1], slice(1), (), (1,), ("SCI",), ("SCI", 1, 2), ("SCI", "2"), ("SCI", True), ("SCI", 1.0), (1, 2),
        np.bool_(True), np.array(1), np.array([1]), np.float64(1), ..., object(), bytearray(b"SCI"),
    ],
)  # fmt: skip
def test_other_keys_are_refused(fits, key):
    for act in (lambda: fits[key], lambda: key in fits):
        with pytest.raises(HDUKeyInvalid, match="FITS index must be"):
            act()


def test_bools_and_bytes_that_are_no_text_are_refused(fits):
    for key, words in [(True, "bool"), (False, "bool"), (b"\xff", "ASCII")]:
        for act in (lambda key=key: fits[key], lambda key=key: key in fits):
            with pytest.raises(HDUKeyInvalid, match=words) as caught:
                act()
            assert isinstance(caught.value, ValueError)


def test_membership_follows_the_same_keys(fits):
    assert 0 in fits
    assert -4 in fits
    assert 4 not in fits
    assert "sci" in fits
    assert b"err" in fits
    assert "PRIMARY" not in fits


def test_every_road_gives_the_same_object(fits):
    assert list(fits) == fits.hdus == [fits[index] for index in range(len(fits))]
    assert fits["ERR"] is fits[-1] is list(fits)[3]


def test_the_list_of_hdus_is_a_copy_and_iteration_a_snapshot(fits):
    fits.hdus.clear()
    assert len(fits) == 4
    for _ in fits:
        fits.write_image(PIXELS)
    assert len(fits) == 8


def test_a_new_name_is_found_at_once(fits):
    fits[0].header["EXTNAME"] = "FIRST"
    assert fits["first"] is fits[0]
    del fits[3].header["EXTNAME"]
    assert "ERR" not in fits


def test_the_listing_has_a_line_for_each_hdu(fits):
    assert repr(fits).splitlines() == [
        "  file: mem://",
        "  mode: w+",
        "  extnum  hdutype     extname",
        "  0       IMAGE_HDU",
        "  1       IMAGE_HDU   Sci",
        "  2       IMAGE_HDU   SCI",
        "  3       IMAGE_HDU   ERR",
    ]
    fits.close()
    assert repr(fits).splitlines() == ["  file: mem://", "  mode: w+", "  status: closed"]


def test_after_close_what_is_known_stays_and_data_are_gone(fits):
    hdu, header = fits["SCI"], fits["SCI"].header
    fits.close()
    fits.close()
    fits.sync()
    assert fits.closed
    assert len(fits) == len(list(fits)) == len(fits.hdus) == 4
    assert fits["SCI"] is hdu
    assert "ERR" in fits
    with fits as again:
        assert again is fits
    assert (hdu.shape, hdu.dtype, hdu.extname, hdu.has_data) == ((2, 3), np.int32, "Sci", True)
    assert header["NAXIS1"] == 3
    for act in (
        hdu.read,
        lambda: hdu[0, 0],
        lambda: hdu.write(PIXELS),
        lambda: header.update({"A": 1}),
        lambda: fits.create_image_hdu("i4", (3,)),
        lambda: fits.write_image(PIXELS),
        lambda: fits.write(PIXELS),
        lambda: fits.write_table(np.zeros(2, dtype=[("a", "i4")])),
        lambda: fits.create_table_hdu([("a", "i4")]),
        fits.to_bytes,
    ):
        with pytest.raises(OSError, match="file is closed"):
            act()


def test_leaving_the_block_closes_and_swallows_nothing():
    fits = FITS("mem://", "w+")
    with pytest.raises(KeyError), fits:
        raise KeyError
    assert fits.closed


def test_a_tainted_handle_lists_and_closes_but_does_nothing_else(fits):
    hdu = fits[1]
    hdu._force_taint()
    assert fits[1] is fits["SCI"] is hdu
    assert fits["SCI", 2] is fits[2]
    assert "Sci" in repr(fits)
    header = hdu.header
    for act in (
        hdu.read,
        lambda: hdu.write(PIXELS),
        lambda: header["NAXIS"],
        lambda: hdu.extname,
        lambda: fits.write_image(PIXELS),
        fits.to_bytes,
    ):
        with pytest.raises(HandleTainted, match=r"indeterminate state.*reopen"):
            act()
    fits.close()
    assert fits.closed


def test_a_file_with_an_open_context_does_not_close(fits):
    fits._file.contexts[2] = "extending"
    with pytest.raises(ValueError, match=r"cannot close FITS while HDU at index 2 is inside extending\(\) context"):
        fits.close()
    assert not fits.closed
    assert (fits[1].read() == PIXELS).all()
    fits._file.contexts.clear()


def test_threads_read_and_add_through_one_handle(fits):
    wrong = []

    def read():
        wrong.extend(1 for _ in range(50) if not (fits["SCI"].read() == PIXELS).all())

    def add(start):
        for number in range(start, start + 20):
            fits.write_image(PIXELS + number, extname=f"N{number}")

    threads = [threading.Thread(target=read), threading.Thread(target=read)]
    threads += [threading.Thread(target=add, args=(start,)) for start in (100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(fits) == 44
    for number in (*range(100, 120), *range(200, 220)):
        assert (fits[f"N{number}"].read() == PIXELS + number).all()
    assert [hdu.index for hdu in fits] == list(range(44))
    assert len(FITS.from_bytes(fits.to_bytes())) == 44


def test_every_error_calls_an_hdu_by_the_same_name(tmp_path):
    path = str(tmp_path / "named.fits")
    with FITS(path, "w+") as fits:
        fits.write_image(PIXELS, extname="SCI")
        fits.write_image(PIXELS, extname="SCI", compress="GZIP_1")
        fits.write_image(PIXELS)
    names = [f"HDU 0 ('SCI') of {path}", f"HDU 1 ('SCI') of {path}", f"HDU 2 of {path}"]
    with FITS(path) as fits:
        for hdu, name in zip(fits, names, strict=True):
            for fail in (
                lambda hdu=hdu: hdu.header["ABSENT"],
                lambda hdu=hdu: hdu.header.__setitem__("OBSERVER", "me"),
                lambda hdu=hdu: hdu.header.edit().__enter__().__delitem__("ABSENT"),
                lambda hdu=hdu: hdu[99, 99],
                lambda hdu=hdu: hdu.read_many([(99, 99)]),
                lambda hdu=hdu: hdu.write(PIXELS),
                lambda hdu=hdu: hdu.extend(PIXELS),
            ):
                with pytest.raises(FitsError) as error:
                    fail()
                assert error.value.where == name, str(error.value)
                assert str(error.value).count("HDU ") == 1


def test_the_name_of_an_hdu_in_errors_is_the_one_that_it_has_now():
    with FITS("mem://", "w+") as fits:
        fits.write_image(PIXELS, extname="OLD")
        fits[0].header["EXTNAME"] = "NEW"
        for fail in (lambda: fits[0][99, 99], lambda: fits[0].header["ABSENT"]):
            with pytest.raises(FitsError, match=r"HDU 0 \('NEW'\) of mem://"):
                fail()


def test_nothing_of_a_file_that_is_dropped_waits_for_the_collector_of_circles(tmp_path):
    path = tmp_path / "dropped.fits"
    with FITS(path, "w+") as fits:
        fits.write_image(PIXELS, extname="PLAIN")
        fits.write_image(PIXELS, extname="PACKED", compress="GZIP_1")
    gc.collect()
    gc.disable()
    try:
        fits = FITS(path, "r+")
        for hdu in fits:
            hdu.read()
            hdu[0, 1:]
            hdu.header["OBJECT"] = "M13"
            hdu[0] = 7
        storage = weakref.ref(fits._file.storage)
        del fits, hdu
        assert storage() is None
    finally:
        gc.enable()
