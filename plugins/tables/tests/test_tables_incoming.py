"""What is given for a table: forms, names, lengths; and what a column does not take."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustfits import FITS, TableError
from rustfits.plugin import Cards
from rustfits_tables.columns import same_numbers
from rustfits_tables.facts import ColumnFacts
from rustfits_tables.incoming import Given
from rustfits_tables.values import cell_value, checked_values, values_of

ROWS = np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "i4"), ("B", "f8")])


def cells_of(form, **more):
    """What a column of one TFORM1 is; ``more`` are keywords without their number."""
    cards = [("TFIELDS", 1), ("TFORM1", form), ("TTYPE1", "x"), *((f"{key}1", value) for key, value in more.items())]
    width = ColumnFacts(Cards.build([("NAXIS1", 0), *cards]))
    from rustfits.plugin import column_of

    nbytes = column_of(width.cards, 1, 0).nbytes
    return ColumnFacts(Cards.build([("NAXIS1", nbytes), *cards])).cells[0]


@pytest.mark.parametrize(
    ("data", "names", "words"),
    [
        (np.zeros(3), None, "structured"),
        (np.zeros(3), None, "named fields"),
        (ROWS, ["a", "B"], "names="),
        ({}, None, "empty"),
        ({"a": np.zeros(2)}, ["a"], "names="),
        ([np.zeros(2)], None, "names="),
        (7, None, "names="),
        (None, ["a"], "names="),
        ([np.zeros(2)], ["a", "b"], "len"),
        ([np.zeros(2), np.zeros(2)], ["a", "a"], "duplicate"),
        ([], [], "empty"),
        ({"a": [1, 2]}, None, "numpy array"),
        ({"a": np.float64(2)}, None, "numpy array"),
        ({"a": np.array(2.0)}, None, "single number"),
        ({1: np.zeros(2)}, None, "non-empty str"),
        ({"": np.zeros(2)}, None, "non-empty"),
        ({"a": np.zeros(2), "b": np.zeros(3)}, None, "unequal lengths.*'a' has 2.*'b' has 3"),
        (np.zeros((2, 2), ROWS.dtype), None, "shape"),
    ],
)
def test_a_form_that_is_no_table_is_refused(data, names, words):
    with pytest.raises(TableError, match=words):
        Given.of(data, names)


@pytest.mark.parametrize("form", ["array", "dict", "list"])
def test_the_three_forms_give_the_same_columns_in_any_order_and_case(form):
    turned = {"b": ROWS["B"], "A": ROWS["a"]}
    data = {"array": ROWS[["B", "a"]], "dict": turned, "list": list(turned.values())}[form]
    given = Given.of(data, ["b", "A"] if form == "list" else None)
    assert given.nrows == 2
    first, second = given.ordered(["a", "B"])
    assert (first == ROWS["a"]).all()
    assert (second == ROWS["B"]).all()


@pytest.mark.parametrize(
    ("data", "missing", "extra", "nrows"),
    [
        (ROWS, "missing field", "input has", "NAXIS2"),
        ({"a": ROWS["a"], "B": ROWS["B"]}, "missing column", "extra key", "first axis"),
    ],
)
def test_columns_too_few_or_too_many_and_other_lengths_are_refused(data, missing, extra, nrows):
    given = Given.of(data)
    with pytest.raises(TableError, match=f"{missing} 'c'"):
        given.ordered(["a", "b", "c"])
    with pytest.raises(TableError, match=extra):
        given.ordered(["a"])
    assert len(given.ordered(["a"], extra=True)) == 1
    with pytest.raises(TableError, match=rf"{nrows}.*expected 3 rows"):
        given.require_nrows(3)


def test_a_name_spelled_as_the_column_wins_and_two_that_may_be_it_are_refused():
    both = {"a": np.zeros(1), "A": np.ones(1)}
    assert [array[0] for array in Given.of(both).ordered(["A", "a"])] == [1, 0]
    with pytest.raises(TableError, match="may be any of"):
        Given.of({"xY": np.zeros(1), "Xy": np.zeros(1)}).ordered(["xy", "b"])


@pytest.mark.parametrize(
    ("form", "cards", "data", "words"),
    [
        ("J", {}, np.zeros(2, "i8"), "expected i4, got i8"),
        ("J", {}, np.zeros(2, "u4"), "expected i4"),
        ("I", {"TZERO": 32768}, np.zeros(2, "i2"), "unsigned-int trick"),
        ("L", {}, np.zeros(2, "i4"), "bool"),
        ("X", {}, np.zeros(2, "u1"), "bool"),
        ("8A", {}, np.zeros(2, "U7"), "chars/string"),
        ("8A", {}, np.zeros(2, "S9"), "chars/string"),
        ("8A", {}, np.zeros(2, "f4"), "expected S8 or U8"),
        ("3E", {}, np.zeros(2, "f4"), r"shape \(3,\)"),
        ("3E", {}, np.zeros((2, 4), "f4"), "shape"),
        ("E", {}, np.zeros(2, "f8"), "expected f4"),
        ("3A", {}, np.array(["abc", "a\xe9b"]), "non-ASCII character in column 'x', row 1, at position 1"),
        ("3A", {}, np.array([b"abc", b"ab\xff"]), "non-ASCII character in column 'x', row 1, at position 2"),
        ("0A", {}, np.array(["", "a"]), "0 chars/string"),
        ("I", {"TSCAL": 0.5}, np.zeros(2, "i2"), "scaled by TSCAL1.*expected f8"),
        ("I", {"TSCAL": 0.5}, np.array([1.0, np.nan]), "row 1: non-finite"),
        ("I", {"TSCAL": 0.5}, np.array([1.0, 2, 3e5]), "row 2: overflow"),
        ("I", {"TSCAL": 0}, np.zeros(2), "no number makes such values"),
        ("C", {"TSCAL": 2.0}, np.zeros(2, "c8"), "complex"),
        ("J", {}, np.ma.array([1, 2], "i4", mask=[0, 1]), "masked values and no TNULL1"),
        ("X", {}, np.ma.array([True, False], mask=[0, 1]), "masked values and no TNULL1"),
        ("B", {"TNULL": 300}, np.ma.array([1, 2], "u1", mask=[0, 1]), "cannot hold"),
        ("J", {}, np.zeros(2, "M8[s]"), "expected i4"),
        ("1PE", {}, np.zeros(2, "f4"), "object array"),
        ("1PE", {}, np.array([[1.0], None], object), "1-D ndarray, not list"),
        ("1PE", {}, np.array([np.zeros(1, "f4"), np.zeros(1)], object)[:, 0], "ndarray, not float"),
        ("1PA", {}, np.array(["a", 3], object), "str or bytes, not int"),
        ("1PA", {}, np.array(["a", "\xe9"], object), "non-ASCII character in column 'x', row 1"),
    ],
)
def test_what_a_column_does_not_take_is_refused(form, cards, data, words):
    with pytest.raises(TableError, match=words):
        checked_values(cells_of(form, **cards), data)


def objects(*cells):
    out = np.empty(len(cells), dtype=object)
    out[:] = cells
    return out


@pytest.mark.parametrize(
    ("form", "cell", "words"),
    [
        ("1PE", np.zeros((2, 2), "f4"), "1-D"),
        ("1PE", np.zeros(2), "VLA cell dtype must be f4, not f8"),
        ("1PL", np.zeros(2, "u1"), "VLA cell dtype must be \\?"),
        ("1QX", np.zeros(2, "u1"), "VLA cell dtype"),
        ("1PE", np.ma.array([1, 2], "f4", mask=[0, 1]), "cannot be masked"),
        ("0PE", np.zeros(2, "f4"), "cells must be empty"),
    ],
)
def test_what_a_cell_of_the_heap_cannot_be_is_refused(form, cell, words):
    cells = cells_of(form)
    with pytest.raises(TableError, match=words):
        checked_values(cells, objects(np.zeros(0, cells.inner.dtype() if form[2] == "E" else "?"), cell))


def test_both_byte_orders_strided_and_masked_arrays_are_taken():
    for dtype in (">i4", "<i4"):
        assert len(checked_values(cells_of("J"), np.arange(6, dtype=dtype)[::-2])) == 3
    masked = checked_values(cells_of("J", TNULL=-9), np.ma.array([1, 2], "i4", mask=[0, 1]))
    assert masked.nulls.tolist() == [False, True]
    assert np.isnan(checked_values(cells_of("E"), np.ma.array([1, 2], "f4", mask=[0, 1])).array[1])
    assert checked_values(cells_of("1PX"), objects(np.ones(11, "?"), np.zeros(0, "?"))).counts.tolist() == [11, 0]


def test_values_of_names_the_column_that_does_not_fit():
    cards = [("NAXIS1", 12), ("TFIELDS", 2), ("TFORM1", "J"), ("TTYPE1", "A"), ("TFORM2", "D"), ("TTYPE2", "b")]
    cells = ColumnFacts(Cards.build(cards)).cells
    assert [len(each) for each in values_of(Given.of(ROWS), cells)] == [2, 2]
    with pytest.raises(TableError, match=r"column 'b'.*expected f8, got f4"):
        values_of(Given.of({"a": ROWS["a"], "b": np.zeros(2, "f4")}), cells)


def test_one_cell_takes_numbers_and_lists_that_it_can_hold():
    assert cell_value(cells_of("J"), 7).array.tolist() == [7]
    assert cell_value(cells_of("2J"), [1, 2]).array.dtype == "i4"
    assert cell_value(cells_of("E"), 0.1).array.dtype == "f4"
    assert cell_value(cells_of("I", TZERO=32768), 65535).array.dtype == "u2"
    assert cell_value(cells_of("5A"), "ab").array.tolist() == ["ab"]
    assert cell_value(cells_of("1PA"), "ab").array.tolist() == [b"ab"]
    for form, value in (
        ("J", 1 << 31),
        ("J", 1.5),
        ("J", "a"),
        ("L", 1),
        ("2J", [1, 2, 3]),
        ("2J", [1, [2]]),
        ("3A", "abcd"),
    ):
        with pytest.raises(TableError, match=r"expected|shape|chars"):
            cell_value(cells_of(form), value)


KINDS = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]
LARGE = [
    sign * (2**bits + more) for bits in (11, 24, 31, 32, 53, 62, 63, 64) for more in (-1, 0, 1) for sign in (1, -1)
]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(KINDS), st.sampled_from(KINDS), st.sampled_from(LARGE) | st.integers(-(2**64), 2**64))
def test_numbers_of_another_type_are_the_same_or_not_taken(found, wanted, number):
    source, target = np.dtype(found), np.dtype(wanted)
    if source.kind in "iu":
        number = min(max(number, np.iinfo(source).min), np.iinfo(source).max)
    elif target.kind not in "iu":
        return  # floats may be rounded
    with np.errstate(all="ignore"):
        array = np.array([number], source if source.kind in "iu" else "f8").astype(source)
        if source.kind == "c" or not np.isfinite(array[0]):
            return
        converted = array.astype(target)
    if target.kind in "iu":
        expected = np.iinfo(target).min <= int(array[0]) <= np.iinfo(target).max
    else:
        expected = bool(np.isfinite(converted[0])) and int(converted[0].real) == number
    assert bool(same_numbers(array, converted)[0]) == expected


@pytest.mark.parametrize("compress", [None, True])
def test_integers_are_not_rounded(compress):
    rows = np.zeros(2, dtype=[("D", "f8"), ("M", "c16"), ("E", "f4"), ("U", "u8"), ("K", "i8"), ("U2", "u8", 2)])
    with FITS("mem://", "w+") as file:
        hdu = file.write_table(rows, compress=compress)
        for name, value in (
            ("D", np.array([2**53 + 1, 1])),
            ("D", [2**53 + 1, 1]),
            ("D", [2**63 + 1, 1]),
            ("M", np.array([2**62 + 1, 1])),
            ("E", np.array([2**24 + 1, 1])),
            ("E", np.array([2**63 - 1, 1])),
            ("K", [2**63, 1]),
            ("U", [2**63 + 1, -1]),
        ):
            with pytest.raises(TableError, match=r"cannot hold|no type holds"):
                hdu[name][[0, 1]] = value
        hdu["D"][[0, 1]] = [2**53, 2**63]
        hdu["E"][[0, 1]] = np.array([2**24, -(2**63)])
        hdu["U"][[0, 1]] = [2**63 + 1, 1]
        hdu["U2"][0] = [2**64 - 1, 1]
        hdu["U2"][[1]] = [[1, 2**63 + 3]]
        found = hdu.read()
    assert found["D"].tolist() == [2.0**53, 2.0**63]
    assert found["E"].tolist() == [2.0**24, -(2.0**63)]
    assert found["U"].tolist() == [2**63 + 1, 1]
    assert found["U2"].tolist() == [[2**64 - 1, 1], [1, 2**63 + 3]]


def test_integers_are_not_rounded_in_ascii_tables():
    with FITS("mem://", "w+") as file:
        file.create_ascii_table_hdu(np.dtype([("d", "f8"), ("u", "u8")]), 2)
        hdu = file[-1]
        for value in ([2**53 + 1, 1], np.array([2**53 + 1, 1]), [2**63 + 1, 1]):
            with pytest.raises(TableError, match="no float of 64 bits has its value"):
                hdu["d"][[0, 1]] = value
        hdu["d"][[0, 1]] = [2**53, 1]
        hdu["u"][[0, 1]] = [2**63 + 1, 1]
        assert hdu.read()["d"].tolist() == [2.0**53, 1]
        assert hdu.read()["u"].tolist() == [2**63 + 1, 1]
