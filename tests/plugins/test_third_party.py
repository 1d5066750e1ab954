"""A package of somebody else is built, installed, passes the suite, and is used like our own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).with_name("example_bz2")


def run(*command, path):
    environment = {**os.environ, "PYTHONPATH": str(path)}
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return a folder with the package, built by pip, as another environment would hold it."""
    pytest.importorskip("setuptools", minversion="77", reason="not installed: setuptools>=77, which builds the package")
    folder = tmp_path_factory.mktemp("third_party")
    source, target = folder / "source", folder / "site"
    shutil.copytree(PACKAGE, source)  # pip builds in the source folder
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    run("-m", "pip", "install", *options, "--target", str(target), str(source), path="")
    return target


def test_it_is_listed_with_its_distribution(installed):
    printed = run("-c", "import rustfits; print(rustfits.codecs()['BZ2_1'])", path=installed)
    assert printed.strip() == (
        "CodecSource(distribution='rustfits-example-bz2', version='0.1', value='rustfits_example_bz2.plugin')"
    )


def test_it_passes_the_suite_for_codecs(installed):
    tests = installed.parent / "source" / "tests" / "test_bz2.py"
    printed = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, str(tests), path=installed)
    passed = int(printed.split(" passed")[0].split()[-1])
    assert passed > 40
    assert "failed" not in printed


def test_images_are_written_and_read_with_it(installed):
    code = """
import numpy as np, rustfits
from rustfits_example_bz2 import Bz2
pixels = np.arange(35 * 21, dtype="i4").reshape(35, 21)
for compress in ("bz2_1", Bz2(level=2, tile_shape=(10, 10))):
    with rustfits.FITS("mem://", "w+") as file:
        file.write_image(pixels, compress=compress)
        content = file.to_bytes()
    with rustfits.FITS.from_bytes(content) as file:
        hdu = file[1]
        assert (hdu.read() == pixels).all()
        assert (hdu[30:, 3:5] == pixels[30:, 3:5]).all()
        print(hdu.compression, hdu.header["ZNAME1"], hdu.header["ZVAL1"])
with rustfits.FITS("mem://", "w+") as file:
    file.write_image(pixels / 7, compress=Bz2())
    assert (file[1].read() == pixels / 7).all()
"""
    assert run("-c", code, path=installed).splitlines() == [
        "Bz2(tile_shape=[1, 21], heap_format='P', level=9) LEVEL 9",
        "Bz2(tile_shape=[10, 10], heap_format='P', level=2) LEVEL 2",
    ]


def test_without_it_the_file_says_what_is_missing(installed, tmp_path):
    path = tmp_path / "bz2.fits"
    write = f"import numpy as np, rustfits; rustfits.FITS({str(path)!r}, 'w+').write_image(np.eye(9), compress='BZ2_1')"
    run("-c", write, path=installed)
    read = f"""
import rustfits
with rustfits.FITS({str(path)!r}) as file:
    assert file[1].shape == (9, 9)
    assert "BZ2_1" in repr(file[1])
    try:
        file[1].read()
    except rustfits.CodecNotInstalled as error:
        print(error)
"""
    assert run("-c", read, path="").startswith("no codec for ZCMPTYPE 'BZ2_1' (installed: GZIP_1, GZIP_2, NOCOMPRESS")
