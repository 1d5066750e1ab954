"""Tables that others wrote are read as they read them."""

from pathlib import Path

import numpy as np
import pytest

import rustfits

fits = pytest.importorskip("astropy.io.fits", reason="astropy is the peer")
DATA = Path(__file__).resolve().parents[3] / "tests" / "data"
NROWS = 37


@pytest.fixture(scope="module")
def columns():
    random = np.random.default_rng(3)
    numbers = {code: random.integers(0, 120, (NROWS, 6)).astype(code) for code in ("u1", "i2", "i4", "i8", "f4", "f8")}
    names = np.array(["", "M 31", "a  b", "NGC 7000", "x"] * NROWS)[:NROWS]
    return {
        **{f"{code}_scalar": values[:, 0] for code, values in numbers.items()},
        **{f"{code}_row": values for code, values in numbers.items()},
        "cube": random.normal(size=(NROWS, 2, 3, 4)).astype("f4"),
        "c8": (random.normal(size=NROWS) + 1j).astype("c8"),
        "c16": random.normal(size=(NROWS, 2)) - 2j,
        "ok": random.integers(0, 2, NROWS).astype(bool),
        "flags": random.integers(0, 2, (NROWS, 3)).astype(bool),
        "name": names,
        "names": np.stack([names, names[::-1]], axis=1),
        "u2": random.integers(0, 1 << 16, NROWS).astype("u2"),
        "u4": random.integers(0, 1 << 32, (NROWS, 2)).astype("u4"),
        "u8": random.integers(0, 1 << 64, NROWS, dtype="u8"),
    }


def same(found, expected):
    assert found.shape == expected.shape
    if expected.dtype.kind == "S":
        expected = np.char.decode(expected, "ascii")
    if expected.dtype.kind in "US":
        assert found.tolist() == np.char.rstrip(expected).tolist()
    else:
        assert found.dtype == expected.dtype.newbyteorder("=")
        assert found.tobytes() == expected.astype(found.dtype).tobytes()


def structured(columns):
    dtype = [(name, values.dtype, values.shape[1:]) for name, values in columns.items()]
    rows = np.empty(NROWS, dtype)
    for name, values in columns.items():
        rows[name] = values
    return rows


def test_a_table_of_astropy_is_read(tmp_path, columns):
    path = tmp_path / "astropy.fits"
    fits.BinTableHDU(structured(columns), name="CAT").writeto(path)
    with rustfits.FITS(path) as file:
        values = file["CAT"].read()
        assert values.dtype == file["CAT"].dtype
        assert values.dtype.names == tuple(columns)
        for name, expected in columns.items():
            same(values[name], expected)
            same(file["CAT"].read_column(name), expected)


def test_a_table_of_fitsio_is_read(tmp_path, columns):
    fitsio = pytest.importorskip("fitsio", reason="fitsio is the peer")
    path = tmp_path / "fitsio.fits"
    kept = {name: values for name, values in columns.items() if values.dtype.kind != "U"}
    kept |= {name: values.astype("S8") for name, values in columns.items() if values.dtype.kind == "U"}
    fitsio.write(str(path), structured(kept), extname="CAT", units=["m"] * len(kept))
    with rustfits.FITS(path) as file:
        hdu = file["CAT"]
        assert set(hdu.units.values()) == {"m"}
        for name, expected in kept.items():
            same(hdu.read(columns=[name])[name], expected)
        some = [30, 2, -1]
        for name, expected in fitsio.read(str(path), ext=1, rows=[2, 30, 36]).dtype.fields.items():
            assert hdu.read(rows=some)[name].shape[1:] == expected[0].shape


def test_bits_and_scaled_columns_are_read_as_astropy_reads_them(tmp_path):
    bits = np.random.default_rng(4).integers(0, 2, (NROWS, 13)).astype(bool)
    path = tmp_path / "scaled.fits"
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("bits", "13X", array=bits),
            fits.Column("scaled", "I", array=np.arange(NROWS)),
            fits.Column("i1", "B", array=np.arange(NROWS)),
            fits.Column("pairs", "6E", dim="(2,3)", array=np.arange(NROWS * 6, dtype="f4").reshape(NROWS, 3, 2)),
        ]
    )
    table.writeto(path)
    for keyword, value in [("TSCAL2", 0.5), ("TZERO2", 100.0), ("TZERO3", -128)]:
        fits.setval(path, keyword, value=value, ext=1)
    with fits.open(path) as peer, rustfits.FITS(path) as file:
        values = file[1].read()
        for name in ("bits", "scaled", "i1", "pairs"):
            assert values[name].tolist() == peer[1].data[name].tolist()
        assert values.dtype == np.dtype([("bits", "?", (13,)), ("scaled", "f8"), ("i1", "i1"), ("pairs", "f4", (3, 2))])
        assert file[1].read(scale=False)["scaled"].tolist() == list(range(NROWS))


def test_an_ascii_table_is_listed(tmp_path):
    path = tmp_path / "ascii.fits"
    fits.TableHDU.from_columns(
        [
            fits.Column("id", "I8", ascii=True, array=np.arange(3), unit="d"),
            fits.Column("name", "A5", ascii=True, array=np.array(["a", "bb", "ccc"])),
            fits.Column("flux", "E15.7", ascii=True, array=np.ones(3)),
            fits.Column("wide", "D25.17", ascii=True, array=np.ones(3)),
            fits.Column("fixed", "F12.9", ascii=True, array=np.ones(3)),
        ],
        name="OLD",
    ).writeto(path)
    with rustfits.FITS(path) as file:
        hdu = file["OLD"]
        assert isinstance(hdu, rustfits.AsciiTableHDU)
        assert not isinstance(hdu, rustfits.TableHDU)
        assert (hdu.nrows, hdu.ncols, len(hdu)) == (3, 5, 3)
        assert hdu.units["id"] == "d"
        assert hdu.formats == {"id": "I8", "name": "A5", "flux": "E15.7", "wide": "D25.17", "fixed": "F12.9"}
        assert hdu.dtype == np.dtype([("id", "i8"), ("name", "U5"), ("flux", "f4"), ("wide", "f8"), ("fixed", "f8")])
        assert "  type: ASCII_TBL\n  extname: OLD\n  rows: 3\n" in repr(hdu)
        expected = {
            "id": [0, 1, 2],
            "name": ["a", "bb", "ccc"],
            "flux": [1, 1, 1],
            "wide": [1, 1, 1],
            "fixed": [1, 1, 1],
        }
        assert {name: hdu.read()[name].tolist() for name in hdu.colnames} == expected
        assert hdu.read_column("name", as_bytes=True).tolist() == [b"a    ", b"bb   ", b"ccc  "]


@pytest.mark.parametrize("name", ["nomtam_ztable_gzip_mixed.fits.fz", "cta_lst_zfits_custom_codec.fits.fz"])
def test_a_compressed_table_is_listed_as_it_was_before(name):
    with fits.open(DATA / name) as peer, rustfits.FITS(DATA / name) as file:
        found = [hdu for hdu in file if isinstance(hdu, rustfits.CompressedTableHDU)]
        assert found
        for hdu in found:
            header = peer[hdu.index].header
            assert hdu.nrows == header["ZNAXIS2"] == len(hdu)
            assert hdu.n_tiles == header["NAXIS2"]
            assert hdu.colnames == tuple(
                header.get(f"TTYPE{n}", f"COL{n}").rstrip() for n in range(1, header["TFIELDS"] + 1)
            )
            assert hdu.compression == {name: header[f"ZCTYP{n}"] for n, name in enumerate(hdu.colnames, start=1)}
            assert hdu.dtype.names == hdu.colnames
            assert "type: BINARY_TBL (compressed)" in repr(hdu)


def test_the_dtype_of_a_compressed_table_is_that_of_the_table():
    with rustfits.FITS(DATA / "nomtam_ztable_gzip_mixed.fits.fz") as file:
        formats = ["U26", ("i2", (3,)), ("f4", (4, 4)), "f8", ("U10", (3,))]
        assert file[1].dtype == np.dtype([(f"COL{n}", form) for n, form in enumerate(formats, start=1)])


@pytest.mark.parametrize("compress", [None, "GZIP_2"])
def test_an_hdu_can_be_asked_for_by_its_kind(compress, tmp_path):
    path = tmp_path / "kinds.fits"
    table = np.zeros(3, dtype=[("X", "i2")])
    with rustfits.FITS(path, "w+") as file:
        file.write_image(np.zeros((4, 5), "i2"), extname="SCI", compress=compress)
    with fits.open(path, mode="append") as hdus:
        hdus.append(fits.BinTableHDU(table, name="CAT"))
        hdus.append(fits.TableHDU.from_columns([fits.Column("Y", "I5", array=[1, 2])], name="TXT"))
    with rustfits.FITS(path) as file:
        assert file.image("SCI") is file["SCI"]
        assert file.table("CAT") is file["CAT"]
        for ask, key, found in (
            (file.image, "CAT", "BINARY_TBL, not an image"),
            (file.table, "SCI", "not a binary table"),
            (file.table, "TXT", "ASCII_TBL, not a binary table"),
        ):
            with pytest.raises(rustfits.WrongHDUKind, match=found) as caught:
                ask(key)
            assert isinstance(caught.value, TypeError)
            assert f"({key!r})" in str(caught.value)
        if compress:
            assert file.compressed_image("SCI") is file["SCI"]
        else:
            with pytest.raises(rustfits.WrongHDUKind, match="not a compressed image"):
                file.compressed_image("SCI")
        with pytest.raises(rustfits.HDUNotFound):
            file.image("NONE")
