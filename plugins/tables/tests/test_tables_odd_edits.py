"""Changes of tables that are not as ours: shared cells, gaps, descriptors that point nowhere, checksums, storages."""

import io

import numpy as np
import pytest
from newtables import assert_same
from tablefiles import table

import rustfits
from rustfits import FITS, TableError

HEAP = np.arange(10, dtype=">i2").tobytes()


def rows(*cells):
    """Rows of a number and a descriptor."""
    out = np.zeros(len(cells), dtype=[("n", ">i4"), ("v", ">i4", (2,))])
    out["n"], out["v"] = np.arange(len(cells)), cells
    return out.tobytes()


def odd(*cells, gap=b"", **cards):
    """An open file, to be changed, with a table of a number and arrays of i2."""
    raw = rows(*cells)
    more = {"PCOUNT": len(gap) + len(HEAP), **({"THEAP": len(raw) + len(gap)} if gap else {})} | cards
    hdu = table([("1J", "n"), ("1PI(9)", "v")], raw + gap + HEAP, nrows=len(cells), row_nbytes=12, **more)
    return FITS.from_bytes(hdu._file.content(), "r+")


def cells_of(hdu):
    return [cell.tolist() for cell in hdu.read_column("v")]


def test_cells_that_share_bytes_stay_what_they_are():
    with odd((4, 0), (4, 0), (3, 2), (0, 0), (2, 16)) as fits:
        hdu = fits[1]
        expected = [[0, 1, 2, 3], [0, 1, 2, 3], [1, 2, 3], [], [8, 9]]
        assert cells_of(hdu) == expected
        hdu["v"][0] = np.array([7, 7], "i2")
        expected[0] = [7, 7]
        assert cells_of(hdu) == expected
        hdu.repack()
        assert cells_of(hdu) == expected
        assert hdu.header["PCOUNT"] == 2 * (2 + 4 + 2)  # what two cells share is there once
        hdu.append(hdu.read())
        hdu.insert_column("s", np.array(["x"] * 10, object), inner_dtype="U", position=0)
        assert cells_of(hdu) == expected * 2
        hdu.delete_column("n")
        assert cells_of(hdu) == expected * 2


def test_a_gap_of_another_program_is_used_and_closed():
    with odd((4, 0), (2, 16), gap=b"\xff" * 24) as fits:
        hdu = fits[1]
        hdu.append(hdu.read())
        assert "THEAP" not in hdu.header  # the two rows have filled it
        assert cells_of(hdu) == [[0, 1, 2, 3], [8, 9]] * 2
    with odd((4, 0), (2, 16), gap=b"\xff" * 240) as fits:
        hdu = fits[1]
        hdu.append(hdu.read())
        assert hdu.header["THEAP"] == 24 + 240
        hdu.insert_column("new", np.arange(4))
        assert hdu.header["THEAP"] == 24 + 240
        assert cells_of(hdu) == [[0, 1, 2, 3], [8, 9]] * 2
        hdu.repack()
        assert "THEAP" not in hdu.header
        assert cells_of(hdu) == [[0, 1, 2, 3], [8, 9]] * 2


def test_a_descriptor_that_points_nowhere_keeps_the_heap_as_it_is():
    with odd((4, 0), (9, 16), (-1, 0)) as fits:
        hdu, before = fits[1], fits.to_bytes()
        with pytest.raises(TableError, match=r"repack\(\): row 1.*'?v'?.*9 elements at byte 16 of a heap of 20"):
            hdu.repack()
        assert fits.to_bytes() == before
        hdu["n"] = np.array([5, 6, 7], "i4")  # needs no heap
        hdu["v"][1:] = [np.zeros(1, "i2"), np.zeros(0, "i2")]
        hdu.repack()
        assert cells_of(hdu) == [[0, 1, 2, 3], [0], []]


def test_a_table_whose_size_is_not_what_it_says_is_not_changed():
    with odd((4, 0), (2, 16), GCOUNT=2) as fits:
        before = fits.to_bytes()
        for act in (
            lambda hdu: hdu.append({"n": np.zeros(1, "i4"), "v": np.array([np.zeros(1, "i2"), None], object)[:1]}),
            lambda hdu: hdu.write(hdu.read()),
            lambda hdu: hdu.__setitem__("n", np.zeros(2, "i4")),
            lambda hdu: hdu.insert_column("new", np.zeros(2)),
            lambda hdu: hdu.delete_column("n"),
            lambda hdu: hdu.repack(),
        ):
            with pytest.raises(rustfits.HeaderError, match="GCOUNT"):
                act(fits[1])
        assert fits.to_bytes() == before


def test_sums_are_the_users_to_renew_but_for_repack():
    with odd((4, 0), (2, 16)) as fits:
        hdu = fits[1]
        hdu.add_checksum()
        said = hdu.header["DATASUM"]
        hdu["v"][0] = np.array([7, 7], "i2")
        assert hdu.header["DATASUM"] == said
        assert (hdu.verify_datasum(), hdu.verify_checksum()) == (False, False)
        hdu.add_checksum()
        hdu.repack()
        assert (hdu.verify_datasum(), hdu.verify_checksum()) == (True, True)


@pytest.mark.parametrize("kind", ["gzip", "object", "memory"])
def test_tables_are_changed_wherever_they_lie(tmp_path, kind):
    path = tmp_path / "x.fits.gz"
    where = {"gzip": path, "object": io.BytesIO(), "memory": "mem://"}[kind]
    data = {"a": np.arange(1000), "s": np.array(["x", "yz"] * 500)}
    with FITS(where, "w+") as fits:
        fits.write(data, extname="T")
        fits["T"].append(data)
        fits["T"][[5, 700, 1999]] = fits["T"][:3]
        fits["T"].delete_column("s")
        found = fits["T"].read_column("a")
    expected = np.concatenate([data["a"], data["a"]])
    expected[[5, 700, 1999]] = [0, 1, 2]
    assert_same(found, expected)
    if kind == "gzip":
        with FITS(path) as fits:
            assert_same(fits["T"].read_column("a"), expected)


def test_columns_that_are_scaled_take_physical_values():
    raw = np.array([1, 2, 3], ">i2").tobytes()
    hdu = table([("1I", "x")], raw, nrows=3, row_nbytes=2, TSCAL1=0.5, TZERO1=10, TNULL1=-1)
    with FITS.from_bytes(hdu._file.content(), "r+") as fits:
        hdu = fits[1]
        assert hdu.read_column("x").tolist() == [10.5, 11, 11.5]
        hdu["x"] = np.array([9.5, 10.26, 16393.5])
        assert hdu.read_column("x", scale=False).tolist() == [-1, 1, 32767]
        hdu["x"] = np.ma.array([10.0, 20.0, 30.0], mask=[0, 1, 0])
        assert hdu.read_column("x", scale=False).tolist() == [0, -1, 40]
        before = fits.to_bytes()
        for values, words in (([1e9, 0, 0], "overflow"), ([np.nan, 0, 0], "non-finite")):
            with pytest.raises(TableError, match=words):
                hdu["x"] = np.array(values)
        with pytest.raises(TableError, match="physical values"):
            hdu["x"] = np.zeros(3, "i2")
        assert fits.to_bytes() == before


@pytest.mark.parametrize(
    ("form", "scale", "zero", "good", "bad"),
    [
        ("1E", 2.0, 0.0, 1e38, 1e300),
        ("1E", 0.5, 0.0, 1e38, -3e38),
        ("1E", 1.0, 1e39, 1e39, 1.0),
        ("1D", 1e-10, 0.0, 1e290, 1e300),
    ],
)
def test_finite_values_of_scaled_floats_do_not_become_infinite(form, scale, zero, good, bad):
    size = 4 if form == "1E" else 8
    for name, raw, more in ((form, bytes(3 * size), {}), (f"1Q{form[1]}(3)", bytes(48), {"PCOUNT": 0})):
        row_nbytes = len(raw) // 3
        hdu = table([(name, "x")], raw, nrows=3, row_nbytes=row_nbytes, TSCAL1=scale, TZERO1=zero, **more)
        with FITS.from_bytes(hdu._file.content(), "r+") as fits:
            hdu = fits[1]
            before = fits.to_bytes()
            cell = np.array([np.inf, bad]) if more else bad
            with pytest.raises(TableError, match=f"row {0 if more else 1}.*overflow"):
                hdu["x"][[0, 1]] = [np.array([good, np.nan]), cell][::-1] if more else np.array([good, cell])
            assert fits.to_bytes() == before
            values = np.array([good, np.nan, np.inf])
            hdu["x"][[1]] = [values] if more else values[:1]
            found = hdu.read_column("x")[1]
            assert np.allclose(found, values if more else good, equal_nan=True)
            if not more:
                hdu["x"] = values
                assert np.allclose(hdu.read_column("x")[:1], good, equal_nan=True)


@pytest.mark.parametrize("dtype", ["i2", "u1"])
def test_masked_values_of_a_scaled_column_need_not_be_storable(dtype):
    raw = np.array([1, 2, 3], f">{dtype}").tobytes()
    form = {"i2": "1I", "u1": "1B"}[dtype]
    hdu = table([(form, "x")], raw, nrows=3, row_nbytes=np.dtype(dtype).itemsize, TSCAL1=1, TZERO1=100000, TNULL1=99)
    with FITS.from_bytes(hdu._file.content(), "r+") as fits:
        fits[1]["x"] = np.ma.array([100001.0, 5.0, np.nan], mask=[0, 1, 1])
        assert fits[1].read_column("x", scale=False).tolist() == [1, 99, 99]
        with pytest.raises(TableError, match="row 0: overflow"):
            fits[1]["x"] = np.ma.array([1.0, 5.0, np.nan], mask=[0, 1, 1])


def test_columns_of_a_compressed_table_are_not_edited():
    raw = np.zeros(4, ">i8").tobytes()
    cards = {
        "ZTABLE": True,
        "ZNAXIS1": 4,
        "ZNAXIS2": 10,
        "ZPCOUNT": 0,
        "ZFORM1": "1J",
        "ZCTYP1": "GZIP_1",
        "ZTILELEN": 10,
    }
    hdu = table([("1QB", "a")], raw, nrows=2, row_nbytes=16, **cards)
    with FITS.from_bytes(hdu._file.content(), "r+") as fits:
        before = fits.to_bytes()
        for act in (
            lambda hdu: hdu.insert_column("b", np.zeros(10)),
            lambda hdu: hdu.delete_column("a"),
        ):
            with pytest.raises(NotImplementedError):
                act(fits[1])
        assert fits.to_bytes() == before


def test_rows_of_columns_of_one_name_are_not_guessed():
    hdu = table([("1B", "a"), ("1B", "a")], b"\1\2")
    with FITS.from_bytes(hdu._file.content(), "r+") as fits:
        before = fits.to_bytes()
        for act in (fits[1].write, fits[1].append):
            with pytest.raises(TableError, match="several columns of the name 'a'"):
                act({"a": np.zeros(1, "u1")})
        with pytest.raises(TableError, match="may be any of columns"):
            fits[1].delete_column("a")
        assert fits.to_bytes() == before
        fits[1].delete_column(0)
        assert fits[1].read_column("a").tolist() == [2]
