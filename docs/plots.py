"""Make the pictures of the manual that show measurements or images: `python docs/plots.py`, with all plugins installed.

Needs a quiet machine. The pages that show them say what they are of.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rustfits

HERE = Path(__file__).parent
DATA = HERE.parent / "tests" / "data"
NPIXELS = 1 << 22  # of what the codecs are tried on: time is spent on pixels then, and not on opening files


def run(*arguments: str | Path) -> None:
    """Run a command of rustfits; fail if it does."""
    subprocess.run([sys.executable, "-m", "rustfits_cli", *map(str, arguments)], check=True)


def enlarged(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return a taller image: copies below each other, which no codec can tell, as tiles are a few rows."""
    return np.concatenate([pixels] * (NPIXELS // pixels.size))


def main() -> None:
    """Write the pictures into the folder of the manual."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run("preview", DATA / "m13_rice.fits", folder / "m13.png")
        for kind, source in (("integers", "panoptes_dslr_rice_u2.fits.fz"), ("floats", "m13real.fits")):
            image = folder / f"{source.partition('_')[0].partition('.')[0]}.fits"
            rustfits.write(image, enlarged(rustfits.read(DATA / source)))
            run("bench", image, "--plot", folder / f"bench-{kind}.svg")
        for path in (*folder.glob("*.png"), *folder.glob("*.svg")):
            (HERE / path.name).write_bytes(path.read_bytes())


if __name__ == "__main__":
    main()
