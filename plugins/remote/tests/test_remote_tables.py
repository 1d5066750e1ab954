"""Tables behind URLs: their rows are those of the local file, and a part of one does not fetch all of it."""

import os
from pathlib import Path

import numpy as np
import pytest
from buckets import s3_server

import rustfits

pytest.importorskip("rustfits_tables", reason="not installed: rustfits-tables")

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = [ROOT / "tests" / "data"]
if "RUSTFITS_TELESCOPE_FILES" in os.environ:
    FOLDERS += [Path(os.environ["RUSTFITS_TELESCOPE_FILES"]), Path(os.environ["RUSTFITS_TELESCOPE_FILES"]) / "tables"]
RANGED = rustfits.Remote(ranged=True)


def has_tables(path):
    try:
        with rustfits.FITS(path, lenient=True) as fits:
            return any(isinstance(hdu, rustfits.TableHDU) for hdu in fits)
    except rustfits.FitsError:
        return False


FILES = {path.name: path for folder in FOLDERS for path in sorted(folder.iterdir()) if path.is_file()}
FILES = {name: path for name, path in FILES.items() if has_tables(path)}
PLAIN = [name for name, path in FILES.items() if path.read_bytes()[:6] == b"SIMPLE"]  # others are had as a whole alone


@pytest.fixture(scope="module")
def bucket():
    """Return what puts a file into a bucket, and how that is read."""
    with s3_server("catalogues") as (options, system, _):

        def put(content, name):
            system.pipe(f"catalogues/{name}", content)
            return f"s3://catalogues/{name}"

        yield put, rustfits.Remote(options=options)


def outcome(read):
    """Return what a read gives, or of which kind its error is."""
    try:
        return read()
    except rustfits.FitsError as error:
        return type(error)


def same(found, expected):
    """Return whether two arrays, or tables, or kinds of errors, are the same, masks and lists in cells too."""
    if isinstance(expected, type) or isinstance(found, type):
        return found is expected
    if expected.dtype.names:
        return found.dtype == expected.dtype and all(same(found[name], expected[name]) for name in expected.dtype.names)
    if np.ma.isMaskedArray(expected):
        masks = np.array_equal(np.ma.getmaskarray(found), np.ma.getmaskarray(expected))
        return masks and same(found.filled(), expected.filled())
    if expected.dtype == object:
        return len(found) == len(expected) and all(
            same(np.asarray(one), np.asarray(other)) for one, other in zip(found, expected, strict=True)
        )
    return found.dtype == expected.dtype and found.tobytes() == expected.tobytes()


def reads(table):
    """Return what is read of a table: all, some rows, the last column."""
    return table.read, lambda: table[1:3], lambda: table.read(columns=table.colnames[-1:] or None)


def check(path, url, remote):
    """Compare all tables of a file; return how many."""
    compared = 0
    with rustfits.FITS(path, lenient=True) as local, rustfits.FITS(url, remote=remote, lenient=True) as fits:
        for hdu in local:
            if not isinstance(hdu, rustfits.TableHDU):
                continue
            found, expected = ([outcome(read) for read in reads(table)] for table in (fits[hdu.index], hdu))
            assert all(same(one, other) for one, other in zip(found, expected, strict=True))
            compared += 1
    return compared


@pytest.mark.parametrize("name", FILES)
def test_rows_over_http_are_those_of_the_file(server, name):
    assert check(FILES[name], server.put(FILES[name].read_bytes(), f"/{name}"), rustfits.Remote(ranged=name in PLAIN))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", PLAIN)
def test_rows_in_a_bucket_are_those_of_the_file(bucket, name):
    put, remote = bucket
    assert check(FILES[name], put(FILES[name].read_bytes(), name), remote)


def test_some_rows_and_columns_fetch_a_part_of_the_file(server):
    rows = np.zeros(200_000, [("id", "i8"), ("flux", "f8"), ("mag", "f4"), ("name", "S20")])
    rows["id"] = np.arange(rows.size)
    with rustfits.FITS("mem://", "w+") as fits:
        fits.write_table(rows)
        content = fits.to_bytes()
    with rustfits.FITS(server.put(content), remote=RANGED) as fits:
        server.reset()
        assert fits[1][150_000:150_010]["id"].tolist() == list(range(150_000, 150_010))
        assert (server.count, server.nbytes < 300_000) == (1, True)
        assert fits[1].read(columns=["id"], rows=[7, 100_000])["id"].tolist() == [7, 100_000]
        assert server.nbytes < len(content) / 5
