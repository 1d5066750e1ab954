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


@pytest.mark.parametrize("value", ["", "x", "-1", "99999999999999", "1.5"])
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
