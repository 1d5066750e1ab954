"""How compressed tables are made: algorithms, tiles, the header, what waits, and what is refused."""

import numpy as np
import pytest

import rustfits
from rustfits import Gzip1, Gzip2, NoCompress, TableError

pytest.importorskip("rustfits_rice", reason="plugin not installed: rustfits-rice")

DTYPE = [
    ("B", "u1"),
    ("I", "i2"),
    ("J", "i4"),
    ("K", "i8"),
    ("E", "f4"),
    ("D", "f8"),
    ("C", "c8"),
    ("M", "c16"),
    ("L", "?"),
    ("A", "U4"),
    ("X", "?", (9,)),
    ("U", "u4"),
]
DEFAULTS = {
    "B": "GZIP_1",
    "I": "GZIP_2",
    "J": "RICE_1",
    "K": "GZIP_2",
    "E": "GZIP_2",
    "D": "GZIP_2",
    "C": "GZIP_1",
    "M": "GZIP_1",
    "L": "GZIP_1",
    "A": "GZIP_1",
    "X": "GZIP_1",
    "U": "RICE_1",
}


@pytest.fixture
def file():
    with rustfits.FITS("mem://", "w+") as file:
        yield file


def rows(count, start=0):
    out = np.zeros(count, dtype=[("a", "i4"), ("b", "f8")])
    out["a"] = np.arange(start, start + count)
    out["b"] = out["a"] / 7
    return out


def made(file, dtype, **options):
    file.create_table_hdu(dtype, **options)
    return file[len(file) - 1]


def test_every_type_has_its_default(file):
    file.create_table_hdu(DTYPE, 10, compress=True, bit_columns=["X"])
    assert file[1].compression == DEFAULTS
    file.create_table_hdu(DTYPE, 10, compress={"b": "RICE", "K": Gzip1(level=9), "E": True, "D": None})
    assert file[2].compression == DEFAULTS | {"B": "RICE_1", "K": "GZIP_1"}
    numbers = [("I", "i2"), ("J", "i4"), ("D", "f8")]
    file.create_table_hdu(numbers, compress="gzip")
    assert file[3].compression == dict.fromkeys("IJD", "GZIP_1")
    file.create_table_hdu(numbers, compress=Gzip2())
    assert file[4].compression == dict.fromkeys("IJD", "GZIP_2")
    for none in (None, False):
        file.create_table_hdu(numbers, compress=none)
        assert type(file[len(file) - 1]) is rustfits.TableHDU


def test_arrays_have_that_of_their_elements(file):
    kinds = {
        "i4": "RICE_1",
        "i2": "GZIP_2",
        "u1": "GZIP_1",
        "f8": "GZIP_2",
        "?": "GZIP_1",
        "U": "GZIP_1",
        "c8": "GZIP_1",
    }
    file.create_table_hdu([(name, "O") for name in kinds], var_dtypes={name: name for name in kinds}, compress=True)
    assert file[1].compression == kinds


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"compress": {"nope": "GZIP_1"}}, ValueError, "not match any column"),
        ({"compress": {5: "GZIP_1"}}, ValueError, "not match any column"),
        ({"compress": "RICE_1"}, ValueError, "Allowed for this dtype: GZIP_1, GZIP_2"),
        ({"compress": NoCompress()}, ValueError, "Allowed for this dtype"),
        ({"compress": {"b": rustfits.Rice1()}}, ValueError, "Allowed for this dtype"),
        ({"compress": "WHAT"}, ValueError, "unknown compression algorithm"),
        ({"compress": 5}, TypeError, "compress= of a table"),
        ({"compress": ["GZIP_1"]}, TypeError, "compress= of a table"),
        ({"compress": {"a": 1.5}}, TypeError, "compress= of a table"),
        ({"compress": {"a": rustfits.Rice1(blocksize=16)}}, ValueError, "blocksize"),
        ({"compress": Gzip2(tile_shape=(5,))}, ValueError, "tile_shape"),
        ({"compress": True, "ztilelen": 0}, ValueError, "ztilelen"),
        ({"compress": True, "ztilelen": -3}, ValueError, "ztilelen"),
        ({"compress": True, "ztilelen": 2.0}, TypeError, "ztilelen"),
        ({"ztilelen": 5}, ValueError, "ztilelen= requires"),
        ({"compress": False, "ztilelen": 5}, ValueError, "ztilelen= requires"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_anything_is_written(file, options, error, message):
    with pytest.raises(error, match=message):
        file.create_table_hdu([("a", "i4"), ("b", "f8")], 10, **options)
    with pytest.raises(error, match=message):
        file.write_table(rows(10), **options)
    assert file.to_bytes() == b""


@pytest.mark.parametrize("algorithm", ["HCOMPRESS", "PLIO"])
def test_what_is_for_images_is_not_for_tables(file, algorithm):
    pytest.importorskip(f"rustfits_{algorithm.lower()}", reason=f"plugin not installed: rustfits-{algorithm.lower()}")
    codec = {"HCOMPRESS": "Hcompress1", "PLIO": "Plio1"}[algorithm]
    for compress in (algorithm, {"a": getattr(rustfits, codec)()}):
        with pytest.raises(ValueError, match="image-only"):
            file.create_table_hdu([("a", "i4"), ("b", "f8")], 10, compress=compress)


def test_the_header_is_that_of_the_manual(file):
    arrays = np.empty(5, dtype=object)
    arrays[:] = [np.arange(n, dtype="i2") for n in range(5)]
    data = {"u": np.arange(5, dtype="u2"), "m": np.zeros((5, 2, 3)), "v": arrays}
    hdu = file.write_table(
        data, extname="CAT", extver=2, units={"u": "m"}, var_dtypes={"v": "i2"}, compress=True, ztilelen=2
    )
    structure = ["XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "TFIELDS", "EXTNAME", "EXTVER"]
    columns = ["TTYPE1", "TFORM1", "TZERO1", "TUNIT1", "TTYPE2", "TFORM2", "TDIM2", "TTYPE3", "TFORM3"]
    packing = ["ZTABLE", "ZTILELEN", "ZNAXIS1", "ZNAXIS2", "ZPCOUNT", "ZFORM1", "ZFORM2", "ZFORM3"]
    packing += ["ZCTYP1", "ZCTYP2", "ZCTYP3"]
    assert list(hdu.header.keys()) == structure + columns + packing
    header = hdu.header
    assert [header[key] for key in ("NAXIS1", "NAXIS2", "ZNAXIS1", "ZNAXIS2", "ZTILELEN")] == [48, 3, 58, 5, 2]
    assert header["ZPCOUNT"] == 2 * sum(range(5))
    assert [header[f"ZFORM{n}"] for n in (1, 2, 3)] == ["1I", "6D", "1PI(4)"]
    assert all(header[f"TFORM{n}"].startswith("1QB") for n in (1, 2, 3))
    assert header["ZTABLE"] is True


@pytest.mark.parametrize(
    ("nrows", "ztilelen", "found"), [(0, None, 10_000_000 // 12), (0, 7, 7), (50, None, 50), (50, 7, 7), (50, 90, 50)]
)
def test_how_many_rows_a_tile_has(file, nrows, ztilelen, found):
    hdu = made(file, [("a", "i4"), ("b", "f8")], nrows=nrows, compress=True, ztilelen=ztilelen)
    assert hdu.ztile_rows == found
    assert hdu.n_tiles == -(-nrows // found)
    if nrows:
        hdu.write(rows(nrows))
    hdu.append(rows(45, nrows))
    assert hdu.ztile_rows == found
    assert (hdu.read() == rows(nrows + 45)).all()


def test_a_row_larger_than_a_tile_is_a_tile(file):
    file.create_table_hdu([("a", "f8", (2_000_000,))], 3, compress=True)
    assert file[1].ztile_rows == 1
    assert file[1].n_tiles == 3


def test_the_last_tile_is_completed(file):
    hdu = file.write_table(rows(25), compress=True, ztilelen=10)
    before = hdu.header["PCOUNT"]
    kept = file.to_bytes()
    hdu.append(rows(3, 25))
    assert (hdu.n_tiles, hdu.nrows) == (3, 28)
    assert hdu.header["PCOUNT"] > before
    assert file.to_bytes()[5760 : 5760 + 64] == kept[5760 : 5760 + 64]  # descriptors of whole tiles
    hdu.repack()
    with rustfits.FITS("mem://", "w+") as other:
        fresh = other.write_table(rows(28), compress=True, ztilelen=10)
        assert hdu.header["PCOUNT"] == fresh.header["PCOUNT"]
    assert (hdu.read() == rows(28)).all()
    hdu.append(rows(0))
    assert hdu.nrows == 28


def test_rows_wait_inside_a_context(file):
    hdu = file.write_table(rows(5), compress=True, ztilelen=4)
    piece = rows(3, 5)
    with hdu.appending() as inside:
        assert inside is hdu
        hdu.append(piece)
        piece["a"] = -1  # what waits is a copy
        assert hdu.nrows == 5
        calls = [
            hdu.read,
            lambda: hdu[0],
            hdu["a"].read,
            lambda: hdu.__setitem__(0, rows(1)),
            lambda: hdu.write(rows(5)),
            hdu.repack,
            hdu.add_datasum,
            hdu.add_checksum,
            hdu.verify_datasum,
            hdu.verify_checksum,
        ]
        for call in calls:
            with pytest.raises(ValueError, match="appending"):
                call()
        with pytest.raises(ValueError, match="already inside"), hdu.extending():
            pass
        with pytest.raises(ValueError, match="at least one row"):
            hdu.append(rows(0))
        with pytest.raises(ValueError, match="expected"):
            hdu.append({"a": np.zeros(2), "b": np.zeros(2)})
        with pytest.raises(ValueError, match=r"cannot close FITS while HDU at index 1 is inside appending\(\) context"):
            file.close()
        hdu.append(rows(2, 8))
        hdu.header["NOTE"] = "may be changed"
        hdu.clear_tile_cache()
        assert file.to_bytes()
    assert (hdu.read() == rows(10)).all()
    once = rustfits.FITS("mem://", "w+")
    other = once.write_table(rows(5), compress=True, ztilelen=4)
    other.append(rows(5, 5))
    assert other.header["PCOUNT"] == hdu.header["PCOUNT"]
    with hdu.extending():
        pass
    assert hdu.nrows == 10


def test_rows_that_wait_are_written_when_an_exception_leaves_the_context(file):
    hdu = file.write_table(rows(5), compress=True, ztilelen=4)
    with pytest.raises(RuntimeError), hdu.appending():
        hdu.append(rows(3, 5))
        raise RuntimeError
    assert (hdu.read() == rows(8)).all()


def test_whole_tiles_are_written_when_much_waits(file):
    hdu = file.write_table(rows(5), compress=True, ztilelen=4)
    hdu._set_pending_cap_for_testing(100)
    with hdu.appending():
        hdu.append(rows(2, 5))
        assert hdu.nrows == 5
        hdu.append(rows(10, 7))
        assert hdu.nrows == 16
        with pytest.raises(ValueError, match="appending"):
            hdu.read()
    assert (hdu.read() == rows(17)).all()


def test_a_failed_transaction_leaves_table_and_cache_as_they_were(file):
    hdu = file.write_table(rows(20), compress=True, ztilelen=6)
    before, content = hdu.read(), file.to_bytes()
    with pytest.raises(RuntimeError), file.transaction():
        hdu.append(rows(5, 20))
        hdu[3:9] = rows(6, 100)
        assert hdu.nrows == 25
        hdu.read()
        raise RuntimeError
    assert hdu.nrows == 20
    assert (hdu.read() == before).all()
    assert file.to_bytes() == content


def test_what_cannot_be_encoded_changes_nothing(file):
    hdu = file.write_table(rows(20), compress=True, ztilelen=6)
    content = file.to_bytes()
    for call in (
        lambda: hdu.append({"a": np.zeros(3, "i4"), "b": np.zeros(2)}),
        lambda: hdu.append({"a": np.zeros(3, "i4")}),
        lambda: hdu.write(rows(19)),
        lambda: hdu["a"].write(np.zeros(20, "i8")),
        lambda: hdu.__setitem__("nope", np.zeros(20)),
    ):
        with pytest.raises(TableError):
            call()
    assert file.to_bytes() == content


def test_columns_stay_as_they_are(file):
    hdu = file.write_table(rows(5), compress=True)
    with pytest.raises(NotImplementedError, match="not planned"):
        hdu.insert_column("c", np.zeros(5))
    with pytest.raises(NotImplementedError, match="not planned"):
        hdu.delete_column("a")
    with pytest.raises(NotImplementedError, match="can't delete item"):
        del hdu[0]


def test_the_level_of_gzip_is_kept_as_long_as_the_handle_is(tmp_path):
    data = {"a": np.arange(20_000, dtype="i4") % 1000}
    sizes = {}
    for level in (0, 9):
        with rustfits.FITS(tmp_path / f"{level}.fits", "w+") as file:
            hdu = file.write_table(data, compress=Gzip1(level=level))
            hdu.write(data)
            sizes[level] = hdu.header["PCOUNT"]
    assert sizes[9] < sizes[0] / 5


def test_checksums_are_those_of_the_plain_table(file):
    arrays = np.empty(9, dtype=object)
    arrays[:] = [np.arange(n, dtype="u1") for n in range(9)]  # ends at any byte of a word
    data = {"v": arrays, "a": np.arange(9, dtype="i2"), "w": arrays}
    options = {"var_dtypes": {"v": "u1", "w": "u1"}}
    hdu = file.write_table(data, compress=True, ztilelen=4, **options)
    plain = file.write_table(data, **options)
    assert hdu.verify_datasum() is None
    assert hdu.verify_checksum() is None
    for table in (hdu, plain):
        table.add_datasum()
    assert hdu.header["ZDATASUM"] == plain.header["DATASUM"]
    assert "DATASUM" not in hdu.header
    assert hdu.verify_datasum() is True
    hdu.add_checksum()
    assert hdu.verify_checksum() is True
    hdu.repack()
    assert hdu.verify_checksum() is True
    hdu["a"][3] = 7
    assert hdu.verify_datasum() is False
    assert hdu.verify_checksum() is False
    hdu.add_checksum()
    assert hdu.verify_checksum() is True


def test_subsets_are_those_of_compressed_tables(file):
    hdu = file.write_table(rows(10), compress=True, ztilelen=4)
    assert type(hdu["a"]) is rustfits.CompressedSingleColumnSubset
    assert type(hdu["a", "b"]) is rustfits.CompressedColumnSubset
    assert hdu["a"][3] == 3
    hdu["a"][2:5] = [10, 11, 12]
    assert hdu["A"][:].tolist() == [0, 1, 10, 11, 12, 5, 6, 7, 8, 9]
    assert [row["a"] for row in hdu] == hdu["a"].read().tolist()
    assert [len(chunk) for chunk in hdu.iter(chunksize=4)] == [4, 4, 2]
