"""The layout of table rows."""

from __future__ import annotations

import numpy as np
import pytest

from rustfits.errors import HeaderError
from rustfits.header.cards import Cards
from rustfits.heap.bintable import TableLayout, by_name


def cards_of(*forms, **changes):
    keywords = {"NAXIS1": 100, "NAXIS2": 3, "PCOUNT": 50, "TFIELDS": len(forms)} | changes
    columns = [(f"TFORM{number}", form) for number, form in enumerate(forms, start=1)]
    names = [(f"TTYPE{number}", f"c{number} ") for number in range(1, len(forms)) if number != 2]
    return Cards.build([*keywords.items(), *columns, *names])


def test_columns_follow_each_other_in_a_row():
    layout = TableLayout.from_cards(cards_of("J", "12X", "1PB(30)", "QI", "3D", "10A"))
    assert [(c.name, c.code, c.repeat, c.element, c.offset, c.nbytes) for c in layout.columns] == [
        ("c1", "J", 1, "", 0, 4),
        ("COL2", "X", 12, "", 4, 2),
        ("c3", "P", 1, "B", 6, 8),
        ("c4", "Q", 1, "I", 14, 16),
        ("c5", "D", 3, "", 30, 24),
        ("COL6", "A", 10, "", 54, 10),
    ]
    assert by_name(layout.columns)["C1"] is layout.columns[0]
    assert "NOTHING" not in by_name(layout.columns)
    assert (layout.table_nbytes, layout.heap_start, layout.heap_nbytes) == (300, 300, 50)


def test_rows_are_big_endian_arrays_of_the_columns_asked_for():
    layout = TableLayout.from_cards(cards_of("J", "1PB(30)", "1D", NAXIS1=20))
    dtype = layout.row_dtype([layout.columns[1], layout.columns[2]])
    row = np.frombuffer(np.array([9, 7, 5], ">i4").tobytes() + np.array(2.5, ">f8").tobytes(), dtype=dtype)
    assert row["COL2"].tolist() == [[7, 5]]
    assert row["COL3"].tolist() == [2.5]


def test_a_bare_descriptor_format_means_one_descriptor():
    (column,) = TableLayout.from_cards(cards_of("PI")).columns
    assert (column.code, column.repeat, column.element, column.nbytes) == ("P", 1, "I", 8)


def test_the_heap_may_start_after_a_gap():
    layout = TableLayout.from_cards(cards_of("J", THEAP=320))
    assert (layout.heap_start, layout.heap_nbytes) == (320, 30)


@pytest.mark.parametrize(
    ("forms", "changes", "found"),
    [
        (["J"], {"NAXIS1": -8}, "NAXIS1"),
        (["J"], {"PCOUNT": -1}, "PCOUNT"),
        (["J"], {"THEAP": 299}, "THEAP"),
        (["J"], {"THEAP": 1 << 60}, "THEAP"),
        (["J"], {"TFIELDS": 1000}, "999"),
        (["30J"], {}, "120 bytes"),
        (["Z"], {}, "TFORM1"),
        (["2PB"], {}, "TFORM1"),
        (["1P"], {}, "TFORM1"),
        (["J"], {"NAXIS2": "three"}, "NAXIS2"),
    ],
)
def test_a_layout_that_breaks_the_standard_is_refused_by_its_keyword(forms, changes, found):
    with pytest.raises(HeaderError, match=found):
        TableLayout.from_cards(cards_of(*forms, **changes))


def test_rows_too_long_for_numpy_are_refused():
    layout = TableLayout.from_cards(cards_of("1PB(30)", NAXIS1=1 << 31, NAXIS2=0))
    with pytest.raises(HeaderError, match="NAXIS1 is 2147483648; rows of more than 2147483647 bytes"):
        layout.row_dtype(layout.columns)
