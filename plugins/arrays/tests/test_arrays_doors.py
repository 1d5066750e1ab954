"""Without a library nothing of it is imported, and each door says what to install."""

import subprocess
import sys

import pytest

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""

LIBRARIES = ("dask", "distributed", "xarray", "zarr", "virtualizarr", "icechunk", "fsspec", "obstore", "pandas")


def run(program, blocked=()):
    program = BLOCKED.format(blocked=set(blocked)) + program
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("door", "blocked", "wanted"),
    [
        ("import rustfits_arrays.xarray", "xarray", "xarray"),
        ("from rustfits_arrays.zarr import FITSStore", "zarr", "zarr"),
        ("from rustfits_arrays.zarr import ReferenceStore", "zarr", "zarr fsspec"),
        ("from rustfits_arrays.zarr import ReferenceStore", "fsspec", "zarr fsspec"),
        ("from rustfits_arrays.zarr import FITSParser", "virtualizarr", "virtualizarr"),
        ("from rustfits_arrays.zarr import write_icechunk", "icechunk", "icechunk"),
        ("import rustfits_arrays.zarr.codec", "zarr", "zarr"),
    ],
)
def test_a_door_says_what_to_install(door, blocked, wanted):
    if blocked in ("virtualizarr", "icechunk"):
        pytest.importorskip("zarr", reason="not installed: zarr")
    code, told = run(door, [blocked])
    assert code == 1
    assert told.splitlines()[-1].endswith(f": pip install {wanted}")


def test_references_are_made_without_any_of_the_libraries(path):
    program = f"""
import rustfits, rustfits_arrays.zarr
from rustfits_arrays.images import named_images
refs = rustfits_arrays.zarr.references({str(path)!r})
assert len(refs) > 20
print(sorted(set(sys.modules) & {set(LIBRARIES)!r}))
"""
    code, told = run(program, LIBRARIES)
    assert (code, told) == (0, "[]\n")


def test_names_that_are_not_there_are_attribute_errors():
    import rustfits_arrays.zarr

    assert not hasattr(rustfits_arrays.zarr, "nothing")
