"""Files compressed as a whole: known by their first bytes, read within bounds, by whatever name and road."""

import bz2
import gzip
import io
import lzma
import random
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits
from rustfits import FITS, FitsIOError, NotSupported
from rustfits.storage import packed
from rustfits.storage.packed import PACKINGS, packing_named, packing_of, unpack

PIXELS = np.arange(12000, dtype="i2").reshape(100, 120)


def lzw(content, bits=16):
    """Compress as the program compress does: codes of 9 bits and more, of which eight fill whole bytes (block mode)."""
    out, pending, npending, width, ncodes = bytearray(b"\x1f\x9d" + bytes([0x80 | bits])), 0, 0, 9, 0
    table = {bytes([value]): value for value in range(256)}
    next_code, prefix = 257, b""

    def emit(code):
        nonlocal pending, npending, ncodes
        pending |= code << npending
        npending += width
        ncodes += 1
        while npending >= 8:
            out.append(pending & 255)
            pending, npending = pending >> 8, npending - 8

    for value in content:
        longer = prefix + bytes([value])
        if longer in table:
            prefix = longer
            continue
        emit(table[prefix])
        if next_code < 1 << bits:
            if next_code == 1 << width:  # the decoder has one entry fewer, and widens after the same code
                while ncodes % 8:
                    emit(0)
                width, ncodes = width + 1, 0
            table[longer] = next_code
            next_code += 1
        prefix = bytes([value])
    if prefix:
        emit(table[prefix])
    if npending:
        out.append(pending & 255)
    return bytes(out)


def zstd(content, frames=1):
    package = pytest.importorskip("zstandard", reason="the package zstandard is not installed")
    compressor, step = package.ZstdCompressor(), -(-len(content) // frames)
    return b"".join(compressor.compress(content[at : at + step]) for at in range(0, len(content), step))


def compressed_lzw(content):
    pytest.importorskip("uncompresspy", reason="the package uncompresspy is not installed")
    return lzw(content)


KINDS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd, "compress": compressed_lzw}
READ_ONLY = [name for name in KINDS if name != "gzip"]


@pytest.fixture(scope="module")
def raw():
    with FITS("mem://", "w+") as fits:
        fits.write_image(PIXELS)
        fits.write_image(PIXELS.astype("i4"), compress="GZIP_2", extname="PACKED")
        return fits.to_bytes()


def check(fits):
    assert (fits[0].read() == PIXELS).all()
    assert (fits["PACKED"][20:50, 7] == PIXELS[20:50, 7]).all()


@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz", "a.fits.bz2", "a", "a.fits.Z"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_compressed_file_is_read_whatever_its_name(tmp_path, raw, kind, name):
    path = tmp_path / name
    path.write_bytes(KINDS[kind](raw))
    with FITS(path) as fits:
        check(fits)
        assert fits.to_bytes() == raw
    assert (rustfits.read(path) == PIXELS).all()
    assert rustfits.read_header(path)["NAXIS1"] == 120
    with FITS(f"file://{path}") as fits:
        check(fits)


@pytest.mark.parametrize("kind", KINDS)
def test_compressed_bytes_and_file_objects_are_read(raw, kind):
    content = KINDS[kind](raw)
    with FITS.from_bytes(content) as fits:
        check(fits)
    with FITS(io.BytesIO(content)) as fits:
        check(fits)


@pytest.mark.parametrize("program", ["bzip2", "xz", "zstd"])
def test_programs_write_what_is_read(tmp_path, raw, program):
    if program == "zstd":
        pytest.importorskip("zstandard", reason="the package zstandard is not installed")
    path = tmp_path / "a.fits"
    path.write_bytes(raw)
    try:
        subprocess.run([program, "-q", "-k", "-f", str(path)], check=True)
    except FileNotFoundError:
        pytest.skip(f"the program {program} is not installed")
    (found,) = tmp_path.glob("a.fits.*")
    with FITS(found) as fits:
        check(fits)


@pytest.mark.parametrize("kind", ["bzip2", "xz", "zstd"])
def test_streams_that_follow_each_other_are_joined_and_zeros_after_them_ignored(raw, kind):
    parts = [raw[:5000], raw[5000:5001], raw[5001:]]
    stream = b"".join(KINDS[kind](part) for part in parts) + bytes(512)
    with FITS.from_bytes(stream) as fits:
        assert fits.to_bytes() == raw


@settings(max_examples=30, deadline=None)
@given(content=st.binary(min_size=1, max_size=3000), nbytes=st.integers(1, 500), kind=st.sampled_from(sorted(KINDS)))
def test_what_was_compressed_comes_out_however_it_is_read(content, nbytes, kind):
    stream = KINDS[kind](content)
    packing = packing_of(stream)
    assert packing.name == kind
    chunks = iter([stream[start : start + nbytes] for start in range(0, len(stream), nbytes)])
    assert unpack(chunks, packing, "x") == content


def test_the_width_of_the_codes_of_compress_grows(raw):
    pytest.importorskip("uncompresspy", reason="the package uncompresspy is not installed")
    content = random.Random(0).randbytes(200_000) + raw
    stream = lzw(content)
    assert unpack(iter([stream]), packing_of(stream), "x") == content


@pytest.mark.parametrize("kind", ["bzip2", "xz", "zstd"])
@pytest.mark.parametrize("cut", [7, 20, 0.3, 0.9, -1])
def test_a_file_that_ends_early_is_an_error_that_names_the_compression(tmp_path, raw, kind, cut):
    path, stream = tmp_path / "a.fits", KINDS[kind](raw)
    path.write_bytes(stream[: int(cut * len(stream)) if isinstance(cut, float) else cut])
    with pytest.raises(FitsIOError, match=rf"not a valid {kind} file"):
        FITS(path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_an_error_that_names_the_compression(tmp_path, kind):
    path = tmp_path / "a.fits"
    path.write_bytes(KINDS[kind](b"x")[:6] + b"\xff" * 4000)
    with pytest.raises(FitsIOError, match=rf"not a valid {kind} file"):
        FITS(path)
    with pytest.raises(rustfits.NotAFitsBuffer, match=rf"not a valid {kind} file"):
        FITS.from_bytes(path.read_bytes())


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_bytes_that_hold_very_many_are_refused_without_holding_them(kind, monkeypatch):
    content = bytes(30_000_000)
    stream = KINDS[kind](content) if kind != "compress" else compressed_lzw(content[:3_000_000])
    limit = 1_000_000
    monkeypatch.setattr(rustfits.limits, "MAX_UNPACKED_NBYTES", limit)
    largest = 0
    pieces = packed._pieces

    def watched(*arguments):
        nonlocal largest
        for piece in pieces(*arguments):
            largest = max(largest, len(piece))
            yield piece

    monkeypatch.setattr(packed, "_pieces", watched)
    with pytest.raises(rustfits.NotAFitsBuffer, match="decompresses to more than 1000000 bytes"):
        FITS.from_bytes(stream)
    assert 0 < largest <= 64 << 20


def test_an_archive_is_named(tmp_path, raw):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.fits", raw)
    with pytest.raises(NotSupported, match=r"a\.zip is compressed as a whole by zip: .* extract"):
        FITS(path)


@pytest.mark.parametrize(("kind", "package"), [("zstd", "zstandard"), ("compress", "uncompresspy")])
def test_a_package_that_is_missing_is_named(tmp_path, raw, kind, package, monkeypatch):
    path = tmp_path / "a.fits"
    path.write_bytes(KINDS[kind](raw))
    for name in (package, "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    message = rf"by {kind}: reading it needs the package '{package}': pip install {package}"
    with pytest.raises(NotSupported, match=message):
        FITS(path)
    with pytest.raises(NotSupported, match=message):
        FITS.from_bytes(path.read_bytes())


@pytest.mark.parametrize("kind", READ_ONLY)
def test_what_is_only_read_is_not_changed(tmp_path, raw, kind):
    suffix = next(packing.suffix for packing in PACKINGS if packing.name == kind)
    path, stream = tmp_path / "a.fits", KINDS[kind](raw)
    path.write_bytes(stream)
    with pytest.raises(FitsIOError, match=rf"compressed as a whole by {kind} can be read, not written"):
        FITS(path, "r+")
    with pytest.raises(FitsIOError, match=rf"compressed as a whole by {kind}"):
        FITS(io.BytesIO(stream), "r+")
    assert path.read_bytes() == stream
    with FITS(path) as fits, pytest.raises(rustfits.ReadOnlyFile):
        fits[0].header["OBJECT"] = "M13"
    for mode in ("w+", "x"):
        named = tmp_path / f"new.fits{suffix}"
        with pytest.raises(FitsIOError, match=rf"compressed as a whole by {kind} can be read, not written"):
            FITS(named, mode)
        assert not named.exists()
    assert packing_named(f"new.fits{suffix}").name == kind
    with FITS(path, "w+") as fits:  # its name promises nothing
        fits.write_image(PIXELS)
    assert path.read_bytes().startswith(b"SIMPLE")


def test_gzip_is_changed_and_written_back_by_any_name(tmp_path, raw):
    path = tmp_path / "a.fits"
    path.write_bytes(gzip.compress(raw))
    with FITS(path, "r+") as fits:
        fits[0].header["OBJECT"] = "M13"
    assert path.read_bytes().startswith(b"\x1f\x8b")
    with FITS(path) as fits:
        assert fits[0].header["OBJECT"] == "M13"


def test_other_readers_agree(tmp_path, raw):
    astropy = pytest.importorskip("astropy.io.fits", reason="the peer astropy is not installed")
    fitsio = pytest.importorskip("fitsio", reason="the peer fitsio is not installed")
    pytest.importorskip("uncompresspy", reason="not installed: uncompresspy")
    path = tmp_path / "a.fits.bz2"
    path.write_bytes(bz2.compress(raw))
    with astropy.open(path) as theirs:
        assert (theirs[0].data == PIXELS).all()
    path.with_suffix("").with_suffix(".Z").write_bytes(lzw(raw))
    ours = rustfits.read(tmp_path / "a.Z")
    assert (ours == fitsio.read(str(tmp_path / "a.Z"))).all()


def test_reading_a_plain_file_loads_none_of_this(tmp_path, raw):
    path = tmp_path / "a.fits"
    path.write_bytes(raw)
    code = (
        f"import sys, rustfits; rustfits.read({str(path)!r}); "
        "print(*(set(sys.modules) & {'bz2', 'lzma', 'zstandard', 'uncompresspy', 'rustfits.storage.packed', "
        "'rustfits.storage.fileobject', 'rustfits.storage.newfile', 'fcntl'}))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []
