from typing import Any

from numpy.typing import NDArray

MAX_NDIM: int

class Cutter:
    def __init__(self, **image: Any) -> None: ...
    def __call__(self, key: object) -> NDArray[Any] | None: ...
