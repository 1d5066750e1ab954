from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rustfits_tables.fields import FieldArray

Said = list[tuple[int, int, int, int, int, int]]

class Rows:
    def __init__(
        self, row_nbytes: int, fields: Sequence[FieldArray], writes: bool, powers: NDArray[np.uint64] | None
    ) -> None: ...
    def decode(
        self, raw: NDArray[np.uint8], first: int, rows: NDArray[np.int64] | None
    ) -> tuple[Said, list[tuple[int, NDArray[np.int64]]]]: ...
    def encode(self, raw: NDArray[np.uint8], first: int, rows: NDArray[np.int64] | None) -> Said: ...
    def check_text(self, first: int, nrows: int) -> Said: ...
