"""Rows and heap of a table changed by `TableUnit` and `HeapWriter`, as a class of any kind may do."""

from dataclasses import replace

import numpy as np
import pytest

import rustfits
from rustfits import FITS
from rustfits.heap import pieces
from rustfits.heap.bintable import columns_in
from rustfits.heap.ranges import heap_ranges
from rustfits.plugin import Cards, TableUnit, changes, column_of

NROWS = 50
ROW = np.dtype([("n", ">i4"), ("v", ">i4", (2,)), ("c", "u1")])


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """A few rows at a time, so that pieces could overwrite one another."""
    monkeypatch.setattr(pieces, "PIECE_NBYTES", 70)


def header(*cards):
    return Cards.build(cards).encode()


@pytest.fixture
def fits():
    rows = np.zeros(NROWS, ROW)
    rows["n"], rows["c"], rows["v"] = np.arange(NROWS), np.arange(NROWS) % 7, [(3, 2)] * NROWS
    structure = [
        ("XTENSION", "BINTABLE"),
        ("BITPIX", 8),
        ("NAXIS", 2),
        ("NAXIS1", 13),
        ("NAXIS2", NROWS),
        ("PCOUNT", 9),
    ]
    columns = [("TFIELDS", 3), ("TFORM1", "1J"), ("TFORM2", "1PB(3)"), ("TFORM3", "1B")]
    data = (rows.tobytes() + b"ABCDEFGHI").ljust(2880, b"\0")
    image = [("XTENSION", "IMAGE"), ("BITPIX", 8), ("NAXIS", 1), ("NAXIS1", 2880), ("PCOUNT", 0), ("GCOUNT", 1)]
    raw = header(("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True))
    raw += header(*structure, ("GCOUNT", 1), *columns) + data + header(*image) + b"I" * 2880
    with FITS.from_bytes(raw, "r+") as file:
        yield file
        assert bytes(file[2].read()) == b"I" * 2880
        assert len(file.to_bytes()) % 2880 == 0


def columns_of(hdu):
    return columns_in(hdu._state.cards)


def rows_of(hdu, dtype=ROW):
    unit = TableUnit(hdu)
    return unit.read(0, hdu.nrows * dtype.itemsize).view(dtype)


def heap_of(hdu):
    layout = TableUnit(hdu).layout()
    return bytes(TableUnit(hdu).read(layout.heap_start, layout.heap_nbytes))


def counting(raw, first):
    """Fill the first column with the number of each of the rows that are written."""
    raw[:, :4] = np.arange(first, first + len(raw), dtype=">i4")[:, None].view("u1").reshape(-1, 4)


@pytest.mark.parametrize("rows", [range(5, 40), range(50), np.array([0, 3, 4, 30, 49]), range(45, 80)])
def test_rows_are_filled_in_pieces_and_the_rest_of_them_stays(fits, rows):
    hdu = fits[1]
    expected = np.zeros(max(NROWS, rows[-1] + 1), ROW)
    expected[:NROWS] = rows_of(hdu)
    expected["n"][list(rows)] = np.arange(len(rows))
    with hdu._changing():
        writer = TableUnit(hdu).writer(columns_of(hdu), nrows=len(expected))
        writer.fill_rows(rows, counting)
        TableUnit(hdu).apply(writer)
    assert (rows_of(hdu) == expected).all()
    assert heap_of(hdu) == b"ABCDEFGHI"


def test_arrays_go_to_the_end_of_the_heap_in_pieces(fits):
    hdu = fits[1]
    column = columns_of(hdu)[1]
    count = np.array([2, 0, 5])
    with hdu._changing():
        writer = TableUnit(hdu).writer(columns_of(hdu))
        writer.fill_rows(range(10, 13))
        writer.add_arrays(column, count, count, lambda: iter([np.full(3, 65, "u1"), np.full(4, 66, "u1")]))
        TableUnit(hdu).apply(writer)
    assert heap_of(hdu) == b"ABCDEFGHIAAABBBB"
    assert rows_of(hdu)["v"][9:14].tolist() == [[3, 2], [2, 9], [0, 0], [5, 11], [3, 2]]
    assert hdu.header["TFORM2"] == "1PB(5)"


def test_rows_get_wider_and_narrower_in_place(fits):
    hdu = fits[1]
    before, unit = rows_of(hdu), TableUnit(hdu)
    wide = np.dtype([("n", ">i4"), ("new", ">i4", (3,)), ("v", ">i4", (2,)), ("c", "u1")])
    cards = hdu._state.cards.copy()
    for number, form in ((4, "1B"), (3, "1PB(3)"), (2, "3J")):
        cards.set(f"TFORM{number}", form)
    cards.set("TFIELDS", 4)

    def encode(raw, first):
        raw[:, 4:16] = 7

    with hdu._changing():
        writer = unit.writer()
        writer.reshape_rows(replace(unit.layout(), row_nbytes=25), [(0, 0, 4), (4, 16, 9)], encode)
        unit.apply(writer, cards)
    found = rows_of(hdu, wide)
    for name in ROW.names:
        assert (found[name] == before[name]).all()
    assert (found["new"] == 0x07070707).all()
    assert heap_of(hdu) == b"ABCDEFGHI"
    with hdu._changing():
        writer = unit.writer()
        writer.reshape_rows(replace(unit.layout(), row_nbytes=9), [(16, 0, 9)])
        unit.apply(writer)
    found = rows_of(hdu, np.dtype([("v", ">i4", (2,)), ("c", "u1")]))
    assert (found["v"] == before["v"]).all()
    assert (found["c"] == before["c"]).all()
    assert heap_of(hdu) == b"ABCDEFGHI"


@pytest.mark.parametrize(
    "gone", [range(5, 40), range(50), range(49, 50), range(0), np.array([0, 3, 4, 30, 49]), np.arange(0, 50, 2)]
)
def test_rows_are_dropped_in_pieces_and_the_heap_follows_the_others(fits, gone):
    hdu, nbytes = fits[1], len(fits.to_bytes())
    expected = np.delete(rows_of(hdu), list(gone))
    with hdu._changing():
        writer = TableUnit(hdu).writer(nrows=NROWS)
        writer.drop_rows(gone)
        TableUnit(hdu).apply(writer)
    assert hdu.nrows == NROWS - len(gone)
    assert (rows_of(hdu) == expected).all()
    assert heap_of(hdu) == b"ABCDEFGHI"
    assert "THEAP" not in hdu.header
    assert len(fits.to_bytes()) <= nbytes


def test_a_change_that_fails_is_undone_by_the_method_that_it_is_in(fits):
    hdu = fits[1]
    before = fits.to_bytes()

    class Fault(Exception):
        """Of the encoder."""

    def encode(raw, first):
        if first > 20:
            raise Fault
        counting(raw, first)

    @changes
    def grow(self):
        writer = TableUnit(self).writer(columns_of(self), nrows=200)
        writer.fill_rows(range(200), encode)
        TableUnit(self).apply(writer)

    with pytest.raises(Fault):
        grow(hdu)
    assert fits.to_bytes() == before
    assert hdu.nrows == NROWS

    @changes
    def ask(self):
        raise rustfits.TableError("no such row")

    with pytest.raises(rustfits.TableError, match=r"no such row .in HDU 1"):
        ask(hdu)
    with FITS.from_bytes(before) as other, pytest.raises(rustfits.ReadOnlyFile):
        grow(other[1])


def test_bits_are_counted_one_by_one_where_their_bytes_are_found():
    cards = Cards.build([("TFORM1", "1PX(20)")])
    length, used, inside = heap_ranges(
        10, column_of(cards, 1, 0), np.array([17, 80, 81, 0, -1]), np.array([0, 0, 0, 99, 0])
    )
    assert length[:2].tolist() == [3, 10]
    assert used.tolist() == [True, True, True, False, True]
    assert inside.tolist() == [True, True, False, True, False]
