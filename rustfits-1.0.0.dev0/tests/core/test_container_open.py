"""Names, modes and places of files."""

import gzip
import os
import pathlib
import stat
import subprocess
import sys

import numpy as np
import pytest

from rustfits.codec import registry
from rustfits.container.fitsfile import FITS
from rustfits.errors import FileMissing, FitsIOError, HandleTainted, LocationError, NotAFitsBuffer, NotAFitsFile
from rustfits.storage import gzipped
from rustfits.storage.memory import MemoryStorage

PIXELS = np.arange(12, dtype=np.int16).reshape(3, 4)


@pytest.fixture
def raw():
    with FITS("mem://", "w+") as fits:
        fits.write_image(PIXELS, extname="SCI")
        return fits.to_bytes()


@pytest.fixture
def path(tmp_path, raw):
    path = tmp_path / "image.fits"
    path.write_bytes(raw)
    return path


# -- names and modes ---------------------------------------------------------------------------------------------------


def test_a_path_may_be_a_str_or_pathlike_and_is_shown_as_given(path):
    for name in (str(path), path):
        with FITS(name) as fits:
            assert fits.filename == str(path)
            assert (fits[0].read() == PIXELS).all()
    for name in (1, 2.0, None, b"image.fits", pathlib.Path):
        with pytest.raises(TypeError):
            FITS(name)


def test_reading_needs_a_file_and_writing_anew_empties_it(tmp_path, path):
    for mode in ("r", "r+"):
        with pytest.raises(FileMissing, match=r"Failed to open .*none\.fits"):
            FITS(tmp_path / "none.fits", mode)
    with FITS(path, "w+") as fits:
        assert len(fits) == 0
        assert fits.to_bytes() == b""
    assert path.stat().st_size == 0


def test_another_mode_is_refused_before_the_file_is_touched(path, raw):
    for mode in ("w", "a", "rb", "", "R", None, 0):
        with pytest.raises(OSError, match=r"Unsupported mode.*'r', 'r\+', 'w\+'"):
            FITS(path, mode)
    assert path.read_bytes() == raw


def test_opening_and_closing_changes_nothing(path, raw):
    for mode in ("r", "r+"):
        with FITS(path, mode) as fits:
            assert fits.to_bytes() == raw
            fits.sync()
        assert path.read_bytes() == raw


def test_a_file_opened_for_reading_refuses_every_change(path, raw):
    with FITS(path) as fits:
        for change in (
            lambda: fits.write_image(PIXELS),
            lambda: fits.create_image_hdu("i2", (3,)),
            lambda: fits[0].write(PIXELS),
            lambda: fits[0].header.update({"A": 1}),
            lambda: fits.write_table(np.zeros(3, dtype=[("a", "i4")])),
        ):
            with pytest.raises(OSError, match="read-only"):
                change()
        assert (fits[0].read() == PIXELS).all()
    assert path.read_bytes() == raw


def test_fits_can_be_neither_subclassed_nor_copied(path):
    import copy
    import pickle

    with pytest.raises(TypeError, match="subclass"):
        type("Mine", (FITS,), {})
    with FITS(path) as fits:
        for act in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                act(fits)


def test_an_hdu_keeps_its_file_open(path):
    hdu = FITS(path)[0]
    assert (hdu.read() == PIXELS).all()


# -- memory ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mem://", "memkeep://"])
def test_memory_files_begin_empty_and_share_nothing(name):
    with FITS(name, "w+") as one, FITS(name, "w+") as other:
        one.write_image(PIXELS)
        assert (len(one), len(other)) == (1, 0)
        assert one.filename == name
        assert other.to_bytes() == b""
    for mode in ("r", "r+"):
        with pytest.raises(NotAFitsFile, match="empty"):
            FITS(name, mode)


def test_only_the_exact_scheme_is_memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mem://x", "MEM://", "HTTP://example.org/x.fits", "File:///x"):
        with pytest.raises(FileMissing, match="Failed to open"):
            FITS(name)


def test_bytes_make_an_equal_file_of_their_own(raw):
    for kind in (bytes, bytearray, memoryview):
        with FITS.from_bytes(kind(raw)) as fits:
            assert fits.to_bytes() == raw
            assert fits.filename == "mem://"
    source = bytearray(raw)
    fits = FITS.from_bytes(source, "r+")
    fits[0].write(PIXELS + 1)
    fits.write_image(PIXELS)
    assert source == raw
    assert len(FITS.from_bytes(fits.to_bytes())) == 2


def test_from_bytes_takes_bytes_and_two_modes(raw):
    with pytest.raises(TypeError):
        FITS.from_bytes(raw.decode("latin-1"))
    for mode in ("w+", "x", None):
        with pytest.raises(ValueError, match="mode"):
            FITS.from_bytes(raw, mode)
    with pytest.raises(TypeError):
        FITS.from_bytes(raw, lenient=True, remote=None)


def test_from_bytes_takes_a_gzip_stream(raw):
    assert FITS.from_bytes(gzip.compress(raw)).to_bytes() == raw
    with pytest.raises(NotAFitsBuffer, match="not a valid FITS"):
        FITS.from_bytes(gzip.compress(raw)[:-20])


# -- file URLs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["", "localhost", "LocalHost"])
@pytest.mark.parametrize("name", ["plain.fits", "with blank.fits", "a+b?c#d.fits", "ünï.fits", "per%cent.fits"])
def test_a_file_url_names_a_path(tmp_path, raw, host, name):
    path = tmp_path / name
    path.write_bytes(raw)
    escaped = str(path).replace("%", "%25").replace(" ", "%20").replace("ü", "%C3%BC")
    with FITS(f"file://{host}{escaped}") as fits:
        assert fits.filename == str(path)
        assert len(fits) == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file://example.org/x.fits", "example.org"),
        ("file://", "no path"),
        ("file://localhost", "no path"),
        ("file:///a%2", "percent-escape"),
        ("file:///a%zz.fits", "percent-escape"),
        ("file:///a%FF.fits", "percent-escape"),
        ("file:///a%C3", "percent-escape"),
    ],
)
def test_a_wrong_file_url_says_what_is_wrong(url, words):
    with pytest.raises(LocationError, match=words) as caught:
        FITS(url)
    assert isinstance(caught.value, ValueError)


def test_escapes_are_decoded_once(tmp_path, raw):
    (tmp_path / "a%20b.fits").write_bytes(raw)
    assert FITS(f"file://{tmp_path}/a%2520b.fits").filename == str(tmp_path / "a%20b.fits")


def test_a_file_url_can_be_written_and_compressed(tmp_path):
    with FITS(f"file://{tmp_path}/new%20one.FITS.GZ", "w+") as fits:
        fits.write_image(PIXELS)
    assert (FITS(tmp_path / "new one.FITS.GZ")[0].read() == PIXELS).all()
    assert gzip.decompress((tmp_path / "new one.FITS.GZ").read_bytes())[:6] == b"SIMPLE"


# -- whole-file gzip ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=["image.fits.gz", "image.FITS.GZ", "image.fits"], ids=["gz", "GZ", "by its first bytes"])
def packed(request, tmp_path, raw):
    path = tmp_path / "packed" / request.param
    path.parent.mkdir()
    path.write_bytes(gzip.compress(raw[:1000]) + gzip.compress(raw[1000:]))
    return path


def test_a_gzip_file_reads_as_its_content(packed, raw):
    with FITS(packed) as fits:
        assert (fits["SCI"].read() == PIXELS).all()
        assert fits.to_bytes() == raw
        with pytest.raises(OSError, match="read-only"):
            fits[0].write(PIXELS)


def test_changes_of_a_gzip_file_arrive_at_the_end_and_equal_those_of_a_plain_file(packed, path):
    before = packed.read_bytes()
    packed.chmod(0o604)
    with FITS(packed, "r+") as fits, FITS(path, "r+") as plain:
        for each in (fits, plain):
            each.write_image(PIXELS.astype("f8"), extname="NEW")
            each[0].header["NOTE"] = "changed"
        assert packed.read_bytes() == before
        assert fits.to_bytes() == plain.to_bytes()
    assert gzip.decompress(packed.read_bytes()) == path.read_bytes()
    assert stat.S_IMODE(packed.stat().st_mode) == 0o604
    assert os.listdir(packed.parent) == [packed.name]


def test_an_unchanged_gzip_file_keeps_its_bytes(packed):
    before = packed.read_bytes(), packed.stat().st_mtime_ns
    with FITS(packed, "r+") as fits:
        fits[0].read()
        fits.sync()
    assert (packed.read_bytes(), packed.stat().st_mtime_ns) == before


def test_a_gzip_file_dropped_without_close_is_saved(packed):
    fits = FITS(packed, "r+")
    fits.write_image(PIXELS)
    del fits
    assert len(FITS(packed)) == 2


def test_a_failed_close_of_a_gzip_file_keeps_the_old_one_and_closes(packed, monkeypatch):
    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    before = packed.read_bytes()
    fits = FITS(packed, "r+")
    fits.write_image(PIXELS)
    monkeypatch.setattr(gzipped.os, "replace", refuse)
    with pytest.raises(FitsIOError, match="No space left"):
        fits.close()
    assert fits.closed
    fits.close()
    assert packed.read_bytes() == before


def test_a_tainted_gzip_file_is_never_written_back(packed):
    before = packed.read_bytes()
    fits = FITS(packed, "r+")
    fits.write_image(PIXELS)
    fits[0]._force_taint()
    for act in (fits.sync, fits.close):
        with pytest.raises(HandleTainted, match=r"indeterminate state.*reopen"):
            act()
    assert packed.read_bytes() == before


def test_damaged_gzip_files_are_oserrors(tmp_path, raw):
    good = gzip.compress(raw)
    for name, content in [("a.gz", raw), ("b.gz", good[:-30]), ("c.fits", good[:-30]), ("d.fits", good[:40])]:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(OSError, match="not a valid gzip"):
            FITS(path)
    (tmp_path / "e.gz").write_bytes(b"")
    with pytest.raises(NotAFitsFile, match=r"empty.*0 bytes"):
        FITS(tmp_path / "e.gz")


def test_a_gzip_file_alive_at_the_end_of_the_process_is_saved(packed):
    program = (
        "import sys; from rustfits.container.fitsfile import FITS; f = FITS(sys.argv[1], 'r+'); f[0].header['NOTE'] = 1"
    )
    subprocess.run([sys.executable, "-c", program, str(packed)], check=True)
    assert FITS(packed)[0].header["NOTE"] == 1


def test_astropy_reads_what_is_written_under_gzip(tmp_path):
    astropy = pytest.importorskip("astropy.io.fits", reason="the peer astropy is not installed")
    path = tmp_path / "x.fits.gz"
    with FITS(path, "w+") as fits:
        fits.write_image(PIXELS)
    assert (astropy.getdata(path) == PIXELS).all()
    astropy.writeto(path, PIXELS + 1, overwrite=True)
    assert (FITS(path)[0].read() == PIXELS + 1).all()


# -- URLs that need a plugin -------------------------------------------------------------------------------------------


def test_a_url_that_nobody_opens_says_what_to_do(monkeypatch):
    monkeypatch.setattr(registry, "open_storage", lambda *_: None)
    for scheme in ("http", "https", "ftp", "ftps"):
        with pytest.raises(NotImplementedError, match=rf"{scheme}://.*download the file first"):
            FITS(f"{scheme}://example.invalid/x.fits")


def test_a_plugin_opens_urls_and_a_download_may_be_gzip(monkeypatch, raw):
    asked = []

    def answer(url, mode, options, near):
        asked.append((url, mode, options))
        content = gzip.compress(raw) if url.endswith("gz") else raw
        return MemoryStorage(content, name=url, writable=False)

    monkeypatch.setattr(registry, "open_storage", answer)
    for url in ("https://example.org/x.fits", "https://example.org/x.fits.gz", "s3://bucket/x.fits"):
        with FITS(url) as fits:
            assert fits.filename == url
            assert (fits[0].read() == PIXELS).all()
            with pytest.raises(OSError, match="read-only"):
                fits.write_image(PIXELS)
    assert [mode for _, mode, _ in asked] == ["r"] * 3
