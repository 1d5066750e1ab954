"""Peers in processes of their own, for all tests of files that other software must read too."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from peer_process import Peer, PeerError


class Readers:
    """What other libraries make of a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.peers = [Peer(name, folder) for name in ("fitsio", "astropy") if importlib.util.find_spec(name)]

    def read(self, raw: bytes, name: str) -> np.ndarray:
        """Return the first compressed image of a file, as one library reads it; `PeerError` if it refuses."""
        peer = next((peer for peer in self.peers if peer.name == name), None)
        if peer is None:
            pytest.skip(f"peer not installed: {name}")
        path = self.folder / "by-hand.fits"
        path.write_bytes(raw)
        return peer.read(path)

    def agree(self, raw: bytes, expected: np.ndarray, *, unless: tuple[str, ...] = ()) -> None:
        """Check that every library reads ``expected``, apart from those named."""
        for peer in self.peers:
            if peer.name not in unless:
                found = self.read(raw, peer.name)
                np.testing.assert_array_equal(found, expected, err_msg=peer.name)

    def refuse(self, raw: bytes, name: str) -> bool:
        """Whether a library refuses the file, or dies of it."""
        try:
            self.read(raw, name)
        except PeerError:
            return True
        return False


@pytest.fixture(scope="session")
def readers(tmp_path_factory):
    readers = Readers(tmp_path_factory.mktemp("readers"))
    yield readers
    for peer in readers.peers:
        peer.close()
