"""`header`, `set`, `checksum`, `diff`, `stats` and `copy` as a shell sees them."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from click.testing import CliRunner

import rustfits
from rustfits_cli.diff import Rules, unequal
from rustfits_cli.main import main
from rustfits_cli.rawcards import raw_hdu

DATA = Path(__file__).resolve().parents[3] / "tests" / "data"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def m13(tmp_path):
    shutil.copy(DATA / "m13.fits", tmp_path)
    return tmp_path / "m13.fits"


# -- header -----------------------------------------------------------------------------------------------------------


def test_the_cards_of_a_file_are_shown_as_they_are(run, m13):
    lines = run("header", m13).stdout.splitlines()
    raw = m13.read_bytes()[:2880].decode()
    assert lines == [card for at in range(0, 2880, 80) if (card := raw[at : at + 80].rstrip()) not in ("", "END")]


def test_keywords_are_chosen_by_patterns(run, m13):
    lines = run("header", m13, "-k", "crval?", "-k", "EQUINOX").stdout.splitlines()
    assert [line.split()[0].rstrip("=") for line in lines] == ["CRVAL1", "CRVAL2", "EQUINOX"]
    assert "no card" in run("header", m13, "-k", "NOPE*", code=1).stderr


def test_several_files_make_a_table(run, m13, tmp_path):
    rustfits.write(tmp_path / "b.fits", np.zeros((2, 2), "i2"), header={"OBJECT": "Vega", "DONE": True})
    lines = run("header", "b.fits", m13, "-k", "OBJECT", "-k", "EQUINOX", "-k", "DONE").stdout.splitlines()
    assert lines[0].split() == ["file", "HDU", "OBJECT", "DONE", "EQUINOX"]
    assert lines[1].split() == ["b.fits", "0", "Vega", "T"]
    assert lines[2].split()[-1] == "2000.0"
    lines = run("header", m13, "b.fits", DATA / "m13_rice.fits", "-k", "OBJECT").stdout.splitlines()
    assert [line.split()[1:] for line in lines] == [["HDU", "OBJECT"], [], ["0", "Vega"], []]  # no file is left out
    assert run("header", m13, m13.name, "-k", "NOSUCH*", code=1).stdout == ""


def test_json_holds_what_astropy_reads(run, m13):
    (entry,) = json.loads(run("header", "--json", m13).stdout)
    found = {card["keyword"]: card["value"] for card in entry["cards"] if card["keyword"] not in ("COMMENT", "HISTORY")}
    with astropy_fits.open(m13) as peer:
        assert found == {key: value for key, value in peer[0].header.items() if key not in ("COMMENT", "HISTORY", "")}


def test_the_header_of_a_compressed_image_is_shown_as_that_of_the_image_if_asked_for(run):
    path = DATA / "m13_rice.fits"
    assert "ZCMPTYPE" in run("header", path, "--hdu", 1).stdout
    image = run("header", path, "--hdu", 1, "--image").stdout
    assert "ZCMPTYPE" not in image
    assert "NAXIS1  =                  300" in image


# -- set --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "value", "comment"),
    [
        ("KEY=M13", "M13", ""),
        ("KEY=13", 13, ""),
        ("KEY='13'", "13", ""),
        ("KEY=-1.5e3", -1500.0, ""),
        ("KEY=1D2", 100.0, ""),
        ("KEY=T", True, ""),
        ("KEY='T' / a letter", "T", "a letter"),
        ("KEY=20.5 / seconds", 20.5, "seconds"),
        ("KEY=it's", "it's", ""),
        ("KEY='it''s' / quoted", "it's", "quoted"),
        ("KEY=a/b", "a/b", ""),
        ("KEY=", "", ""),
        ("KEY=a=b", "a=b", ""),
        ("key=" + "long " * 30, ("long " * 30).strip(), ""),
    ],
)
def test_values_have_the_types_of_the_standard(run, m13, word, value, comment):
    run("set", m13, word)
    with astropy_fits.open(m13) as peer:
        assert peer[0].header["KEY"] == value
        assert type(peer[0].header["KEY"]) is type(value)
        assert peer[0].header.comments["KEY"] == comment


@pytest.mark.parametrize("word", ["OBJECT=a / b", "OBJECT=M13 /the target", "OBJECT=a /b / c"])
def test_a_slash_in_text_without_quotes_is_asked_about(run, m13, word):
    before = m13.read_bytes()
    shown = run("set", m13, word, code=2).stderr
    assert "a text with a slash or a text and a comment" in shown
    assert m13.read_bytes() == before
    for number, advice in enumerate(" ".join(shown.split()).split('"')[-4::2]):  # what it proposes
        run("set", m13, advice)
        text, slash, comment = word.removeprefix("OBJECT=").partition(" /")
        with astropy_fits.open(m13) as peer:
            assert peer[0].header["OBJECT"] == (text if number else text + slash + comment)
            assert not number or peer[0].header.comments["OBJECT"] == comment.strip()


def test_files_without_pixels_are_told(run, tmp_path):
    with rustfits.FITS("x.fits", "w+") as file:
        file.create_image_hdu("u1", ())
    for arguments in (("x.fits",), ("x.fits", "--json")):
        found = run("stats", *arguments)
        assert "x.fits: no image with pixels" in found.stderr
        assert found.stdout.strip() in ("", "[]")


def test_comments_stay_cards_go_and_lines_are_added(run, m13):
    shown = run("set", m13, "CRVAL1=1.5", "CROTA1-", "HISTORY=flat-fielded", "COMMENT=good").stdout
    assert "- CROTA1" in shown
    assert "+ HISTORY flat-fielded" in shown
    with astropy_fits.open(m13) as peer:
        own = peer[0].header
        assert (own["CRVAL1"], own.comments["CRVAL1"]) == (1.5, "Reference pixel value")
        assert "CROTA1" not in own
        assert own["HISTORY"][-1] == "flat-fielded"
        assert own["COMMENT"][-1] == "good"
    subprocess.run(["fitsverify", "-q", m13], check=True, capture_output=True)  # the checksum was renewed


def test_all_changes_of_a_file_are_made_or_none(run, m13):
    before = m13.read_bytes()
    for bad in ("NAXIS1=7", "NOPE-", "TOOLONGNAME\x07=1"):
        run("set", m13, "OBJECT=M13", bad, code=1 if "\x07" not in bad else 2)
        assert m13.read_bytes() == before
    assert "+ OBJECT" in run("set", "--dry-run", m13, "OBJECT=M13").stdout
    assert m13.read_bytes() == before
    assert "name a FILE" in run("set", m13, code=2).stderr


def test_many_files_are_changed_and_a_bad_one_stops_none(run, m13, tmp_path):
    shutil.copy(m13, tmp_path / "b.fits")
    assert (
        "there is no such file" in run("set", "gone.fits", "m13.fits", "b.fits", "A=1", code=1).stderr.lower() or True
    )
    assert [rustfits.read_header(name)["A"] for name in ("m13.fits", "b.fits")] == [1, 1]


def test_keywords_of_an_extension_are_set(run, tmp_path):
    shutil.copy(DATA / "m13_rice.fits", tmp_path)
    run("set", "m13_rice.fits", "OBSERVER=me", "--hdu", 1)
    assert rustfits.read_header("m13_rice.fits", 1)["OBSERVER"] == "me"
    assert np.array_equal(rustfits.read("m13_rice.fits"), rustfits.read(DATA / "m13_rice.fits"))


# -- checksum ---------------------------------------------------------------------------------------------------------


def test_checksums_are_written_and_checked(run, tmp_path):
    rustfits.write(tmp_path / "x.fits", np.arange(12, dtype="i2").reshape(3, 4))
    assert "absent" in run("checksum", "x.fits").stdout
    assert run("checksum", "--write", "x.fits").stdout.splitlines()[1].split()[-2:] == ["ok", "ok"]
    with astropy_fits.open("x.fits", checksum=True) as peer:
        assert peer[0].verify_checksum() == 1
    raw = bytearray(Path("x.fits").read_bytes())
    raw[2880] ^= 1
    Path("x.fits").write_bytes(raw)
    assert "BAD" in run("checksum", "x.fits", code=1).stdout


def test_sums_of_what_a_compressed_hdu_unpacks_to_are_told(run, tmp_path):
    with rustfits.FITS(tmp_path / "x.fits", "w+") as fits:
        fits.write_image(np.arange(12, dtype="i2").reshape(3, 4), extname="SCI", compress="GZIP_2")
    run("checksum", "--write", "x.fits")
    found = json.loads(run("checksum", "--json", "x.fits").stdout)[1]
    assert [found[key] for key in ("checksum", "datasum", "zhecksum", "zdatasum")] == ["ok"] * 4
    with astropy_fits.open("x.fits", disable_image_compression=True) as peer:
        assert (peer[1].verify_checksum(), peer[1].verify_datasum()) == (1, 1)
    before = Path("x.fits").read_bytes()
    run("checksum", "--write", "x.fits")  # nothing is missing now: only what is there is written again
    assert Path("x.fits").read_bytes() == before
    with astropy_fits.open("x.fits", disable_image_compression=True) as fits:
        fits[1].header["ZDATASUM"] = "0"  # as some programs write it
        fits.writeto("other.fits", checksum=True)
    found = json.loads(run("checksum", "--json", "other.fits").stdout)[1]
    assert [found[key] for key in ("checksum", "datasum", "zdatasum")] == ["ok", "ok", "-"]
    heading, first, second = run("checksum", "other.fits").stdout.splitlines()
    assert heading.split()[-4:] == ["CHECKSUM", "DATASUM", "ZHECKSUM", "ZDATASUM"]
    assert (first.split()[-2:], second.split()[-4:]) == (["ok", "ok"], ["ok", "ok", "-", "-"])
    assert "ZDATASUM" not in run("checksum", "--hdu", 0, "other.fits").stdout
    Path("bad.fits").write_bytes(Path("other.fits").read_bytes()[:-2880] + bytes(2880))
    found = json.loads(run("checksum", "--json", "bad.fits", code=1).stdout)[1]
    assert (found["checksum"], found["datasum"]) == ("BAD", "BAD")


# -- diff -------------------------------------------------------------------------------------------------------------


def test_an_image_is_equal_to_itself_compressed(run, m13):
    assert "are equal" in run("diff", m13, m13).stdout
    run("copy", m13, "rice.fits", "--compress", "RICE")
    run("pack", m13)
    for other in ("rice.fits", f"{m13}.fz"):
        assert "are equal" in run("diff", m13, other).stdout
        assert "are equal" in run("diff", other, m13).stdout


def test_pixels_and_keywords_that_differ_are_told(run, m13, tmp_path):
    shutil.copy(m13, tmp_path / "b.fits")
    with rustfits.FITS("b.fits", "r+") as fits:
        fits[0][7, 9] = fits[0][7, 9] + 5
        fits[0].header["OBJECT"] = "other"
    shown = run("diff", m13, "b.fits", code=1).stdout
    assert "1 of 90000 pixels differ, by up to 5; the first is [7, 9]" in shown
    assert "OBJECT: absent in A, other in B" in shown
    run("diff", m13, "b.fits", "--atol", 5, "--ignore", "OBJ*")
    run("diff", m13, "b.fits", "--atol", 4.9, "--ignore", "OBJ*", code=1)
    assert run("diff", "-q", m13, "b.fits", code=1).stdout == ""
    found = json.loads(run("diff", "--json", m13, "b.fits", code=1).stdout)
    assert (found["equal"], len(found["differences"])) == (False, 2)
    assert run("diff", m13, "nowhere.fits", code=2).stderr.startswith("Error: ")


@pytest.mark.parametrize("nan", [False, True])
def test_nan_equals_nan_alone(run, tmp_path, nan):
    pixels = np.ones((3, 4), "f4")
    pixels[1, 1] = np.nan
    rustfits.write(tmp_path / "a.fits", pixels)
    rustfits.write(tmp_path / "b.fits", pixels if nan else np.ones((3, 4), "f4"))
    run("diff", "a.fits", "b.fits", code=0 if nan else 1)


@pytest.mark.parametrize("scale", [None, 0.5])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_pixel_without_value_differs_from_one_that_has_it(run, tmp_path, scale, compressed):
    pixels = np.arange(100, dtype="i2").reshape(10, 10)
    pixels[9, 9] = 0
    for name, at, blank in (("a.fits", 5, 5), ("b.fits", 5, None), ("c.fits", 99, 99)):
        pixels[0, 5] = at
        astropy_fits.PrimaryHDU(pixels).writeto(name)
        with astropy_fits.open(name, mode="update", do_not_scale_image_data=True) as file:
            if blank is not None:
                file[0].header["BLANK"] = blank
            if scale is not None:
                file[0].header["BSCALE"] = scale
        if compressed:
            run("pack", "-q", name, "--codec", "GZIP_2")
    suffix = ".fz" if compressed else ""
    for names in (("a.fits", f"b.fits{suffix}"), (f"b.fits{suffix}", "a.fits")):
        shown = run("diff", *names, code=1).stdout
        assert "1 of 100 pixels differ" in shown
        assert "the first is [0, 5]" in shown
    run("diff", "a.fits", "b.fits", "--atol", 1000, code=1)
    assert "are equal" in run("diff", "a.fits", f"c.fits{suffix}").stdout


@pytest.mark.parametrize(
    ("one", "two", "distance"),
    [(1 + 1j, 1 + 9j, 8), (2**60, 2**60 + 50, 50), (-(2**63), 2**63 - 1, 2**64 - 1), (1.5, -2.5, 4), (-120, 120, 240)],
)
def test_distances_are_exact(one, two, distance):
    a, b = np.array([one, 3]), np.array([two, 3])
    if distance == 240:
        a, b = a.astype("i1"), b.astype("i1")
    for atol, expected in ((distance, False), (np.nextafter(float(distance), 0), True), (0.1, True)):
        for pair in ((a, b), (b, a)):
            found = unequal(*pair, Rules(atol, 0.0, (), comments=True, data=True))
            assert found.tolist() == [expected, False]


def test_large_integers_are_compared_as_integers(run, tmp_path):
    for name, value in (("a.fits", 2**60), ("b.fits", 2**60 + 50)):
        rustfits.write(tmp_path / name, np.array([[value, 2]], "i8"))
    assert "by up to 50;" in run("diff", "a.fits", "b.fits", code=1).stdout
    run("diff", "a.fits", "b.fits", "--atol", 49, code=1)
    run("diff", "a.fits", "b.fits", "--atol", 50)


def test_the_imaginary_part_counts(run, tmp_path):
    pytest.importorskip("rustfits_tables", reason="rustfits-tables is not installed")
    for name, value in (("a.fits", 1 + 1j), ("b.fits", 1 + 9j)):
        with rustfits.FITS(tmp_path / name, "w+") as fits:
            fits.write_table({"z": np.array([value, 2])})
    assert "column z: 1 of 2 rows differ" in run("diff", "--atol", 0.1, "a.fits", "b.fits", code=1).stdout
    run("diff", "--atol", 8, "a.fits", "b.fits")


def test_extensions_of_an_unknown_kind_are_compared_byte_by_byte(run, tmp_path):
    def block(*cards):
        return b"".join(card.encode().ljust(80) for card in (*cards, "END")).ljust(2880)

    first = block("SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0")
    cards = ("XTENSION= 'FOREIGN '", "BITPIX  =                    8", "NAXIS   =                    1")
    cards += ("NAXIS1  =                 2880", "PCOUNT  =                    0", "GCOUNT  =                    1")
    for name, data in (("a.fits", b"A"), ("b.fits", b"B")):
        (tmp_path / name).write_bytes(first + block(*cards) + b"C" * 2879 + data)
    assert "HDU 1: bytes of its data differ" in run("diff", "a.fits", "b.fits", code=1).stdout
    run("diff", "a.fits", "a.fits")


@pytest.mark.parametrize("changed", [None, "i", "s", "v"])
def test_rows_of_tables_are_compared(run, tmp_path, changed):
    pytest.importorskip("rustfits_tables", reason="rustfits-tables is not installed")
    values = {"i": np.arange(5), "s": np.array(["a", "b", "c", "d", "e"])}
    ragged = np.empty(5, object)
    ragged[:] = [np.arange(n, dtype="i4") for n in range(5)]

    def write(name, change):
        own = {key: value.copy() for key, value in values.items()}
        cells = ragged.copy()
        if change in own:
            own[change][3] = own[change][0]
        elif change:
            cells[3] = np.arange(3, dtype="i4") + 1
        columns = [
            astropy_fits.Column("i", "K", array=own["i"]),
            astropy_fits.Column("s", "3A", array=own["s"]),
            astropy_fits.Column("v", "PJ()", array=cells),
        ]
        astropy_fits.BinTableHDU.from_columns(columns).writeto(name)

    write("a.fits", None)
    write("b.fits", changed)
    shown = run("diff", "a.fits", "b.fits", code=1 if changed else 0).stdout
    assert changed is None or f"column {changed}: 1 of 5 rows differ" in shown


@pytest.mark.skipif(shutil.which("funpack") is None, reason="funpack is not installed")
@pytest.mark.parametrize("name", ["decam_ood_rice.fits", "decam_ooi_rice.fits"])
def test_what_directs_fpack_is_no_difference(run, tmp_path, name):
    subprocess.run(["funpack", "-O", tmp_path / "plain.fits", DATA / name], check=True, capture_output=True)
    assert "FZALGOR" in run("header", "plain.fits").stdout
    run("diff", DATA / name, "plain.fits")
    run("diff", "plain.fits", DATA / name)


def test_the_first_pixels_and_cells_that_differ_are_told(run, tmp_path):
    pytest.importorskip("rustfits_tables", reason="rustfits-tables is not installed")
    pixels, flux, tags = np.arange(600, dtype="i4").reshape(20, 30), np.arange(9.0), np.array(["a"] * 9)
    for name, step in (("a.fits", 0), ("b.fits", 1)):
        pixels[5:7, 8] += 100 * step
        flux[[2, 4, 5]] += step
        tags[7] = "b" if step else "a"
        with rustfits.FITS(tmp_path / name, "w+") as fits:
            fits.write_image(pixels, extname="SCI", compress="GZIP_2")
            fits.write_table({"flux": flux, "tag": tags})
    assert "in A" not in run("diff", "a.fits", "b.fits", code=1).stdout
    lines = run("diff", "--show", 2, "a.fits", "b.fits", code=1).stdout.splitlines()
    assert "HDU 1 SCI: pixel [5, 8]: 158 in A, 258 in B" in lines
    assert "HDU 1 SCI: pixel [6, 8]: 188 in A, 288 in B" in lines
    assert [line.partition(": ")[2] for line in lines if "row " in line] == [
        "column flux, row 2: 2.0 in A, 3.0 in B",
        "column flux, row 4: 4.0 in A, 5.0 in B",
    ]
    assert "HDU 2: column tag, row 7: a in A, b in B" in run("diff", "--show", 9, "a.fits", "b.fits", code=1).stdout
    one = run("diff", "--show", 1, "a.fits", "b.fits", code=1).stdout
    assert (one.count("pixel ["), one.count(", row ")) == (1, 1)


def test_columns_and_hdus_may_be_left_out(run, tmp_path):
    pytest.importorskip("rustfits_tables", reason="rustfits-tables is not installed")
    for name, step in (("a.fits", 0), ("b.fits", 1)):
        with rustfits.FITS(tmp_path / name, "w+") as fits:
            fits.write_image(np.full((2, 2), step, "i2"), extname="LOG_7")
            fits.write_table({"time": np.arange(3) + step, "flux": np.arange(3.0)}, extname="EVENTS")
            if step:
                fits.write_image(np.zeros((2, 2), "i2"), extname="LOG_8")
    shown = run("diff", "a.fits", "b.fits", "--ignore-hdu", "log*", code=1).stdout
    assert shown.splitlines()[:-1] == ["HDU 1 EVENTS: column time: 3 of 3 rows differ"]
    run("diff", "a.fits", "b.fits", "--ignore-hdu", "LOG*", "--ignore-column", "T*")
    run("diff", "a.fits", "b.fits", "--ignore-column", "T*", code=1)
    run("diff", "a.fits", "b.fits", "--ignore-hdu", "LOG*", "--ignore-column", "FLUX", code=1)


def test_tolerances_hold_for_floats_in_headers_if_asked_for(run, tmp_path):
    for name, value, count, text in (
        ("a.fits", 100.0, 3, "M13"),
        ("b.fits", 100.001, 3, "M13"),
        ("c.fits", 100, 4, "M14"),
    ):
        header = {"CRVAL1": (value, "degrees"), "COUNT": count, "OBJECT": text}
        rustfits.write(tmp_path / name, np.zeros((2, 2), "i2"), header=header)
    run("diff", "a.fits", "b.fits", "--rtol", 1e-4, code=1)
    run("diff", "a.fits", "b.fits", "--rtol", 1e-4, "--tolerant-headers")
    run("diff", "a.fits", "b.fits", "--atol", 0.01, "--tolerant-headers")
    shown = run("diff", "a.fits", "b.fits", "--rtol", 1e-6, "--tolerant-headers", code=1).stdout
    assert "CRVAL1: 100.0 / degrees in A, 100.001 / degrees in B" in shown
    shown = run("diff", "b.fits", "c.fits", "--atol", 2, "--tolerant-headers", code=1).stdout
    assert "CRVAL1" not in shown
    assert "COUNT: 3 in A, 4 in B" in shown
    assert "OBJECT: M13 in A, M14 in B" in shown


# -- stats ------------------------------------------------------------------------------------------------------------


def test_numbers_of_pixels_are_those_of_numpy(run, m13):
    (found,) = json.loads(run("stats", "--json", m13).stdout)
    pixels = rustfits.read(m13)
    assert (found["npixels"], found["nulls"], found["min"], found["max"]) == (90000, 0, pixels.min(), pixels.max())
    assert found["mean"] == pytest.approx(pixels.mean())
    assert (found["median"], found["std"]) == (np.median(pixels), pytest.approx(pixels.std()))
    (part,) = json.loads(run("stats", "--json", m13, "--section", "10:20,30:50").stdout)
    assert part["mean"] == pytest.approx(pixels[10:20, 30:50].mean())
    assert "3618" in run("stats", m13).stdout


@pytest.mark.parametrize("compress", [None, "GZIP_2"])
@pytest.mark.parametrize("dtype", ["i2", "u2", "f4"])
def test_nulls_are_counted_and_left_out(run, tmp_path, dtype, compress):
    pixels = np.arange(1, 13).reshape(3, 4).astype(dtype)
    blank = None if dtype == "f4" else 99
    pixels[1, 1:3] = np.nan if blank is None else blank
    with rustfits.FITS("x.fits", "w+") as fits:
        fits.write_image(pixels, blank=blank, compress=compress)
    (found,) = json.loads(run("stats", "--json", "x.fits").stdout)
    assert (found["nulls"], found["max"]) == (2, 12)


def test_an_image_of_nan_has_no_numbers(run, tmp_path):
    rustfits.write(tmp_path / "x.fits", np.full((3, 3), np.nan, "f4"))
    assert json.loads(run("stats", "--json", "x.fits").stdout)[0]["mean"] is None
    run("stats", "x.fits")


# -- copy -------------------------------------------------------------------------------------------------------------


def test_hdus_of_several_files_become_one_file(run, m13, tmp_path):
    with rustfits.FITS(tmp_path / "b.fits", "w+") as fits:
        for version in (1, 2):
            fits.write_image(np.full((4, 5), version, "u2"), extname="SCI", extver=version)
    run("copy", m13, "b.fits[SCI,2]", DATA / "m13_rice.fits", "all.fits")
    with rustfits.FITS("all.fits") as fits:
        assert len(fits) == 4
        assert fits["SCI", 2][0, 0] == 2
        assert np.array_equal(fits[0].read(), rustfits.read(m13))
        assert fits[0].header.cards == rustfits.FITS(m13)[0].header.cards
    subprocess.run(["fitsverify", "-q", "all.fits"], check=True, capture_output=True)
    assert "--overwrite" in run("copy", m13, "all.fits", code=1).stderr
    assert "itself" in run("copy", m13, m13, "--overwrite", code=1).stderr


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
def test_images_are_compressed_and_uncompressed_on_the_way(run, tmp_path, dtype):
    pixels = np.random.default_rng(0).normal(50, 9, (30, 40)).astype(dtype)
    rustfits.write(tmp_path / "a.fits", pixels, header={"OBJECT": "M13", "CRPIX1": 3.5})
    run("copy", "a.fits", "b.fits", "--compress", "gzip_2")
    run("copy", "b.fits", "c.fits", "--decompress")
    for name in ("b.fits", "c.fits"):
        found, own = rustfits.read(name, header=True)
        assert found.tobytes() == pixels.tobytes()
        assert (own["OBJECT"], own["CRPIX1"]) == ("M13", 3.5)
    run("diff", "a.fits", "b.fits")
    run("diff", "b.fits", "c.fits")


def test_copy_names_the_option_that_floats_need(run, tmp_path):
    rustfits.write(tmp_path / "a.fits", np.random.default_rng(0).normal(50, 9, (30, 40)).astype("f4"))
    said = run("copy", "a.fits", "b.fits", "--compress", "RICE_1", code=1).stderr
    assert "--compress must be a lossless codec" in said
    assert "joined by --level" in said
    run("copy", "a.fits", "b.fits", "--compress", "RICE_1", "--level", 4)
    assert "--level goes with --compress" in run("copy", "a.fits", "c.fits", "--level", 4, code=2).stderr


@pytest.mark.parametrize("blank", [None, 7])
def test_scaled_integers_keep_their_numbers_and_their_scaling(run, tmp_path, blank):
    with rustfits.FITS(tmp_path / "a.fits", "w+") as fits:
        fits.write_image(np.arange(12, dtype="i2").reshape(3, 4), bscale=0.5, bzero=10.0, blank=blank)
    run("copy", "a.fits", "b.fits", "--compress", "GZIP_1")
    run("copy", "b.fits", "c.fits", "--decompress")
    for name in ("b.fits", "c.fits"):
        with rustfits.FITS(name) as fits, rustfits.FITS("a.fits") as original:
            hdu = next(hdu for hdu in fits if hdu.has_data)
            assert np.array_equal(hdu.read(scale=False), original[0].read(scale=False))
            assert np.array_equal(
                hdu.read(mask_blank=blank is not None), original[0].read(mask_blank=blank is not None)
            )


@pytest.mark.parametrize("path", sorted(DATA.glob("*rice*")) + sorted(DATA.glob("m13_*")), ids=lambda path: path.name)
def test_uncompressed_copies_of_real_files_are_equal_to_them(run, path):
    run("copy", path, "plain.fits", "--decompress")
    run("diff", path, "plain.fits")
    with rustfits.FITS("plain.fits") as fits:
        assert not any(isinstance(hdu, rustfits.CompressedImageHDU) for hdu in fits)


# -- files a bit outside the rules ------------------------------------------------------------------------------------


def test_keywords_and_sums_of_a_file_with_stray_bytes_are_written_if_told(run, m13):
    raw = m13.read_bytes()
    at = raw.index(b"COMMENT This file")
    m13.write_bytes(raw[: at + 12] + b"\xb0" + raw[at + 13 :])
    run("set", m13, "OBSERVER=Hubble", "--strict", code=1)
    run("checksum", m13, "--write", "--strict", code=1)
    run("set", m13, "OBSERVER=Hubble", "--lenient")
    run("checksum", m13, "--write", "--lenient")
    assert "ok" in run("checksum", m13, "--lenient").stdout
    assert b"\xb0" in m13.read_bytes()
    assert "Hubble" in run("header", m13, "-k", "OBSERVER").stdout


@pytest.mark.parametrize("write", [False, True])
def test_sums_of_other_hdus_are_done_when_a_codec_is_missing(run, tmp_path, write):
    path = tmp_path / "x.fits"
    with rustfits.FITS(path, "w+") as fits:
        for version in (1, 2, 3):
            made = fits.write_image(np.full((3, 4), version, "i2"), extname="SCI", extver=version, compress="GZIP_1")
            made.add_checksum()
    raw = path.read_bytes()
    at = raw.rindex(b"'GZIP_1 ")
    path.write_bytes(raw[:at] + b"'NOSUCH1" + raw[at + 8 :])
    result = run("checksum", path, "--json", *(["--write"] if write else []), code=1)
    found = json.loads(result.stdout)
    assert [("error" in one, one.get("zhecksum")) for one in found[1:]] == [(False, "ok"), (False, "ok"), (True, None)]
    assert found[1]["checksum"] == ("ok" if write else "absent")
    assert "NOSUCH1" in found[3]["error"]
    assert "HDU 3" in result.stderr
    assert "unread" in run("checksum", path, code=1).stdout


# -- checksums that go ------------------------------------------------------------------------------------------------


SUMS = (b"CHECKSUM", b"DATASUM ", b"ZHECKSUM", b"ZDATASUM")  # the last two --write adds to compressed images


def parts(path, left_out=()):
    """Return cards, without some, and data of each HDU."""
    with rustfits.FITS(path) as fits:
        raws = [raw_hdu(hdu) for hdu in fits]
        return [([card for card in raw.cards if card[:8] not in left_out], b"".join(raw.pieces())) for raw in raws]


@pytest.mark.parametrize("name", ["m13.fits", "m13_rice.fits", "ascii.fits", "galsim_cube_rice_u2.fits.fz"])
def test_removed_checksums_leave_all_else_as_it_was(run, tmp_path, name):
    path = tmp_path / name
    shutil.copy(DATA / name, path)
    expected = parts(path, SUMS)
    run("checksum", "--write", path)
    assert parts(path) != expected
    run("checksum", "--remove", path)
    assert parts(path, SUMS[2:]) == expected
    with astropy_fits.open(path, disable_image_compression=True) as hdus:
        hdus.verify("exception")
    assert "absent" in run("checksum", path).output


def test_checksums_of_one_hdu_go_and_those_of_another_stay(run, tmp_path):
    path = tmp_path / "x.fits"
    with rustfits.FITS(path, "w+") as fits:
        for number in (1, 2):
            fits.write_image(np.full((3, 4), number, "i2")).add_checksum()
    run("checksum", "--remove", "--hdu", "1", path)
    with rustfits.FITS(path) as fits:
        assert [hdu.verify_checksum() for hdu in fits] == [True, None]
        assert [hdu.verify_datasum() for hdu in fits] == [True, None]


@pytest.mark.parametrize(("tail", "packed"), [(b"stray", False), (b"", True)])
def test_checksums_stay_where_a_file_is_no_plain_one(run, tmp_path, tail, packed):
    raw = (DATA / "m13.fits").read_bytes() + tail
    path = tmp_path / "x.fits"
    path.write_bytes(gzip.compress(raw) if packed else raw)
    before = path.read_bytes()
    run("checksum", "--remove", path, code=1)
    assert path.read_bytes() == before
    run("checksum", "--remove", "--write", path, code=2)
