"""What the header of an ASCII table says (FITS 4.0, section 7.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from rustfits.errors import HeaderError, TableError
from rustfits.hdu.table.columns import Cells
from rustfits.hdu.table.facts import TableFacts, label_of

# Letter, width, and the digits after the point of floats (FITS 4.0, table 15).
_TFORM = re.compile(r"\s*([AIFED])(\d+)(?:\.(\d+))?\s*")

SINGLE_DIGITS = 7  # digits after the point that a float of 32 bits may keep


class AsciiTableFacts(TableFacts):
    """As `TableFacts`; the columns have formats of characters."""

    def dtype(self, cells: Sequence[Cells] | None = None, *, scale: bool = True) -> np.dtype[Any]:
        """Structured dtype of a row; errors as `TableFacts.dtype`."""
        if len(set(self.colnames)) < len(self.colnames):
            raise TableError(f"columns of one name cannot be fields of one array: {list(self.colnames)}")
        return np.dtype(list(zip(self.colnames, map(self._element, self.numbers), strict=True)))

    def _kinds(self) -> list[str]:
        try:
            return [label_of(np.dtype(self._element(number))) for number in self.numbers]
        except HeaderError:
            return [f"TFORM {self.seen.get(f'TFORM{number}')!r}" for number in self.numbers]

    def _element(self, number: int) -> str:
        """Return the dtype of a column of physical values."""
        form = self.seen.text(f"TFORM{number}")
        found = _TFORM.fullmatch(form)
        if found is None:
            raise HeaderError(f"TFORM{number} is {form!r}; in an ASCII table it is like I10, A8, F9.3, E15.7 or D25.17")
        code, width, digits = found.groups()
        if code == "A":
            return f"U{width}"
        tscal, tzero = self.seen.real(f"TSCAL{number}", 1.0), self.seen.real(f"TZERO{number}", 0.0)
        if code == "I" and tscal == 1:
            if tzero == 1 << 63:
                return "u8"
            return "i8" if tzero == 0 else "f8"
        single = code in "FE" and int(digits or 0) <= SINGLE_DIGITS
        return "f4" if single and (tscal, tzero) == (1, 0) else "f8"
