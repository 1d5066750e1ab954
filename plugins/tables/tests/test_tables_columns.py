"""Columns that are put into a table and taken out, and the keywords that hold their numbers."""

import numpy as np
import pytest
from newtables import assert_same, assert_table
from tablefiles import table

import rustfits
from rustfits import FITS, HeaderError, TableError
from rustfits.plugin import Cards
from rustfits_tables.indexed import renumbered

A, B = np.arange(3, dtype="i4"), np.array([1.5, 2.5, 3.5])


@pytest.fixture
def fits():
    with FITS("mem://", "w+") as file:
        yield file


@pytest.fixture
def hdu(fits):
    return fits.write_table({"a": A, "b": B}, units={"b": "m"})


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ({}, "a b n"),
        ({"position": 0}, "n a b"),
        ({"position": 1}, "a n b"),
        ({"position": 2}, "a b n"),
        ({"after": "A"}, "a n b"),
        ({"after": -1}, "a b n"),
        ({"before": "b"}, "a n b"),
        ({"before": 0}, "n a b"),
        ({"before": -2}, "n a b"),
    ],
)
def test_a_column_goes_where_it_is_wanted(hdu, place, names):
    new = np.arange(6, dtype="u2").reshape(3, 2)
    hdu.insert_column("n", new, unit="s", **place)
    expected = {"a": A, "b": B, "n": new}
    assert_table(hdu, {name: expected[name] for name in names.split()})
    assert hdu.units == {name: {"b": "m", "n": "s"}.get(name) for name in names.split()}
    keys = [key for key in hdu.header if key[:5] in ("TTYPE", "TFORM", "TZERO", "TUNIT", "TDIM")]
    assert [int(key.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")) for key in keys] == sorted(int(key[5:]) for key in keys)


@pytest.mark.parametrize(
    ("name", "data", "more", "words"),
    [
        ("n", A, {"position": 0, "after": "a"}, "at most one"),
        ("n", A, {"position": 3}, "out of range"),
        ("n", A, {"position": -1}, "out of range"),
        ("n", A, {"position": True}, "out of range"),
        ("n", A, {"after": "x"}, "not found"),
        ("n", A, {"before": 2}, "out of range"),
        ("n", A, {"before": 1.5}, "named by a str"),
        ("", A, {}, "non-empty"),
        (3, A, {}, "non-empty"),
        ("B", A, {}, "already exists"),
        ("n\n", A, {}, "printable"),
        ("n", A[:2], {}, "nrows"),
        ("n", [1, 2, 3], {}, "nrows"),
        ("n", A.astype("i1"), {}, "int8"),
        ("n", A, {"inner_dtype": "f4"}, "inner_dtype="),
        ("n", A, {"heap_format": "P"}, "heap_format="),
        ("n", A, {"bit_packed": True}, "bool"),
        ("n", np.array([A, A, B], object)[:, 0], {}, r"inner_dtype= .* such as 'f4'"),
        ("n", np.array([None] * 3, object), {"inner_dtype": "f4"}, "ndarray"),
        ("n", np.array(["a"] * 3, object), {"inner_dtype": "U", "heap_format": "X"}, "'P' or 'Q'"),
    ],
)
def test_a_column_that_cannot_be_leaves_the_file_as_it_was(fits, hdu, name, data, more, words):
    before = fits.to_bytes()
    with pytest.raises(TableError, match=words):
        hdu.insert_column(name, data, **more)
    assert fits.to_bytes() == before


def test_a_column_that_is_not_there_cannot_be_taken_out(fits, hdu):
    before = fits.to_bytes()
    for key, words in (("x", "not found"), (2, "out of range"), (-3, "out of range"), (None, "named by a str")):
        with pytest.raises(TableError, match=words):
            hdu.delete_column(key)
    assert fits.to_bytes() == before
    hdu.delete_column("A")
    hdu.delete_column(-1)
    assert (hdu.colnames, len(hdu), hdu.header["NAXIS1"]) == ((), 3, 0)


def test_a_table_has_at_most_999_columns(fits):
    hdu = fits.write_table({f"c{n}": np.zeros(1, "u1") for n in range(999)})
    before = fits.to_bytes()
    with pytest.raises(TableError, match="999 columns"):
        hdu.insert_column("n", np.zeros(1, "u1"))
    assert fits.to_bytes() == before


KEYWORDS = {
    "TUNIT2": "TUNIT3",
    "TDISP2": "TDISP3",
    "TNULL1": "TNULL1",
    "TCOMM2": "TCOMM3",
    "TUCD3": "TUCD4",
    "TLMIN2": "TLMIN3",
    "TDMAX2": "TDMAX3",
    "TCTYP2": "TCTYP3",
    "TCRVL2A": "TCRVL3A",
    "TCDLT3": "TCDLT4",
    "TP2_3": "TP3_4",
    "TPC1_2A": "TPC1_3A",
    "TCD3_1": "TCD4_1",
    "TPV2_1": "TPV3_1",
    "2CTYP2": "2CTYP3",
    "1CRPX3B": "1CRPX4B",
    "12PC2": "12PC3",
    "2PV3_1": "2PV4_1",
    "WCSN2A": "WCSN3A",
    "LONP2": "LONP3",
    "MJDOB2": "MJDOB3",
    "TRPOS2": "TRPOS3",
    # Of a column that is not there: it is not that which comes.
    "TTYPE4": "TTYPE5",
    "LONP9": "LONP9",
    # Not of a column.
    "TUNIT0": "TUNIT0",
    "TUNIT02": "TUNIT02",
    "TELAPSE": "TELAPSE",
    "TSTART2": "TSTART2",
    "CRVAL2": "CRVAL2",
    "T2": "T2",
    "COMMENT": "COMMENT",
}


def test_keywords_with_numbers_of_columns_are_renumbered():
    cards = Cards.build([(key, number) for number, key in enumerate(KEYWORDS) if key != "COMMENT"])
    cards.add_commentary("COMMENT", "TUNIT2")
    wider = renumbered(cards, 3, lambda column: column + (column >= 2))
    assert wider.keys() == list(KEYWORDS.values())
    assert wider.commentary("COMMENT") == ["TUNIT2"]
    assert [wider.get(key) for key in wider.keys()] == [cards.get(key) for key in cards.keys()]  # noqa: SIM118
    narrower = renumbered(wider, 3, lambda column: None if column == 2 else column - (column > 2))
    assert narrower.get("TUNIT2") == cards.get("TUNIT2")
    assert narrower.get("TTYPE4") == cards.get("TTYPE4")
    without = renumbered(cards, 3, lambda column: None if column == 2 else column - (column > 2))
    assert "TPC1_2A" not in without
    assert without.get("TCD2_1") == cards.get("TCD3_1")
    assert without.get("TUNIT2") is None
    with pytest.raises(TableError, match="more than 8 characters"):
        renumbered(Cards.build([("TCRVL99A", 1.0)]), 99, lambda column: column + 1)


def test_a_column_with_a_long_value_keeps_and_loses_all_of_it(fits, hdu):
    long = "a description that goes on and on," * 5
    hdu.header.update({"TCOMM2": long, "OBJECT": "M13"})
    hdu.insert_column("n", A, position=0)
    assert hdu.header["TCOMM3"] == long
    hdu.delete_column("b")
    assert "TCOMM3" not in hdu.header
    assert b"on and on" not in fits.to_bytes()
    assert hdu.header["OBJECT"] == "M13"


def test_the_heap_stays_as_long_as_a_column_needs_it(fits):
    v = np.empty(3, object)
    v[:] = [np.arange(n, dtype="f4") for n in range(3)]
    hdu = fits.write_table({"a": A, "v": v, "w": v}, var_dtypes={"v": "f4", "w": "f4"})
    fits.write_image(np.arange(5000, dtype="i2"))
    assert hdu.header["PCOUNT"] == 24
    hdu.insert_column("s", np.array(["x", "yz", ""], object), inner_dtype="U", heap_format="Q", before="a")
    assert (hdu.header["PCOUNT"], hdu.header["TFORM1"]) == (27, "1QA(2)")
    hdu.delete_column("v")
    assert hdu.header["PCOUNT"] == 27
    assert_same(hdu.read_column("w"), v)
    hdu.repack()
    assert hdu.header["PCOUNT"] == 15
    hdu.delete_column("w")
    assert hdu.read_column("s").tolist() == ["x", "yz", ""]
    hdu.delete_column("s")
    assert hdu.header["PCOUNT"] == 0
    assert_table(hdu, {"a": A})
    assert (fits[2].read() == np.arange(5000)).all()


def test_many_rows_get_and_lose_a_column_in_pieces(tmp_path):
    nrows = 200_000
    rows = np.zeros(nrows, [("a", "f8"), ("s", "S9")])
    rows["a"], rows["s"] = np.arange(nrows), b"abcdefgh"
    rustfits.write(tmp_path / "x.fits", rows)
    with FITS(tmp_path / "x.fits", "r+") as fits:
        fits.write_image(np.arange(70, dtype="i2"))
        hdu, new = fits[1], np.arange(2 * nrows, dtype="i2").reshape(nrows, 2)
        hdu.insert_column("n", new, position=1)
        assert_table(hdu, {"a": rows["a"], "n": new, "s": rows["s"]})
        hdu.delete_column("a")
        assert_table(hdu, {"n": new, "s": rows["s"]})
        assert (fits[2].read() == np.arange(70)).all()


# -- columns without a name, and rows with bytes of no column ---------------------------------------------------------


def unnamed(fits):
    """A table of which all columns but one have no name."""
    rows = np.arange(12, dtype=">i4").reshape(3, 4)
    fits.append(table([("1J", ""), ("1J", "b"), ("1J", ""), ("1J", "")], rows.tobytes(), 3, TTYPE4=" "))
    return fits[1]


def test_columns_without_a_name_are_called_the_same_when_they_move(fits):
    hdu = unnamed(fits)
    assert hdu.colnames == ("COL1", "b", "COL3", "COL4")
    expected = {name: hdu.read_column(name).tolist() for name in hdu.colnames}
    hdu.insert_column("n", np.zeros(3), position=1)
    assert hdu.colnames == ("COL1", "n", "b", "COL3", "COL4")
    assert "TTYPE1" not in hdu.header  # it has not moved
    assert {name: hdu.read_column(name).tolist() for name in expected} == expected
    with pytest.raises(TableError, match="already exists"):
        hdu.insert_column("col4", np.zeros(3))
    hdu.delete_column("COL1")
    assert hdu.colnames == ("n", "b", "COL3", "COL4")
    hdu.delete_column("COL3")
    assert hdu.colnames == ("n", "b", "COL4")
    assert hdu.read_column("COL4").tolist() == expected["COL4"]
    assert fits.verify().ok


def test_columns_of_an_ascii_table_without_a_name_are_called_the_same_when_they_move(fits):
    fits.create_ascii_table_hdu([("x", "i4"), ("y", "i4"), ("z", "i4")], 2, formats=dict.fromkeys("xyz", "I3"))
    fits[1].write({"x": np.array([1, 2]), "y": np.array([3, 4]), "z": np.array([5, 6])})
    raw = fits.to_bytes()
    for number in (1, 3):
        at = raw.index(f"TTYPE{number}".encode())
        raw = raw[:at] + b" " * 80 + raw[at + 80 :]
    with FITS.from_bytes(raw, "r+") as file:
        hdu = file[1]
        assert hdu.colnames == ("COL1", "y", "COL3")
        hdu.insert_column("n", np.array([7, 8]), position=0)
        assert hdu.colnames == ("n", "COL1", "y", "COL3")
        hdu.delete_column("y")
        assert hdu.read().tolist() == [(7, 1, 5), (8, 2, 6)]
        assert hdu.colnames == ("n", "COL1", "COL3")


@pytest.mark.parametrize("extra", [1, 4])
@pytest.mark.parametrize("heap", [False, True])
def test_rows_with_bytes_of_no_column_are_not_given_others(fits, extra, heap):
    columns, row = [("1J", "a"), ("1PB(3)" if heap else "1K", "b"), ("1J", "c")], bytes(range(16 + extra))
    hdu = table(columns, (row[:4] + b"\0" * 8 + row[12:]) * 2, 2)
    fits.append(hdu)
    hdu = fits[1]
    before = fits.to_bytes()
    changes = [
        lambda: hdu.delete_column("b"),
        lambda: hdu.delete_column(-1),
        lambda: hdu.insert_column("n", np.zeros(2)),
        lambda: hdu.insert_column("n", np.zeros(2), position=0),
    ]
    for change in changes:
        with pytest.raises(HeaderError, match=rf"columns take 16 bytes a row, but NAXIS1 is {16 + extra}"):
            change()
    assert fits.to_bytes() == before
    hdu.rename_column("a", "new")
    assert hdu.colnames == ("new", "b", "c")
    hdu.delete_rows(0)
    assert hdu.nrows == 1
    assert fits.to_bytes()[hdu._extent.data_start :][: 16 + extra] == (row[:4] + b"\0" * 8 + row[12:])


def test_columns_that_do_not_fit_a_row_are_not_given_others(fits):
    fits.append(table([("1J", "a"), ("1K", "b")], bytes(16), 2))
    for change in (lambda: fits[1].delete_column("b"), lambda: fits[1].insert_column("n", np.zeros(2))):
        with pytest.raises(HeaderError, match="12 bytes a row, but NAXIS1 is 8"):
            change()
