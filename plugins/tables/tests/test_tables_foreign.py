"""Tables of Arrow, polars, pandas and astropy become tables of FITS, and others read the same in them."""

import datetime
import io
import os
import subprocess
import sys
import textwrap
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits
from rustfits import FITS, ImageError, TableError

fits = pytest.importorskip("astropy.io.fits", reason="astropy is not installed")
atable = pytest.importorskip("astropy.table", reason="astropy is not installed")
pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pl = pytest.importorskip("polars", reason="polars is not installed")
pd = pytest.importorskip("pandas", reason="pandas is not installed")
from rustfits_tables.nulls import free_null  # noqa: E402 - after the names of what is missing


def written(data, **options):
    """What is in a table that was made of ``data``, and its header as astropy reads both."""
    with FITS("mem://", "w+") as file:
        hdu = file.write_table(data, **options)
        return hdu.to_arrow(), fits.open(io.BytesIO(file.to_bytes()))[1]


def same(found, expected):
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(same, found, expected))
    return found == expected or (found != found and expected != expected)


NUMBERS = {
    "int8": "I",
    "uint8": "B",
    "int16": "I",
    "uint16": "I",
    "int32": "J",
    "uint32": "J",
    "int64": "K",
    "uint64": "K",
    "float": "E",
    "double": "D",
    "halffloat": "E",
}


@st.composite
def arrow_tables(draw):
    """A table of Arrow in several chunks, sliced, with nulls."""
    nrows = draw(st.integers(1, 30))
    numbers = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    columns = {}
    for number in range(draw(st.integers(1, 5))):
        kind = draw(
            st.sampled_from([*NUMBERS, "bool", "string", "large_string", "string_view", "dictionary", "list", "fixed"])
        )
        nulls = kind not in ("bool", "list") and draw(st.booleans())
        mask = numbers.integers(0, 3, nrows) == 0 if nulls else np.zeros(nrows, bool)
        if kind in NUMBERS:
            dtype = np.dtype({"float": "f4", "double": "f8", "halffloat": "f2"}.get(kind, kind))
            values = pa.array(numbers.integers(0, 120, nrows).astype(dtype), mask=mask)
        elif kind == "bool":
            values = pa.array(numbers.integers(0, 2, nrows).astype(bool))
        elif kind in ("list", "fixed"):
            cells = [numbers.normal(size=3 if kind == "fixed" else n % 4).astype("f4").tolist() for n in range(nrows)]
            inner = (
                pa.list_(pa.float32(), 3)
                if kind == "fixed"
                else draw(st.sampled_from([pa.list_, pa.large_list]))(pa.float32())
            )
            values = pa.array([None if null else cell for cell, null in zip(cells, mask, strict=True)], inner)
        else:
            words = np.array(["a", "", "some words of more than 12", "twelve chars"])[numbers.integers(0, 4, nrows)]
            values = pa.array(
                [None if null else str(word) for word, null in zip(words, mask, strict=True)], pa.string()
            )
            values = values.dictionary_encode() if kind == "dictionary" else values.cast(getattr(pa, kind)())
        columns[f"c{number}"] = values
    whole = pa.table(columns)
    first = draw(st.integers(0, nrows - 1))
    cut = draw(st.integers(first, nrows))
    return pa.concat_tables([whole[first:cut], whole[cut:]]) if draw(st.booleans()) else whole[first:]


def expected_of(column):
    """What FITS makes of a column: floats that are missing are NaN, strings empty."""
    kind = column.type.value_type if hasattr(column.type, "value_type") else column.type
    missing = "" if pa.types.is_string(kind) or pa.types.is_large_string(kind) or "view" in str(kind) else None
    if pa.types.is_floating(kind):
        missing = float("nan")
    if pa.types.is_fixed_size_list(column.type):
        missing = [missing] * column.type.list_size
    return [missing if value is None else value for value in column.to_pylist()]


@settings(max_examples=150, deadline=None)
@given(arrow_tables(), st.booleans())
def test_tables_of_arrow_are_written(given_table, by_polars):
    source = pl.DataFrame(given_table) if by_polars and _polars_takes(given_table) else given_table
    found, peer = written(source)
    assert found.column_names == given_table.column_names
    for name in given_table.column_names:
        expected = expected_of(given_table.column(name))
        assert same(found.column(name).to_pylist(), expected)
        null = peer.columns[name].null
        values = peer.data[name]
        for row, value in enumerate(expected):
            one = values[row]
            if value is None:
                # astropy shows the number; of unsigned ones TNULL is what is stored
                assert one == null + int(peer.columns[name].bzero or 0)
            else:
                assert same(one.tolist() if hasattr(one, "tolist") else one, value)


def _polars_takes(table):
    """Polars has no halves, and does not take slices of lists of fixed size with nulls from pyarrow."""
    return not any(field.type == pa.float16() or pa.types.is_fixed_size_list(field.type) for field in table.schema)


@pytest.mark.parametrize("kind", NUMBERS)
def test_types_of_numbers_are_kept_or_widened(kind):
    _, peer = written(
        pa.table(
            {
                "a": pa.array(
                    [0, 1, 2],
                    {"float": pa.float32(), "double": pa.float64(), "halffloat": pa.float16()}.get(kind) or kind,
                )
            }
        )
    )
    assert peer.columns["a"].format.strip("1") == NUMBERS[kind]
    assert peer.data["a"].tolist() == [0, 1, 2]


REFUSED = {
    "timestamp": (pa.array([datetime.datetime(2026, 1, 1)]), "times"),
    "date": (pa.array([datetime.date(2026, 1, 1)]), "times"),
    "decimal": (pa.array([Decimal("1.5")]), "decimals"),
    "null": (pa.array([None]), "nulls"),
    "struct": (pa.array([{"x": 1}]), "structures"),
    "lists of lists": (pa.array([[[1]]]), "lists of lists"),
    "lists of strings": (pa.array([["a"]]), "of strings"),
    "missing bools in lists": (pa.array([[True, None]]), "bools that are missing"),
    "unsigned 64 in lists": (pa.array([[1]], pa.list_(pa.uint64())), "cannot hold"),
    "foreign letters": (pa.array(["a", "b\u00e9"]), r"non-ASCII.*row 1"),
    "foreign letters, seen": (pa.array(["a", "b\u00e9"], pa.string_view()), r"non-ASCII.*row 1"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_types_that_fits_has_not_are_refused_by_name(what):
    column, words = REFUSED[what]
    with FITS("mem://", "w+") as file:
        with pytest.raises(TableError, match=rf"(?=.*column 'odd').*{words}"):
            file.write_table(pa.table({"odd": column}))
        assert file.to_bytes() == b""


def test_a_single_column_is_no_table():
    for data in (pl.Series([1, 2]), pa.chunked_array([[1, 2]])):
        with FITS("mem://", "w+") as file, pytest.raises(TableError, match="no table but a single column"):
            file.write_table(data)


def test_other_objects_are_still_refused():
    with FITS("mem://", "w+") as file:
        with pytest.raises(TableError, match="names="):
            file.write_table("text")
        with pytest.raises(ImageError, match="write takes"):
            file.write(object())
        with pytest.raises(TableError, match="names="):
            file.write_table(pl.DataFrame({"a": [1]}), names=["a"])
        hdu = file.write_table({"a": np.arange(3)})
        with pytest.raises(TableError, match=r"append\(hdu\)"):
            file.write_table(hdu)


# -- what stands for missing integers ---------------------------------------------------------------------------------


@settings(max_examples=200)
@given(st.sampled_from(["u1", "i2", "u2", "i4", "u4", "i8", "u8"]), st.data())
def test_no_value_is_the_null(dtype, data):
    limits = np.iinfo(dtype)
    near = st.sampled_from([limits.min, limits.min + 1, limits.max, limits.max - 1, 0, 1, 2])
    values = np.array(data.draw(st.lists(near | st.integers(limits.min, limits.max), min_size=1, max_size=9)), dtype)
    null = free_null("a", np.ma.MaskedArray(values, [True] + [False] * (len(values) - 1)))
    assert limits.min <= null <= limits.max
    assert null not in values[1:].tolist()


def test_a_column_without_a_free_number_is_refused():
    every = np.ma.MaskedArray(np.arange(257) % 256, [False] * 256 + [True]).astype("u1")
    with pytest.raises(TableError, match="all 256 numbers"):
        free_null("a", every)
    assert free_null("a", every[1:]) == 0
    assert free_null("a", every[np.r_[0:100, 101:257]]) == 100


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_masked_integers_of_numpy_become_nulls(dtype):
    limits = np.iinfo(dtype)
    values = np.ma.MaskedArray(np.array([limits.min, 5, limits.max], dtype), [False, True, False])
    found, _ = written({"a": values})
    assert found.column("a").to_pylist() == [limits.min, None, limits.max]
    rows = np.ma.MaskedArray(np.zeros(3, [("a", dtype), ("b", "f4")]), [(0, 0), (1, 1), (0, 0)])
    found, peer = written(rows)
    assert found.column("a").to_pylist() == [0, None, 0]
    assert same(peer.data["b"].tolist(), [0.0, float("nan"), 0.0])


# -- what is known of columns -----------------------------------------------------------------------------------------


def test_units_and_comments_come_along():
    schema = pa.schema(
        [pa.field("v", pa.int32(), metadata={"unit": "km/s", "TCOMM": "speed", "TDISP": "I6", "x": "y"})]
    )
    _, peer = written(pa.table({"v": [1, 2]}, schema=schema))
    header = peer.header
    assert (header["TUNIT1"], header["TCOMM1"], header["TDISP1"]) == ("km/s", "speed", "I6")
    _, peer = written(pa.table({"v": [1, 2]}, schema=schema), units={"v": "m/s"})
    assert peer.header["TUNIT1"] == "m/s"


def test_a_table_goes_out_and_comes_back(tmp_path):
    """Through each library: types, units, comments, nulls, vectors, strings."""
    numbers = np.random.default_rng(2)
    columns = {
        "id": np.ma.MaskedArray(np.arange(5, dtype="i4"), [0, 0, 1, 0, 0]),
        "n": np.array([0, 1, 2, 3, 65535], "u2"),
        "pos": numbers.normal(size=(5, 2, 3)).astype("f4"),
        "z": numbers.normal(size=5) + 1j * numbers.normal(size=5),
        "ok": np.array([True, False, True, True, False]),
        "name": np.array(["a", "bb", "", "ccc", "d"]),
        "any": np.array([np.arange(n, dtype="i2") for n in range(5)], dtype=object),
    }
    with FITS(tmp_path / "x.fits", "w+") as file:
        first = file.write_table(columns, units={"id": "m"}, var_dtypes={"any": "i2"}, extname="CAT")
        first.header["TCOMM1"] = "a number"
        for method in ("to_arrow", "to_pandas", "to_astropy"):
            hdu = file.write_table(getattr(first, method)())
            assert hdu.dtype == first.dtype
            assert hdu.units == first.units
            assert hdu.header["TCOMM1"] == "a number"
            assert hdu.extname == ("CAT" if method == "to_astropy" else None)
            one, other = first.to_arrow(), hdu.to_arrow()
            for name in columns:
                assert same(other.column(name).to_pylist(), one.column(name).to_pylist())


# -- pandas -----------------------------------------------------------------------------------------------------------


def test_frames_of_pandas_are_written():
    frame = pd.DataFrame(
        {
            "a": pd.array([1, None, 3], dtype="Int16"),
            "b": pd.array([True, False, True], dtype="boolean"),
            "c": pd.Categorical(["x", "y", "x"]),
            "d": ["s", None, "t"],
            "e": pd.array([1.5, None, 2], dtype="Float32"),
            "f": [np.arange(2), np.arange(0), np.arange(3)],
            "g": pd.array(["u", None, "w"], dtype="string"),
            "h": np.array([1, 2, 3], ">i4"),
        }
    )
    found, peer = written(frame)
    assert found.column("a").to_pylist() == [1, None, 3]
    assert peer.columns["a"].format == "1I" or peer.columns["a"].format == "I"
    for name, expected in (
        ("b", [True, False, True]),
        ("c", ["x", "y", "x"]),
        ("d", ["s", "", "t"]),
        ("e", [1.5, float("nan"), 2.0]),
        ("f", [[0, 1], [], [0, 1, 2]]),
        ("g", ["u", "", "w"]),
        ("h", [1, 2, 3]),
    ):
        assert same(found.column(name).to_pylist(), expected)


def test_a_named_index_is_a_column_and_others_are_not():
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.Index([5, 6], name="id"))
    assert written(frame)[0].column_names == ["id", "a"]
    assert written(frame.rename_axis(None))[0].column_names == ["a"]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pd.to_datetime(["2026-01-01"]), "times"),
        ([{"a": 1}], "objects"),
        ([1 + 2j, "a"], "objects"),
        ([None], "no values"),
        ([["a", "b"]], "objects"),
    ],
)
def test_columns_of_pandas_that_are_no_columns_are_refused(column, words):
    with FITS("mem://", "w+") as file, pytest.raises(TableError, match=rf"column 'odd'.*{words}"):
        file.write_table(pd.DataFrame({"odd": pd.Series(column, dtype=None if words == "times" else object)}))


def test_names_of_pandas_columns_must_be_names():
    with FITS("mem://", "w+") as file:
        with pytest.raises(TableError, match="name of a column"):
            file.write_table(pd.DataFrame({0: [1]}))
        with pytest.raises(TableError, match="one name"):
            file.write_table(pd.DataFrame([[1, 2]], columns=["a", "a"]))


# -- astropy ----------------------------------------------------------------------------------------------------------


def test_tables_of_astropy_are_written():
    units = pytest.importorskip("astropy.units", reason="astropy is not installed")
    table = atable.QTable(
        {
            "q": [1.0, 2.0] * units.km / units.s,
            "m": atable.MaskedColumn(np.array([1, 2], "i4"), mask=[False, True], description="counts"),
            "s": ["a", "bc"],
            "b": np.array([b"x", b"yz"]),
            "v": np.arange(12.0).reshape(2, 2, 3),
        },
        meta={"OBSERVER": "me", "long keyword": 1, "list": [1], "extname": "CAT", "comments": ["no"]},
    )
    with FITS("mem://", "w+") as file:
        hdu = file.write(table)
        assert hdu.extname == "CAT"
        assert hdu.header["OBSERVER"] == "me"
        peer = atable.Table.read(io.BytesIO(file.to_bytes()), hdu=1)
        assert hdu.header["TCOMM2"] == "counts"
    assert peer["q"].unit == units.km / units.s
    assert peer["m"].tolist() == [1, None]
    assert peer["s"].tolist() in (["a", "bc"], [b"a", b"bc"])
    assert peer["v"].tolist() == table["v"].tolist()


def test_columns_of_astropy_that_are_objects_are_refused():
    time = pytest.importorskip("astropy.time", reason="astropy is not installed")
    table = atable.Table({"t": time.Time([50000.0], format="mjd")})
    with FITS("mem://", "w+") as file, pytest.raises(TableError, match="column 't' is a Time"):
        file.write_table(table)


# -- more rows --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [np.array([1], "i8"), np.array([0.5]), np.ma.array([0.5, 1], mask=[0, 1])])
def test_integers_in_arrays_of_several_types_are_not_rounded(other):
    def frame(number):
        return pd.DataFrame({"v": [np.array([number], "u8"), other]})

    with pytest.raises(TableError, match="column 'v' has arrays of uint64 with integers that float64"):
        written(frame(2**63 + 1))
    assert written(frame(2**63))[0].column("v").to_pylist()[0] == [2.0**63]


def test_integers_of_other_libraries_are_not_rounded():
    with FITS("mem://", "w+") as file:
        hdu = file.write_table(np.zeros(1, [("d", "f8")]))
        with pytest.raises(TableError, match="cannot hold 9007199254740993"):
            hdu.append(atable.Table({"d": np.array([2**53 + 1])}))
        hdu.append(atable.Table({"d": np.array([2**53])}))
        assert hdu.read()["d"].tolist() == [0, 2.0**53]


@pytest.mark.parametrize("compress", [None, True])
@pytest.mark.parametrize(
    ("dtype", "first", "null"),
    [("u1", 0, 255), ("u2", 1, 65535), ("i4", 1, -(2**31)), ("i8", 1, -(2**63)), ("u8", 1, 2**64 - 1)],
)
def test_a_value_that_is_appended_does_not_become_null(dtype, first, null, compress):
    masked = np.ma.MaskedArray(np.array([first, 0], dtype), [False, True])
    value = np.array([first, null], dtype)
    with FITS("mem://", "w+") as file:
        hdu = file.write_table({"n": masked}, compress=compress)
        before = file.to_bytes()
        for data in (
            atable.Table({"n": value}),
            pd.DataFrame({"n": value}),
            pl.DataFrame({"n": value}),
            pa.table({"n": value}),
            {"n": np.ma.MaskedArray(value)},
        ):
            with pytest.raises(
                TableError, match=f"column 'n', row 1: the value {null} would be .* TNULL1 and.*mask it"
            ):
                hdu.append(data)
        with pytest.raises(TableError, match=f"column 'n', row 0: the value {null} "):
            hdu["n"][[1]] = np.ma.MaskedArray(value[1:])
        assert file.to_bytes() == before
        hdu.append(atable.Table({"n": np.ma.MaskedArray(value, [False, True])}))
        hdu.append({"n": value})  # it has no mask, and reading gives TNULL1 so
        hdu.append(hdu.to_astropy())
        hdu.append(hdu.to_pandas())
        hdu.append(hdu.to_polars())
        assert hdu.read()["n"].tolist() == [first, null] * 24


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_value_of_a_scaled_column_does_not_become_null(scale):
    column = fits.Column("n", "I", array=np.zeros(2, "i2"), null=-99)
    file = fits.BinTableHDU.from_columns([column])
    file.header["TSCAL1"], file.header["TZERO1"] = scale, 1000.0
    buffer = io.BytesIO()
    file.writeto(buffer)
    with FITS(buffer, "r+") as file:
        null = 1000 - 99 * scale
        with pytest.raises(TableError, match=f"row 0: the value {null} would be stored as -99"):
            file[1].append(pd.DataFrame({"n": [null + 0.1 * scale - 0.1 * scale]}))
        file[1].append(pd.DataFrame({"n": [null + scale]}))
        assert file[1].read_column("n", scale=False).tolist() == [0, 0, -98]


def test_arrays_with_missing_values_do_not_get_another_null():
    def frame(*cells):
        return atable.Table({"v": np.array([*cells, None], object)[:-1]})

    some, none = np.ma.array([1, 2], "i4", mask=[0, 1]), np.array([1, 2], "i4")
    null = -(2**31)
    with FITS("mem://", "w+") as file:
        hdu = file.write_table(frame(none, none[:1]))
        with pytest.raises(TableError, match="column 'v' has arrays with missing values"):
            hdu.append(frame(some))
    with FITS("mem://", "w+") as file:
        hdu = file.write_table(frame(some, none[:1]))
        hdu.append(frame(some[1:], none))
        with pytest.raises(TableError, match="column 'v' has arrays with missing values"):
            hdu.append(frame(np.ma.array([null, 2], "i4", mask=[0, 1])))
        assert [cell.tolist() for cell in hdu.read()["v"]] == [[1, null], [1], [null], [1, 2]]


def test_a_value_that_is_appended_to_an_ascii_table_does_not_become_null():
    columns = [
        fits.Column("i", "I5", array=np.array([1, 2]), ascii=True, null="-9"),
        fits.Column("x", "F6.2", array=np.zeros(2)),
    ]
    buffer = io.BytesIO()
    fits.TableHDU.from_columns(columns).writeto(buffer)
    with FITS(buffer, "r+") as file:
        hdu, x = file[1], np.array([0.5])
        with pytest.raises(
            TableError, match="column 'i', row 0: the value -9 would be stored as '-9', which is TNULL1"
        ):
            hdu.append(pd.DataFrame({"i": [-9], "x": x}))
        with pytest.raises(TableError, match="the value -9 would be"):
            hdu["i"][[0]] = np.ma.array([-9])
        hdu.append(atable.Table({"i": np.ma.array([-9], mask=[1]), "x": x}))
        hdu.append({"i": np.array([-9]), "x": x})
        hdu.append(pd.DataFrame({"i": [-8], "x": x}))
        assert hdu.read(mask_null=True)["i"].tolist() == [1, 2, None, None, -8]


def test_rows_of_other_libraries_are_appended():
    with FITS("mem://", "w+") as file:
        file.create_table_hdu([("id", "i4"), ("name", "U8"), ("flux", "f4"), ("n", "u2")])
        hdu = file[-1]
        night = {"id": [1, 2], "name": ["a", "bb"], "flux": [0.5, None], "n": [1, 65535]}
        for data in (
            pl.DataFrame(night),
            pa.table(night),
            pd.DataFrame(night),
            atable.Table({**night, "flux": [0.5, np.nan]}),
        ):
            hdu.append(data)
        assert hdu.nrows == 8
        assert hdu.read_column("name").tolist() == ["a", "bb"] * 4
        assert hdu.read_column("n").tolist() == [1, 65535] * 4
        assert same(hdu.read_column("flux").tolist(), [0.5, float("nan")] * 4)
        before = file.to_bytes()
        for change, words in (
            ({"id": [1, 2**40]}, "cannot hold"),
            ({"name": ["a", "far too long"]}, "chars/string"),
            ({"id": [1, None]}, "TNULL"),
            ({"n": [1, -1]}, "cannot hold"),
            ({"flux": ["a", "b"]}, "expected"),
        ):
            with pytest.raises(TableError, match=words):
                hdu.append(pl.DataFrame(night | change))
        with pytest.raises(TableError, match="missing column"):
            hdu.append(pl.DataFrame({"id": [1]}))
        assert file.to_bytes() == before


def test_a_frame_of_polars_is_written_without_pyarrow(tmp_path):
    path = tmp_path / "x.fits"
    program = f"""
        import sys
        sys.modules["pyarrow"] = None
        import polars, rustfits
        frame = polars.DataFrame({{"a": [1, None], "s": ["x", "a string longer than twelve"], "l": [[1.5], []]}})
        rustfits.write({os.fspath(path)!r}, frame, extname="CAT")
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
    with fits.open(path) as peer:
        assert peer["CAT"].data["s"].tolist() == ["x", "a string longer than twelve"]
    assert rustfits.read(path)["l"][0].tolist() == [1.5]
