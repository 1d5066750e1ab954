"""Other FITS software, each in a process of its own: some of their encoders crash, and that must not end the tests."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

WORKER = Path(__file__).with_name("peer_worker.py")


class PeerError(Exception):
    """The peer refused what it was asked, or died of it."""


class Peer:
    """A worker process that reads and writes images with one library.

    Parameters
    ----------
    name : {'fitsio', 'astropy'}
    folder : Path
        Where arrays are exchanged.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self._process: subprocess.Popen[str] | None = None

    def write(self, path: Path, pixels, **keywords) -> None:
        """Write one compressed image; keywords are those of `peer_worker`."""
        import numpy as np

        source = self.folder / f"{self.name}-in.npy"
        np.save(source, pixels)
        self._ask({"do": "write", "path": str(path), "pixels": str(source), **keywords})

    def read(self, path: Path, extension: int = 1):
        """Return the pixels of one image."""
        import numpy as np

        target = self.folder / f"{self.name}-out.npy"
        self._ask({"do": "read", "path": str(path), "extension": extension, "pixels": str(target)})
        return np.load(target)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None

    def _ask(self, request: dict) -> None:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, str(WORKER), self.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self.close()
            raise PeerError(f"{self.name} crashed")
        if answer.strip() != "ok":
            raise PeerError(shortened(answer.strip()))


def shortened(text: str) -> str:
    """Return the first line of an error, or CFITSIO's last status number in it."""
    numbers = re.findall(r"FITSIO status = (\d+)", text)
    return f"CFITSIO status {numbers[-1]}" if numbers else text[:100]
