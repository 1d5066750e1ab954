"""What tests of the core share."""

import sys
from pathlib import Path

import pytest

from rustfits.codec import discovery, installed
from rustfits.hdu import kinds

sys.path.insert(0, str(Path(__file__).parent))
from header_file import EXTENSION, Handle
from known_file import CONTENT


@pytest.fixture
def handle():
    """A file of three HDUs."""
    return Handle(EXTENSION, EXTENSION)


@pytest.fixture
def header(handle):
    """The header of the first HDU; whatever was done to it is on the disk in the end."""
    yield handle.headers[0]
    handle.check()


@pytest.fixture
def path(tmp_path):
    """A file of known bytes."""
    path = tmp_path / "file.fits"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def no_kinds(monkeypatch):
    """Let no package bring a kind of HDU, whatever is installed."""
    monkeypatch.setattr(kinds, "_offered", frozenset())
    monkeypatch.setattr(discovery, "entry_points", lambda group, **how: ())
    monkeypatch.setattr(installed, "entries", lambda **how: [])
