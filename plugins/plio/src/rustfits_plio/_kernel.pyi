import numpy as np
from numpy.typing import NDArray

def decode_i32(
    data: NDArray[np.uint8],
    start: NDArray[np.int64],
    length: NDArray[np.int64],
    npixels: NDArray[np.int64],
    out: NDArray[np.int32],
) -> NDArray[np.int32]: ...
def encode_i32(
    pixels: NDArray[np.int32], npixels: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int32]]: ...
