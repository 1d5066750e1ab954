"""Importing the package loads next to nothing: what it loads is counted, as times are not the same twice."""

import subprocess
import sys


def loaded_by(statement, given="import numpy"):
    """Return the modules that ``statement`` adds to those that ``given`` loads."""
    code = f"import sys\n{given}\nbefore = set(sys.modules)\n{statement}\nprint(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_but_itself():
    assert {name for name in loaded_by("import rustfits") if name.startswith("rustfits")} == {
        "rustfits",
        "rustfits._version",
    }
    assert not loaded_by("import rustfits", given="import numpy, importlib, __future__") - {
        "rustfits",
        "rustfits._version",
    }


def test_a_public_name_loads_no_plugin():
    loaded = loaded_by("import rustfits; rustfits.FITS, rustfits.Gzip1, rustfits.codecs, rustfits.TileCodec")
    assert not {name for name in loaded if name.startswith("rustfits_")}
    assert not loaded & {"importlib_metadata", "importlib.metadata", "urllib.request", "asyncio"}


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
