"""What all tables have: rows and columns as the header describes them, and what is not there yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import HeaderError, NotSupported
from rustfits.hdu.base import HDU
from rustfits.hdu.table.facts import TableFacts
from rustfits.header.cards import Cards
from rustfits.header.state import Snapshot

ELSEWHERE = "use astropy.io.fits or fitsio for that"


class AnyTableHDU(HDU):
    """What binary and ASCII tables have in common; no HDU is of this class itself."""

    _noun: ClassVar[str]  # in messages
    _facts_class: ClassVar[type[TableFacts]] = TableFacts

    @classmethod
    def _snapshot_of(cls, cards: Cards) -> Snapshot:
        return cls._facts_class(cards)

    @property
    def _facts(self) -> TableFacts:
        """What the cards say now."""
        facts: TableFacts = self._state.snapshot
        return facts

    # -- what the header says -------------------------------------------------------------------------------------

    @property
    def nrows(self) -> int:
        """Number of rows."""
        return self._facts.nrows

    @property
    def ncols(self) -> int:
        """Number of columns."""
        return len(self._facts.numbers)

    @property
    def colnames(self) -> tuple[str, ...]:
        """Names of the columns, in file order, spelt as in the file; ``COLn`` for column n without a name."""
        return self._facts.colnames

    @property
    def dtype(self) -> np.dtype[Any]:
        """Structured dtype of a row of physical values; object for arrays in the heap."""
        return self._facts.dtype()

    @property
    def units(self) -> dict[str, str | None]:
        """Unit of each column, by its name; None where there is none."""
        return self._facts.units

    @property
    def has_data(self) -> bool:
        """Whether the table has a row, and a byte in it."""
        return self._facts.nrows > 0 and self._facts.seen.integer("NAXIS1") > 0

    def __len__(self) -> int:
        return self.nrows

    def __bool__(self) -> bool:
        return True  # an empty table is an HDU all the same

    def __repr__(self) -> str:
        facts = self._state.snapshot_anyhow
        try:
            lines = [f"  rows: {facts.nrows}", *self._more_lines(facts), "  column info:", *facts.column_lines()]
        except HeaderError as error:  # a listing must not fail: it is what one looks at then
            lines = [f"  rows: {facts.cards.get('NAXIS2')}", f"  column info: {error}"]
        return super().__repr__() + "\n".join(lines) + "\n"

    def _more_lines(self, facts: Any) -> list[str]:
        return []

    def _check_header(self) -> None:
        _ = self._facts.nrows, self._facts.colnames

    # -- what is not there yet ------------------------------------------------------------------------------------

    def _refuse(self, what: str, instead: str = ELSEWHERE) -> NotSupported:
        error = NotSupported(f"{what} of {self._noun} is not supported yet; {instead}")
        error.locate(str(self._place))
        return error

    def read(
        self,
        *,
        rows: slice | Sequence[int] | None = None,
        columns: Sequence[str] | None = None,
        scale: bool = True,
        mask_null: bool = False,
    ) -> NDArray[Any]:
        """Refuse to read; see `TableHDU.read`."""
        raise self._refuse("reading")

    def read_column(
        self,
        name: str,
        *,
        rows: slice | Sequence[int] | None = None,
        as_bytes: bool = False,
        scale: bool = True,
        mask_null: bool = False,
    ) -> NDArray[Any]:
        """Refuse to read; see `TableHDU.read_column`."""
        raise self._refuse("reading")

    def write(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse to write."""
        raise self._refuse("writing")

    append = extend = appending = extending = write
    insert_column = delete_column = repack = write

    def iter(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse to iterate."""
        raise self._refuse("iteration over rows", "read(rows=slice(start, stop)) gives them in pieces")

    def __iter__(self) -> NoReturn:
        self.iter()

    def __getitem__(self, key: Any) -> NoReturn:
        raise self._refuse("item access", "read(rows=..., columns=...) selects rows and columns")

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise self._refuse("writing")

    def __delitem__(self, key: Any) -> NoReturn:
        raise NotSupported("can't delete items of a table: rows are not removed")
