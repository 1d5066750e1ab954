import numpy as np
from numpy.typing import NDArray

def best_variant() -> int: ...
def decode(
    data: NDArray[np.uint8],
    start: NDArray[np.int64],
    length: NDArray[np.int64],
    npixels: NDArray[np.int64],
    block: int,
    out: NDArray[np.uint8],
    bytepix: int,
    variant: int,
) -> NDArray[np.int32]: ...
def encode(
    pixels: NDArray[np.uint8], npixels: NDArray[np.int64], block: int, bytepix: int, variant: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]: ...
def c_decoder(bytepix: int, block: int, variant: int) -> object: ...
def c_resumer(bytepix: int, block: int, variant: int) -> object: ...
