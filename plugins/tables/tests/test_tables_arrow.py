"""Tables in the hands of Arrow, polars, pandas and astropy: the values are those of read()."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tablefiles import table

import rustfits
from rustfits import FITS, HeaderError, NotSupported, TableError

fits = pytest.importorskip("astropy.io.fits", reason="astropy is not installed")
pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pl = pytest.importorskip("polars", reason="polars is not installed")
pd = pytest.importorskip("pandas", reason="pandas is not installed")
arrow = pytest.importorskip("rustfits_tables.arrow")

DATA = Path(__file__).resolve().parents[3] / "tests" / "data"
FIXED = ["L", "X", "B", "I", "J", "K", "E", "D", "C", "M", "A", "u2", "u4", "u8", "i1", "scaled"]
ASTROPY = {"u2": ("I", 1 << 15), "u4": ("J", 1 << 31), "u8": ("K", 1 << 63), "i1": ("B", -128), "scaled": ("I", 5)}


def plain(values):
    """What pyarrow should say: lists, None for what is masked, pairs for complex numbers."""
    if isinstance(values, np.ma.MaskedArray):
        return values.tolist()
    if values.dtype == object:
        return [cell if isinstance(cell, str) else plain(cell) for cell in values]
    if values.dtype.kind == "c":
        return np.stack([values.real, values.imag], axis=-1).tolist()
    return values.tolist()


def same(found, expected):
    """Whether two lists are the same, where NaN is NaN."""
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(same, found, expected))
    return found == expected or (found != found and expected != expected)


@st.composite
def tables(draw):
    """A binary table of columns of all types, as bytes, made by hand: TFORM, TDIM, TNULL, TSCAL, TZERO."""
    nrows = draw(st.integers(0, 40))
    columns, widths, cards = [], [], {}
    for number in range(1, draw(st.integers(1, 6)) + 1):
        kind = draw(st.sampled_from(FIXED))
        code, zero = ASTROPY.get(kind, (kind, None))
        shape = draw(st.lists(st.integers(1, 3), max_size=2)) if draw(st.booleans()) else []
        width = draw(st.integers(0, 9)) if code == "A" else 1
        count = int(np.prod(shape)) * width
        columns.append((f"{count}{code}", f"c{number}"))
        if shape and (width or code != "A"):
            axes = [*([width] if code == "A" else []), *reversed(shape)]
            cards[f"TDIM{number}"] = f"({','.join(map(str, axes))})"
        if zero is not None:
            cards[f"TZERO{number}"] = zero
        if kind == "scaled":
            cards[f"TSCAL{number}"] = 0.5
        if code in "BIJK" and draw(st.booleans()):
            cards[f"TNULL{number}"] = draw(st.sampled_from([0, 1, 257]))
        size = {"L": 1, "X": 1, "B": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "C": 8, "M": 16, "A": 1}[code]
        widths.append((code, -(-count // 8) if code == "X" else count * size))
    numbers = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    parts = []
    for code, nbytes in widths:
        letters = {"A": b"ab \0z", "L": b"TF\0"}.get(code, b"\0\0\0\1\1\xff" if code != "E" else b"\0\1\x40\x7f\xc0")
        parts.append(numbers.choice(np.frombuffer(letters, np.uint8), (nrows, nbytes)))
    raw = np.concatenate(parts, axis=1)
    return table(columns, raw.tobytes(), nrows, row_nbytes=raw.shape[1], **cards)


@settings(max_examples=150, deadline=None)
@given(tables(), st.booleans())
def test_columns_of_all_types_are_those_of_read(hdu, small):
    with pytest.MonkeyPatch.context() as patch:
        if small:
            patch.setattr(arrow, "BATCH_NBYTES", 300)
            patch.setattr(arrow, "SLICE_NBYTES", 100)
        found = pa.table(hdu)
    found.validate(full=True)
    assert found.num_rows == hdu.nrows
    expected = hdu.read(mask_null=True)
    for name in hdu.colnames:
        column, values = found.column(name), expected[name]
        assert same(column.to_pylist(), plain(values) if values.dtype.kind != "c" else plain(np.ma.getdata(values)))
        base = column.type
        while hasattr(base, "value_type"):
            base = base.value_type
        if values.dtype.kind in "iuf":
            assert base.to_pandas_dtype() == values.dtype
    frame = pl.DataFrame(hdu)
    for name in hdu.colnames:
        assert same(frame[name].to_list(), found.column(name).to_pylist())


def test_arrays_of_variable_length_are_lists(tmp_path):
    path, nrows = tmp_path / "heap.fits", 30
    arrays = {
        code: np.array([(np.arange(n % 5) + n).astype(dtype) for n in range(nrows)], dtype=object)
        for code, dtype in (("B", "u1"), ("I", "i2"), ("J", "i4"), ("K", "i8"), ("E", "f4"), ("D", "f8"), ("M", "c16"))
    }
    columns = [fits.Column(code, f"P{code}()", array=values) for code, values in arrays.items()]
    columns.append(fits.Column("L", "PL()", array=np.array([np.arange(n % 3) > 0 for n in range(nrows)], dtype=object)))
    fits.BinTableHDU.from_columns(columns).writeto(path)
    with FITS(path, "r+") as file:
        hdu = file[1]
        found = pa.table(hdu)
        found.validate(full=True)
        for name in hdu.colnames:
            assert same(found.column(name).to_pylist(), plain(hdu.read_column(name)))
            assert pa.types.is_large_list(found.column(name).type)
            if name != "M":
                assert same(pl.DataFrame(hdu)[name].to_list(), found.column(name).to_pylist())
        assert found.schema.field("M").metadata == {b"dtype": b"complex128"}


def test_strings_of_variable_length_and_nulls_in_the_heap():
    rows = np.array([(3, 0), (0, 0), (2, 1)], ">i4")
    text = table([("1PA", "t")], rows.tobytes() + b"abc", 3, row_nbytes=8, PCOUNT=3)
    assert pa.table(text).column("t").to_pylist() == ["abc", "", "bc"]
    rows = np.array([(3, 0), (1, 2)], ">i4").tobytes() + np.array([1, -5, 7], ">i2").tobytes()
    for cards, expected in (
        ({}, [[1, None, 7], [None]]),
        ({"TZERO1": 32768}, [[32769, None, 32775], [None]]),
        ({"TSCAL1": 0.5, "TZERO1": 1}, [[1.5, None, 4.5], [None]]),
    ):
        hdu = table([("1PI", "v")], rows, 2, row_nbytes=8, PCOUNT=6, TNULL1=-5, **cards)
        assert pa.table(hdu).column("v").to_pylist() == [expected[0], [expected[0][1]]]


def test_ascii_tables_are_tables_too(tmp_path):
    path = tmp_path / "ascii.fits"
    columns = [
        fits.Column("i", "I8", ascii=True, array=np.array([1, -2, 99])),
        fits.Column("d", "D25.17", ascii=True, array=np.array([0.1, -1e300, 3])),
        fits.Column("e", "E15.7", ascii=True, array=np.array([0.1, 2, 3], "f4")),
        fits.Column("t", "A4", ascii=True, array=np.array(["a", "", "bcd"])),
    ]
    fits.TableHDU.from_columns(columns).writeto(path)
    fits.setval(path, "TNULL1", value="99", ext=1)
    with FITS(path) as file:
        found = pa.table(file[1])
        assert found.column("i").to_pylist() == [1, -2, None]
        assert found.column("t").to_pylist() == ["a", "", "bcd"]
        for name in "de":
            assert found.column(name).to_pylist() == file[1].read_column(name).tolist()
        assert [str(field.type) for field in found.schema] == ["int64", "double", "float", "string"]


def test_compressed_tables_are_the_tables_that_they_were(catalogue, tmp_path):
    if shutil.which("fpack") is None:
        pytest.skip("fpack is not on PATH")
    path = tmp_path / "catalogue.fits"
    shutil.copy(catalogue._file.filename, path)
    subprocess.run(["fpack", "-table", path], check=True)
    with FITS(f"{path}.fz") as file:
        assert isinstance(file["CAT"], rustfits.CompressedTableHDU)
        assert pa.table(file["CAT"]).equals(pa.table(catalogue), check_metadata=True)
        assert file["CAT"].to_polars(rows=[700, 3]).equals(catalogue.to_polars(rows=[700, 3]))
        assert file["CAT"].to_astropy()["id"].mask.nonzero()[0].tolist() == [13]
        assert file["CAT"].to_pandas()["id"].isna().sum() == 1


def test_metadata_of_fields_tell_units_formats_and_comments():
    words = {"TUNIT1": "km/s", "TDISP1": "F8.3", "TCOMM1": "radial velocity"}
    hdu = table([("1J", "v"), ("1J", "w")], bytes(8), **words)
    schema = pa.schema(hdu)
    assert schema.field("v").metadata == {b"unit": b"km/s", b"TDISP": b"F8.3", b"TCOMM": b"radial velocity"}
    assert schema.field("w").metadata is None
    assert schema == pa.table(hdu).schema


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    path = tmp_path_factory.mktemp("arrow") / "catalogue.fits"
    numbers, nrows = np.random.default_rng(8), 1000
    columns = [
        fits.Column("id", "J", array=np.arange(nrows), null=13, unit="m"),
        fits.Column("pos", "6E", dim="(3,2)", array=numbers.normal(size=(nrows, 2, 3))),
        fits.Column("name", "8A", array=np.array([f"star {n}" for n in range(nrows)])),
        fits.Column("ok", "L", array=numbers.integers(0, 2, nrows).astype(bool)),
        fits.Column("n", "I", bzero=32768, array=np.arange(nrows).astype("u2")),
        fits.Column("z", "C", array=numbers.normal(size=nrows) + 1j),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="CAT")
    hdu.header["TCOMM1"], hdu.header["TELESCOP"] = "number of the star", "none"
    hdu.writeto(path)
    with FITS(path) as file:
        yield file[1]


def test_rows_and_columns_are_picked(catalogue):
    for rows in (slice(990, 3, -7), [5, 900, 5, -1], slice(10, 20)):
        found = catalogue.to_arrow(rows=rows, columns=["name", "ID"])
        assert found.column_names == ["name", "id"]
        expected = catalogue.read(rows=rows, columns=["name", "id"])
        assert found.column("name").to_pylist() == expected["name"].tolist()
        frame = catalogue.to_polars(rows=rows, columns=["id"])
        assert frame["id"].fill_null(13).to_list() == expected["id"].tolist()
    for act, words in (
        (lambda: catalogue.to_arrow(columns=["x"]), "unknown column"),
        (lambda: catalogue.to_polars(columns=["id", "ID"]), "duplicate"),
        (lambda: catalogue.to_arrow(rows=[1000]), "out of range"),
        (lambda: catalogue.to_pandas(rows=slice(0, 0)), "zero rows"),
        (lambda: catalogue.to_astropy(columns="id"), "columns="),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            act()


@pytest.mark.parametrize("nthreads", [1, 3])
def test_the_number_of_threads_does_not_matter(catalogue, nthreads, monkeypatch):
    monkeypatch.setattr(arrow, "BATCH_NBYTES", 4000)
    monkeypatch.setattr("rustfits.parallel.threads.SMALL_NPIXELS", 1)
    before = rustfits.get_num_threads()
    rustfits.set_num_threads(nthreads)
    try:
        found = pa.table(catalogue)
    finally:
        rustfits.set_num_threads(before)
    assert found.column("id").num_chunks > 5
    assert found.column("name").to_pylist() == catalogue.read_column("name").tolist()


def test_pandas_has_all_columns(catalogue):
    frame = catalogue.to_pandas()
    assert str(frame["id"].dtype) == "Int32"
    assert frame["id"].isna().sum() == 1
    assert frame["id"].fillna(13).tolist() == list(range(1000))
    assert frame["n"].dtype == np.uint16
    assert frame["name"].tolist() == catalogue.read_column("name").tolist()
    assert (frame["pos"][3] == catalogue[3]["pos"]).all()
    assert frame["z"].tolist() == catalogue.read_column("z").tolist()
    assert frame.attrs == {"units": {"id": "m"}, "descriptions": {"id": "number of the star"}}


def test_astropy_has_units_masks_and_keywords(catalogue):
    found = catalogue.to_astropy()
    assert found["id"].unit == "m"
    assert found["id"].description == "number of the star"
    assert found["id"].mask.nonzero()[0].tolist() == [13]
    assert found["pos"].shape == (1000, 2, 3)
    assert not hasattr(found["n"], "mask")
    assert found.meta == {"EXTNAME": "CAT", "TELESCOP": "none"}
    peer = pytest.importorskip("astropy.table").Table.read(catalogue._file.filename, hdu=1)
    assert peer.colnames == found.colnames
    for name in found.colnames:
        assert np.ma.getdata(peer[name]).astype(found[name].dtype).tolist() == np.ma.getdata(found[name]).tolist()


def test_scaled_integers_with_nulls_are_nan_in_pandas():
    rows = np.array([2, -1, 4], ">i2").tobytes()
    hdu = table([("1I", "v")], rows, 3, TSCAL1=0.5, TNULL1=-1)
    assert same(hdu.to_pandas()["v"].tolist(), [1.0, float("nan"), 2.0])
    assert pa.table(hdu).column("v").to_pylist() == [1.0, None, 2.0]


def test_a_column_that_cannot_be_read_refuses_itself():
    hdu = table([("1J", "a"), ("1Z", "b")], bytes(12), row_nbytes=12)
    with pytest.raises(HeaderError, match=r"TFORM2 is '1Z'.*HDU 1"):
        pa.table(hdu)
    assert hdu.to_arrow(columns=["a"]).column("a").to_pylist() == [0]
    scaled = table([("1C", "c")], bytes(8), TSCAL1=2)
    with pytest.raises(TableError, match="complex"):
        pa.schema(scaled)
    twice = table([("1B", "a"), ("1B", "a")], bytes(2))
    with pytest.raises(TableError, match="one name"):
        pa.table(twice)


def test_what_is_wrong_with_a_value_is_told_by_the_stream():
    hdu = table([("2A", "t")], b"ab\xb0c", 2)
    with pytest.raises(Exception, match=r"TableError: non-ASCII byte 0xB0 at position 0 of column 't', row 1"):
        pa.table(hdu)
    with pytest.raises(pl.exceptions.PolarsError, match="non-ASCII byte 0xB0"):
        pl.DataFrame(hdu)
    for method in (hdu.to_arrow, hdu.to_polars, hdu.to_pandas):
        with pytest.raises(TableError, match="non-ASCII byte 0xB0"):
            method()


def test_a_stream_of_a_closed_file_says_so(tmp_path):
    path = tmp_path / "x.fits"
    fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(3))]).writeto(path)
    with FITS(path) as file:
        reader = pa.RecordBatchReader.from_stream(file[1])
    with pytest.raises(Exception, match="HandleClosed"):
        reader.read_all()


def test_columns_that_change_under_a_stream_are_noticed(tmp_path):
    path = tmp_path / "x.fits"
    fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(3))]).writeto(path)
    with FITS(path, "r+") as file:
        reader = pa.RecordBatchReader.from_stream(file[1])
        file[1].append({"a": np.array([7], "i4")})
        assert reader.read_all().num_rows == 3  # those of then
        reader = pa.RecordBatchReader.from_stream(file[1])
        file[1].header["TUNIT1"] = "m"
        with pytest.raises(Exception, match="begin again"):
            reader.read_all()


def test_a_batch_outlives_its_file_and_its_table(tmp_path):
    path = tmp_path / "x.fits"
    fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(30000))]).writeto(path)
    with FITS(path) as file:
        found, frame = pa.table(file[1]), pl.DataFrame(file[1])
    path.unlink()
    assert found.column("a").to_pylist() == list(range(30000))
    assert frame["a"].sum() == 30000 * 29999 // 2


def test_capsules_that_nobody_takes_are_freed():
    """Streams and schemas, used and not: the memory of thousands of them does not grow."""
    program = """
        import resource, sys
        sys.path.insert(0, FOLDER)
        from tablefiles import table
        import pyarrow as pa
        hdu = table([("1J", "a"), ("20A", "s"), ("4X", "x")], bytes(25 * 4000), 4000, TNULL1=0)
        def work(n):
            for _ in range(n):
                hdu.__arrow_c_stream__(), hdu.__arrow_c_schema__(), pa.schema(hdu), pa.table(hdu)
                next(iter(pa.RecordBatchReader.from_stream(hdu)))
        work(300)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        work(2000)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    text = textwrap.dedent(program).replace("FOLDER", repr(str(Path(__file__).parent)))
    out = subprocess.run([sys.executable, "-c", text], check=True, capture_output=True, text=True)
    assert int(out.stdout) < 10_000  # kilobytes; leaked batches would be 400 MB


def test_polars_needs_no_pyarrow(tmp_path):
    path = tmp_path / "x.fits"
    fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(5))]).writeto(path)
    program = f"""
        import sys
        sys.modules["pyarrow"] = None
        import polars, rustfits
        with rustfits.FITS({str(path)!r}) as file:
            print(polars.DataFrame(file[1])["a"].sum(), file[1].to_polars()["a"].max())
            try:
                file[1].to_arrow()
            except rustfits.NotSupported as error:
                print(error)
    """
    out = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, capture_output=True, text=True)
    first, second = out.stdout.splitlines()
    assert first == "10 4"
    assert "needs the package pyarrow" in second
    assert "pip install pyarrow" in second


@pytest.mark.parametrize("method", ["to_arrow", "to_polars", "to_pandas", "to_astropy"])
def test_a_library_that_is_absent_is_named(method, catalogue, monkeypatch):
    name = {"to_arrow": "pyarrow", "to_astropy": "astropy.table"}.get(method, method[3:])
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NotSupported, match=name.partition(".")[0]):
        getattr(catalogue, method)()


def test_tables_without_the_compiled_part_say_so(catalogue, monkeypatch):
    monkeypatch.setitem(sys.modules, "rustfits_tables._arrow", None)
    monkeypatch.delattr("rustfits_tables._arrow", raising=False)
    with pytest.raises(NotSupported, match="compiled part of rustfits-tables"):
        pa.table(catalogue)
    assert len(catalogue.to_pandas()) == 1000


def test_no_library_is_loaded_by_tables():
    program = """
        import sys, rustfits, rustfits_tables.tables
        names = "pyarrow", "polars", "pandas", "astropy", "rustfits_tables.arrow"
        print([name for name in names if name in sys.modules])
    """
    out = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, capture_output=True, text=True)
    assert out.stdout == "[]\n"


@pytest.mark.parametrize(("library", "method"), [("pyarrow", "to_arrow"), ("polars", "to_polars")])
def test_a_library_without_memory_is_an_error_of_ours(library, method, monkeypatch):
    taker = pytest.importorskip(library, reason=f"not installed: {library}")

    def without_memory(source):
        raise MemoryError("malloc of size 256 failed")

    monkeypatch.setattr(taker, "table" if library == "pyarrow" else "DataFrame", without_memory)
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.write_table({"a": np.arange(3)})
        with pytest.raises(rustfits.OutOfMemory, match=r"HDU 1.*malloc of size 256"):
            getattr(hdu, method)()
