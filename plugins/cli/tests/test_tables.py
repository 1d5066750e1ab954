"""``rustfits table`` and ``rustfits info --columns``, as a shell sees them."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from click.testing import CliRunner

import rustfits
from rustfits_cli import formats
from rustfits_cli import table as table_module
from rustfits_cli.conditions import parse
from rustfits_cli.main import main

pytest.importorskip("rustfits_tables", reason="rustfits-tables is not installed")
NROWS = 100


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def columns():
    return {
        "id": np.ma.MaskedArray(np.arange(NROWS, dtype="i4"), np.arange(NROWS) == 7),
        "mag": (np.arange(NROWS) / 10).astype("f4"),
        "name": np.array([f"M {n}" if n % 3 else 'a, "b"' for n in range(NROWS)]),
        "ok": np.arange(NROWS) % 2 == 0,
        "pos": np.arange(2.0 * NROWS).reshape(NROWS, 2),
        "my col": np.arange(NROWS, dtype="u2") + 60000,
        "z": np.arange(NROWS) + 1j,
        "any": np.array([np.arange(n % 3, dtype="i2") for n in range(NROWS)], dtype=object),
    }


@pytest.fixture
def catalogue(tmp_path, columns):
    path = tmp_path / "catalogue.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(np.zeros((3, 3), "i2"))
        file.write_table({"a": np.arange(3)}, extname="FIRST")
        hdu = file.write_table(columns, extname="CAT", units={"mag": "mag"}, var_dtypes={"any": "i2"})
        hdu.header["TCOMM2"] = "apparent"
        file.write_table({"b": np.arange(4, 6)}, extname="CAT", extver=2)
    return path


def objects(output):
    return [json.loads(line) for line in output.splitlines()]


def test_json_lines_hold_every_value(run, catalogue, columns):
    found = objects(run("table", f"{catalogue}[CAT]", "--format", "json").output)
    assert len(found) == NROWS
    for row, record in enumerate(found):
        assert list(record) == list(columns)
        assert record["id"] == (None if row == 7 else row)
        assert record["mag"] == row / 10
        assert (record["name"], record["ok"]) == (columns["name"][row], row % 2 == 0)
        assert (record["pos"], record["my col"]) == ([2.0 * row, 2.0 * row + 1], 60000 + row)
        assert (record["z"], record["any"]) == ([row, 1.0], list(range(row % 3)))


def test_csv_holds_every_value(run, catalogue, columns):
    output = run("table", f"{catalogue}[CAT]", "-f", "csv").output
    header, *rows = csv.reader(io.StringIO(output))
    assert header == list(columns)
    assert len(rows) == NROWS
    assert rows[7][:4] == ["", "0.7", "M 7", "false"]
    assert rows[0][2:5] == ['a, "b"', "true", "[0.0, 1.0]"]
    assert rows[2][7] == "[0, 1]"


def test_text_in_a_pipe_is_whole_and_aligned(run, catalogue):
    lines = run("table", f"{catalogue}[CAT]", "-c", "id,name").output.splitlines()
    assert len(lines) == NROWS + 1
    assert lines[0] == "id  name"
    assert lines[2] == " 1  M 1"
    assert lines[8] == "    M 7"


def test_only_integers_have_a_tnull(run, tmp_path):
    values = np.array([0, 1])
    columns = [astropy_fits.Column(letter.lower(), letter, array=values) for letter in "EDBIJK"]
    hdu = astropy_fits.BinTableHDU.from_columns(columns)
    hdu.header.update({f"TNULL{number}": 0 for number in range(1, 7)})
    hdu.writeto(tmp_path / "x.fits")
    first = objects(run("table", "x.fits", "-f", "json").output)[0]
    assert first == {"e": 0.0, "d": 0.0, "b": None, "i": None, "j": None, "k": None}
    for name, expected in (("e", 2), ("d", 2), ("b", 1), ("k", 1)):
        assert len(objects(run("table", "x.fits", "-f", "json", "--where", f"{name} < 5").output)) == expected


def test_numbers_that_json_has_not_are_null(run, tmp_path):
    with rustfits.FITS(tmp_path / "x.fits", "w+") as file:
        file.write_table({"a": np.array([np.nan, np.inf, 0.1]), "b": np.array([0.1, -np.inf, 1e30], "f4")})
    assert objects(run("table", "x.fits", "-f", "json").output) == [
        {"a": None, "b": 0.1},
        {"a": None, "b": None},
        {"a": 0.1, "b": 1e30},
    ]
    assert run("table", "x.fits", "-f", "csv").output == "a,b\nnan,0.1\ninf,-inf\n0.1,1e+30\n"


# -- what is picked ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "column"), [("", "a"), ("[1]", "a"), ("[FIRST]", "a"), ("[CAT,2]", "b"), ("[-1]", "b"), ("[cat, 2]", "b")]
)
def test_a_table_is_picked_by_index_name_or_version(run, catalogue, key, column):
    assert run("table", f"{catalogue}{key}").output.split()[0] == column


def test_a_file_with_brackets_in_its_name_is_itself(run, catalogue):
    shutil.copy(catalogue, catalogue.with_name("odd[1]"))
    assert run("table", "odd[1]").output.split()[0] == "a"
    assert run("table", "odd[1][CAT,2]").output.split()[0] == "b"


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ("0:3", [0, 1, 2]),
        ("-2:", [98, 99]),
        ("5", [5]),
        ("-1", [99]),
        ("::40", [0, 40, 80]),
        ("3:0:-1", [3, 2, 1]),
        ("2::-1", [2, 1, 0]),
        ("200:", []),
        ("5:5", []),
    ],
)
def test_rows_are_those_of_python(run, catalogue, rows, wanted):
    found = objects(run("table", f"{catalogue}[CAT]", f"--rows={rows}", "-f", "json", "-c", "MY COL").output)
    assert [record["my col"] - 60000 for record in found] == wanted


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ("mag < 0.3", [0, 1, 2]),
        ("mag = 0.1", [1]),
        ("id > 5 and id <= 8", [6, 8]),  # a missing value fulfils nothing
        ("id != 5 and id < 8", [0, 1, 2, 3, 4, 6]),
        ("name == 'M 4'", [4]),
        ('name == "a, \\"b\\""', None),
        ("ok == true and mag<0.45 AND name != 'M 4'", [0, 2]),
        ("OK = false and Mag < .2", [1]),
        ("`my col` >= 60098", [98, 99]),
        ("mag > 1e2", []),
        ("mag >= -1 and mag < 0", []),
    ],
)
def test_conditions_pick_rows(run, catalogue, condition, wanted):
    arguments = ["table", f"{catalogue}[CAT]", "-f", "json", "-c", "my col", "--where", condition]
    if wanted is None:
        run(*arguments, code=1)
        return
    assert [record["my col"] - 60000 for record in objects(run(*arguments).output)] == wanted


def test_a_condition_takes_rows_from_those_that_are_picked(run, catalogue):
    arguments = ["table", f"{catalogue}[CAT]", "-f", "json", "-c", "my col", "-w", "ok == true", "-r", "3:9"]
    assert [record["my col"] - 60000 for record in objects(run(*arguments).output)] == [4, 6, 8]


def test_pieces_make_no_difference(run, catalogue, monkeypatch):
    expected = run("table", f"{catalogue}[CAT]", "-f", "csv", "-w", "mag > 2", "-r", "::-1").output
    monkeypatch.setattr(table_module, "PIECE_NBYTES", 1000)
    monkeypatch.setattr(table_module, "OBJECT_NROWS", 7)
    assert run("table", f"{catalogue}[CAT]", "-f", "csv", "-w", "mag > 2", "-r", "::-1").output == expected
    assert len(expected.splitlines()) == 80


FAULTS = [
    (["[9]"], "HDU index 9 is out of range"),
    (["[0]"], "not a table"),
    (["[NONE]"], "no HDU named"),
    (["-c", "x"], "unknown column name 'x'"),
    (["-c", "a,A"], "duplicate"),
    (["-r", "a:b"], "rows 'a:b' are not understood"),
    (["-r", "::0"], "not understood"),
    (["-r", ""], "not understood"),
    (["-w", "x < 1"], "unknown column name 'x'"),
    (["-w", "a <"], "not understood at"),
    (["-w", "a < 1 or a > 2"], "not understood at 'or a > 2'"),
    (["-w", "a < 1 and"], "not understood"),
    (["-w", ""], "not understood"),
    (["-w", "a == 'x'"], "is not compared with"),
    (["[CAT]", "-w", "pos > 1"], "cells of several elements"),
    (["[CAT]", "-w", "name > 1"], "is not compared with"),
    (["[CAT]", "-w", "ok > 1"], "is not compared with"),
]


@pytest.mark.parametrize(("arguments", "words"), FAULTS, ids=str)
def test_a_fault_is_one_line(run, catalogue, arguments, words):
    key = arguments[0] if arguments[0].startswith("[") else ""
    result = run("table", f"{catalogue}{key}", *arguments[bool(key) :], code=1)
    assert words in result.output
    assert result.output.startswith("Error: ")
    assert len(result.output.splitlines()) == 1


def test_a_file_without_tables_says_so(run, tmp_path):
    rustfits.write(tmp_path / "image.fits", np.zeros(3))
    assert "no table in" in run("table", "image.fits", code=1).output
    assert "Failed to open" in run("table", "absent.fits[1]", code=1).output


# -- output -----------------------------------------------------------------------------------------------------------


def test_an_output_is_written_as_its_name_says(run, catalogue, tmp_path):
    for name in ("x.csv", "x.jsonl", "x.txt"):
        run("table", f"{catalogue}[CAT]", "-o", name)
        assert "is there already" in run("table", f"{catalogue}[CAT]", "-o", name, code=1).output
        run("table", f"{catalogue}[CAT]", "-o", name, "--overwrite", "-r", ":5")
    assert (tmp_path / "x.csv").read_text().startswith("id,mag,name,ok,pos,my col,z,any\n0,0.0,")
    assert len(objects((tmp_path / "x.jsonl").read_text())) == 5
    assert "is " in run("table", catalogue, "-o", catalogue, "--overwrite", code=1).output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["catalogue.fits", "x.csv", "x.jsonl", "x.txt"]


def test_a_fault_leaves_no_output(run, tmp_path):
    with rustfits.FITS(tmp_path / "x.fits", "w+") as file:
        file.write_table({"t": np.array([b"a", b"b"])})
    content = (tmp_path / "x.fits").read_bytes()
    (tmp_path / "x.fits").write_bytes(content[:5760] + b"a\xb0" + content[5762:])
    names = ["x.csv", *(["x.parquet"] if find_spec("pyarrow") else [])]
    for name in names:
        assert "non-ASCII" in run("table", "x.fits", "-o", name, code=1).output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.fits"]


def test_parquet_holds_the_same(run, catalogue, tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    monkeypatch.setattr(table_module, "OBJECT_NROWS", 30)
    run("table", f"{catalogue}[CAT]", "-o", "x.parquet", "-w", "id > 20")
    found = parquet.read_table(tmp_path / "x.parquet")
    with rustfits.FITS(catalogue) as file:
        assert found.equals(file["CAT"].to_arrow(rows=slice(21, None)))
    run("table", f"{catalogue}[CAT]", "-o", "none.parquet", "-w", "id > 1000", "-c", "id,name")
    assert parquet.read_table(tmp_path / "none.parquet").shape == (0, 2)
    assert "name a file" in run("table", catalogue, "-f", "parquet", code=2).output


def test_parquet_without_pyarrow_names_it(run, catalogue, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install pyarrow" in run("table", catalogue, "-o", "x.parquet", code=1).output


def test_a_reader_that_has_seen_enough_is_no_fault(tmp_path):
    with rustfits.FITS(tmp_path / "x.fits", "w+") as file:
        file.write_table({"a": np.arange(200_000)})
    command = [sys.executable, "-c", "from rustfits_cli.main import main; main()", "table", "x.fits", "-f", "csv"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"a\n"
        process.stdout.close()
        assert process.stderr.read() == b""


def test_a_terminal_is_shown_what_fits(catalogue):
    if not hasattr(os, "openpty"):
        pytest.skip("this system has no pseudo terminals")
    parent, child = os.openpty()
    command = [sys.executable, "-c", "from rustfits_cli.main import main; main()", "table", f"{catalogue}[CAT]"]
    done = subprocess.run(
        command, check=True, stdout=child, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "40"}
    )
    os.close(child)
    lines = os.read(parent, 1 << 16).decode().splitlines()
    os.close(parent)
    assert len(lines) == 41
    assert max(map(len, lines)) <= 40
    assert done.stderr.splitlines()[0] == "60 more rows; --all shows them"
    assert "more columns: " in done.stderr
    assert done.stderr.rstrip().endswith("; --columns picks some")


def test_what_a_terminal_would_obey_is_not_shown():
    out = io.StringIO()
    columns = {"a\x1b[31m": np.array(["\x1b[2J"])}
    formats.write_text([columns], out)
    formats.write_csv([columns], out, shown=True)
    assert "\x1b" not in out.getvalue()


def test_numbers_of_32_bits_have_their_own_digits():
    values = np.array([0.1, 1e-5, 16777216, 3.4e38, 1 / 3], "f4")
    assert [np.float32(value) for value in formats.python_values(values)] == values.tolist()
    assert formats.python_values(values)[0] == 0.1


def test_conditions_are_parsed():
    (one,) = parse("  `a b`>=-1.5e3 ")
    assert (one.column, one.sign, one.value) == ("a b", ">=", -1500.0)
    assert [part.value for part in parse("a=9007199254740993 and b='and' and c=TRUE")] == [
        9007199254740993,
        "and",
        True,
    ]


# -- info -------------------------------------------------------------------------------------------------------------


def test_info_lists_columns(run, catalogue):
    output = run("info", "--columns", catalogue).output
    assert "HDU 2 CAT:" in output
    (line,) = [line.split() for line in output.splitlines() if line.split()[1:2] == ["mag"]]
    assert line == ["2", "mag", "1E", "mag", "apparent"]
    assert "HDU 0" not in output
    assert "HDU 2 CAT:" not in run("info", catalogue).output


def test_ascii_tables_have_rows_too(run, tmp_path):
    fits = pytest.importorskip("astropy.io.fits", reason="astropy is not installed")
    columns = [
        fits.Column("i", "I8", ascii=True, array=np.array([1, -2, 99])),
        fits.Column("t", "A4", ascii=True, array=np.array(["a", "", "bcd"])),
    ]
    fits.TableHDU.from_columns(columns).writeto(tmp_path / "x.fits")
    fits.setval(tmp_path / "x.fits", "TNULL1", value="99", ext=1)
    assert run("table", "x.fits", "-f", "csv").output == "i,t\n1,a\n-2,\n,bcd\n"
    assert run("table", "x.fits", "-f", "csv", "-w", "i < 100").output == "i,t\n1,a\n-2,\n"
    assert "I8" in run("info", "--columns", "x.fits").output


# -- standard input, and what does not fit ----------------------------------------------------------------------------


def piped(*arguments, data, code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=data)
    assert result.exit_code == code, result.output
    return result


def test_standard_input_is_read(run, catalogue):
    data = catalogue.read_bytes()
    for arguments in (
        ("info", "{}", "--columns"),
        ("table", "{}", "-r", "0:3"),
        ("table", "{}", "--hdu", "CAT,2", "-f", "csv"),
        ("header", "{}", "-k", "TTYPE*"),
        ("stats", "{}"),
    ):
        found = piped(*[argument.format("-") for argument in arguments], data=data).stdout
        wanted = run(*[argument.format(catalogue) for argument in arguments]).stdout
        assert found.replace("\n-   ", f"\n{catalogue}") == wanted or "stats" in arguments
        assert found
    with rustfits.FITS(catalogue) as file:
        packed = io.BytesIO(file.to_bytes())
    import gzip

    assert piped("table", "-", "-r", "0", "-f", "csv", data=gzip.compress(packed.getvalue())).stdout == "a\n0\n"


@pytest.mark.parametrize("data", [b"", b"no FITS file\n", b"SIMPLE  =                    T".ljust(2880)])
def test_what_is_wrong_with_standard_input_is_told(data):
    for command in ("info", "table", "header", "stats"):
        shown = piped(command, "-", data=data, code=1).stderr
        assert "standard input" in shown
        assert "rustfits-" not in shown


def test_an_hdu_is_named_once(run, catalogue):
    assert run("table", catalogue, "--hdu", 3, "-f", "csv").stdout == "b\n4\n5\n"
    assert "not both" in run("table", f"{catalogue}[1]", "--hdu", 1, code=2).stderr


def test_a_column_is_named_once(run, catalogue):
    shown = run("table", f"{catalogue}[CAT]", "-c", "id,mag,ID", code=1).stderr
    assert "--columns has duplicate names: ID" in shown


def test_a_row_that_is_not_there_is_told(run, catalogue):
    assert run("table", f"{catalogue}[1]", "-r", "2", "-f", "csv").stdout == "a\n2\n"
    for row in ("3", "-4"):
        shown = run("table", f"{catalogue}[1]", f"-r{row}", code=1).stderr
        assert f"row {row} is out of range: the table has 3 rows" in shown
    assert run("table", f"{catalogue}[1]", "-r", "3:", "-f", "csv").stdout == "a\n"


@pytest.mark.parametrize("ncolumns", [9, 60, 300])
def test_the_names_of_columns_that_do_not_fit_take_one_line(ncolumns):
    columns = {f"column_{number}": np.arange(2) for number in range(ncolumns)}
    out = io.StringIO()
    said = formats.write_text([columns], out, width=80, most=40)
    shown = len(out.getvalue().splitlines()[0].split())
    assert said.startswith(f"{ncolumns - shown} more column")
    assert f": column_{shown}" in said
    assert len(said) <= 80
    assert ("..." in said) == (ncolumns > 9)


def test_logical_values_that_are_missing_are_empty(run, tmp_path):
    flags = np.ma.MaskedArray([True, False, True], [0, 0, 1])
    rustfits.write(tmp_path / "x.fits", {"a": flags, "n": np.arange(3)})
    assert run("table", "x.fits", "-f", "csv").stdout == "a,n\ntrue,0\nfalse,1\n,2\n"
    assert [one["a"] for one in objects(run("table", "x.fits", "-f", "json").stdout)] == [True, False, None]
    assert run("table", "x.fits", "-f", "csv", "-w", "a == false").stdout == "a,n\nfalse,1\n"


def odd_table(columns, data, nrows, name):
    """Write a file whose table has what nobody should write: pairs of TFORM and TTYPE."""
    width = len(data) // nrows
    cards = {
        "XTENSION": "'BINTABLE'",
        "BITPIX": 8,
        "NAXIS": 2,
        "NAXIS1": width,
        "NAXIS2": nrows,
        "PCOUNT": 0,
        "GCOUNT": 1,
    }
    cards["TFIELDS"] = len(columns)
    for number, (form, title) in enumerate(columns, start=1):
        cards |= {f"TFORM{number}": f"'{form:<8}'", f"TTYPE{number}": f"'{title:<8}'"}
    texts = ({"SIMPLE": "T", "BITPIX": 8, "NAXIS": 0}, cards)
    heads = ["".join(f"{key:<8}= {value}".ljust(80) for key, value in one.items()) + "END" for one in texts]
    raw = b"".join(head.ljust(-(-len(head) // 2880) * 2880).encode() for head in heads)
    with open(name, "wb") as file:
        file.write(raw + data.ljust(-(-len(data) // 2880) * 2880, b"\0"))
    return name


NUMBERS = np.arange(9, dtype=">i4").tobytes()


@pytest.mark.parametrize(
    ("columns", "data", "words"),
    [
        ([("1J", "a"), ("1?", "b"), ("1J", "c")], NUMBERS, "TFORM2.*--columns picks others"),
        ([("1J", "a"), ("1J", "c"), ("1J", "c")], NUMBERS, "several columns are named 'c'; --columns picks"),
        ([("1J", "a"), ("4A", "b")], b"\0\0\0\0ab\xe9\0" * 3, "non-ASCII byte 0xE9.*--columns picks others"),
    ],
)
def test_an_odd_column_leaves_the_others(run, tmp_path, columns, data, words):
    odd_table(columns, data, 3, "odd.fits")
    assert re.search(words, run("table", "odd.fits", code=1).stderr)
    assert run("table", "odd.fits", "-c", "a", "-f", "csv", "-r", "0").stdout == "a\n0\n"
    shutil.copy("odd.fits", "other.fits")
    assert "are equal" in run("diff", "odd.fits", "other.fits").stdout
    raw = bytearray((tmp_path / "odd.fits").read_bytes())
    raw[2880 * 2 + 3] ^= 1
    (tmp_path / "other.fits").write_bytes(raw)
    assert "bytes of its data differ" in run("diff", "odd.fits", "other.fits", code=1).stdout
    form = "1E" if columns[0][0] == "1J" else "1J"
    odd_table([(form, "a"), *columns[1:]], data, 3, "other.fits")
    assert f"column a: TFORM1 is '1J' in A, '{form}' in B" in run("diff", "odd.fits", "other.fits", code=1).stdout


def test_where_no_column_can_be_read_none_is_proposed(run, tmp_path):
    odd_table([("1J", "a")], NUMBERS[:32], 4, "odd.fits")
    shown = run("table", "odd.fits", code=1).stderr
    assert "the columns take 4 bytes a row, but NAXIS1 is 8" in shown
    assert "--columns" not in shown


# -- diff -------------------------------------------------------------------------------------------------------------


def compressed(catalogue, name="z.fits", **more):
    """Write the tables of a file anew, compressed."""
    with rustfits.FITS(catalogue) as file, rustfits.FITS(name, "w+") as new:
        for hdu in file:
            if isinstance(hdu, rustfits.TableHDU):
                inner = {"any": "i2"} if "any" in hdu.colnames else None
                made = new.write_table(
                    hdu.read(), extname=hdu.extname, extver=hdu.extver, units=hdu.units, var_dtypes=inner, **more
                )
                made.header.update({key: hdu.header[key] for key in hdu.header if key.startswith("TCOMM")})
            else:
                new.append(hdu)
    return name


def test_a_table_and_its_compressed_form_are_equal(run, tmp_path, catalogue):
    with rustfits.FITS(catalogue) as file, rustfits.FITS(tmp_path / "plain.fits", "w+") as new:
        new.append(file["CAT"])
    plain = "plain.fits"
    subprocess.run(["fpack", "-table", "-O", "packed.fits", plain], check=True, capture_output=True, cwd=tmp_path)
    if os.path.getsize("packed.fits") == os.path.getsize(plain):
        pytest.fail("fpack has copied the table as it is")
    with rustfits.FITS("packed.fits") as file:
        assert isinstance(file[1], rustfits.CompressedTableHDU)
    for pair in ((plain, "packed.fits"), ("packed.fits", plain), ("packed.fits", "packed.fits")):
        assert "are equal" in run("diff", *pair).stdout
    run("checksum", "--write", "packed.fits")
    assert "are equal" in run("diff", plain, "packed.fits").stdout


@pytest.mark.parametrize("compress", [None, True])
def test_cells_that_differ_are_told_by_their_columns(run, catalogue, compress, monkeypatch):
    from rustfits_cli import diff

    monkeypatch.setattr(diff, "PIECE_NBYTES", 200)
    monkeypatch.setattr(diff, "OBJECT_NROWS", 7)
    other = compressed(catalogue, compress=compress)
    options = ("--ignore", "TNULL*", "--ignore", "EXTVER")
    run("diff", catalogue, other, *options)
    with rustfits.FITS(other, "r+") as file:
        hdu = file["CAT"]
        hdu["mag"][[3, 99]] = [50, 60]
        hdu["name"][50] = "other"
        hdu["pos"][7] = [1, 2]
        hdu["any"][2] = np.array([7, 8], "i2")
        hdu["ok"][8] = False
    lines = run("diff", catalogue, other, *options, code=1).stdout.splitlines()
    counts = {"mag": 2, "name": 1, "ok": 1, "pos": 1, "any": 1}
    assert lines[:-1] == [f"HDU 2 CAT: column {name}: {count} of 100 rows differ" for name, count in counts.items()]
    shown = run("diff", catalogue, other, *options, "--atol", 100, code=1).stdout
    assert "column mag" not in shown
    assert "column name" in shown


def test_other_columns_rows_and_types_are_told(run, tmp_path):
    data = {"a": np.arange(3, dtype="i4"), "b": np.ones(3), "v": np.array([np.zeros(2, "i2")] * 3 + [None], object)[:3]}
    with rustfits.FITS("a.fits", "w+") as file:
        file.write_table(data, extname="T", var_dtypes={"v": "i2"})

    def shown(**more):
        columns = {name: column for name, column in (data | more).items() if column is not None}
        with rustfits.FITS("b.fits", "w+") as file:
            file.write_table(columns, extname="T", var_dtypes={"v": columns["v"][0].dtype.str[1:]})
        return run("diff", "a.fits", "b.fits", "--ignore", "TTYPE*", code=1).stdout

    assert "column a: int32 in A, int16 in B" in shown(a=np.arange(3, dtype="i2"))
    assert "rows differ" not in shown(a=np.arange(3, dtype="i2"))
    assert "column a: 1 of 3 rows differ" in shown(a=np.array([0, 1, 3]))
    assert "column b: float64 in A, float64 of shape (2,) in B" in shown(b=np.ones((3, 2)))
    cells = np.empty(3, object)
    cells[:] = [np.zeros(2, "f4")] * 3
    assert "column v: arrays of type I in A, arrays of type E in B" in shown(v=cells)
    assert "columns in B alone: c" in shown(c=np.ones(3))
    found = shown(b=None, c=np.ones(3))
    assert "columns in A alone: b" in found
    assert "columns in B alone: c" in found
    cells = np.empty(2, object)
    cells[:] = [np.zeros(2, "i2")] * 2
    assert "3 rows in A, 2 in B" in shown(a=np.arange(2, dtype="i4"), b=np.ones(2), v=cells)


def test_a_logical_value_that_is_missing_is_not_false(run, tmp_path):
    rustfits.write("a.fits", {"a": np.array([True, False, False])})
    rustfits.write("b.fits", {"a": np.ma.MaskedArray([True, False, False], [0, 0, 1])})
    assert "column a: 1 of 3 rows differ" in run("diff", "a.fits", "b.fits", code=1).stdout


# -- set --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("image", [False, True])
def test_the_sums_of_what_is_compressed_are_renewed(run, tmp_path, own, image):
    with rustfits.FITS("x.fits", "w+") as file:
        if image:
            file.write_image(np.arange(10_000, dtype="i2").reshape(100, 100), extname="T", compress="GZIP_1")
        else:
            file.write_table({"a": np.arange(5000)}, extname="T", compress=True)
        if own:  # those of the table that it is in the file
            hdu = super(type(file[1]), file[1])
            hdu.add_checksum()
        file[1].add_checksum()
    run("set", "x.fits", "OBJECT=M13", "EXTNAME=NEW", "--hdu", 1)
    with rustfits.FITS("x.fits") as file:
        report = file[1].verify()
        assert report.ok
        assert {report[check].status for check in ("ZDATASUM", "ZHECKSUM")} == {"ok"}
        assert ("CHECKSUM" in file[1].header) == own
    for option in ("-C", "-v"):
        subprocess.run(["funpack", option, "-O", "y.fits", "x.fits"], check=True, capture_output=True)
        done = subprocess.run(["fitsverify", "-q", "y.fits"], check=False, capture_output=True, text=True)
        assert "OK" in done.stdout
        os.remove("y.fits")


def test_sums_that_were_wrong_or_absent_stay_so(run, tmp_path):
    rustfits.write("x.fits", {"a": np.arange(5000)})
    with rustfits.FITS("x.fits", "r+") as file:
        file.write_table({"a": np.arange(5000)}, compress=True, extname="Z")
        file.write_table({"a": np.arange(5000)}, compress=True, extname="W")
        file["W"].add_checksum()
        file["W"].header["OBJECT"] = "other"
        wrong = file["W"].header["ZHECKSUM"]
    run("set", "x.fits", "OBJECT=M13", "--hdu", 1, "--hdu", "Z", "--hdu", "W")
    with rustfits.FITS("x.fits") as file:
        assert [file[key].verify_checksum() for key in (1, "Z", "W")] == [None, None, False]
        assert file["W"].header["ZHECKSUM"] == wrong


@pytest.mark.parametrize("form", ["text", "csv", "json"])
def test_of_a_table_without_columns_nothing_is_printed(run, tmp_path, form):
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), astropy_fits.BinTableHDU(name="EMPTY")]).writeto("x.fits")
    done = run("table", "x.fits", "--format", form)
    assert done.stdout == ""
    assert "HDU 1 of x.fits is a table without columns" in done.stderr
