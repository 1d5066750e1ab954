"""Where HDUs lie and what bytes they have, and sums of bytes, as a program that uses the library sees them."""

import gzip
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rustfits


@pytest.fixture(params=["plain", "gzip"])
def path(request, tmp_path):
    made = tmp_path / "x.fits"
    with rustfits.FITS(made, "w+") as fits:
        fits.write_image(np.arange(7, dtype="u1"))
        fits.write_image(np.arange(6000, dtype="i4").reshape(60, 100), compress="GZIP_1", extname="SCI")
        fits.write_image(np.zeros((3, 4), "f8"), header={f"KEY{number}": number for number in range(40)})
    if request.param == "gzip":
        made.write_bytes(gzip.compress(made.read_bytes()))
    return made


def test_extents_follow_each_other_and_bytes_are_those_of_the_file(path):
    raw = path.read_bytes()
    whole = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    with rustfits.FITS(path) as fits:
        stop = 0
        for hdu in fits:
            extent = hdu.extent
            assert extent.header_start == stop
            assert extent.data_start == extent.header_start + extent.header_nbytes
            assert bytes(hdu.read_bytes()) == whole[extent.header_start : extent.data_start + extent.data_nbytes]
            assert hdu.read_bytes(0, extent.header_nbytes).decode().startswith(hdu.header.cards[0])
            assert bytes(hdu.read_bytes(extent.header_nbytes + 2, 3)) == whole[extent.data_start + 2 :][:3]
            stop = extent.data_start + -(-extent.data_nbytes // 2880) * 2880
            for start, nbytes in ((-1, 2), (0, -1), (0, stop), (extent.header_nbytes + extent.data_nbytes + 1, None)):
                with pytest.raises(ValueError, match="range within"):
                    hdu.read_bytes(start, nbytes)
        assert stop == len(whole)
        sizes = [hdu.extent.data_nbytes for hdu in fits]
        header = fits["SCI"].header
        assert sizes == [7, header["NAXIS1"] * header["NAXIS2"] + header["PCOUNT"], 96]


def test_extents_follow_an_edit(path):
    if path.read_bytes()[:2] == b"\x1f\x8b":
        pytest.skip("one edit is enough")
    with rustfits.FITS(path, "r+") as fits:
        before = fits[2].extent
        for number in range(40):
            fits[1].header[f"MORE{number}"] = number
        assert fits[2].extent.header_start > before.header_start
        assert bytes(fits[2].read_bytes(0, 8)) == b"XTENSION"


@given(raw=st.binary(max_size=60), cuts=st.lists(st.integers(0, 60), max_size=5))
def test_the_sum_of_bytes_is_the_same_in_any_chunks(raw, cuts):
    total = rustfits.Datasum()
    for start, stop in pairwise([0, *sorted(cuts), 60]):
        total.update(raw[start:stop])
    expected = int(np.frombuffer(raw.ljust(60, b"\0"), ">u4").sum(dtype="u8"))
    assert total.value == ((expected - 1) % (2**32 - 1) + 1 if expected else 0)


def test_sums_of_a_stranger_are_those_of_the_library(tmp_path):
    with rustfits.FITS(tmp_path / "x.fits", "w+") as fits:
        hdu = fits.write_image(np.arange(600, dtype="i2").reshape(20, 30))
        hdu.add_checksum()
        nbytes, total = hdu.extent.header_nbytes, rustfits.Datasum()
        total.update(hdu.read_bytes(nbytes))
        header = bytes(hdu.read_bytes(0, nbytes))
        assert str(total.value) == hdu.header["DATASUM"]
        assert rustfits.is_checksum_of(header, total.value)
        value = hdu.header["CHECKSUM"].encode()
        assert rustfits.checksum_of(header.replace(value, b"0" * 16), total.value).encode() == value
        assert not rustfits.is_checksum_of(header.replace(b"BITPIX", b"BITPIY"), total.value)
