"""New binary tables: all that can be wrong with them is known before a byte is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rustfits import TableError
from rustfits.plugin import AnyTableHDU, Cards, HeapWriter, NewHDU, TableLayout, TableUnit, carried_cards
from rustfits_tables.columns import Cells
from rustfits_tables.facts import ColumnFacts
from rustfits_tables.incoming import Given
from rustfits_tables.nulls import free_null, needs_null
from rustfits_tables.outgoing import collect
from rustfits_tables.schema import NewField, NewTable, Wishes, fields_of
from rustfits_tables.values import check_texts, prepared


def created(
    dtype: Any,
    nrows: int,
    *,
    extname: str | None = None,
    extver: int | None = None,
    compress: Any = None,
    ztilelen: int | None = None,
    **wishes: Any,
) -> NewHDU:
    """Return a table of zeros.

    Parameters
    ----------
    dtype : dtype-like
        With named fields.
    nrows : int
    extname, extver : str, int, optional
    compress, ztilelen
        Of a compressed table.
    **wishes
        As in `Wishes`.

    Raises
    ------
    TableError
        If there can be no such table.
    TypeError
        If an argument has the wrong type.
    """
    fields = fields_of(dtype)
    if not isinstance(nrows, int) or isinstance(nrows, bool) or nrows < 0:
        raise TableError(f"nrows must be an int >= 0, not {nrows!r}")
    table = NewTable(Wishes(**wishes).columns(fields), nrows, extname, extver)
    cards = table.cards()
    if wants_compression(compress, ztilelen):
        from rustfits_tables.ztable_new import planned

        return planned(cards, cells_of(cards), None, compress, ztilelen)
    return NewHDU(_writer(cards, cells_of(cards)).complete(cards))


def written(
    data: Any,
    *,
    names: Sequence[str] | None = None,
    extname: str | None = None,
    extver: int | None = None,
    compress: Any = None,
    ztilelen: int | None = None,
    header: Any = None,
    **wishes: Any,
) -> NewHDU:
    """Return a table with rows; parameters and errors as `created`, and of `Given.of`.

    Parameters
    ----------
    data, names
        As for `Given.of`.
    header : FITSHeader, header of another library, or mapping, optional
        What of it describes no data goes into the header of the table.
    """
    given = Given.of(data, names)
    if given.foreign is not None:
        header = given.foreign.header if header is None else header
        wishes = given.foreign.wishes(wishes)
    nulls = {name: free_null(name, array) for name, array in given.columns.items() if needs_null(array)}
    wishes["nulls"] = {**wishes.get("nulls", {}), **nulls}
    fields = [NewField(name, array.dtype, array.shape[1:]) for name, array in given.columns.items()]
    said = [key for key, value in (("EXTNAME", extname), ("EXTVER", extver)) if value is not None]
    more = carried_cards(header, said)
    cards = NewTable(Wishes(**wishes).columns(fields), given.nrows, extname, extver, more).cards()
    cells = cells_of(cards)
    values = [prepared(one, array) for one, array in zip(cells, given.columns.values(), strict=True)]
    check_texts(values)
    if wants_compression(compress, ztilelen):
        from rustfits_tables.ztable_new import planned

        return planned(cards, cells, values, compress, ztilelen)
    writer = _writer(cards, cells)
    collect(writer, range(given.nrows), values, cards.integer("NAXIS1"))

    def fill(hdu: AnyTableHDU) -> None:
        TableUnit(hdu).fill(writer)

    return NewHDU(writer.complete(cards), fill)


def cells_of(cards: Cards) -> list[Cells]:
    """Return the columns of a binary table, none of which is odd."""
    return [one for one in ColumnFacts(cards).cells if isinstance(one, Cells)]


def _writer(cards: Cards, cells: Sequence[Cells]) -> HeapWriter:
    return HeapWriter.anew(TableLayout.from_cards(cards, tuple(one.column for one in cells)))


def wants_compression(compress: Any, ztilelen: int | None) -> bool:
    """Return whether a table is to be compressed.

    Raises
    ------
    TableError
        If ``ztilelen`` is given for one that is not.
    """
    if compress is not None and compress is not False:
        return True
    if ztilelen is not None:
        raise TableError("ztilelen= requires compress=: it is the number of rows of a compressed tile")
    return False
