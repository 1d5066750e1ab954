"""New tables, rows that are added and replaced, and what is refused before a byte changes."""

import io
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from newtables import Schema, assert_same, assert_table, numbers, read_back, schemas, structured

import rustfits
from rustfits import FITS, RowIndexError, TableError

peer = pytest.importorskip("astropy.io.fits", reason="astropy is the peer")


def fitsverify(path):
    done = subprocess.run(["fitsverify", "-q", str(path)], capture_output=True, text=True, check=False)
    assert "OK" in done.stdout, done.stdout


def objects(*cells):
    out = np.empty(len(cells), dtype=object)
    out[:] = cells
    return out


ROWS = structured({"a": np.arange(3, dtype="i4"), "B": np.array([1.5, 2.5, 3.5])}, [("a", "i4"), ("B", "f8")])


@pytest.fixture
def fits():
    with FITS("mem://", "w+") as file:
        yield file


# -- new tables --------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(schemas(), st.integers(0, 50), st.integers(0, 1 << 32))
def test_what_is_written_is_read_back_and_the_forms_give_the_same_bytes(schema, nrows, seed):
    columns = schema.values(seed, nrows)
    options = schema.options
    contents = []
    for form in ("dict", "list", "array"):
        data = {"dict": columns, "list": list(columns.values()), "array": structured(columns, schema.dtype)}[form]
        with FITS("mem://", "w+") as fits:
            hdu = fits.write_table(data, names=list(columns) if form == "list" else None, extname="T", **options)
            assert_table(hdu, columns)
            contents.append(fits.to_bytes())
    assert contents[0] == contents[1] == contents[2]
    with FITS.from_bytes(contents[0]) as fits:
        assert_table(fits["T"], columns)


@settings(max_examples=60, deadline=None)
@given(schemas(), st.integers(0, 20), st.integers(0, 1 << 32))
def test_a_created_table_holds_zeros_and_takes_rows(schema, nrows, seed):
    columns = schema.values(seed, nrows)
    with FITS("mem://", "w+") as fits:
        fits.create_table_hdu(schema.dtype, nrows, **schema.options)
        hdu = fits[1]
        for name in schema.columns:
            cells = hdu.read_column(name, scale=False)
            assert not any(len(one) for one in cells) if cells.dtype == object else not cells.astype("?").any()
        if nrows:
            hdu.write(columns)
        assert_table(hdu, columns)
        hdu.append(columns)
        hdu.extend(structured(columns, schema.dtype))
        assert_table(hdu, {name: np.concatenate([values] * 3) for name, values in columns.items()})


def test_a_header_has_the_cards_of_the_standard_in_their_order(fits):
    dtype = [
        ("a", "i4"),
        ("m", "f4", (2, 3)),
        ("u", "u2"),
        ("s", "U5"),
        ("t", "S3", (2,)),
        ("w", "u8"),
        ("v", "O"),
        ("b", "?", (9,)),
    ]
    fits.create_table_hdu(
        dtype,
        2,
        extname="T",
        extver=3,
        units={"A": "m", "u": "s"},
        var_dtypes={"v": "f4"},
        bit_columns=True,
        heap_format="q",
    )
    found = [(key, fits[1].header[key]) for key in fits[1].header]
    assert found == [
        ("XTENSION", "BINTABLE"),
        ("BITPIX", 8),
        ("NAXIS", 2),
        ("NAXIS1", 4 + 24 + 2 + 5 + 6 + 8 + 16 + 2),
        ("NAXIS2", 2),
        ("PCOUNT", 0),
        ("GCOUNT", 1),
        ("TFIELDS", 8),
        ("EXTNAME", "T"),
        ("EXTVER", 3),
        *[("TTYPE1", "a"), ("TFORM1", "1J"), ("TUNIT1", "m")],
        *[("TTYPE2", "m"), ("TFORM2", "6E"), ("TDIM2", "(3,2)")],
        *[("TTYPE3", "u"), ("TFORM3", "1I"), ("TZERO3", 32768), ("TUNIT3", "s")],
        *[("TTYPE4", "s"), ("TFORM4", "5A")],
        *[("TTYPE5", "t"), ("TFORM5", "6A"), ("TDIM5", "(3,2)")],
        *[("TTYPE6", "w"), ("TFORM6", "1K"), ("TZERO6", 1 << 63)],
        *[("TTYPE7", "v"), ("TFORM7", "1QE(0)")],
        *[("TTYPE8", "b"), ("TFORM8", "9X")],
    ]
    assert not fits[0].has_data


def test_write_makes_tables_of_dicts_and_arrays_and_a_header_comes_along(fits, tmp_path):
    hdu = fits.write({"a": ROWS["a"]}, extname="T", header={"OBJECT": "M13", "TUNIT1": "s", "NAXIS1": 7})
    assert (hdu.extname, hdu.header["OBJECT"], hdu.units) == ("T", "M13", {"a": None})
    rustfits.write(tmp_path / "x.fits", ROWS, extname="R")
    with FITS(tmp_path / "x.fits") as file:
        assert (file["R"].read() == ROWS).all()
    fitsverify(tmp_path / "x.fits")
    again = fits.write_table(ROWS, header=hdu.header, extname="OTHER")
    assert (again.extname, again.header["OBJECT"], again.ncols) == ("OTHER", "M13", 2)


@pytest.mark.parametrize(
    ("dtype", "options", "words"),
    [
        ("i4", {}, "structured"),
        ("no dtype", {}, "structured"),
        ([("a", "i1")], {}, "int8"),
        ([("a", "f2")], {}, "float16"),
        ([("a", "M8[s]")], {}, "datetime64"),
        ([("a", [("b", "i4")])], {}, "dtype"),
        ([("a", "S0")], {}, "zero-length"),
        ([("a", "f4", (0, 2))], {}, "no element"),
        ([("a", "O")], {}, "var_dtypes"),
        ([("a", "O", (2,))], {"var_dtypes": {"a": "f4"}}, "one object"),
        ([("a", "O")], {"var_dtypes": {"a": "s"}}, "unsupported inner dtype"),
        ([("a", "O")], {"var_dtypes": {"a": "u2"}}, "unsupported inner dtype"),
        ([("a", "O")], {"var_dtypes": {"a": "f4", "b": "f4"}}, "does not match"),
        ([("a", "i4")], {"var_dtypes": {"a": "f4"}}, "object columns"),
        ([("a", "i4")], {"units": {"b": "m"}}, "does not match"),
        ([("a", "i4")], {"bit_columns": ["a"]}, "no bools"),
        ([("a", "?")], {"bit_columns": ["b"]}, "does not match"),
        ([("a", "?")], {"bit_columns": "a"}, "bit_columns="),
        ([("a", "?")], {"bit_columns": 3}, "bit_columns="),
        ([("a", "?")], {"heap_format": "R"}, "must be 'P' or 'Q'"),
        ([("a", "?")], {"heap_format": None}, "must be 'P' or 'Q'"),
        ([("a", "i4"), ("A", "i4")], {}, "duplicate names"),
        ([("a\xe9", "i4")], {}, "printable ASCII"),
        ([("a", "i4")], {"ztilelen": 3}, "ztilelen= requires"),
        ([(f"c{n}", "i4") for n in range(1000)], {}, "at most 999"),
    ],
)
def test_a_schema_that_no_table_has_is_refused(fits, dtype, options, words):
    with pytest.raises(TableError, match=words):
        fits.create_table_hdu(dtype, 5, **options)
    assert fits.to_bytes() == b""


def test_arguments_of_the_wrong_kind_are_refused(fits):
    for nrows in (-1, 1.5, True):
        with pytest.raises(TableError, match="nrows"):
            fits.create_table_hdu([("a", "i4")], nrows)
    for options in ({"units": {"a": 3}}, {"units": ["a"]}, {"extname": 3}):
        with pytest.raises(TypeError):
            fits.create_table_hdu([("a", "i4")], **options)
    for data, words in (
        (np.zeros(3), "structured"),
        ({}, "empty"),
        ([np.zeros(3)], "names="),
        ({"a": np.zeros(2, "i1")}, "int8"),
    ):
        with pytest.raises(TableError, match=words):
            fits.write_table(data)
    assert fits.to_bytes() == b""


# -- rows --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def hdu(fits):
    v = objects(np.arange(3, dtype="f4"), np.zeros(0, "f4"), np.ones(2, "f4"))
    columns = {"a": ROWS["a"], "B": ROWS["B"], "s": np.array(["ab", "", "abcde"], "U5"), "v": v}
    return fits.write_table(columns, var_dtypes={"v": "f4"})


@pytest.mark.parametrize("method", ["write", "append"])
def test_rows_that_do_not_fit_leave_the_file_as_it_was(fits, hdu, method):
    good = hdu.read()
    before = fits.to_bytes()
    one = {name: good[name] for name in good.dtype.names}
    for data, words in (
        (good[["a", "B"]], "missing field|input has"),
        (np.zeros(3), "structured"),
        (one | {"x": ROWS["a"]}, "extra key"),
        ({"a": ROWS["a"]}, "missing column"),
        (one | {"a": ROWS["B"]}, "expected i4"),
        (one | {"s": np.array(["ab", "c\xe9", "d"], "U5")}, "non-ASCII"),
        (one | {"v": objects(*[np.zeros(2)] * 3)}, "VLA cell dtype"),
        (one | {"v": objects(1, 2, 3)}, "ndarray"),
        (one | {"B": np.zeros(2)}, "lengths"),
        (list(one.values()), "names="),
    ):
        with pytest.raises(TableError, match=words):
            getattr(hdu, method)(data)
    if method == "write":
        with pytest.raises(TableError, match="NAXIS2"):
            hdu.write(good[:2])
        with pytest.raises(TableError, match="first axis"):
            hdu.write({name: values[:2] for name, values in one.items()})
    assert fits.to_bytes() == before


def test_appending_nothing_changes_nothing(fits, hdu):
    before = fits.to_bytes()
    hdu.append(hdu.read()[:0])
    assert fits.to_bytes() == before


def test_cells_of_every_kind_of_key(hdu):
    model = {name: hdu.read_column(name) for name in hdu.colnames}
    hdu[-1] = hdu[0]
    for values in model.values():
        values[2] = values[0]
    assert_table(hdu, model)
    rows = hdu.read()
    rows["a"] = [7, 8, 9]
    hdu[1:] = rows[:2]
    hdu[[2, 0, 2]] = rows[[1, 2, 0]]
    for name, values in model.items():
        values[1:] = rows[name][:2]
        for target, source in ((2, 1), (0, 2), (2, 0)):
            values[target] = rows[name][source]
    assert_table(hdu, model)
    hdu["A"] = np.array([1, 2, 3], ">i4")
    hdu[["s", "B"]] = rows
    hdu["a"][1] = 77
    hdu["s"][0] = "xy"
    hdu["v"][1] = np.arange(9, dtype="f4")
    hdu["v"][:2] = [np.ones(1, "f4"), np.zeros(0, "f4")]
    hdu["B"][[0, 2]] = [5, 6]
    hdu["a", "s"][1] = rows[2]
    hdu["a", "B"][0:2] = rows[1:]
    hdu[3:] = rows[:0]
    model["a"] = np.array([rows["a"][1], rows["a"][2], 3], "i4")
    model["s"] = np.array(["xy", rows["s"][2], rows["s"][2]])
    model["B"] = np.array([rows["B"][1], rows["B"][2], 6.0])
    model["v"][0], model["v"][1] = np.ones(1, "f4"), np.zeros(0, "f4")
    model["s"] = model["s"].astype("U5")
    assert_table(hdu, model)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda hdu, rows: hdu.__setitem__(3, rows[0]), "out of bounds"),
        (lambda hdu, rows: hdu.__setitem__(-4, rows[0]), "out of bounds"),
        (lambda hdu, rows: hdu.__setitem__(0, 5), "structured"),
        (lambda hdu, rows: hdu.__setitem__(0, rows), "shape"),
        (lambda hdu, rows: hdu.__setitem__(slice(0, 2), rows), "length"),
        (lambda hdu, rows: hdu.__setitem__(slice(0, 2), rows[0:1]), "rows"),
        (lambda hdu, rows: hdu.__setitem__(slice(None, None, -1), rows), "negative or zero step"),
        (lambda hdu, rows: hdu.__setitem__(slice(0, 3, 0), rows), "negative or zero step"),
        (lambda hdu, rows: hdu.__setitem__([0, 1], rows), "length"),
        (lambda hdu, rows: hdu.__setitem__([0, 5], rows[:2]), "out of range"),
        (lambda hdu, rows: hdu.__setitem__("nothing", rows["a"]), "no column named"),
        (lambda hdu, rows: hdu.__setitem__("a", 5), "numpy array"),
        (lambda hdu, rows: hdu.__setitem__("a", [1, 2, 3]), "numpy array"),
        (lambda hdu, rows: hdu.__setitem__("a", rows["a"][:2]), "first axis"),
        (lambda hdu, rows: hdu.__setitem__("a", np.zeros((3, 2), "i4")), "shape"),
        (lambda hdu, rows: hdu.__setitem__("a", np.zeros(3)), "expected i4"),
        (lambda hdu, rows: hdu.__setitem__(["a", "x"], rows), "no column"),
        (lambda hdu, rows: hdu.__setitem__(["a", "A"], rows), "duplicate"),
        (lambda hdu, rows: hdu.__setitem__(["a", "s"], rows[["a"]]), "missing field"),
        (lambda hdu, rows: hdu.__setitem__(["a", "s"], rows[:2]), "NAXIS2"),
        (lambda hdu, rows: hdu["a"].__setitem__(0, 1.5), "expected i4"),
        (lambda hdu, rows: hdu["a"].__setitem__(0, 1 << 40), "cannot hold"),
        (lambda hdu, rows: hdu["s"].__setitem__(0, "abcdef"), "chars/string"),
        (lambda hdu, rows: hdu["a"].__setitem__(slice(0, 2), 7), "sequence"),
        (lambda hdu, rows: hdu["a"].__setitem__(slice(0, 2), [7]), "length"),
        (lambda hdu, rows: hdu["a"].__setitem__(slice(0, 2), [1.5, 2.5]), "expected i4"),
        (lambda hdu, rows: hdu["v"].__setitem__(0, [1.0]), "ndarray"),
        (lambda hdu, rows: hdu.__setitem__((0, "a"), 5), "mixes"),
    ],
)
def test_an_assignment_that_does_not_fit_leaves_the_file_as_it_was(fits, hdu, act, words):
    before, rows = fits.to_bytes(), hdu.read()
    with pytest.raises(ValueError, match=words) as caught:
        act(hdu, rows)
    assert isinstance(caught.value, RowIndexError) is ("out of" in words)
    assert fits.to_bytes() == before


def test_a_fixed_column_leaves_the_heap_alone_and_a_replaced_cell_an_orphan(fits, hdu):
    heap = hdu.header["PCOUNT"]
    hdu["a"] = np.array([4, 5, 6], "i4")
    assert hdu.header["PCOUNT"] == heap
    hdu["v"][0] = np.arange(5, dtype="f4")
    assert (hdu.header["PCOUNT"], hdu.header["TFORM4"]) == (heap + 20, "1PE(5)")
    hdu.repack()
    assert hdu.header["PCOUNT"] == heap + 8
    before = fits.to_bytes()
    hdu.repack()
    assert fits.to_bytes() == before
    hdu.write(hdu.read())  # all cells are new: nothing is left over
    assert hdu.header["PCOUNT"] == heap + 8


def test_rows_are_appended_and_taken_back_as_one(tmp_path):
    path = tmp_path / "x.fits"
    with FITS(path, "w+") as fits:
        fits.write_table(ROWS)
        fits.write_image(np.arange(10000, dtype="i4"))
    before = path.read_bytes()
    with FITS(path, "r+") as fits:

        def fail():
            with fits[1].appending() as hdu:
                for _ in range(500):
                    hdu.append(ROWS)
                assert len(hdu) == 1503
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()
        assert path.read_bytes() == before
        assert len(fits[1]) == 3
        with fits[1].extending() as hdu:
            for _ in range(500):
                hdu.extend(ROWS)
        assert (fits[1].read() == np.concatenate([ROWS] * 501)).all()
        assert (fits[2].read() == np.arange(10000)).all()
    fitsverify(path)


def test_nulls_are_written_where_the_input_is_masked(fits):
    hdu = fits.write_table({"a": ROWS["a"], "x": ROWS["B"], "s": np.array(["a", "b", "c"])})
    rows = hdu.read()
    masked = np.ma.array(rows, mask=[(True, True, True), (False,) * 3, (False,) * 3])
    with pytest.raises(TableError, match="no TNULL1"):
        hdu.write(masked)
    columns = [peer.Column("a", "J", null=-9, array=ROWS["a"]), peer.Column("x", "D", array=ROWS["B"])]
    buffer = io.BytesIO()
    peer.HDUList([peer.PrimaryHDU(), peer.BinTableHDU.from_columns(columns)]).writeto(buffer)
    with FITS(buffer, "r+") as other:
        mask = [True, False, False]
        other[1].write({"a": np.ma.array(ROWS["a"], mask=mask), "x": np.ma.array(ROWS["B"], mask=mask)})
        assert other[1].read_column("a", scale=False).tolist() == [-9, 1, 2]
        assert other[1].read(mask_null=True)["a"].mask.tolist() == [True, False, False]
        assert np.isnan(other[1].read_column("x")[0])


@pytest.mark.parametrize("where", ["last", "first"])
def test_a_table_grows_into_the_room_before_its_heap(tmp_path, where):
    path = tmp_path / "x.fits"
    rng = np.random.default_rng(3)
    cells = objects(*[rng.normal(size=400) for _ in range(300)])
    columns = {"n": np.arange(300), "v": cells}
    with FITS(path, "w+") as fits:
        hdu = fits.write_table(columns, var_dtypes={"v": "f8"})
        if where == "first":
            fits.write_image(np.arange(9, dtype="i2"))
        starts = set()
        for turn in range(30):
            hdu.append({"n": np.arange(20) + turn, "v": objects(*[rng.normal(size=3) for _ in range(20)])})
            starts.add(hdu.header.get("THEAP"))
        assert len(hdu) == 900
        assert len(starts) < 4  # doubled, not moved for every call
        assert all((one == other).all() for one, other in zip(hdu.read_column("v")[:300], cells, strict=True))
        size = path.stat().st_size
        model = hdu.read()
        hdu.repack()
        assert "THEAP" not in hdu.header
        for name in ("n", "v"):
            assert_same(hdu.read_column(name), model[name])
        if where == "first":
            assert (fits[2].read() == np.arange(9)).all()
    assert path.stat().st_size < size
    fitsverify(path)


def test_a_heap_beyond_its_descriptors_is_refused(fits, hdu, monkeypatch):
    from rustfits.heap import writer

    before = fits.to_bytes()
    monkeypatch.setitem(writer.MAX_DESCRIPTOR, "P", 39)
    with pytest.raises(TableError, match="heap_format='Q'"):
        hdu.append(hdu.read())
    assert fits.to_bytes() == before


def test_a_file_open_for_reading_is_refused(tmp_path):
    path = tmp_path / "x.fits"
    rustfits.write(path, ROWS)
    with FITS(path) as fits:
        for act in (lambda: fits[1].write(ROWS), lambda: fits[1].append(ROWS), lambda: fits[1].__setitem__(0, ROWS[0])):
            with pytest.raises(rustfits.ReadOnlyFile):
                act()


def test_an_odd_column_keeps_nobody_from_the_others(tmp_path):
    path = tmp_path / "x.fits"
    rustfits.write(path, {"a": ROWS["a"], "odd": np.zeros((3, 6), "f4"), "b": ROWS["B"]})
    content = path.read_bytes()
    assert content.count(b"TFORM2  = '6E      '") == 1
    path.write_bytes(content.replace(b"TFORM2  = '6E      '", b"TFORM2  = '6!      '"))
    with FITS(path, "r+") as fits:
        fits[1]["a"] = np.array([7, 8, 9], "i4")
        fits[1]["b"][2] = 1.25
        assert fits[1].read_column("a").tolist() == [7, 8, 9]
        assert fits[1].read_column("b").tolist() == [1.5, 2.5, 1.25]
        with pytest.raises(ValueError, match="TFORM2"):
            fits[1].append({"a": ROWS["a"], "odd": ROWS["B"], "b": ROWS["B"]})


def test_many_rows_on_several_threads_are_those_that_were_given(tmp_path):
    rng, nrows = np.random.default_rng(8), 300_000
    dtype = [("a", "i4"), ("u", "u2"), ("x", "f8"), ("s", "U8"), ("l", "?"), ("b", ">f4", (3,))]
    rows = np.zeros(nrows, dtype)
    for name in ("a", "u", "x", "l", "b"):
        rows[name] = numbers(rng, rows[name].dtype, rows[name].shape)
    rows["s"] = rng.choice(["", "abc", "12345678"], nrows)
    with FITS(tmp_path / "x.fits", "w+") as fits:
        hdu = fits.write_table(rows)
        found = hdu.read()
        for name in rows.dtype.names:
            np.testing.assert_array_equal(found[name], read_back(rows[name]))
        some = np.sort(rng.choice(nrows, 20000, replace=False))
        hdu[some] = rows[::-1][some]
        rows[some] = rows[::-1][some]
        hdu.append(rows[:100_000])
        found = hdu.read()
        for name in rows.dtype.names:
            np.testing.assert_array_equal(found[name], np.concatenate([rows[name], rows[name][:100_000]]))
    fitsverify(tmp_path / "x.fits")


def test_schema_of_strings_only_travels():
    schema = Schema({"s": ("U3", ())})
    with FITS("mem://", "w+") as fits:
        assert_table(fits.write_table(schema.values(1, 4)), schema.values(1, 4))


@pytest.mark.parametrize("nrows", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["i4", ">i4", "u2", "S3", "U3", "?", "c8"])
def test_columns_that_go_backwards_are_written(nrows, dtype):
    values = np.arange(nrows).astype(dtype)
    with FITS("mem://", "w+") as fits:
        hdu = fits.write_table({"a": values[::-1], "b": np.stack([values] * 2, axis=1)[::-1, ::-1]})
        assert hdu.read()["a"].tolist() == values[::-1].astype("U3" if dtype == "S3" else dtype).tolist()
        assert hdu.read()["b"][:, 0].tolist() == hdu.read()["a"].tolist()
