from typing import Any

from numpy.typing import NDArray

from rustfits.plugin import PlainImage

MAX_NDIM: int

class RasterCutter:
    def __init__(self, image: PlainImage) -> None: ...
    def __call__(self, key: object) -> NDArray[Any] | None: ...
