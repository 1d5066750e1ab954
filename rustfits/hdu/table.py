"""Tables as far as the core knows them: what their headers say. Rows are the work of a kind that a plugin brings."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from rustfits.errors import HeaderError, NotSupported, how_to_install
from rustfits.hdu.base import HDU
from rustfits.header.cards import Cards
from rustfits.header.state import Snapshot
from rustfits.heap.bintable import TableLayout, column_numbers, label_in

if TYPE_CHECKING:
    from rustfits.heap.spare import Spare

PACKAGE = "rustfits-tables"


class TableFacts(Snapshot):
    """What the header says of a table, as the user sees it: of a compressed one, before it was compressed."""

    @cached_property
    def seen(self) -> Cards:
        """The cards of the table as the user sees it: Z keywords stand for those of a compressed one on disk."""
        if self.cards.get("ZTABLE") is not True:
            return self.cards
        table = self.cards.copy()
        pairs = [("ZNAXIS1", "NAXIS1"), ("ZNAXIS2", "NAXIS2"), ("ZPCOUNT", "PCOUNT")]
        pairs += [(f"ZFORM{number}", f"TFORM{number}") for number in column_numbers(self.cards)]
        for source, target in pairs:
            if source in self.cards:
                table.set(target, self.cards.get(source))
        if "THEAP" in table:
            table.remove("THEAP")  # of the table on disk
        return table

    @cached_property
    def nrows(self) -> int:
        """NAXIS2."""
        return self.seen.count("NAXIS2")

    @cached_property
    def numbers(self) -> range:
        """Numbers of the columns, from 1."""
        return column_numbers(self.seen)

    @cached_property
    def colnames(self) -> tuple[str, ...]:
        """TTYPEn of every column, without blanks at the end; ``COLn`` where there is none."""
        return tuple(label_in(self.seen, number) for number in self.numbers)

    @property
    def units(self) -> dict[str, str | None]:
        """TUNITn of every column; None where it is absent or no text."""
        return dict(zip(self.colnames, map(self._unit, self.numbers), strict=True))

    def _unit(self, number: int) -> str | None:
        unit = self.seen.get(f"TUNIT{number}")
        return unit if isinstance(unit, str) else None

    def column_lines(self) -> list[str]:
        """Return one line per column, for ``repr``."""
        width = max(map(len, self.colnames), default=0)
        units = [f"  ({unit})" if unit else "" for unit in map(self._unit, self.numbers)]
        kinds = self._kinds()
        return [
            f"    {name:<{width}}  {kind}{unit}" for name, kind, unit in zip(self.colnames, kinds, units, strict=True)
        ]

    def _kinds(self) -> list[str]:
        """Return what to call the content of each column."""
        return [f"TFORM {self.seen.get(f'TFORM{number}')!r}" for number in self.numbers]


class AnyTableHDU(HDU):
    """What all tables have in common, whoever reads their rows; no HDU is of this class itself."""

    _facts_class: ClassVar[type[TableFacts]] = TableFacts

    _spare: Spare | None = None  # of whoever changes it

    @classmethod
    def _snapshot_of(cls, cards: Cards) -> Snapshot:
        return cls._facts_class(cards)

    @property
    def _facts(self) -> TableFacts:
        """What the cards say now."""
        facts: TableFacts = self._state.snapshot
        return facts

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


class ClosedTableHDU(AnyTableHDU):
    """A binary table whose rows nothing that is installed can read.

    Its header, its checksums and its bytes are there all the same.
    """

    label: ClassVar[str] = "BINARY_TBL"
    _kind: ClassVar[str] = "BINARY_TBL"

    def _check_header(self) -> None:
        TableLayout.from_cards(self._state.cards)  # of the table as it lies in the file, compressed or not

    def read(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse to work on rows, and name the package that does.

        Raises
        ------
        NotSupported
            Always.
        """
        raise needs_package(f"the rows of {self._place}")

    read_column = write = append = extend = appending = extending = insert_column = delete_column = repack = iter = read
    delete_rows = rename_column = describe_column = read
    __getitem__ = __setitem__ = __delitem__ = read

    def __iter__(self) -> NoReturn:
        self.read()


class ClosedCompressedTableHDU(ClosedTableHDU):
    """A compressed table whose rows nothing that is installed can read; as `ClosedTableHDU`."""

    _kind: ClassVar[str] = "BINARY_TBL (compressed)"


class ClosedAsciiTableHDU(ClosedTableHDU):
    """An ASCII table whose rows nothing that is installed can read; as `ClosedTableHDU`."""

    label: ClassVar[str] = "ASCII_TBL"
    _kind: ClassVar[str] = "ASCII_TBL"

    _check_header = AnyTableHDU._check_header


def needs_package(what: str) -> NotSupported:
    """Return the error of whoever wants something of tables that the core alone cannot do."""
    return NotSupported(
        f"{what} need the package {PACKAGE}, which is not installed or cannot be loaded; try: {how_to_install(PACKAGE)}"
    )
