"""Heap ranges and table rows: merged reads, and checks before memory is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustfits.errors import TileDecodeError, TruncatedFile
from rustfits.header.cards import Cards
from rustfits.heap.bintable import TableLayout
from rustfits.heap.ranges import check_descriptors, merge_ranges, read_ranges, read_rows
from rustfits.storage.memory import MemoryStorage

CONTENT = np.random.default_rng(7).integers(0, 256, 20000, dtype=np.uint8)
LAYOUT = TableLayout.from_cards(
    Cards.build([("NAXIS1", 12), ("NAXIS2", 50), ("PCOUNT", 5000), ("TFIELDS", 2), ("TFORM1", "1PI"), ("TFORM2", "J")])
)

ranges = st.lists(st.tuples(st.integers(0, 15000), st.integers(0, 4000)), min_size=1, max_size=30)


@given(ranges, st.integers(0, 100))
def test_merged_ranges_hold_every_range_and_do_not_touch(pairs, max_gap):
    start, length = (np.array(each) for each in zip(*sorted(pairs), strict=True))
    merged, nbytes = merge_ranges(start, length, max_gap=max_gap)
    assert (merged[1:] - (merged + nbytes)[:-1] > max_gap).all()
    for first, count in pairs:
        assert any(begin <= first and first + count <= begin + size for begin, size in zip(merged, nbytes, strict=True))


def test_ranges_out_of_order_cannot_be_merged():
    with pytest.raises(ValueError, match="ascend"):
        merge_ranges(np.array([5, 0]), np.array([1, 1]), max_gap=0)


@given(ranges)
def test_ranges_are_read_in_any_order_and_may_overlap(pairs):
    start, length = (np.array(each) for each in zip(*pairs, strict=True))
    data, position = read_ranges(MemoryStorage(CONTENT.tobytes()), 1000, start, length)
    for first, count, place in zip(start, length, position, strict=True):
        assert (data[place : place + count] == CONTENT[1000 + first : 1000 + first + count]).all()


@given(st.lists(st.integers(0, 49), max_size=60))
def test_rows_are_read_in_any_order_and_may_repeat(rows):
    storage = MemoryStorage(CONTENT.tobytes())
    table = read_rows(storage, 100, LAYOUT, LAYOUT.columns, np.array(rows, dtype=np.int64))
    whole = CONTENT[100:700].view(LAYOUT.row_dtype(LAYOUT.columns))
    assert (table["COL1"] == whole["COL1"][rows]).all()
    assert (table["COL2"] == whole["COL2"][rows]).all()


def test_a_table_beyond_the_end_of_the_file_is_not_read_at_all():
    storage = MemoryStorage(CONTENT[:650].tobytes())
    with pytest.raises(TruncatedFile, match="650 bytes"):
        read_rows(storage, 100, LAYOUT, LAYOUT.columns, np.array([0]))


def check(count, start, nbytes=20000):
    storage = MemoryStorage(CONTENT[:nbytes].tobytes())
    cells = (np.array(count, dtype=np.int64), np.array(start, dtype=np.int64))
    rows = np.arange(10, 10 + len(count))
    return check_descriptors(storage, (700, 5000), LAYOUT.columns[0], cells, rows=rows, algorithm="RICE_1")


def test_lengths_are_in_bytes_and_a_whole_heap_may_be_one_tile():
    assert check([2500, 0, 1], [0, 5000, 4998]).tolist() == [5000, 0, 2]


@pytest.mark.parametrize(
    ("count", "start"),
    [(2501, 0), (1, 4999), (-1, 0), (1, -2), (1, 1 << 62), (1 << 62, 0), ((1 << 63) - 1, (1 << 63) - 1)],
)
def test_a_descriptor_beyond_the_heap_is_refused_by_its_row(count, start):
    with pytest.raises(TileDecodeError, match="table row 12") as error:
        check([1, count], [0, start])
    assert error.value.row == 11


def test_a_heap_cut_short_is_a_truncated_file_only_for_the_tiles_that_are_gone():
    assert check([10], [0], nbytes=1000).tolist() == [20]
    with pytest.raises(TruncatedFile, match="1000 bytes"):
        check([10, 10], [0, 290], nbytes=1000)
