"""ASCII tables are written, and others read what is in them."""

import io
import math
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tablefiles import table

import rustfits
from rustfits import FITS, ReadOnlyFile, RowIndexError, TableError, WrongHDUKind

fits = pytest.importorskip("astropy.io.fits", reason="astropy is not installed")

DTYPES = ["i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "S7", "U5"]
FIELDS = [(f"c_{name}", name) for name in DTYPES]
READ = {"i": "i8", "u": "u8"}


def random_rows(nrows, seed=0, fields=FIELDS):
    numbers = np.random.default_rng(seed)
    rows = np.zeros(nrows, fields)
    for name, kind in fields:
        dtype = np.dtype(kind)
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            rows[name] = numbers.integers(limits.min, limits.max, nrows, dtype=dtype, endpoint=True)
            rows[name][: min(nrows, 2)] = [limits.min, limits.max][:nrows]
        elif dtype.kind == "f":
            rows[name] = (numbers.normal(size=nrows) * 10.0 ** numbers.integers(-30, 30, nrows)).astype(dtype)
        else:
            rows[name] = np.array(["a", "bc d", "", "~!x"])[numbers.integers(0, 4, nrows)]
    return rows


def expected(values):
    """What a column gives: wide integers, floats as they are, text."""
    kind = values.dtype.kind
    return np.char.decode(values, "ascii") if kind == "S" else values.astype(READ.get(kind, values.dtype))


def same(found, wanted):
    assert found.shape == wanted.shape
    if wanted.dtype.kind == "f":
        digits = 1e-7 if wanted.dtype.itemsize == 4 else 0
        np.testing.assert_allclose(found, wanted, rtol=digits)
    else:
        assert found.tolist() == wanted.tolist()


def verified(path):
    if shutil.which("fitsverify") is None:
        return
    done = subprocess.run(["fitsverify", "-e", path], check=False, capture_output=True, text=True)
    assert "0 warning(s) and 0 error(s)" in done.stdout, done.stdout


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ascii.fits"


@pytest.fixture
def small():
    with FITS("mem://", "w+") as file:
        file.create_ascii_table_hdu([("a", "i4"), ("x", "f8"), ("s", "U4")], 3, extname="T")
        yield file[1]


# -- new tables -------------------------------------------------------------------------------------------------------


def test_a_new_table_is_blank_and_says_what_it_is(path):
    units = {"C_F4": "m", "c_U5": "text"}
    with FITS(path, "w+") as file:
        assert file.create_ascii_table_hdu(FIELDS, 3, extname="CAT", extver=2, units=units) is None
        hdu = file["CAT", 2]
        assert isinstance(hdu, rustfits.AsciiTableHDU)
        assert hdu.nrows == 3
        assert hdu.units == dict.fromkeys(hdu.colnames) | {"c_f4": "m", "c_U5": "text"}
        formats = ["I20"] * 7 + ["E15.7", "D25.17", "A7", "A5"]
        assert hdu.formats == dict(zip(hdu.colnames, formats, strict=True))
        assert hdu.dtype == np.dtype([(name, {"S7": "U7"}.get(kind, READ.get(kind[0], kind))) for name, kind in FIELDS])
        keys = list(hdu.header.keys())
        assert keys[:8] == ["XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "TFIELDS"]
        assert keys[8:12] == ["EXTNAME", "EXTVER", "TTYPE1", "TBCOL1"]
        number = hdu.colnames.index("c_u8") + 1
        assert keys[keys.index(f"TTYPE{number}") :][:4] == [
            f"{key}{number}" for key in ("TTYPE", "TBCOL", "TFORM", "TZERO")
        ]
        assert hdu.header[f"TZERO{number}"] == 2**63
        assert file.verify().ok
    content = path.read_bytes()
    assert content[-2880:] == b" " * 2880
    verified(path)


def test_formats_can_be_fed_back():
    formats = {"A": "I6", "x": "F12.5", "y": "E20.12", "s": "A9"}
    with FITS("mem://", "w+") as file:
        file.create_ascii_table_hdu([("a", "i2"), ("x", "f8"), ("y", "f4"), ("s", "S3")], formats=formats)
        assert file[1].formats == {"a": "I6", "x": "F12.5", "y": "E20.12", "s": "A9"}
        file.create_ascii_table_hdu(file[1].dtype, formats=file[1].formats)
        assert file[2].formats == file[1].formats
        assert file[2].nrows == 0


@pytest.mark.parametrize(
    ("dtype", "options", "words"),
    [
        ([("a", "?")], {}, "bool"),
        ([("a", "i1")], {}, "int8"),
        ([("a", "f2")], {}, "float16"),
        ([("a", "c8")], {}, "complex"),
        ([("a", "O")], {}, "object"),
        ([("a", "M8[s]")], {}, "datetime"),
        ([("a", "i4", (2,))], {}, "subarray"),
        ([("a", "S0")], {}, "zero-length"),
        ([("a", "i4"), ("A", "i4")], {}, "duplicate"),
        ("i4", {}, "structured"),
        ([], {}, "structured"),
        ([("a", "i4")], {"nrows": -1}, "nrows must be >= 0"),
        ([("a", "i4")], {"formats": {"b": "I4"}}, "does not match"),
        ([("a", "i4")], {"units": {"b": "m"}}, "does not match"),
        ([("a", "i4")], {"formats": {"a": "F8.3"}}, "incompatible"),
        ([("a", "f4")], {"formats": {"a": "I8"}}, "incompatible"),
        ([("a", "S4")], {"formats": {"a": "I8"}}, "incompatible"),
        ([("a", "i4")], {"formats": {"a": "4I"}}, "must be like"),
        ([("a", "i4")], {"formats": {"a": "I0"}}, "must be like"),
        ([("a", "i4")], {"formats": {"a": 8}}, "must be a str"),
    ],
)
def test_what_cannot_be_a_table_is_refused(dtype, options, words):
    with FITS("mem://", "w+") as file:
        with pytest.raises((ValueError, TypeError), match=words):
            file.create_ascii_table_hdu(dtype, **options)
        assert file.to_bytes() == b""


# -- rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nrows", [1, 2, 50, 3000])
def test_rows_are_read_by_us_and_by_others(path, nrows):
    rows = random_rows(nrows, nrows)
    with FITS(path, "w+") as file:
        file.create_ascii_table_hdu(FIELDS, nrows)
        file[1].write(rows)
        for name, _ in FIELDS:
            same(file[1].read_column(name), expected(rows[name]))
    verified(path)
    with fits.open(path) as peer:
        for name, kind in FIELDS:
            if kind in ("i2", "i4", "i8", "f4", "f8"):  # astropy makes floats of what has TZERO
                same(np.asarray(peer[1].data[name]).astype(expected(rows[name]).dtype), expected(rows[name]))
            elif kind[0] in "SU":
                assert np.char.rstrip(peer[1].data[name]).tolist() == expected(rows[name]).tolist()
    fitsio = pytest.importorskip("fitsio", reason="fitsio is not installed")
    for name, kind in FIELDS:
        if kind in ("i2", "f8"):  # fitsio takes I20 for 32 bits, and floats are not rounded exactly
            found = fitsio.read(str(path), ext=1, columns=[name])[name]
            np.testing.assert_allclose(found, rows[name], rtol=1e-15)


def test_the_three_forms_of_input_give_the_same_bytes():
    rows = random_rows(20)
    columns = {name: rows[name] for name in rows.dtype.names}
    contents = []
    for data, names in ((rows, None), (dict(reversed(columns.items())), None), (list(columns.values()), list(columns))):
        with FITS("mem://", "w+") as file:
            file.create_ascii_table_hdu(FIELDS, 10)
            file[1].write(data[:10] if names is None and data is rows else _cut(data, 10), names=names)
            file[1].append(data, names=names)
            contents.append(file.to_bytes())
            assert file[1].nrows == 30
    assert contents[0] == contents[1] == contents[2]


def _cut(data, nrows):
    return (
        {name: values[:nrows] for name, values in data.items()} if isinstance(data, dict) else [v[:nrows] for v in data]
    )


def test_rows_are_appended_before_other_hdus(path):
    rows = random_rows(100, 3)
    with FITS(path, "w+") as file:
        file.create_ascii_table_hdu(FIELDS)
        file.write_image(np.arange(5000, dtype="i4"))
        hdu = file[1]
        hdu.append(rows[:0])
        assert hdu.nrows == 0
        with hdu.appending() as same_hdu:
            assert same_hdu is hdu
            for first in range(0, 100, 7):
                hdu.append(rows[first : first + 7])
        assert hdu.nrows == len(hdu) == 100
        for name, _ in FIELDS:
            same(hdu[name].read(), expected(rows[name]))
        assert file[2].read().tolist() == list(range(5000))
    verified(path)


def test_a_checksum_that_others_add_stays_right_or_is_told(path):
    with FITS(path, "w+") as file:
        file.create_ascii_table_hdu(FIELDS, 2)
        file[1].write(random_rows(2))
        file[1].add_checksum()
        assert file[1].verify_checksum()
        assert file[1].verify_datasum()
    verified(path)
    with fits.open(path, checksum=True) as peer:
        assert len(peer[1].data) == 2


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("a", [1.5, 2, 3], "expected"),
        ("a", [True, False, True], "expected"),
        ("a", ["1", "2", "3"], "expected"),
        ("a", np.array([1, 2, 2**63], "u8"), "does not fit"),
        ("x", [1, 2, 3], "expected"),
        ("x", [1j, 2, 3], "expected"),
        ("s", [1, 2, 3], "strings"),
        ("s", ["a", "b", "far too long"], "row 2.*does not fit A4"),
        ("s", ["a", "b\u00e9", "c"], "non-ASCII.*row 1"),
        ("s", ["a", "b\nc", "c"], "control character.*row 1"),
        ("s", [b"a", b"b\0c", b"c"], "control character.*row 1"),
        ("a", [1, 2], "unequal lengths"),
        ("a", [[1], [2], [3]], "cells of shape"),
        ("a", np.ma.MaskedArray([1, 2, 3], [0, 1, 0]), "masked values"),
    ],
)
def test_values_that_do_not_fit_change_nothing(small, column, values, words):
    good = {"a": np.array([1, 2, 3]), "x": np.array([1.0, 2, 3]), "s": np.array(["a", "b", "c"])}
    small.write(good)
    before = small.read().tolist()
    data = good | {column: values if isinstance(values, np.ndarray) else np.array(values)}
    for act in (small.write, small.append):
        with pytest.raises(TableError, match=words):
            act(data)
    assert small.read().tolist() == before
    assert small.nrows == 3


@pytest.mark.parametrize(
    ("form", "value", "fits_in"),
    [
        ("I3", 999, True),
        ("I3", -99, True),
        ("I3", 1000, False),
        ("I3", -100, False),
        ("F6.2", 999.99, True),
        ("F6.2", 999.996, False),
        ("F6.2", -100.0, False),
        ("F6.2", math.nan, False),
        ("F6.2", math.inf, False),
        ("E8.1", math.nan, False),
        ("D12.3", -math.inf, False),
        ("E8.1", 1e38, True),
        ("E8.1", -1e-10, True),
        ("E7.1", -1e-10, False),
        ("D12.3", 1e300, True),
        ("E15.7", 1e300, False),  # a float of 32 bits for who reads it
    ],
)
def test_numbers_fit_their_field_or_are_refused(form, value, fits_in):
    with FITS("mem://", "w+") as file:
        kind = "i8" if form[0] == "I" else "f8"
        file.create_ascii_table_hdu([("v", kind)], 1, formats={"v": form})
        data = {"v": np.array([value], kind)}
        if fits_in:
            file[1].write(data)
            np.testing.assert_allclose(file[1].read_column("v")[0], value, rtol=1e-3)
        else:
            with pytest.raises(TableError, match=r"does not fit|cannot be written"):
                file[1].write(data)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9))
def test_floats_of_64_bits_come_back_as_they_were(values):
    with FITS("mem://", "w+") as file:
        file.create_ascii_table_hdu([("v", "f8")], len(values))
        file[1].write({"v": np.array(values)})
        assert (
            file[1].read_column("v").tobytes() == (np.array(values) + 0.0).tobytes()
            or (file[1].read_column("v") == np.array(values)).all()
        )


def test_the_number_of_rows_and_columns_has_to_be_right(small):
    for data, words in (
        ({"a": np.arange(2), "x": np.zeros(2), "s": np.array(["a", "b"])}, "expected 3 rows"),
        ({"a": np.arange(3), "x": np.zeros(3)}, "missing column 's'"),
        ({"a": np.arange(3), "x": np.zeros(3), "s": np.array(["a"] * 3), "more": np.zeros(3)}, "extra key"),
    ):
        with pytest.raises(TableError, match=words):
            small.write(data)


# -- items and columns ------------------------------------------------------------------------------------------------


def test_items_are_assigned(small):
    record = np.array([(7, 0.5, "rec")], [("a", "i8"), ("x", "f8"), ("s", "U4")])
    small[0] = record[0]
    small[-1] = record
    assert small.read().tolist() == [(7, 0.5, "rec"), (0, 0.0, ""), (7, 0.5, "rec")]
    small[1:] = np.concatenate([record, record])
    small[[2, 0, 2]] = np.array([(1, 1, "x"), (2, 2, "y"), (3, 3, "z")], record.dtype)
    assert small.read().tolist() == [(2, 2.0, "y"), (7, 0.5, "rec"), (3, 3.0, "z")]
    small["a"] = np.array([10, 20, 30], "i2")
    small["x"][1] = 2.25
    small["x"][2] = 3
    small["s"][[0, -1]] = ["p", "qqqq"]
    small["a", "s"][1:2] = np.array([("w", 5, 0)], [("s", "U1"), ("a", "i4"), ("more", "f4")])
    assert small.read().tolist() == [(10, 2.0, "p"), (5, 2.25, "w"), (30, 3.0, "qqqq")]
    before = small.read().tolist()
    for act, words in (
        (lambda: small["s"].write(np.array(["x", "y", "too long"])), "does not fit"),
        (lambda: small["a"].__setitem__(0, 1.5), "expected"),
        (lambda: small["a"].__setitem__(0, [1]), "one value"),
        (lambda: small["b"].__setitem__(0, 1), "no column named"),
        (lambda: small.__setitem__(slice(None, None, -1), record), "negative or zero step"),
        (lambda: small.__setitem__(0, 5), "structured"),
    ):
        with pytest.raises(ValueError, match=words):
            act()
    with pytest.raises(RowIndexError, match="out of"):
        small["a"][3] = 1
    assert small.read().tolist() == before


def test_columns_are_put_in_and_taken_out(path):
    rows = random_rows(40, 9)
    with FITS(path, "w+") as file:
        file.create_ascii_table_hdu(FIELDS, 40, units={"c_f4": "m"})
        file.write_image(np.arange(10))
        hdu = file[1]
        hdu.write(rows)
        hdu.header["TDISP8"] = "E10.2"  # of c_f4
        hdu.insert_column("first", np.arange(40), position=0, unit="s", format="I4")
        hdu.insert_column("last", np.array(["z"] * 40))
        hdu.insert_column("middle", np.linspace(0, 1, 40), after="c_i8")
        hdu.insert_column("u", np.arange(40, dtype="u2"), before=-1)
        names = ["first", "c_i2", "c_i4", "c_i8", "middle", *[name for name, _ in FIELDS[3:]], "u", "last"]
        assert list(hdu.colnames) == names
        assert hdu.units["first"] == "s"
        assert hdu.header[f"TDISP{names.index('c_f4') + 1}"] == "E10.2"
        for name, _ in FIELDS:
            same(hdu.read_column(name), expected(rows[name]))
        assert hdu.read_column("middle").tolist() == np.linspace(0, 1, 40).tolist()
        assert hdu.read_column("u").tolist() == list(range(40))
        hdu.delete_column("C_I4")
        hdu.delete_column(-1)
        hdu.delete_column(0)
        assert list(hdu.colnames) == [name for name in names if name not in ("c_i4", "last", "first")]
        for name in hdu.colnames[:2] + hdu.colnames[3:-1]:
            same(hdu.read_column(name), expected(rows[name]))
        assert hdu.header["NAXIS1"] == sum(int(form[1:].split(".")[0]) for form in hdu.formats.values())
        assert file[2].read().tolist() == list(range(10))
        assert file.verify().ok
    verified(path)


def test_columns_that_cannot_be_are_refused(small):
    for name, data, options, words in (
        ("a", np.arange(3), {}, "already exists"),
        ("A", np.arange(3), {}, "already exists"),
        ("", np.arange(3), {}, "non-empty"),
        ("n", np.arange(4), {}, "nrows"),
        ("n", [1, 2, 3], {}, "nrows"),
        ("n", np.zeros(3, "c8"), {}, "complex"),
        ("n", np.zeros((3, 2)), {}, "subarray"),
        ("n", np.arange(3), {"position": 9}, "out of range"),
        ("n", np.arange(3), {"position": 0, "after": "a"}, "at most one"),
        ("n", np.arange(3), {"after": "none"}, "not found"),
        ("n", np.arange(3) * 1000, {"format": "I3"}, "does not fit"),
        ("n", np.arange(3), {"format": "A3"}, "incompatible"),
    ):
        with pytest.raises(TableError, match=words):
            small.insert_column(name, data, **options)
    for key, words in (("none", "not found"), (3, "out of range"), (-4, "out of range")):
        with pytest.raises(TableError, match=words):
            small.delete_column(key)
    assert small.colnames == ("a", "x", "s")


# -- tables of others -------------------------------------------------------------------------------------------------


def odd_table():
    """Fields out of order, with gaps, nulls and scales."""
    rows = b"".join(f"{n:>5}*{'txt':<4}|{n / 2:8.3f}#".encode() for n in range(4))
    cards = {"TBCOL1": 12, "TBCOL2": 7, "TBCOL3": 1, "TNULL3": "NULL", "TSCAL1": 2.0, "TZERO1": 1.0}
    content = table([("F8.3", "x"), ("A4", "s"), ("I5", "n")], rows, 4, **cards)._file.storage
    raw = bytes(content.read(0, content.size())).replace(b"XTENSION= 'BINTABLE'", b"XTENSION= 'TABLE   '")
    return FITS.from_bytes(raw, "r+")


def test_gaps_scales_and_nulls_of_others_are_kept():
    with odd_table() as file:
        hdu = file[1]
        assert hdu.read().tolist() == [(n + 1.0, "txt", n) for n in range(4)]
        hdu["x"][1] = 8.0
        hdu["n"][2:] = np.ma.MaskedArray([5, 6], [False, True])
        assert hdu.read_column("x").tolist() == [1.0, 8.0, 3.0, 4.0]
        assert hdu.read_column("n", mask_null=True).tolist() == [0, 1, 5, None]
        raw = file.to_bytes()[5760 : 5760 + 4 * 20]
        assert raw == b"    0*txt |   0.000#    1*txt |   3.500#    5*txt |   1.000#NULL *txt |   1.500#"
        hdu.append({"n": np.array([9]), "s": np.array(["new"]), "x": np.array([1.0])})
        assert file.to_bytes()[5840:5860] == b"    9 new    0.000 "[:5] + b" new " + b"    0.000 "[:9] + b" "
        hdu.insert_column("y", np.arange(5), before="s", format="I2")
        assert hdu.read().tolist()[:2] == [(1.0, 0, "txt", 0), (8.0, 1, "txt", 1)]
        hdu.delete_column("n")
        assert hdu.read().tolist()[:2] == [(1.0, 0, "txt"), (8.0, 1, "txt")]


def test_columns_that_overlap_are_refused(tmp_path):
    columns = [fits.Column(name, "I4", ascii=True, array=np.arange(2)) for name in "abc"]
    fits.TableHDU.from_columns(columns).writeto(tmp_path / "x.fits")
    fits.setval(tmp_path / "x.fits", "TBCOL2", value=3, ext=1)
    with FITS(tmp_path / "x.fits", "r+") as file:
        with pytest.raises(ValueError, match="columns 'a' and 'b' overlap"):
            file[1].read()
        with pytest.raises(ValueError, match="overlap"):
            file[1].append({name: np.arange(1) for name in "abc"})
        assert file[1].read_column("c").tolist() == [0, 1]


def test_tables_of_others_are_changed_and_read_by_them(tmp_path):
    path = tmp_path / "x.fits"
    columns = [
        fits.Column("i", "I6", ascii=True, array=np.arange(5)),
        fits.Column("e", "E14.6", ascii=True, array=np.linspace(0, 1, 5)),
        fits.Column("t", "A6", ascii=True, array=np.array(["a", "b", "c", "d", "e"])),
    ]
    fits.TableHDU.from_columns(columns).writeto(path)
    with FITS(path, "r+") as file:
        file[1].append({"i": np.array([77]), "e": np.array([0.25], "f4"), "t": np.array(["new"])})
        file[1]["t"][0] = "first"
    verified(path)
    with fits.open(path) as peer:
        assert peer[1].data["i"].tolist() == [0, 1, 2, 3, 4, 77]
        assert peer[1].data["t"].tolist() == [word.ljust(6) for word in ("first", "b", "c", "d", "e", "new")]
        assert peer[1].data["e"][-1] == 0.25


def test_a_file_that_is_read_only_is_not_changed(tmp_path):
    with FITS(tmp_path / "x.fits", "w+") as file:
        file.create_ascii_table_hdu([("a", "i4")], 2)
    with FITS(tmp_path / "x.fits") as file:
        for act in (
            lambda: file[1].append({"a": np.arange(1)}),
            lambda: file[1].write({"a": np.arange(2)}),
            lambda: file[1]["a"].write(np.arange(2)),
            lambda: file[1].insert_column("b", np.arange(2)),
            lambda: file[1].delete_column("a"),
        ):
            with pytest.raises(ReadOnlyFile):
                act()


def test_rows_of_other_libraries_are_appended(small):
    pl = pytest.importorskip("polars", reason="polars is not installed")
    small.append(pl.DataFrame({"a": [1, 2], "x": [0.5, 1.5], "s": ["p", "q"]}))
    assert small.read(rows=[3, 4]).tolist() == [(1, 0.5, "p"), (2, 1.5, "q")]
    with pytest.raises(TableError, match="does not fit"):
        small.append(pl.DataFrame({"a": [1], "x": [0.5], "s": ["too long"]}))


def test_a_change_that_fails_is_undone(tmp_path):
    path = tmp_path / "x.fits"
    with FITS(path, "w+") as file:
        file.create_ascii_table_hdu([("a", "i4")], 2)
        file[1].write({"a": np.array([1, 2])})
    before = path.read_bytes()
    with FITS(path, "r+") as file:
        with pytest.raises(ZeroDivisionError), file.transaction():
            file[1].append({"a": np.arange(5000)})
            file[1].insert_column("b", np.arange(5002))
            1 / 0  # noqa: B018
        assert file[1].read_column("a").tolist() == [1, 2]
    assert path.read_bytes() == before


def test_the_file_is_what_it_says_in_memory_too():
    with FITS("mem://", "w+") as file:
        file.create_ascii_table_hdu([("a", "U3")], 1)
        file[1].write({"a": np.array(["xyz"])})
        peer = fits.open(io.BytesIO(file.to_bytes()))
        assert peer[1].data["a"].tolist() == ["xyz"]
        assert not hasattr(file[1], "repack")
        assert not hasattr(file[1], "shape")


# -- any sequence of edits --------------------------------------------------------------------------------------------


class AsciiEdits(RuleBasedStateMachine):
    """Edits of an ASCII table between two other HDUs, against a dict of arrays."""

    def __init__(self):
        super().__init__()
        self.file = FITS("mem://", "w+")
        self.file.write_image(np.arange(7, dtype="i2"))
        self.file.create_ascii_table_hdu([("a", "i8"), ("s", "U3")], extname="T")
        self.file.write_image(np.arange(3000, dtype="i4"))
        self.model = {"a": np.zeros(0, "i8"), "s": np.zeros(0, "U3")}
        self.count = 0

    @property
    def hdu(self):
        return self.file["T"]

    @property
    def nrows(self):
        return len(next(iter(self.model.values())))

    def values(self, name, nrows):
        kind = self.model[name].dtype
        numbers = np.random.default_rng(self.count)
        self.count += 1
        if kind.kind == "U":
            return np.array(["", "a", "b c", "xyz"])[numbers.integers(0, 4, nrows)].astype("U3")
        return (numbers.normal(size=nrows) * 1e6).astype(kind)

    @rule(nrows=st.integers(0, 150))
    def append(self, nrows):
        rows = {name: self.values(name, nrows) for name in self.model}
        self.hdu.append(rows)
        self.model = {name: np.concatenate([old, rows[name]]) for name, old in self.model.items()}

    @rule(kind=st.sampled_from(["i8", "f8", "f4", "U3", "u8"]), data=st.data())
    def insert(self, kind, data):
        if len(self.model) > 6:
            return
        name, position = f"c{self.count}", data.draw(st.integers(0, len(self.model)))
        names = list(self.model)
        self.model[name] = np.zeros(0, kind)
        column = np.abs(self.values(name, self.nrows)) if kind == "u8" else self.values(name, self.nrows)
        self.hdu.insert_column(name, column, position=position)
        self.model[name] = column
        names.insert(position, name)
        self.model = {each: self.model[each] for each in names}

    @precondition(lambda self: len(self.model) > 1)
    @rule(data=st.data())
    def delete(self, data):
        name = data.draw(st.sampled_from(list(self.model)))
        self.hdu.delete_column(name)
        del self.model[name]

    @precondition(lambda self: self.nrows)
    @rule(data=st.data())
    def assign(self, data):
        name = data.draw(st.sampled_from(list(self.model)))
        rows = sorted(data.draw(st.sets(st.integers(0, self.nrows - 1), min_size=1, max_size=5)))
        values = self.values(name, len(rows))
        values = np.abs(values) if values.dtype.kind == "u" else values
        self.hdu[name][rows] = values
        self.model[name][rows] = values

    @precondition(lambda self: self.nrows)
    @rule(data=st.data())
    def fail(self, data):
        name = data.draw(st.sampled_from(list(self.model)))
        with pytest.raises(TableError):
            self.hdu[name][-1] = "far too long" if self.model[name].dtype.kind == "U" else "no number"

    @invariant()
    def it_is_what_the_model_says(self):
        assert list(self.hdu.colnames) == list(self.model)
        assert self.hdu.nrows == self.nrows
        for name, values in self.model.items():
            same(self.hdu.read_column(name), values)
        assert self.file[0].read().tolist() == list(range(7))
        assert self.file[2].read().tolist() == list(range(3000))
        assert self.hdu.verify()["structure"].status == "ok"

    def teardown(self):
        peer = fits.open(io.BytesIO(self.file.to_bytes()))
        peer[1].verify("exception")
        for name, values in self.model.items():
            if values.dtype.kind == "U" and self.nrows:
                assert np.char.rstrip(peer[1].data[name]).tolist() == np.char.rstrip(values).tolist()
        self.file.close()


TestAsciiEdits = AsciiEdits.TestCase
TestAsciiEdits.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)


def test_an_ascii_table_is_had_with_its_type():
    with FITS("mem://", "w+") as file:
        file.create_ascii_table_hdu([("a", "i4")], 2, extname="T", formats={"a": "I6"})
        file.write_table({"a": np.arange(2)}, extname="B")
        assert file.ascii_table("T").formats == {"a": "I6"}
        with pytest.raises(WrongHDUKind, match="not an ASCII table"):
            file.ascii_table("B")
