"""DATASUM and CHECKSUM of uncompressed images."""

import numpy as np
import pytest

from rustfits import FITS
from rustfits.errors import TruncatedFile


@pytest.fixture
def hdu():
    fits = FITS("mem://", "w+")
    fits.write_image(np.zeros(3, "i2"))
    hdu = fits.write_image(np.arange(5000, dtype="i4").reshape(50, 100), extname="SCI")
    hdu.keep = fits
    return hdu


def test_absent_sums_are_neither_right_nor_wrong(hdu):
    assert hdu.verify_datasum() is None
    assert hdu.verify_checksum() is None


def test_sums_are_right_once_added(hdu):
    hdu.add_checksum()
    assert hdu.verify_datasum() is True
    assert hdu.verify_checksum() is True
    assert hdu.header["DATASUM"] == str(sum(range(5000)))
    assert len(hdu.header["CHECKSUM"]) == 16
    assert hdu.header.comment_of("DATASUM") == "data unit checksum"
    assert "checksum" in hdu.header.comment_of("CHECKSUM")


def test_a_datasum_alone_leaves_the_checksum_alone(hdu):
    hdu.add_datasum()
    assert hdu.verify_datasum() is True
    assert "CHECKSUM" not in hdu.header
    assert hdu.verify_checksum() is None


def test_later_changes_are_found_out_until_the_sums_are_added_again(hdu):
    hdu.add_checksum()
    hdu.header["OBSERVER"] = "nobody"
    assert hdu.verify_datasum() is True
    assert hdu.verify_checksum() is False
    hdu.add_checksum()
    assert hdu.verify_checksum() is True
    hdu[0, 0] = 17
    assert hdu.verify_datasum() is False
    assert hdu.verify_checksum() is False
    hdu.add_checksum()
    hdu.extend(np.ones((3, 100), "i4"))
    assert hdu.verify_datasum() is False
    hdu.add_checksum()
    assert (hdu.verify_datasum(), hdu.verify_checksum()) == (True, True)


def test_the_header_may_have_to_grow_for_the_sums(hdu):
    while len(hdu.header.cards) % 36:
        hdu.header[f"KEY{len(hdu.header)}"] = 1
    following = hdu.keep.write_image(np.arange(9, dtype="i2"))
    hdu.add_checksum()
    assert hdu.verify_checksum() is True
    assert following.read().tolist() == list(range(9))


def test_the_sum_of_no_data_is_zero():
    fits = FITS("mem://", "w+")
    fits.create_image_hdu("u1", ())
    fits[0].add_checksum()
    assert fits[0].header["DATASUM"] == "0"
    assert (fits[0].verify_datasum(), fits[0].verify_checksum()) == (True, True)


@pytest.mark.parametrize("value", ["x", "-1", "99999999999999", "1.5"])
def test_malformed_sums_are_wrong(hdu, value):
    hdu.add_checksum()
    raw = hdu.keep.to_bytes()
    datasum = hdu.header["DATASUM"]
    changed = raw.replace(
        f"'{datasum:<8}'".encode(), f"'{value:<{len(datasum.ljust(8))}.{len(datasum.ljust(8))}}'".encode()
    )
    assert changed != raw
    assert FITS.from_bytes(changed)[1].verify_datasum() is False
    changed = raw.replace(hdu.header["CHECKSUM"].encode(), value.ljust(16).encode())
    assert FITS.from_bytes(changed)[1].verify_checksum() is False


def test_a_truncated_data_unit_has_no_sum(hdu):
    hdu.add_checksum()
    short = FITS.from_bytes(hdu.keep.to_bytes()[:-5000])[1]
    for verify in (short.verify_datasum, short.verify_checksum):
        with pytest.raises(TruncatedFile):
            verify()


@pytest.mark.parametrize("card", ["'        '", "''", ""], ids=["blanks", "empty", "no value"])
def test_blank_sums_are_undefined(hdu, card):
    hdu.add_checksum()
    raw = hdu.keep.to_bytes()
    for keyword, verify in (("DATASUM", "verify_datasum"), ("CHECKSUM", "verify_checksum")):
        start = raw.index(f"{keyword:8}=".encode(), 2880)
        changed = raw[:start] + f"{keyword:8}= {card}".ljust(80).encode() + raw[start + 80 :]
        fits = FITS.from_bytes(changed, "r+")
        assert getattr(fits[1], verify)() is None
        verdict = fits[1].verify()[keyword]
        assert verdict.status == "absent"
        assert "blank" in verdict.reason
        fits[1].add_checksum()  # which fills them in
        assert (fits[1].verify_datasum(), fits[1].verify_checksum()) == (True, True)


def unknown_extension():
    """Return a file with an extension that no program knows."""
    cards = [
        "XTENSION= 'FOREIGN '",
        "BITPIX  = 8",
        "NAXIS   = 1",
        "NAXIS1  = 3001",
        "PCOUNT  = 0",
        "GCOUNT  = 1",
        "END",
    ]
    fits = FITS("mem://", "w+")
    fits.create_image_hdu("u1", ())
    data = bytes(range(256)) * 11 + bytes(185)
    raw = "".join(card.ljust(80) for card in cards).ljust(2880).encode() + data.ljust(5760, b"\0")
    return FITS.from_bytes(fits.to_bytes() + raw, "r+")


def test_an_extension_of_no_known_kind_has_sums_too():
    fits = unknown_extension()
    assert type(fits[1]).__name__ == "HDU"
    assert (fits[1].verify_datasum(), fits[1].verify_checksum()) == (None, None)
    fits[1].add_checksum()
    assert (fits[1].verify_datasum(), fits[1].verify_checksum()) == (True, True)
    raw = bytearray(fits.to_bytes())
    raw[fits[1]._extent.data_start + 1000] ^= 1
    damaged = FITS.from_bytes(raw)[1]
    assert (damaged.verify_datasum(), damaged.verify_checksum()) == (False, False)
    assert [verdict.check for verdict in damaged.verify().bad] == ["DATASUM", "CHECKSUM"]
