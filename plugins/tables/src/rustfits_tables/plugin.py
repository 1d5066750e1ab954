"""What the core finds: the kind of HDU that tables are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rustfits.plugin import HDU, Cards, HDUKind, NewHDU, hookimpl


class TableKind(HDUKind):
    """Tables as the FITS standard has them: binary, compressed, ASCII."""

    def match(self, cards: Cards, primary: bool) -> int:
        """Return how specifically a header is that of a table."""
        return 0 if primary else self.STANDARD

    def hdu_class(self, cards: Cards) -> type[HDU]:
        """Return the class for the header of a table."""
        from rustfits_tables import tables

        if cards.first_value() == "TABLE":
            from rustfits_tables.ascii_hdu import AsciiTableHDU

            return AsciiTableHDU
        if cards.get("ZTABLE") is not True:
            return tables.TableHDU
        from rustfits_tables.ztable_hdu import CompressedTableHDU

        return CompressedTableHDU

    def takes(self, data: object) -> int:
        """Return whether ``data`` are a table: an array with named fields, a dict of arrays, or of another library."""
        if isinstance(data, np.ndarray | Mapping):
            return self.STANDARD
        from rustfits_tables.foreign import is_foreign

        return self.STANDARD if is_foreign(data) else 0

    def write(self, data: Any, **options: Any) -> NewHDU:
        """Return a binary table with rows; the arguments are those of `FITS.write_table`."""
        from rustfits_tables.tables import TableHDU

        if isinstance(data, TableHDU):
            return data._copied(**options)
        from rustfits_tables.new import written

        return written(data, **options)

    def create(self, dtype: Any, nrows: int, **options: Any) -> NewHDU:
        """Return a table of zeros, or an ASCII one of blanks; the arguments are those of `FITS.create_table_hdu`."""
        if "formats" in options:
            from rustfits_tables import ascii_new

            return ascii_new.created(dtype, nrows, **options)
        from rustfits_tables.new import created

        return created(dtype, nrows, **options)


@hookimpl
def rustfits_hdu_type() -> HDUKind:
    """Return the kind that all entry points of this distribution promise."""
    return TableKind()
