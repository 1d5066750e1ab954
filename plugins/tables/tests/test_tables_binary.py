"""Binary tables: what their headers say, and their columns of fixed width."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tablefiles import table

import rustfits
from rustfits.errors import (
    HeaderError,
    RowIndexError,
    TableError,
    TruncatedFile,
)

# -- what the header says -------------------------------------------------------------------------------------------


def test_the_members_describe_the_table():
    hdu = table([("1J", "id"), ("3E", "Flux"), ("8A", "")], bytes(24 * 5), 5, TUNIT2="Jy", EXTNAME="CAT")
    assert isinstance(hdu, rustfits.TableHDU)
    assert (hdu.nrows, hdu.ncols, len(hdu), hdu.shape) == (5, 3, 5, (5,))
    assert hdu.colnames == ("id", "Flux", "COL3")
    assert hdu.units == {"id": None, "Flux": "Jy", "COL3": None}
    assert hdu.dtype == np.dtype([("id", "i4"), ("Flux", "f4", (3,)), ("COL3", "U8")])
    assert hdu.has_data
    assert hdu.extname == "CAT"


def test_the_repr_lists_the_columns():
    hdu = table(
        [
            ("1J", "id"),
            ("6E", "flux"),
            ("5A", "name"),
            ("1PE(9)", "spectrum"),
            ("1QA", "log"),
            ("1PX", "bits"),
            ("L", "ok"),
        ],
        bytes(66),
        TDIM2="(3,2)",
        TUNIT2="Jy",
        TZERO1=2147483648,
        EXTNAME="CAT",
    )
    assert repr(hdu).splitlines() == [
        "  file: mem://",
        "  extension: 1",
        "  type: BINARY_TBL",
        "  extname: CAT",
        "  rows: 1",
        "  column info:",
        "    id        u4",
        "    flux      f4  array[2,3]  (Jy)",
        "    name      U5",
        "    spectrum  f4  array[var]",
        "    log       U  array[var]",
        "    bits      X  array[var]",
        "    ok        ?",
    ]


def test_an_empty_table_has_no_data_and_is_an_hdu_all_the_same():
    hdu = table([("1J", "a")], nrows=0, row_nbytes=4)
    assert not hdu.has_data
    assert hdu
    assert len(hdu) == 0
    values = hdu.read()
    assert (values.shape, values.dtype) == ((0,), np.dtype([("a", "i4")]))


# -- columns --------------------------------------------------------------------------------------------------------

NUMBERS = {"B": "u1", "I": "i2", "J": "i4", "K": "i8", "E": "f4", "D": "f8", "C": "c8", "M": "c16"}


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(NUMBERS)), st.integers(0, 4)), min_size=1, max_size=5),
    st.integers(0, 7),
    st.randoms(use_true_random=False),
)
def test_numbers_are_those_of_the_file(columns, nrows, random):
    forms = [(f"{repeat}{code}", f"c{number}") for number, (code, repeat) in enumerate(columns)]
    stored = np.dtype(
        [(name, f">{NUMBERS[code]}", (repeat,)) for (code, repeat), (_, name) in zip(columns, forms, strict=True)]
    )
    data = random.randbytes(stored.itemsize * nrows)
    expected = np.frombuffer(data, dtype=stored, count=nrows) if stored.itemsize else np.empty(nrows, stored)
    values = table(forms, data, nrows, row_nbytes=stored.itemsize).read()
    for (code, repeat), (_, name) in zip(columns, forms, strict=True):
        assert values.dtype[name] == np.dtype((NUMBERS[code], () if repeat == 1 else (repeat,)))
        assert values[name].tobytes() == expected[name].astype(NUMBERS[code]).tobytes()


def test_only_the_byte_t_is_true():
    assert table([("5L", "a")], b"TF\0t ").read()["a"].tolist() == [[True, False, False, False, False]]


def test_bits_are_unpacked_from_the_highest():
    hdu = table([("11X", "a"), ("1X", "b")], bytes([0b10100000, 0b01111111, 0b10000000] * 2), 2)
    values = hdu.read()
    assert values.dtype == np.dtype([("a", "?", (11,)), ("b", "?")])
    assert values["a"].astype(int).tolist() == [[1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1]] * 2
    assert values["b"].tolist() == [True, True]


def test_strings_end_at_a_nul_and_lose_blanks_at_their_end():
    hdu = table([("6A", "a")], b"ab cd ab\0cd       \0\0\0\0\0\0 ab   ", 5)
    assert hdu.read()["a"].tolist() == ["ab cd", "ab", "", "", " ab"]
    assert hdu.read_column("A", as_bytes=True).tolist() == [b"ab cd ", b"ab\0cd ", b"      ", b"", b" ab   "]


def test_strings_in_an_array_have_the_length_that_tdim_says():
    hdu = table([("12A", "a")], b"ab cd efg hi", TDIM1="(3,2,2)")
    assert hdu.dtype == np.dtype([("a", "U3", (2, 2))])
    assert hdu.read()["a"].tolist() == [[["ab", "cd"], ["efg", " hi"]]]


def test_a_string_that_is_not_ascii_is_named():
    hdu = table([("4A", "a"), ("4A", "name")], b"good____good\0\xff__goodba\xe9_", 3)
    with pytest.raises(TableError, match=r"non-ASCII byte 0xE9 at position 2 of column 'name', row 2.*as_bytes=True"):
        hdu.read()
    assert hdu.read_column("name", as_bytes=True).tolist() == [b"____", b"\0\xff__", b"ba\xe9_"]


def test_as_bytes_is_for_characters():
    with pytest.raises(TableError, match="character"):
        table([("1J", "a")], bytes(4)).read_column("a", as_bytes=True)


CONVENTIONS = [("B", -128, "i1"), ("I", 1 << 15, "u2"), ("J", 1 << 31, "u4"), ("K", 1 << 63, "u8")]


@pytest.mark.parametrize(("code", "tzero", "dtype"), CONVENTIONS)
def test_unsigned_and_signed_byte_conventions_are_exact(code, tzero, dtype):
    stored = np.dtype(NUMBERS[code]).newbyteorder(">")
    numbers = np.array([np.iinfo(stored).min, np.iinfo(stored).max, 0, 1], dtype=stored)
    hdu = table([(f"1{code}", "a")], numbers.tobytes(), 4, TZERO1=tzero, TSCAL1=1.0)
    values = hdu.read()["a"]
    assert values.dtype == dtype == hdu.dtype["a"]
    assert values.tolist() == [int(number) + tzero for number in numbers]
    assert hdu.read(scale=False)["a"].tolist() == numbers.tolist()


@pytest.mark.parametrize("code", "BIJKED")
def test_other_scalings_give_floats_of_64_bits(code):
    numbers = np.array([1, 2, 100], dtype=f">{NUMBERS[code]}")
    hdu = table([(f"1{code}", "a")], numbers.tobytes(), 3, TSCAL1=0.5, TZERO1=10)
    assert hdu.dtype["a"] == "f8"
    assert hdu.read()["a"].tolist() == [10.5, 11.0, 60.0]
    assert hdu.read(scale=False).dtype["a"] == NUMBERS[code]


def test_scaling_does_not_touch_logicals_and_is_refused_for_complex_numbers():
    assert table([("1L", "a")], b"T", TSCAL1=2).read()["a"].tolist() == [True]
    hdu = table([("1C", "a")], np.array([1 + 2j], ">c8").tobytes(), TSCAL1=2)
    with pytest.raises(TableError, match="complex"):
        hdu.read()
    assert hdu.read(scale=False)["a"].tolist() == [1 + 2j]


def test_cells_have_the_shape_of_tdim_reversed():
    numbers = np.arange(24, dtype=">i2")
    hdu = table([("12I", "a")], numbers.tobytes(), 2, TDIM1="(2,3,2)")
    assert hdu.dtype["a"] == np.dtype(("i2", (2, 3, 2)))
    assert (hdu.read()["a"] == numbers.reshape(2, 2, 3, 2)).all()


# -- rows and columns asked for -------------------------------------------------------------------------------------


@pytest.fixture
def ten():
    rows = np.array([(n, n / 4) for n in range(10)], dtype=[("A", ">i4"), ("b", ">f8")])
    return table([("1J", "A"), ("1D", "b")], rows.tobytes(), 10)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (None, range(10)),
        (slice(2, 5), [2, 3, 4]),
        (slice(None, None, -3), [9, 6, 3, 0]),
        ([3, 1, -1, 3, 9], [3, 1, 9]),
        (np.array([0, 5]), [0, 5]),
        (range(4, 0, -2), [4, 2]),
        ((row for row in (7, 2)), [7, 2]),
    ],
)
def test_rows_come_in_the_order_asked_for(ten, rows, expected):
    assert ten.read(rows=rows)["A"].tolist() == list(expected)


@pytest.mark.parametrize("rows", [[10], [0, -11], np.array([99])])
def test_rows_out_of_range_are_an_index_error(ten, rows):
    with pytest.raises(RowIndexError, match="out of range: the table has 10 rows"):
        ten.read(rows=rows)
    with pytest.raises(IndexError):
        ten.read(rows=rows)


@pytest.mark.parametrize("rows", [[], slice(5, 5), slice(20, 30), ()])
def test_no_rows_are_refused(ten, rows):
    with pytest.raises(TableError, match="zero rows"):
        ten.read(rows=rows)


@pytest.mark.parametrize(
    "rows", [3, 2.5, [1.0], [True], np.ones(10, bool), "12", np.array([[1, 2]]), slice("a"), slice(0, 5, 0)]
)
def test_rows_of_another_kind_are_refused(ten, rows):
    with pytest.raises(TableError, match="rows="):
        ten.read(rows=rows)


def test_columns_come_in_the_order_asked_for_and_are_spelt_as_stored(ten):
    assert ten.read(columns=["B", "a"]).dtype.names == ("b", "A")
    assert ten.read_column("B", rows=[4]).tolist() == [1.0]
    assert ten.read_column("a").flags.c_contiguous


@pytest.mark.parametrize(
    ("columns", "message"),
    [(["c"], "unknown column name 'c'; there are 'A', 'b'"), (["a", "A"], "duplicate column"), ([], "empty list")],
)
def test_columns_that_cannot_be_had_are_refused(ten, columns, message):
    with pytest.raises(TableError, match=message):
        ten.read(columns=columns)


@pytest.mark.parametrize("columns", ["A", b"A", [1], [b"A"], ["A", None]])
def test_columns_of_another_kind_are_a_type_error(ten, columns):
    with pytest.raises(TypeError, match="columns="):
        ten.read(columns=columns)


def test_the_name_of_a_column_is_a_str(ten):
    with pytest.raises(TypeError, match="name must be a str"):
        ten.read_column(["A"])


# -- what is wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "cards", "message"),
    [
        ("1Z", {}, "TFORM1 is '1Z'"),
        ("2J", {}, "take 8 bytes a row, but NAXIS1 is 4"),
        ("1B", {}, "take 1 bytes a row, but NAXIS1 is 4"),
        ("4B", {"TDIM1": "(2,3)"}, "makes 6 elements; column 'a' has 4"),
        ("4B", {"TDIM1": "2,2"}, "must look like"),
        ("1J", {"TSCAL1": "two"}, "TSCAL1"),
        ("4B", {"TFIELDS": 1000}, "at most 999"),
    ],
)
def test_a_wrong_header_is_told_of_when_columns_are_needed(form, cards, message):
    hdu = table([(form, "a")], bytes(4), **cards)
    assert hdu.nrows == 1
    with pytest.raises((HeaderError, TableError), match=message.replace("(", r"\(").replace(")", r"\)")):
        hdu.read()
    with pytest.raises(ValueError):  # noqa: PT011
        hdu.dtype  # noqa: B018


def test_columns_without_width_read_as_empty():
    hdu = table([("0A", "a"), ("4B", "b"), ("0E", "c"), ("0A", "d")], bytes(range(8)), 2, TDIM4="(0,2)")
    assert hdu.read_column("a").tolist() == hdu.read_column("d").tolist() == ["", ""]
    assert hdu.read_column("a", as_bytes=True).tolist() == [b"", b""]
    assert hdu.read_column("c").shape == (2, 0)
    rows = hdu.read()
    assert (rows["b"][1].tolist(), rows["a"].tolist()) == ([4, 5, 6, 7], ["", ""])


@pytest.mark.parametrize("form", ["2I8", "I2", "2IE3.2", "2I "])
def test_what_follows_the_letter_of_a_format_is_not_looked_at(form):
    numbers = np.arange(4 if form[0] == "2" else 2, dtype=">i2")
    hdu = table([(form, "a")], numbers.tobytes(), 2)
    assert hdu.read_column("a").ravel().tolist() == numbers.tolist()
    assert table([("10A5", "a")], b"abcdefghij").read_column("a").tolist() == ["abcdefghij"]


@pytest.mark.parametrize(
    ("form", "values", "dim", "expected"),
    [
        ("4I", np.arange(4, dtype=">i2"), "(3)", [0, 1, 2]),
        ("8I", np.arange(8, dtype=">i2"), "(2,3)", [[0, 1], [2, 3], [4, 5]]),
        ("7A", np.frombuffer(b"abcdefg", "u1"), "(3,2)", ["abc", "def"]),
        ("17A", np.frombuffer(b"abcdefghijklmnopq", "u1"), "(1)", "a"),
        ("3L", np.frombuffer(b"TFT", "u1"), "(2)", [True, False]),
        ("9X", np.array([0xA0, 0x80], "u1"), "(2,2)", [[True, False], [True, False]]),
        ("2E", np.array([1.5, 2.5], ">f4"), "(1)", [1.5]),
    ],
)
def test_a_shape_of_fewer_elements_takes_the_first(form, values, dim, expected):
    hdu = table([(form, "a")], values.tobytes(), TDIM1=dim)
    assert hdu.read_column("a")[0].tolist() == expected


def test_a_column_that_cannot_be_read_refuses_itself_alone():
    columns = [("1I", "a"), ("1Z", "odd"), ("1J", "b"), ("2B", "dim"), ("1D", "scale"), ("1B", "c")]
    row = np.array([(7, 0, 9, 0, 0, 5)], "i1,>i4,>i4,>i2,>f8,u1")  # what the odd one takes is known from the others
    hdu = table(columns, b"\0" + row.tobytes(), TDIM4="(9)", TSCAL5="x")
    assert [hdu.read_column(name).tolist() for name in "abc"] == [[7], [9], [5]]
    assert hdu.read(columns=["c", "a"]).tolist() == [(5, 7)]
    for name, said in (("odd", "TFORM2 is '1Z'"), ("dim", "TDIM4"), ("scale", "TSCAL5")):
        with pytest.raises((HeaderError, TableError), match=said):
            hdu.read_column(name)
    with pytest.raises(HeaderError, match="TFORM2"):
        hdu.read()
    assert "odd    TFORM '1Z'" in repr(hdu)


def test_a_column_between_two_of_unknown_width_is_not_guessed():
    hdu = table([("1B", "a"), ("1Z", "x"), ("1B", "b"), ("?", "y"), ("1B", "c")], bytes(range(9)))
    assert (hdu.read_column("a").tolist(), hdu.read_column("c").tolist()) == ([0], [8])
    with pytest.raises(HeaderError, match="where column 'b' lies is not known: TFORM2"):
        hdu.read_column("b")


def test_a_name_selects_the_column_that_is_spelled_so():
    hdu = table([("1B", "flux"), ("1B", "Flux"), ("1B", "time")], b"\1\2\3")
    assert (hdu.read_column("flux").tolist(), hdu.read_column("Flux").tolist()) == ([1], [2])
    assert hdu.read_column("TIME").tolist() == [3]
    with pytest.raises(TableError, match="'FLUX' may be any of 'flux', 'Flux'"):
        hdu.read_column("FLUX")


def test_columns_of_one_name_cannot_be_read_together():
    hdu = table([("1B", "a"), ("1B", "a")], b"\1\2")
    with pytest.raises(TableError, match=r"columns of one name .* 'a'; rename_column"):
        hdu.read()
    assert hdu.read_column("a").tolist() == [1]


@pytest.mark.parametrize("nrows", [2_000, 10**12])
def test_a_file_that_ends_early_costs_no_memory(nrows):
    hdu = table([("1J", "a")], bytes(2880), nrows, row_nbytes=4)
    with pytest.raises(TruncatedFile, match="truncated"):
        hdu.read()
    assert hdu.read(rows=slice(0, 3))["a"].tolist() == [0, 0, 0]


def test_rows_without_bytes_are_no_work():
    assert table([("0J", "a")], nrows=10**9, row_nbytes=0).read()["a"].shape == (10**9, 0)


def test_items_are_not_deleted(ten):
    with pytest.raises(NotImplementedError, match="can't delete item"):
        del ten[0]


def test_a_closed_file_is_not_read(tmp_path, ten):
    path = tmp_path / "t.fits"
    path.write_bytes(ten._file.content())
    with rustfits.FITS(path) as file:
        hdu = file[1]
        assert hdu.verify_checksum() is None
    assert (hdu.nrows, hdu.colnames) == (10, ("A", "b"))
    with pytest.raises(OSError, match="file is closed"):
        hdu.read()


def test_checksums_are_those_of_the_table(tmp_path, ten):
    path = tmp_path / "t.fits"
    path.write_bytes(ten._file.content())
    with rustfits.FITS(path, "r+") as file:
        file[1].add_checksum()
        assert file[1].verify_checksum() is file[1].verify_datasum() is True


FORMS = st.one_of(
    st.sampled_from(["1J", "3E", "8A", "0A", "11X", "1PE(9)", "2PB", "1Q", "J", "", "1Z", "4A3", "-1J", "9999999999B"]),
    st.from_regex(r"\d{0,6}[LXBIJKAEDCMPQ][A-Z]?", fullmatch=True),
)
NUMBER = st.one_of(st.integers(-2, 40), st.sampled_from([10**9, 2**31, 2**63 - 1, 2**63]))


@settings(max_examples=150)
@given(
    st.lists(FORMS, min_size=1, max_size=4),
    st.fixed_dictionaries({}, optional={"NAXIS1": NUMBER, "NAXIS2": NUMBER, "TFIELDS": NUMBER, "THEAP": NUMBER}),
    st.fixed_dictionaries(
        {},
        optional={
            "TDIM1": st.sampled_from(["(2,2)", "(0)", "(99999999999,3)", "x"]),
            "TSCAL1": st.floats(),
            "TZERO1": NUMBER,
        },
    ),
)
def test_a_hostile_header_gives_values_or_an_error_of_ours(forms, sizes, cards):
    try:
        hdu = table([(form, f"c{n}") for n, form in enumerate(forms)], bytes(24), 3, **sizes, **cards)
    except rustfits.FitsError:
        return
    repr(hdu)
    for attempt in (
        lambda: hdu.dtype,
        hdu.read,
        lambda: hdu.read(rows=[-1]),
        lambda: hdu.read(columns=["C0"], scale=False),
    ):
        with contextlib.suppress(rustfits.FitsError):
            attempt()
