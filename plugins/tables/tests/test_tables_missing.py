"""Logical values that are missing, and what a column says of itself: name, unit, null, description."""

import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tablefiles import table
from test_tables_writing import fitsverify

import rustfits
from rustfits import FITS, HeaderError, NotSupported, ProtectedKeyword, TableError

FLAGS = np.ma.MaskedArray([True, False, True, False], [0, 0, 1, 1])


# -- logical columns: a byte of zero is no value (FITS 4.0, section 7.3.3.1) ------------------------------------------


@given(raw=st.lists(st.sampled_from(b"TF\x00tf1"), min_size=1, max_size=40), width=st.integers(1, 3))
@settings(deadline=None)
def test_a_byte_of_zero_is_masked_and_nothing_else_is(raw, width):
    raw += [0] * (-len(raw) % width)
    cells = np.array(raw, "u1").reshape(-1, width)
    form, expected = f"{width}L", cells[:, 0] if width == 1 else cells
    hdu = table([(form, "a"), ("1B", "b")], bytes(np.column_stack([cells, cells[:, :1]])), len(cells))
    for found in (hdu.read(mask_null=True)["a"], hdu.read_column("a", mask_null=True)):
        assert np.ma.getmaskarray(found).tolist() == (expected == 0).tolist()
        assert found.data.tolist() == (expected == ord("T")).tolist()
    assert hdu.read()["a"].tolist() == (expected == ord("T")).tolist()
    assert type(hdu.read_column("a")) is np.ndarray
    assert hdu["a"].read(mask_null=True).tolist() == found.tolist()
    if (cells != 0).all():
        assert hdu.read_column("a", mask_null=True).mask is np.ma.nomask
    assert hdu.read_column("b", mask_null=True).mask is np.ma.nomask  # integers need TNULL for that


@pytest.mark.parametrize("compress", [None, True])
def test_what_is_masked_becomes_a_byte_of_zero(tmp_path, compress):
    cells = np.ma.MaskedArray(np.ones((4, 3), "?"), np.eye(4, 3))
    path = tmp_path / "x.fits"
    with FITS(path, "w+") as fits:
        hdu = fits.write_table({"a": FLAGS, "c": cells}, compress=compress)
        hdu.append({"a": FLAGS[1:3], "c": cells[1:3]})
        hdu["a"][0] = np.ma.masked
        hdu["c"][3] = np.ma.masked
        assert hdu.read()["a"].tolist() == [False] * 6
    if compress:
        subprocess.run(["funpack", "-O", str(tmp_path / "y.fits"), str(path)], check=True)
        path = tmp_path / "y.fits"
    fitsverify(path)
    with FITS(path) as fits:
        found = fits[1].read(mask_null=True)
        assert found["a"].tolist() == [None, False, None, None, False, None]
        masks = np.vstack([np.eye(4, 3), np.eye(4, 3)[1:3]]) != 0
        masks[3] = True
        assert found["c"].mask.tolist() == masks.tolist()
    fitsio = pytest.importorskip("fitsio", reason="fitsio is the peer")
    with fitsio.FITS(str(path)) as peer:
        assert peer[1]["a"][:].astype(int).tolist() in ([0] * 6, [0, ord("F"), 0, 0, ord("F"), 0])


def test_those_of_other_programs_are_missing():
    data = Path(__file__).resolve().parents[3] / "tests" / "data"
    with FITS(data / "logical_null.fits") as fits:
        assert fits[1].read_column("flag", mask_null=True).tolist() == [True, None, False]
        assert fits[1].read_column("flag").tolist() == [True, False, False]
        if find_spec("polars"):
            assert fits[1].to_polars()["flag"].to_list() == [True, None, False]
    with FITS(data / "vla_logical_null.fits") as fits:
        assert [cell.tolist() for cell in fits[1].read_column("flag")] == [[True, False, True], [False, True]]
        if find_spec("polars"):
            assert fits[1].to_polars()["flag"].to_list() == [[True, None, True], [False, True]]


def test_bits_that_are_masked_are_refused():
    with FITS("mem://", "w+") as fits, pytest.raises(TableError, match=r"column 'a' has masked values and no TNULL1"):
        fits.write_table({"a": FLAGS}, bit_columns=True)


@pytest.mark.parametrize("compress", [None, True])
def test_other_libraries_see_them_missing_and_give_them_back(compress):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    pytest.importorskip("astropy.table", reason="astropy is not installed")
    expected = [True, False, None, None]
    with FITS("mem://", "w+") as fits:
        hdu = fits.write_table({"a": FLAGS, "b": np.ones(4, "?"), "n": np.arange(4)}, compress=compress)
        frame = polars.DataFrame(hdu)
        assert frame["a"].to_list() == hdu.to_arrow().column("a").to_pylist() == expected
        assert frame["b"].null_count() == 0
        assert hdu.to_pandas()["a"].dtype == "boolean"
        assert hdu.to_pandas()["b"].dtype == "bool"
        assert [None if value is pandas.NA else value for value in hdu.to_pandas()["a"]] == expected
        assert hdu.to_astropy()["a"].tolist() == expected
        assert not hasattr(hdu.to_astropy()["b"], "mask")
        for foreign in (frame, hdu.to_pandas(), hdu.to_astropy(), hdu.to_arrow()):
            again = fits.write_table(foreign, compress=compress)
            assert polars.DataFrame(again)["a"].to_list() == expected
            again.append(foreign)
            assert polars.DataFrame(again)["a"].to_list() == expected * 2


@pytest.mark.parametrize("nrows", [1, 7, 8, 9, 13, 64, 1001])
@pytest.mark.parametrize("compress", [None, True])
@pytest.mark.parametrize("wide", [False, True])
def test_as_many_are_missing_as_there_are(nrows, compress, wide):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    for masked in (0, 1, nrows):
        values = np.ma.MaskedArray(np.ones(nrows, "?"), np.arange(nrows) < masked)
        values = np.ma.stack([values] * 3, axis=1) if wide else values
        with FITS("mem://", "w+") as fits:
            hdu = fits.write_table({"a": values, "b": np.ones(nrows, "?")}, compress=compress)
            found = pyarrow.table(hdu).combine_chunks()
            found.validate(full=True)
            column = found.column("a").chunk(0)
            assert (column.flatten() if wide else column).null_count == masked * (3 if wide else 1)
            assert found.column("b").null_count == 0
            assert column.to_pylist() == values.tolist()


def test_in_arrays_of_any_length_arrow_sees_them_missing():
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    cells = np.empty(3, object)
    cells[:] = [np.array([True, False]), np.zeros(0, "?"), np.array([False, True, True])]
    with FITS("mem://", "w+") as fits:
        fits.write_table({"v": cells, "w": cells}, var_dtypes={"v": "?", "w": "?"}, bit_columns=["w"])
        raw = bytearray(fits.to_bytes())
    at = raw.index(b"TFFTT")
    raw[at + 1], raw[at + 4] = 0, ord("1")
    with FITS.from_bytes(bytes(raw)) as fits:
        found = pyarrow.table(fits[1])
        found.validate(full=True)
        assert found.column("v").to_pylist() == [[True, None], [], [False, True, False]]
        assert found.column("w").to_pylist() == [[True, False], [], [False, True, True]]
        assert [cell.tolist() for cell in fits[1].read_column("v")] == [[True, False], [], [False, True, False]]


@pytest.mark.parametrize("dtype", ["i4", "u2", "f4", "?", "U3"])
def test_a_column_that_is_inserted_may_lack_values(dtype):
    values = np.ma.MaskedArray(np.array([0, 1, 1, 0]).astype(dtype), [0, 1, 0, 0])
    missing = {"f": np.nan, "U": ""}.get(values.dtype.kind)
    with FITS("mem://", "w+") as fits:
        hdu = fits.write_table({"a": np.arange(4)})
        hdu.insert_column("n", values, position=0)
        found = hdu.read(mask_null=True)["n"]
        np.testing.assert_array_equal(found.filled(missing) if missing is None else found, values.filled(missing))
        assert np.ma.getmaskarray(found).tolist() == ([False] * 4 if missing is not None else [0, 1, 0, 0])
    with FITS("mem://", "w+") as fits:
        fits.create_ascii_table_hdu([("a", "i4")], 4)
        if dtype == "U3":
            fits[1].insert_column("n", values)
            assert fits[1].read()["n"].tolist() == ["0", "", "1", "0"]
        elif dtype != "?":
            before = fits.to_bytes()
            with pytest.raises(TableError, match=r"insert it without mask.*describe_column\('n'"):
                fits[1].insert_column("n", values)
            assert fits.to_bytes() == before


# -- the name of a column ---------------------------------------------------------------------------------------------


def tables_of_every_kind(fits):
    data = {"a": np.arange(3, dtype="i4"), "Mag": np.ones(3)}
    yield fits.write_table(data, units={"Mag": "mag"}, extname="T")
    yield fits.write_table(data, units={"Mag": "mag"}, extname="Z", compress=True)
    fits.create_ascii_table_hdu([("a", "i4"), ("Mag", "f8")], 3, units={"Mag": "mag"}, extname="A")
    fits["A"].write(data)
    yield fits["A"]


def test_a_column_gets_another_name(tmp_path):
    path = tmp_path / "x.fits"
    with FITS(path, "w+") as fits:
        for hdu in tables_of_every_kind(fits):
            before = hdu.read()
            hdu.rename_column("MAG", "V")
            hdu.rename_column(0, "A")  # its own name in another case
            assert hdu.colnames == ("A", "V")
            assert hdu.units == {"A": None, "V": "mag"}
            assert hdu.read().tolist() == before.tolist()
            assert hdu["v"].read().tolist() == before["Mag"].tolist()
            hdu["V"][1] = 5
            assert hdu["V"][1] == 5
            with pytest.raises(TableError, match="unknown column name 'Mag'"):
                hdu.read(columns=["Mag"])
    fitsverify(path)
    astropy = pytest.importorskip("astropy.io.fits", reason="astropy is not installed")
    with astropy.open(path) as peer:
        assert peer["T"].columns.names == peer["A"].columns.names == ["A", "V"]
        assert peer["T"].data["V"].tolist() == [1, 5, 1]


@pytest.mark.parametrize(
    ("key", "name", "words"),
    [
        ("x", "b", "not found"),
        (2, "b", "out of range"),
        ("a", "MAG", "already exists"),
        ("a", "", "non-empty"),
        ("a", 7, "non-empty"),
        ("a", "b\n", "printable"),
        ("a", "é", "printable"),
        ("a", "x" * 69, "at most 68"),
    ],
)
def test_names_that_no_column_can_have_are_refused(key, name, words):
    with FITS("mem://", "w+") as fits:
        for hdu in tables_of_every_kind(fits):
            before = fits.to_bytes()
            with pytest.raises(TableError, match=words):
                hdu.rename_column(key, name)
            assert fits.to_bytes() == before


def test_a_column_without_a_name_gets_one_before_its_format():
    with FITS("mem://", "w+") as fits:
        fits.append(table([("1J", ""), ("1J", "b")], np.arange(4, dtype=">i4").tobytes(), 2))
        hdu = fits[1]
        hdu.rename_column("COL1", "first")
        assert hdu.colnames == ("first", "b")
        keys = list(hdu.header)
        assert keys.index("TTYPE1") == keys.index("TFORM1") - 1


# -- unit, null, description ------------------------------------------------------------------------------------------


def test_a_column_gets_a_unit_a_null_and_a_description(tmp_path):
    path = tmp_path / "x.fits"
    with FITS(path, "w+") as fits:
        for hdu in tables_of_every_kind(fits):
            null = "1" if hdu.label == "ASCII_TBL" else 1
            hdu.describe_column("A", unit="s", null=null, description="of nothing")
            assert hdu.units["a"] == "s"
            assert hdu.header["TCOMM1"] == "of nothing"
            if not isinstance(hdu, rustfits.CompressedTableHDU):
                assert hdu.read(mask_null=True)["a"].tolist() == [0, None, 2]
            assert hdu.read()["a"].tolist() == ([0, 0, 2] if hdu.label == "ASCII_TBL" else [0, 1, 2])
            hdu.describe_column(1, unit="", description="")
            assert hdu.units["Mag"] is None
            hdu.describe_column("a", null="---" if hdu.label == "ASCII_TBL" else 200)
            hdu["a"][2] = np.ma.masked
    fitsverify(path)
    with FITS(path) as fits:
        assert fits["T"].read(mask_null=True)["a"].tolist() == [0, 1, None]
        assert fits["A"].read(mask_null=True)["a"].tolist() == [0, 1, None]


@pytest.mark.parametrize(("dtype", "null", "stored"), [("u1", 255, 255), ("u2", 0, -32768), ("u4", 7, 7 - (1 << 31))])
@pytest.mark.parametrize("wide", [False, True])
def test_a_null_is_given_as_it_is_read(dtype, null, stored, wide):
    values = np.array([5, null], dtype)
    with FITS("mem://", "w+") as fits:
        hdu = fits.write_table({"a": np.stack([values, values], axis=1) if wide else values})
        hdu.describe_column("a", null=null)
        assert hdu.header["TNULL1"] == stored
        found = hdu.read(mask_null=True)["a"]
        assert np.ma.getmaskarray(found).tolist() == (np.ma.getdata(found) == null).tolist()
        assert np.ma.getmaskarray(found)[1].all()


@pytest.mark.parametrize(
    ("name", "null", "words"),
    [
        ("f", 0, "only columns of integers"),
        ("s", 0, "only columns of integers"),
        ("l", 0, "only columns of integers"),
        ("u", -1, "from 0 to 65535"),
        ("u", 65536, "from 0 to 65535"),
        ("b", 256, "from 0 to 255"),
        ("u", 1.0, "must be an int"),
        ("u", True, "must be an int"),
        ("u", "x", "must be an int"),
    ],
)
def test_nulls_that_no_column_can_have_are_refused(name, null, words):
    data = {"f": np.ones(1), "s": np.array(["a"]), "l": np.ones(1, "?"), "u": np.ones(1, "u2"), "b": np.ones(1, "u1")}
    with FITS("mem://", "w+") as fits:
        hdu = fits.write_table(data)
        before = fits.to_bytes()
        with pytest.raises(TableError, match=words):
            hdu.describe_column(name, null=null)
        for word in ("unit", "description"):
            with pytest.raises(TypeError, match=f"{word}= must be a str"):
                hdu.describe_column(name, **{word: 7})
            with pytest.raises(HeaderError):
                hdu.describe_column(name, **{word: "µm"})
        assert fits.to_bytes() == before


def test_nulls_of_ascii_tables_are_texts_that_fit():
    with FITS("mem://", "w+") as fits:
        fits.create_ascii_table_hdu([("a", "i4")], 3, formats={"a": "I3"})
        for null, words in ((-1, "must be a text"), (" ", "not blank"), ("----", "more than the 3"), ("é", "a text")):
            with pytest.raises(TableError, match=words):
                fits[1].describe_column("a", null=null)


def test_whoever_sets_such_a_card_is_told_how():
    with FITS("mem://", "w+") as fits:
        hdu = fits.write_table({"a": np.arange(3)})
        for key, words in (("TTYPE1", "rename_column"), ("TNULL12", "describe_column"), ("CHECKSUM", "add_checksum")):
            with pytest.raises(ProtectedKeyword, match=words):
                hdu.header[key] = "x"
        with pytest.raises(TableError, match=r"describe_column\('a', null=\.\.\.\)"):
            hdu["a"] = np.ma.MaskedArray([1, 2, 3], [0, 0, 1])


def test_columns_wait_for_rows_that_wait():
    with FITS("mem://", "w+") as fits:
        hdu = fits.write_table({"a": np.arange(3)}, compress=True)
        with hdu.appending():
            hdu.append({"a": np.arange(2)})
            for change in (lambda: hdu.rename_column("a", "b"), lambda: hdu.describe_column("a", unit="s")):
                with pytest.raises(TableError, match=r"appending\(\)"):
                    change()
        assert hdu.nrows == 5


def test_a_file_that_is_read_only_is_not_changed(tmp_path):
    path = tmp_path / "x.fits"
    rustfits.write(path, {"a": np.arange(3)})
    with FITS(path) as fits:
        for change in ("rename_column", "delete_rows", "describe_column"):
            with pytest.raises(OSError, match="read"):
                getattr(fits[1], change)("a", **({"name": "b"} if change == "rename_column" else {}))


def test_rows_are_not_taken_out_of_a_compressed_table():
    with FITS("mem://", "w+") as fits:
        hdu = fits.write_table({"a": np.arange(3)}, compress=True)
        with pytest.raises(NotSupported, match="write a new table"):
            hdu.delete_rows([1])
