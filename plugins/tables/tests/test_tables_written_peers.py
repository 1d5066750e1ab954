"""What is written here is read by astropy and fitsio, and what they wrote can be changed here."""

import os
import subprocess
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from newtables import Schema, assert_table, columns, read_back, schemas

from rustfits import FITS

peer = pytest.importorskip("astropy.io.fits", reason="astropy is the peer")
fitsio = pytest.importorskip("fitsio", reason="fitsio is the peer")

NIGHTLY = os.environ.get("RUSTFITS_TABLE_CASES")
# The same cases each time, but at night: what a peer alone gets wrong is no news of a change.
CASES = settings(max_examples=int(NIGHTLY or "150"), deadline=None, derandomize=not NIGHTLY)
SEEDS = st.integers(0, 1 << 32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("peers")


def fitsverify(path):
    done = subprocess.run(["fitsverify", "-q", str(path)], capture_output=True, text=True, check=False)
    assert "OK" in done.stdout, done.stdout


def assert_cells(found, expected):
    """Compare cells with those that a peer has read, of whatever dtype it has for them."""
    for one, other in zip(found, expected, strict=True):
        if isinstance(other, str):
            text = one.decode() if isinstance(one, bytes) else one
            if isinstance(one, np.ndarray):  # of astropy, which takes each character for a string without its blanks
                text = "".join(letter or " " for letter in one)
            assert text.rstrip(" \0") == other.rstrip(" "), (one, other)
        else:
            np.testing.assert_array_equal(np.asarray(one).astype(other.dtype), other)


def assert_astropy_reads(path, values, bits=()):
    if any(values[name].dtype == object for name in bits):
        return  # astropy refuses tables with bits in the heap
    if any(values[name].ndim > 2 for name in bits) and any(cells.dtype == object for cells in values.values()):
        return  # where there is a heap, astropy counts the bytes of bits of several axes wrongly
    with warnings.catch_warnings(), peer.open(path) as hdus:
        warnings.simplefilter("ignore")
        rows = hdus["T"].data
        assert rows.names == list(values)
        for name, wanted in values.items():
            if not len(rows) or (name in bits and wanted.ndim != 2):
                continue  # astropy has other shapes of no rows, and reads no bits of other shapes
            expected, found = read_back(wanted), rows[name]
            if expected.dtype == object:
                assert_cells(found, expected)
            else:
                assert found.shape == expected.shape
                found = np.char.rstrip(np.asarray(found)) if expected.dtype.kind == "U" else np.asarray(found)
                np.testing.assert_array_equal(found, expected)


def assert_fitsio_reads(path, schema, values):
    with fitsio.FITS(str(path), vstorage="object") as fits:
        hdu = fits["T"]
        assert hdu.get_colnames() == list(values)
        for name, wanted in values.items():
            expected, (dtype, inner) = read_back(wanted), schema.columns[name]
            if name in schema.bits or (dtype == "O" and inner in ("?", "c8", "c16")) or not len(expected):
                continue  # fitsio does not read bits, nor such arrays in the heap
            found = hdu.read_column(name)
            if dtype == "O":
                some = [row for row, cell in enumerate(expected) if len(cell)]  # fitsio has zeros for empty cells
                assert_cells(found[some], expected[some])
            elif expected.dtype.kind == "U":
                assert np.char.rstrip(found.reshape(expected.shape)).astype("U").tolist() == expected.tolist()
            else:
                np.testing.assert_array_equal(found.reshape(expected.shape), expected)


@CASES
@given(schema=schemas(), nrows=st.integers(0, 30), seed=SEEDS)
def test_peers_read_what_is_written_here(folder, schema, nrows, seed):
    path = folder / "ours.fits"
    values = schema.values(seed, nrows)
    with FITS(path, "w+") as fits:
        fits.write_table(values, extname="T", **schema.options)
    fitsverify(path)
    assert_astropy_reads(path, values, schema.bits)
    assert_fitsio_reads(path, schema, values)


PLAIN = columns().filter(lambda kind: kind[0] != "O" or kind[1] not in ("?", "c8", "c16"))


@CASES
@given(
    kinds=st.lists(PLAIN, min_size=1, max_size=5),
    nrows=st.integers(1, 20),
    seed=SEEDS,
    by=st.sampled_from(["astropy", "fitsio"]),
)
def test_what_peers_wrote_is_changed_here_and_read_by_them(folder, kinds, nrows, seed, by):
    path = folder / "theirs.fits"
    path.unlink(missing_ok=True)
    schema = Schema({f"c{n}": kind for n, kind in enumerate(kinds)})
    values = schema.values(seed, nrows)
    if by == "fitsio":
        # fitsio writes no unsigned numbers of columns of several axes, and cells of strings only as bytes.
        with fitsio.FITS(str(path), "rw") as fits:
            rows = [v if v.dtype == object else v.astype(v.dtype.newbyteorder("=")) for v in values.values()]
            fits.write([r.astype("S") if r.dtype.kind == "U" else r for r in rows], names=list(values), extname="T")
    else:
        written = [astropy_column(name, kind, values[name]) for name, kind in schema.columns.items()]
        peer.BinTableHDU.from_columns(written, name="T").writeto(path)
    with FITS(path, "r+") as fits:
        hdu = fits["T"]
        found, expected = hdu.read(), {name: read_back(cells) for name, cells in values.items()}
        if any((found[n].dtype, found[n].shape) != (expected[n].dtype, expected[n].shape) for n in values):
            return  # the peer has made another type of it, such as strings as long as the longest
        assert_table(hdu, values)
        more = schema.values(seed + 1, nrows)
        hdu.append(more)
        hdu[list(values)][0] = hdu[nrows]
        hdu.insert_column("new", np.arange(2 * nrows), position=0)
        if len(values) > 1:
            hdu.delete_column(1)
            del values["c0"], more["c0"]
        hdu.repack()
        for name in values:
            first = values[name].copy()
            first[0] = more[name][0]
            values[name] = np.concatenate([first, more[name]])
        values = {"new": np.arange(2 * nrows), **values}
        assert_table(hdu, values)
    fitsverify(path)
    assert_astropy_reads(path, values)


def astropy_column(name, kind, values):
    dtype, shape = kind
    letters = {"u1": "B", "i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D", "c8": "C", "c16": "M", "?": "L"}
    if dtype == "O":
        if shape == "U":
            return peer.Column(name, "PA()", array=values)
        return peer.Column(name, f"P{letters[shape]}()", array=values)
    plain = np.dtype(dtype).newbyteorder("=")
    dim = f"({','.join(map(str, reversed(shape)))})"
    count = int(np.prod(shape, dtype=int))
    if plain.kind in "SU":
        width = plain.itemsize // (4 if plain.kind == "U" else 1)
        return peer.Column(name, f"{width * count}A", dim=f"({width},{dim[1:]}" if shape else None, array=values)
    code, zero = f"{plain.kind}{plain.itemsize}" if plain.kind != "b" else "?", None
    if plain.kind == "u" and plain.itemsize > 1:
        code, zero = f"i{plain.itemsize}", 1 << (8 * plain.itemsize - 1)
    array = values.astype(plain)
    return peer.Column(name, f"{count}{letters[code]}", bzero=zero, dim=dim if shape else None, array=array)
