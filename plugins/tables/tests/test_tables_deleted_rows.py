"""Rows that are taken out of a table, beside numpy.delete."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from newtables import assert_table, schemas
from tablefiles import table
from test_tables_writing import fitsverify

from rustfits import FITS, NotSupported, RowIndexError, TableError
from rustfits.heap import pieces, writer

AFTER = np.arange(2000, dtype="i2")


@st.composite
def selections(draw, nrows):
    """Some rows, as an argument and as numbers."""
    if draw(st.booleans()):
        ends = st.none() | st.integers(-nrows - 2, nrows + 2)
        chosen = slice(draw(ends), draw(ends), draw(st.sampled_from([None, 1, 2, 3, -1, -2])))
        return chosen, list(range(nrows))[chosen]
    numbers = draw(st.lists(st.integers(-nrows, nrows - 1), max_size=nrows)) if nrows else []
    kind = draw(st.sampled_from([list, tuple, np.array]))
    return (kind(numbers) if numbers or kind is not np.array else np.zeros(0, int)), [row % nrows for row in numbers]


@given(
    schema=schemas(max_columns=4),
    seed=st.integers(0, 99),
    nrows=st.integers(0, 40),
    gap=st.booleans(),
    last=st.booleans(),
    piece=st.sampled_from([1, 100, 1000, 1 << 18]),
    data=st.data(),
)
@settings(deadline=None, max_examples=150)
def test_the_others_stay_as_they_are(schema, seed, nrows, gap, last, piece, data):
    values = schema.values(seed, nrows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_NBYTES", piece)
        patch.setattr(writer, "SMALL_HEAP_NBYTES", 64 if gap else 1 << 18)
        with FITS("mem://", "w+") as fits:
            hdu = fits.write_table(values, **schema.options)
            if not last:
                fits.write_image(AFTER)
            if gap:
                more = schema.values(seed + 1, 3)
                hdu.append(more)
                values = {name: np.concatenate([values[name], more[name]]) for name in values}
                nrows += 3
            for _ in range(2):
                chosen, numbers = data.draw(selections(nrows))
                hdu.delete_rows(chosen)
                values = {name: np.delete(cells, numbers, axis=0) for name, cells in values.items()}
                nrows -= len(set(numbers))
                assert_table(hdu, values)
                if set(numbers):
                    assert "THEAP" not in hdu.header
            hdu.repack()
            assert_table(hdu, values)
            hdu.append(schema.values(seed + 2, 2))
            assert hdu.nrows == nrows + 2
            if not last:
                np.testing.assert_array_equal(fits[2].read(), AFTER)
            assert fits.verify().ok


def test_the_file_gets_shorter_and_others_read_it(tmp_path):
    astropy = pytest.importorskip("astropy.io.fits", reason="astropy is not installed")
    path, nrows = tmp_path / "x.fits", 10_000
    cells = np.empty(nrows, object)
    cells[:] = [np.arange(n % 7, dtype="f4") for n in range(nrows)]
    with FITS(path, "w+") as fits:
        fits.write_table({"n": np.arange(nrows), "v": cells}, var_dtypes={"v": "f4"})
        fits.write_image(AFTER)
    before = path.stat().st_size
    keep = np.arange(nrows) % 5 == 2
    with FITS(path, "r+") as fits:
        fits[1].delete_rows(np.flatnonzero(~keep))
        fits[1].add_checksum()
    assert before - path.stat().st_size > 0.79 * nrows * 16 - 2880
    fitsverify(path)
    with astropy.open(path) as peer:
        assert peer[1].data["n"].tolist() == np.arange(nrows)[keep].tolist()
        assert [cell.tolist() for cell in peer[1].data["v"]] == [cell.tolist() for cell in cells[keep]]
        assert peer[2].data.tolist() == AFTER.tolist()


@pytest.mark.parametrize("rows", [1, -2, np.int64(1), [1], slice(1, 2), (1, 1, -2)])
def test_one_row_may_be_named_in_many_ways(rows):
    with FITS("mem://", "w+") as fits:
        hdu = fits.write_table({"a": np.arange(3)})
        hdu.delete_rows(rows)
        assert hdu.read()["a"].tolist() == [0, 2]


def test_all_rows_may_go_and_others_come():
    with FITS("mem://", "w+") as fits:
        hdu = fits.write_table({"a": np.arange(3)})
        hdu.delete_rows(slice(None))
        assert (hdu.nrows, hdu.read().tolist()) == (0, [])
        hdu.append({"a": np.arange(2)})
        assert hdu.read()["a"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        (3, RowIndexError, "row 3 is out of range"),
        ([0, -4], RowIndexError, "row -4 is out of range"),
        (True, TableError, "sequence of ints"),
        ([True, False, True], TableError, "flatnonzero"),
        (np.array([True, False, True]), TableError, "flatnonzero"),
        (1.0, TableError, "sequence of ints"),
        (None, TableError, "None"),
        ("a", TableError, "hold ints"),
        (slice(0, 2, 0), TableError, "zero"),
    ],
)
def test_what_is_no_row_is_refused(rows, error, words):
    with FITS("mem://", "w+") as fits:
        fits.create_ascii_table_hdu([("a", "i8")], 3)
        for hdu in (fits.write_table({"a": np.arange(3)}), fits[1]):
            before = fits.to_bytes()
            with pytest.raises(error, match=words):
                hdu.delete_rows(rows)
            assert fits.to_bytes() == before


def test_rows_of_an_ascii_table_go_with_what_stands_between_the_fields(tmp_path):
    path = tmp_path / "x.fits"
    with FITS(path, "w+") as fits:
        fits.create_ascii_table_hdu([("a", "i4"), ("s", "U4")], 200, formats={"a": "I5"})
        fits.write_image(AFTER)
        fits[1].write({"a": np.arange(200), "s": np.array([f"s{n}" for n in range(200)])})
        fits[1].delete_rows(slice(10, 199))
        assert fits[1].read()["a"].tolist() == [*range(10), 199]
        fits[1].delete_rows([0, -1])
        assert fits[1].read()["s"].tolist() == [f"s{n}" for n in range(1, 10)]
        np.testing.assert_array_equal(fits[2].read(), AFTER)
    fitsverify(path)


def test_a_table_whose_columns_are_odd_loses_rows_all_the_same():
    hdu = table([("1J", "a"), ("1?", "b"), ("1J", "c")], np.arange(9, dtype=">i4").tobytes(), 3)
    with FITS("mem://", "w+") as fits:
        fits.append(hdu)
        fits[1].delete_rows(1)
        assert fits[1].read_column("a").tolist() == [0, 6]
        assert fits[1].read_column("c").tolist() == [2, 8]


def test_del_says_what_does_it():
    with FITS("mem://", "w+") as fits:
        hdu = fits.write_table({"a": np.arange(3)})
        for key in (0, "a", slice(0, 2)):
            with pytest.raises(NotSupported, match=r"delete_rows\(\.\.\.\) and delete_column\(\.\.\.\)"):
                del hdu[key]
