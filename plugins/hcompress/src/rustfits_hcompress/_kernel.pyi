import numpy as np
from numpy.typing import NDArray

def best_kernel() -> int: ...
def decode(
    data: NDArray[np.uint8],
    start: NDArray[np.int64],
    length: NDArray[np.int64],
    height: NDArray[np.int64],
    width: NDArray[np.int64],
    smooth: bool,
    out: NDArray[np.uint8],
    pixel: int,
    kernel: int,
) -> NDArray[np.int32]: ...
def encode(
    pixels: NDArray[np.uint8],
    height: NDArray[np.int64],
    width: NDArray[np.int64],
    scale: int,
    pixel: int,
    kernel: int,
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int32]]: ...
