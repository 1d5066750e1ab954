import numpy as np
from numpy.typing import NDArray

def decode(
    data: NDArray[np.uint8],
    start: NDArray[np.int64],
    length: NDArray[np.int64],
    npixels: NDArray[np.int64],
    out: NDArray[np.uint8],
    pixel: int,
) -> NDArray[np.int32]: ...
def encode(
    pixels: NDArray[np.uint8], npixels: NDArray[np.int64], pixel: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int32]]: ...
