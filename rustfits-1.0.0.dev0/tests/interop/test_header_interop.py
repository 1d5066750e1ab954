"""Headers written here, as astropy, CFITSIO and fitsverify read them; headers of real files, as astropy shows them."""

import gzip
import os
import re
import shutil
import subprocess
import warnings
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from rustfits.header.cards import Cards
from rustfits.header.header import FITSHeader
from rustfits.header.state import HeaderState
from rustfits.storage.memory import MemoryStorage
from rustfits.storage.openfile import OpenFile

HERE = Path(__file__).resolve()
FOLDERS = [
    Path(os.environ.get("RUSTFITS_TELESCOPE_FILES", HERE.parents[3] / "shared" / "data")),
    HERE.parents[1] / "data",
]
FILES = {path.name: path for folder in FOLDERS if folder.is_dir() for path in sorted(folder.glob("*.fits*"))}

PRIMARY = [("SIMPLE", True, "conforms to FITS"), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)]
PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
TEXT = st.text(st.one_of(PRINTABLE, st.sampled_from("'& /")), max_size=300).map(lambda text: text.rstrip(" "))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
NORMAL = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)  # CFITSIO reads no others
COMPLEX = st.complex_numbers(allow_nan=False, allow_infinity=False)
COMMENTS = st.text(PRINTABLE, max_size=15).map(lambda text: text.strip(" "))
KEYS = st.from_regex("[A-Z][A-Z0-9_-]{0,6}Q", fullmatch=True)
HIERARCH = st.from_regex("ESO [A-Z][A-Z0-9]{0,9}( [A-Z0-9]{1,9}){1,2}", fullmatch=True)

LIMITS = settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def entries(values):
    """Entries of standard and HIERARCH keywords whose values and comments fit their cards."""

    def fit(found):
        return {
            key: (value, comment if isinstance(value, str) or " " not in key else "")
            for key, (value, comment) in found.items()
            if " " not in key or not isinstance(value, complex)
        }

    return st.dictionaries(st.one_of(KEYS, HIERARCH), st.tuples(values, COMMENTS), min_size=1, max_size=10).map(fit)


def write(path, header):
    """Write an empty primary HDU, assigning through the live view; an image stands behind it."""
    file = OpenFile(MemoryStorage(), "memory", "w+")
    cards = Cards.build(PRIMARY)
    image = Cards.build(
        [("XTENSION", "IMAGE"), ("BITPIX", 8), ("NAXIS", 1), ("NAXIS1", 9), ("PCOUNT", 0), ("GCOUNT", 1)]
    )
    with file.changing():
        extent = file.append(cards.encode(), 0)
        file.append(image.encode(), 9)
    view = FITSHeader._of(HeaderState(file, extent, cards))
    header(view)
    path.write_bytes(file.storage.read(0, file.storage.size()))


def write_values(path, values):
    write(path, lambda view: [view.__setitem__(key, entry) for key, entry in values.items()])


@given(values=entries(st.one_of(st.booleans(), st.integers(-(2**63), 2**64 - 1), FINITE, COMPLEX, TEXT)))
@LIMITS
def test_astropy_reads_the_values_and_comments_assigned_here(tmp_path, values):
    fits = pytest.importorskip("astropy.io.fits", reason="peer not installed: astropy")
    # astropy ends a text at a quote that a slash follows, whoever wrote the card (its issue 18831).
    values = {key: entry for key, entry in values.items() if not re.search("' */", f"{entry[0]}")}
    write_values(tmp_path / "a.fits", values)
    with fits.open(tmp_path / "a.fits") as peer:
        peer.verify("exception")
        header = peer[0].header
        assert len(peer) == 2
        for key, (value, comment) in values.items():
            assert header[key] == value, key
            assert type(header[key]) is type(value)
            assert header.comments[key] == comment


@given(values=entries(st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), NORMAL, TEXT)))
@LIMITS
def test_cfitsio_reads_the_values_assigned_here(tmp_path, values):
    fitsio = pytest.importorskip("fitsio", reason="peer not installed: fitsio")
    # CFITSIO may take a second equals sign of a HIERARCH card for the value indicator, whoever wrote the card.
    values = {key: entry for key, entry in values.items() if " " not in key or "=" not in f"{entry}"}
    write_values(tmp_path / "a.fits", values)
    header = fitsio.read_header(str(tmp_path / "a.fits"))
    for key, (value, _) in values.items():
        assert header[key] == value, key
        assert type(header[key]) is type(value)


def verify(path):
    program = shutil.which("fitsverify")
    if program is None:
        pytest.skip("peer not installed: fitsverify")
    report = subprocess.run([program, str(path)], capture_output=True, text=True, check=False).stdout
    lines = report.splitlines()
    # The recommendation to announce long strings predates FITS 4.0, which makes them part of the standard.
    return [
        line
        for number, line in enumerate(lines)
        if line.startswith("***")
        and "Verification found" not in line
        and "recommended LONGSTRN" not in lines[number + 1]
    ]


@given(
    values=entries(st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), FINITE, COMPLEX, TEXT)),
    texts=st.lists(st.text(PRINTABLE, max_size=200), max_size=3),
)
@settings(LIMITS, max_examples=25)
def test_fitsverify_finds_nothing_wrong_with_changed_headers(tmp_path, values, texts):
    def change(view):
        for number, text in enumerate(texts):
            view.add_comment(text)
            view.add_history(text)
            if number:
                view.add_blank("x" + text)
        view.update(values)
        for key in list(values)[::2]:
            view[key] = ("another value" * 10, "a comment")
        for key in list(values)[1::2]:
            del view[key]

    write(tmp_path / "a.fits", change)
    assert verify(tmp_path / "a.fits") == []


def test_a_header_that_grew_is_read_by_others_with_the_image_behind_it(tmp_path):
    fits = pytest.importorskip("astropy.io.fits", reason="peer not installed: astropy")
    fitsio = pytest.importorskip("fitsio", reason="peer not installed: fitsio")
    write_values(tmp_path / "a.fits", {f"KEY{number}": (number / 7, "a seventh") for number in range(200)})
    with fits.open(tmp_path / "a.fits") as peer:
        assert [peer[0].header[f"KEY{number}"] for number in range(200)] == [number / 7 for number in range(200)]
        assert not peer[1].data.any()
    np.testing.assert_array_equal(fitsio.read(str(tmp_path / "a.fits"), ext=1), np.zeros(9, np.uint8))
    assert verify(tmp_path / "a.fits") == []


def shown_by(peer):
    """Return value and comment by keyword, the first card of each, as astropy shows them."""
    fits = pytest.importorskip("astropy.io.fits", reason="peer not installed: astropy")
    shown = {}
    for card in peer.header.cards:
        if card.keyword not in ("COMMENT", "HISTORY", ""):
            value = None if isinstance(card.value, fits.card.Undefined) else card.value
            shown.setdefault(card.keyword.upper(), (value, type(value), card.comment))
    return shown


@pytest.mark.parametrize(
    "name", sorted(FILES) or [pytest.param("", marks=pytest.mark.skip(reason="no telescope files here"))]
)
def test_keywords_values_and_comments_of_real_files_are_those_astropy_shows(name):
    fits = pytest.importorskip("astropy.io.fits", reason="peer not installed: astropy")
    raw = FILES[name].read_bytes()
    if raw.startswith(b"\x1f\x8b"):
        raw = gzip.decompress(raw)
    # The compressed-image view of astropy hides the keywords of the table.
    with warnings.catch_warnings(), fits.open(FILES[name], disable_image_compression=True) as file:
        warnings.simplefilter("ignore")
        for peer in file:
            place = peer.fileinfo()
            cards = Cards.parse(raw[place["hdrLoc"] : place["datLoc"]])
            found = {key.upper(): cards.get(key) for key in cards.keys() if key not in ("COMMENT", "HISTORY", "")}  # noqa: SIM118
            shown = shown_by(peer)
            assert list(found) == list(shown)
            for key, value in found.items():
                assert (value, type(value), cards.comment(key)) == shown[key], key
            for key in "COMMENT", "HISTORY":
                assert cards.commentary(key) == list(peer.header.get(key, []))
            assert cards.encode() == raw[place["hdrLoc"] : place["datLoc"]]


def test_headers_written_by_astropy_with_every_convention_are_read(tmp_path):
    fits = pytest.importorskip("astropy.io.fits", reason="peer not installed: astropy")
    header = fits.Header()
    values = {
        "INT": 5,
        "HUGE": 2**70,
        "REAL": -1.5e-300,
        "COMPLEX": 1 + 2j,
        "LOGICAL": True,
        "STRING": "it's / text",
        "LONG": "text's & long " * 19 + "end",
        "UNDEF": None,
    }
    header.update({key: (value, "a comment") for key, value in values.items()})
    header["HIERARCH ESO det DIT"] = (1.5, "s")
    header["HIERARCH ESO LONG"] = "x" * 150
    for text in ("one", "y" * 100):
        header.add_comment(text)
        header.add_history(text)
    header.add_blank("blank text")
    fits.PrimaryHDU(header=header).writeto(tmp_path / "a.fits")
    cards = Cards.parse((tmp_path / "a.fits").read_bytes())
    for key, value in values.items():
        assert cards.get(key) == value, key
        assert cards.comment(key) == "a comment"
    assert cards.get("eso det dit") == 1.5
    assert cards.get("ESO LONG") == "x" * 150
    assert cards.commentary("COMMENT") == ["one", "y" * 72, "y" * 28]
    assert cards.commentary("") == ["blank text"]


def test_headers_written_by_cfitsio_are_read(tmp_path):
    fitsio = pytest.importorskip("fitsio", reason="peer not installed: fitsio")
    values = {"INT": 5, "REAL": 1.5e-300, "LOGICAL": True, "STRING": "it's", "LONG": "long & text" * 20}
    fitsio.write(str(tmp_path / "a.fits"), np.zeros(4, "i2"), header=values)
    cards = Cards.parse((tmp_path / "a.fits").read_bytes()[:2880])
    for key, value in values.items():
        assert cards.get(key) == value, key
