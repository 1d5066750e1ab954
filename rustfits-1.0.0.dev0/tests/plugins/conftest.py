"""Distributions made up for a test, and a fresh Python that sees them."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rustfits.codec.choice import active
from rustfits.codec.kernels import Kernels

sys.path.insert(0, str(Path(__file__).parent))
collect_ignore = ["example_bz2"]  # a distribution of its own; test_third_party.py builds it and runs its tests


class Site:
    """A folder on the path of a fresh Python, with distributions as pip leaves them."""

    def __init__(self, folder):
        self.folder = folder

    def install(self, name, version="1.0", group="rustfits.codecs", **modules):
        """Install a distribution; ``modules`` are sources by the name of their entry point, one module each."""
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = [f"[{group}]"]
        for entry, source in modules.items():
            module = f"{name.replace('-', '_')}_{entry.lower().replace('.', '_')}"
            self.folder.joinpath(f"{module}.py").write_text(textwrap.dedent(source))
            lines.append(f"{entry} = {module}")
        info.joinpath("entry_points.txt").write_text("\n".join(lines) + "\n")

    def run(self, code, **environment):
        """Run ``code`` with warnings as errors; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
            # Whatever the kernels these tests themselves run with: those of plugins are what some are about.
            env={**os.environ, "RUSTFITS_KERNELS": "", "PYTHONPATH": str(self.folder), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def error(self, statement, **environment):
        """Return type and message of what ``statement`` raises, as ``Name: message``."""
        code = textwrap.dedent("""
            import rustfits
            from rustfits.codec import registry
            try:
                {statement}
            except Exception as error:
                print(type(error).__name__ + ": " + str(error))
        """).format(statement=statement)
        return self.run(code, **environment)


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@pytest.fixture
def compiled():
    """Skip what only compiled kernels do, where they are kept out."""
    if active().name == Kernels.name:
        pytest.skip("RUSTFITS_KERNELS=numpy keeps rustfits-accel out")
