"""Tests find the modules beside them that they share, and a server of this machine."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from server import Server


@pytest.fixture
def server():
    with Server() as running:
        yield running
