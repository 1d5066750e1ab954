"""Files that are open already, or that something else opens."""

import io
import mmap
import os
import tempfile
import threading
from contextlib import contextmanager

import numpy as np
import pytest

import rustfits
from rustfits import FITS, FitsIOError, LocationError

PIXELS = np.arange(12000, dtype="i2").reshape(100, 120)


@pytest.fixture(scope="module")
def raw():
    with FITS("mem://", "w+") as fits:
        fits.write_image(PIXELS)
        fits.write_image(PIXELS.astype("i4"), compress="GZIP_2", extname="PACKED")
        return fits.to_bytes()


@pytest.fixture
def path(tmp_path, raw):
    path = tmp_path / "a.fits"
    path.write_bytes(raw)
    return path


def check(fits):
    assert (fits[0].read() == PIXELS).all()
    assert (fits["PACKED"][20:50, 7] == PIXELS[20:50, 7]).all()
    assert (fits["PACKED"].cutouts([(50, 60), (7, 8)], (4, 4))[0] == PIXELS[48:52, 58:62]).all()


@contextmanager
def temporary(kind, content):
    with kind() as file:
        file.write(content)
        yield file


@contextmanager
def mapped(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as found:
        yield found


WAYS = {
    "buffered": lambda path: open(path, "rb"),  # noqa: SIM115
    "raw": lambda path: open(path, "rb", buffering=0),  # noqa: SIM115
    "for both": lambda path: open(path, "r+b"),  # noqa: SIM115
    "memory": lambda path: io.BytesIO(path.read_bytes()),
    "temporary": lambda path: temporary(tempfile.NamedTemporaryFile, path.read_bytes()),
    "spooled": lambda path: temporary(tempfile.SpooledTemporaryFile, path.read_bytes()),
    "mapped": mapped,
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_open_is_read_whole_wherever_its_position_is_and_stays_open(path, way):
    with WAYS[way](path) as file:
        file.seek(5)
        for _ in range(2):
            with FITS(file) as fits:
                check(fits)
            assert not file.closed
        assert (rustfits.read(file) == PIXELS).all()
        assert rustfits.read_header(file)["NAXIS"] == 2


def test_the_name_is_that_of_the_file_or_of_its_kind(path):
    with open(path, "rb") as file, FITS(file) as fits:
        assert fits.filename == str(path)
    with FITS(io.BytesIO(path.read_bytes())) as fits:
        assert fits.filename == "<BytesIO>"
        with pytest.raises(rustfits.ReadOnlyFile, match="<BytesIO>"):
            fits[0][0] = 1


def test_threads_share_the_one_position(path, raw):
    class Slow(io.BytesIO):
        def read(self, nbytes=-1):
            position = self.tell()
            threading.Event().wait(0.0005)
            assert self.tell() == position
            return super().read(nbytes)

    with FITS(Slow(raw)) as fits:
        wrong = []

        def work(seed):
            starts = np.random.default_rng(seed).integers(0, 90, 20)
            wrong.extend(at for at in starts if not (fits[0][at : at + 9] == PIXELS[at : at + 9]).all())

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_a_file_object_that_can_be_written_is_changed_in_place(path, raw):
    memory = io.BytesIO(raw)
    with open(path, "r+b") as file:
        for each in (memory, file):
            with FITS(each, "r+") as fits:
                fits[0][3] = 7
                fits["PACKED"].extend(np.ones((50, 120), "i4"))
                fits[0].header.update({f"KEY{number}": number for number in range(100)})
                fits.write_image(PIXELS, extname="NEW")
                before = fits.to_bytes()
                with pytest.raises(KeyError), fits.transaction():
                    fits[0][5] = 9
                    fits.write_image(PIXELS)
                    raise KeyError
                assert fits.to_bytes() == before
                fits.sync()
    assert path.read_bytes() == memory.getvalue() == before
    with FITS(path) as fits:
        assert (fits["NEW"].read() == PIXELS).all()
        assert (fits[0][3] == 7).all()
        assert fits["PACKED"].shape == (150, 120)


def test_a_file_object_that_is_written_anew_keeps_what_it_holds_until_something_is_written(raw):
    for file in (io.BytesIO(raw), io.BytesIO()):
        content = file.getvalue()
        with pytest.raises(KeyError), FITS(file, "w+") as fits:
            assert len(fits) == 0
            assert fits.to_bytes() == b""
            with pytest.raises(ZeroDivisionError), fits.transaction():
                fits.write_image(PIXELS[:7])
                raise ZeroDivisionError
            assert file.getvalue() == content
            assert fits.to_bytes() == b""
            raise KeyError
        assert file.getvalue() == content
        with FITS(file, "w+") as fits:
            fits.write_image(PIXELS[:7])
            fits.write_image(PIXELS[:3])
        with FITS(file) as fits:
            assert [hdu.shape for hdu in fits] == [(7, 120), (3, 120)]
        FITS(file, "w+").close()
        assert file.getvalue() == b""


def test_a_file_object_without_what_the_mode_needs_is_refused(path):
    with open(path) as text, pytest.raises(TypeError, match="binary mode"):
        FITS(text)
    with pytest.raises(TypeError, match="binary mode"):
        FITS(io.StringIO("SIMPLE"))
    with open(path, "rb") as file:
        for mode in ("r+", "w+"):
            with pytest.raises(LocationError, match="not writable"):
                FITS(file, mode)
        with pytest.raises(LocationError, match="'x' creates"):
            FITS(file, "x")
        with pytest.raises(FitsIOError, match="Unsupported mode"):
            FITS(file, "rb")
        with pytest.raises(LocationError, match="remote="):
            FITS(file, remote="ranged")
    with open(path.with_name("new"), "wb") as file, pytest.raises(LocationError, match="not readable"):
        FITS(file, "w+")
    reader, writer = os.pipe()
    with open(reader, "rb") as pipe, pytest.raises(LocationError, match=r"not seekable.*from_bytes"):
        FITS(pipe)
    os.close(writer)
    for thing in (5, None, object(), io.BytesIO, [1], np.zeros(3)):
        with pytest.raises(TypeError, match="file object"):
            FITS(thing)
    for thing in (b"SIMPLE", bytearray(b"SIMPLE")):
        with pytest.raises(TypeError, match="from_bytes"):
            FITS(thing)


def test_a_file_object_that_is_closed_or_breaks_is_an_oserror_with_its_name(path, raw):
    file = open(path, "rb")  # noqa: SIM115 - closed under the handle
    fits = FITS(file)
    file.close()
    with pytest.raises(FitsIOError, match=r"cannot read .*a\.fits"):
        fits[0].read()

    class Broken(io.BytesIO):
        def write(self, _):
            raise OSError(28, "No space left on device")

    memory = Broken(raw)
    with FITS(memory, "r+") as fits, pytest.raises(FitsIOError, match="No space left") as caught:
        fits[0].write(PIXELS + 1)
    assert caught.value.errno == 28

    class Text(io.BytesIO):
        def read(self, _=-1):
            return "SIMPLE"

    with pytest.raises(TypeError, match="returns str"):
        FITS(Text(raw))


def test_writes_that_are_cut_short_are_continued(raw):
    class Short(io.BytesIO):
        def write(self, data):
            return super().write(data[:777])

        def read(self, nbytes=-1):
            return super().read(min(nbytes, 1000))

    file = Short(raw)
    with FITS(file, "r+") as fits:
        fits.write_image(PIXELS)
        check(fits)
    with FITS.from_bytes(file.getvalue()) as fits:
        assert (fits[2].read() == PIXELS).all()


def test_what_fsspec_opens_is_read(path, raw):
    fsspec = pytest.importorskip("fsspec", reason="the package fsspec is not installed")
    files = fsspec.filesystem("memory")
    files.pipe_file("/folder/a.fits", raw)
    of = fsspec.open("memory://folder/a.fits")
    with FITS(of) as fits:
        check(fits)
        assert "folder/a.fits" in fits.filename
    with files.open("/folder/a.fits") as file, FITS(file) as fits:
        check(fits)
    with pytest.raises(FitsIOError, match="read-only"):
        FITS(of, "r+")
    with pytest.raises(FitsIOError, match=r"cannot open|Failed to open"):
        FITS(fsspec.open("memory://folder/none.fits"))
    with FITS(fsspec.open(str(path), "r+b"), "r+") as fits:  # a local file is what it is
        assert fits.filename == str(path)
        fits[0][0] = 5
    assert (rustfits.read(path)[0] == 5).all()
    with fsspec.open(str(path)) as file, FITS(file) as fits:
        assert fits["PACKED"].shape == PIXELS.shape


def test_a_upath_is_read(path, raw):
    upath = pytest.importorskip("upath", reason="the package universal-pathlib is not installed")
    remote = upath.UPath("memory://folder/b.fits")
    remote.write_bytes(raw)
    with FITS(remote) as fits:
        check(fits)
    assert (rustfits.read(remote) == PIXELS).all()
    with pytest.raises(FitsIOError, match="read-only"):
        FITS(remote, "w+")
    for local in (upath.UPath(path), upath.UPath(f"file://{path}")):
        with FITS(local, "r+") as fits:
            check(fits)
            assert fits.filename == str(path)
