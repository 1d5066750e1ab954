"""What the header says of a column beside its type: name, unit, null, description. No row is touched."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rustfits import TableError
from rustfits.plugin import ELEMENT_DTYPES, Cards
from rustfits_tables.columns import CONVENTIONS, INTEGERS, Cells
from rustfits_tables.facts import AnyCells, ColumnFacts
from rustfits_tables.schema import check_names
from rustfits_tables.text import TextCells

BASES = ("TTYPE", "TFORM", "TBCOL", "TDIM", "TZERO", "TSCAL", "TNULL", "TDISP", "TUNIT", "TCOMM")


def last_card(cards: Cards, number: int) -> str | None:
    """Return the last keyword of the column of a number, in the order of the cards; None if it has none."""
    keys = cards.keys()
    own = [keys.index(f"{base}{number}") for base in BASES if f"{base}{number}" in cards]
    return keys[max(own)] if own else None


def renamed(facts: ColumnFacts, number: int, name: object) -> Cards:
    """Return the header with another name for a column.

    Raises
    ------
    TableError
        If it cannot be one, or is that of another column, whatever its case.
    """
    if not isinstance(name, str):
        raise TableError(f"the name of a column must be a non-empty str, not {name!r}")
    check_names([name])
    others = [known.upper() for other, known in zip(facts.numbers, facts.colnames, strict=True) if other != number]
    if name.upper() in others:
        raise TableError(f"a column {name!r} already exists; case does not count")
    cards = facts.cards.copy()
    set_name(cards, number, name)
    return cards


def set_name(cards: Cards, number: int, name: str) -> None:
    """Write TTYPEn; a card that was not there goes before TFORMn."""
    keyword = f"TTYPE{number}"
    keys = cards.keys()
    before = keys[keys.index(f"TFORM{number}") - 1]
    cards.set(keyword, name, after=before) if keyword not in cards else cards.set(keyword, name)


def described(
    facts: ColumnFacts, cells: AnyCells, number: int, *, unit: str | None, null: object, description: str | None
) -> Cards:
    """Return the header with other words for a column; the arguments are those of `TableHDU.describe_column`.

    Raises
    ------
    TableError
        If the column cannot have such a null.
    TypeError
        If a word is no str.
    """
    entries: list[tuple[str, object]] = []
    for keyword, argument, word in (("TUNIT", "unit", unit), ("TCOMM", "description", description)):
        if word is not None and not isinstance(word, str):
            raise TypeError(f"{argument}= must be a str, not {word!r}")
        entries += [] if word is None else [(f"{keyword}{number}", word)]
    if null is not None:
        stored = _null_text(cells, null) if isinstance(cells, TextCells) else _stored_null(cells, null)
        entries.append((f"TNULL{number}", stored))
    cards = facts.cards.copy()
    for keyword, value in entries:
        if value == "":
            if keyword in cards:
                cards.remove(keyword)
        elif keyword in cards:
            cards.set(keyword, value)
        else:
            cards.set(keyword, value, after=last_card(cards, number))
    return cards


def _null_text(cells: TextCells, null: object) -> str:
    if not isinstance(null, str) or not null.strip() or not (null.isascii() and null.isprintable()):
        raise TableError(
            f"null= of column {cells.name!r} of an ASCII table must be a text that is not blank, not {null!r}"
        )
    if len(null.strip()) > cells.width:
        raise TableError(
            f"null={null!r} has more than the {cells.width} characters of a field of column {cells.name!r}"
        )
    return null.strip()


def _stored_null(cells: Cells, null: object) -> int:
    code = cells.column.element or cells.column.code
    if code not in INTEGERS:
        raise TableError(
            f"column {cells.name!r} holds {cells.label()}; only columns of integers have TNULL: NaN stands for floats "
            "without a value, an empty string for strings, and masked logical values need nothing"
        )
    if not isinstance(null, int | np.integer) or isinstance(null, bool):
        raise TableError(f"null= of column {cells.name!r} must be an int, not {null!r}")
    shift = int(cells.tzero) if cells.tscal == 1 and (code, cells.tzero) in CONVENTIONS else 0
    size = np.dtype(ELEMENT_DTYPES[code]).itemsize
    least, most = (0, 255) if code == "B" else (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1)
    stored = int(null) - shift
    if not least <= stored <= most:
        raise TableError(
            f"null={null} is none of the numbers from {least + shift} to {most + shift}, which column {cells.name!r} "
            "can hold"
        )
    return stored


def with_fixed_names(facts: ColumnFacts, moved: Sequence[int], cards: Cards | None = None) -> Cards:
    """Return the header with a name for columns that have none, and move: they are called what they were called.

    Parameters
    ----------
    facts : ColumnFacts
    moved : sequence of int
        Numbers of columns.
    cards : Cards, optional
        The header; by default that of ``facts``.
    """
    cards = facts.cards if cards is None else cards
    nameless = [number for number in moved if not _name(cards, number)]
    if not nameless:
        return cards
    cards = cards.copy()
    for number in nameless:
        set_name(cards, number, facts.colnames[number - 1])
    return cards


def _name(cards: Cards, number: int) -> str:
    name = cards.get(f"TTYPE{number}")
    return name.rstrip(" ") if isinstance(name, str) else ""
