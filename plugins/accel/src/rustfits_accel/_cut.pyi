from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.plugin import HeapBytes, TiledImage, TileIndex, TileKeeper

Dithering = tuple[NDArray[Any], NDArray[np.int64], int, int, int]

MAX_NDIM: int

class Cutter:
    def __init__(
        self, image: TiledImage, tiles: TileIndex, heap: HeapBytes, keeper: TileKeeper, dithering: Dithering | None
    ) -> None: ...
    def __call__(self, key: object) -> NDArray[Any] | None: ...
