from typing import Any

from numpy.typing import NDArray

MAX_NDIM: int

class RasterCutter:
    def __init__(self, **image: Any) -> None: ...
    def __call__(self, key: object) -> NDArray[Any] | None: ...
