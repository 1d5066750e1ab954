"""Without its extra nothing of a library is imported, and each door says what to install."""

import subprocess
import sys

import pytest

from rustfits.errors import how_to_install

LIBRARIES = ("dask", "xarray", "zarr")  # `test_arrays_doors.py` has the doors of the other two

WITHOUT = """
import sys
for name in {missing!r}:
    sys.modules[name] = None  # an import of it fails, as if it were not there
import numpy as np, rustfits
rustfits.write(sys.argv[1], np.eye(9))
hdu = rustfits.FITS(sys.argv[1])[0]
"""


def run(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_the_package_imports_nothing_but_itself(tmp_path):
    code = "import rustfits, rustfits_arrays\n" + WITHOUT.format(missing=())
    code += "hdu.read(); hdu.lazy()[3]; print(*sys.modules)"
    loaded = {name.partition(".")[0] for name in run(code, tmp_path / "a.fits").split()}
    assert not loaded & {*LIBRARIES, "distributed", "fsspec", "icechunk", "virtualizarr"}


@pytest.mark.parametrize("missing", [("dask",), ("rustfits_arrays",)])
def test_to_dask_says_what_to_install(tmp_path, missing):
    code = WITHOUT.format(missing=missing) + "\ntry: hdu.to_dask()\nexcept NotImplementedError as error: print(error)"
    said = run(code, tmp_path / "a.fits")
    assert how_to_install("rustfits-arrays[dask]") in said
    assert "a.fits" not in said  # it is nothing about the file


def test_the_module_for_dask_says_what_to_install(tmp_path):
    code = "\ntry: import rustfits_arrays.dask\nexcept ImportError as error: print(error)"
    said = run(WITHOUT.format(missing=("dask",)) + code, tmp_path / "a.fits")
    assert said == "rustfits_arrays.dask needs Dask: pip install 'dask[array]'\n"
