from typing import Any

import numpy as np
from numpy.typing import NDArray

def best_isa() -> int: ...
def unchanged(descriptor: int, size: int, mtime_ns: int) -> bool: ...
def dequantize(
    stored: NDArray[np.int32],
    npixels: NDArray[np.int64],
    scale: NDArray[np.float64],
    zero: NDArray[np.float64],
    row: NDArray[np.int64],
    null: NDArray[np.int64] | None,
    random: NDArray[np.float32],
    starts: NDArray[np.int64],
    seed: int,
    method: int,
    isa: int,
    out: NDArray[Any],
) -> None: ...
def quantize(
    pixels: NDArray[Any],
    npixels: NDArray[np.int64],
    row_npixels: NDArray[np.int64],
    row: NDArray[np.int64],
    level: float,
    random: NDArray[np.float32],
    starts: NDArray[np.int64],
    seed: int,
    method: int,
    isa: int,
    out: NDArray[np.int32],
    scale: NDArray[np.float64],
    zero: NDArray[np.float64],
    quantized: NDArray[np.uint8],
) -> None: ...
def shuffle(data: NDArray[np.uint8], nbytes: NDArray[np.int64], itemsize: int, out: NDArray[np.uint8]) -> None: ...
def to_pixels(data: bytes | bytearray, itemsize: int, shuffled: bool, out: NDArray[np.uint8]) -> None: ...
def gzip_planes(
    data: NDArray[np.uint8], nbytes: NDArray[np.int64], crc: NDArray[np.uint32], nplanes: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8]]: ...
def to_pixels_past(data: NDArray[np.uint8], itemsize: int, isa: int, out: NDArray[np.uint8]) -> bool: ...
def gather(source: NDArray[Any], target: NDArray[Any]) -> bool: ...
def scatter(source: NDArray[Any], target: NDArray[Any]) -> bool: ...
