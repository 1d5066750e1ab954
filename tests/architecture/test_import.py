"""Importing the package loads next to nothing: what it loads is counted, as times are not the same twice."""

import subprocess
import sys
from pathlib import Path

import pytest

import rustfits

DATA = Path(__file__).parents[1] / "data"

# What a read has no use for: modules of Python that are large, and ours that only write or mend.
NOT_TO_READ = {
    "concurrent.futures",
    "email.parser",
    "hashlib",
    "importlib.metadata",
    "importlib_metadata",
    "logging",
    "tempfile",
    "zlib",
    "rustfits.codec.builtin",
    "rustfits.codec.kernels",
    "rustfits.container.newimage",
    "rustfits.hdu.compressed.edit",
    "rustfits.hdu.compressed.waiting",
    "rustfits.hdu.image.values",
    "rustfits.hdu.kind",
    "rustfits.hdu.table",
    "rustfits.header.edit",
    "rustfits.heap.writer",
    "rustfits.quantize.quantum",
    "rustfits.storage.gzipped",
    "rustfits.storage.journal",
    "rustfits.storage.recovery",
    "rustfits.tiles.encode",
    "rustfits.tiles.newtiles",
    "rustfits.tiles.recode",
}


def loaded_by(statement, given="import numpy"):
    """Return the modules that ``statement`` adds to those that ``given`` loads."""
    code = f"import sys\n{given}\nbefore = set(sys.modules)\n{statement}\nprint(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_but_itself():
    assert {name for name in loaded_by("import rustfits") if name.startswith("rustfits")} == {"rustfits"}
    assert not loaded_by("import rustfits", given="import numpy, importlib, __future__") - {"rustfits"}


def test_a_public_name_loads_no_plugin():
    loaded = loaded_by("import rustfits; rustfits.FITS, rustfits.Gzip1, rustfits.codecs, rustfits.TileCodec")
    assert not {name for name in loaded if name.startswith("rustfits_")}
    assert not loaded & {"importlib_metadata", "importlib.metadata", "urllib.request", "asyncio"}


def ours(loaded):
    return {name for name in loaded if name.split(".")[0].startswith("rustfits")}


def test_the_first_read_of_a_compressed_image_loads_what_it_needs():
    if "RICE_1" not in rustfits.codecs():
        pytest.skip("plugin not installed: rice")
    loaded = loaded_by(f"import rustfits; rustfits.read({str(DATA / 'm13_rice.fits')!r})")
    assert "rustfits_rice" in loaded
    assert not {name for name in loaded if name.startswith("rustfits_tables")}  # whatever is installed for other HDUs
    assert not loaded & NOT_TO_READ
    assert len(ours(loaded)) <= 70


def test_the_first_read_of_a_plain_image_looks_for_no_plugin():
    loaded = loaded_by(f"import rustfits; hdu = rustfits.FITS({str(DATA / 'm13.fits')!r})[0]; hdu.read(); hdu[3:9, 4]")
    assert not loaded & (NOT_TO_READ | {"pluggy", "rustfits.codec.discovery", "rustfits.hdu.compressed.compressed"})
    assert not {name for name in loaded if name.startswith("rustfits_")}
    assert len(ours(loaded)) <= 45


def test_plain_images_need_no_plugin_manager_and_no_metadata():
    code = """
import numpy, rustfits
with rustfits.FITS("mem://", "w+") as file:
    file.write_image(numpy.zeros((4, 5), "i2"))
    content = file.to_bytes()
with rustfits.FITS.from_bytes(content) as file:
    assert file[0].read().shape == (4, 5)
from rustfits.codec import discovery
assert discovery._manager.cache_info().currsize == 0
"""
    loaded = loaded_by(code)
    assert not {name for name in loaded if name.startswith("rustfits_")}
    assert not loaded & {"importlib_metadata", "importlib.metadata"}


def test_importing_starts_no_thread():
    code = "import rustfits, threading; rustfits.FITS; assert threading.active_count() == 1"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("compress", ["None", "'GZIP_2'"])
@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_writing_and_reading_plain_numbers_loads_no_masked_arrays(tmp_path, compress, dtype):
    statement = f"""
import rustfits
pixels = numpy.arange(600).reshape(20, 30).astype({dtype!r})
with rustfits.FITS({str(tmp_path / "x.fits")!r}, "w+") as fits:
    hdu = fits.write_image(pixels, compress={compress})
    hdu[0, 0] = 3
    hdu[:2] = pixels[:2]
    hdu.read_many([(slice(0, 3), slice(0, 3)), (slice(2, 9), slice(0, 3))])
"""
    assert "numpy.ma" not in loaded_by(statement)
