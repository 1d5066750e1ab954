"""The template gives a distribution whose suite is green."""

import subprocess
import sys
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).resolve().parents[3] / "examples" / "template"


def test_what_the_template_gives_is_built_and_passes(tmp_path):
    copier = pytest.importorskip("copier", reason="not installed: copier")
    pytest.importorskip("setuptools", reason="builds the package")
    copier.run_copy(str(TEMPLATE), str(tmp_path / "made"), data={"zcmptype": "PAIRS_1"}, defaults=True, quiet=True)
    made, site = tmp_path / "made", tmp_path / "site"
    install = [
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        str(site),
        str(made),
    ]
    subprocess.run([sys.executable, "-m", *install], check=True)
    program = f"""
import os, sys
sys.path.insert(0, {str(site)!r})
import pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-c", os.devnull, {str(made / "tests")!r}]))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split(" passed")[0].split()[-1]) > 40
    assert "no distribution that offers PAIRS_1" not in done.stdout  # the entry point is found
