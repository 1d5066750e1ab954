"""Tables as text: aligned in pipes, folded to the width of a terminal, without what a terminal would obey."""

from __future__ import annotations

import sys
from typing import Any

import click

import rustfits

GAP = "  "
LEAST_WIDTH = 6  # of a column that is folded


class TextTable:
    """Rows of text under headings.

    Parameters
    ----------
    columns : tuple of str
        Headings; an empty one for a column that speaks for itself.
    right : slice
        Which columns hold numbers, which end at one edge.
    """

    def __init__(self, columns: tuple[str, ...], right: slice = slice(0)) -> None:
        self._rows = [list(columns)]
        self._numbers = set(range(len(columns))[right])

    def add(self, *cells: str) -> None:
        """Add a row."""
        self._rows.append([rustfits.printable(cell) for cell in cells])

    def lines(self, width: int | None = None) -> list[str]:
        """Return the table, the headings first; no line is longer than ``width`` as far as words can be cut."""
        used = [column for column in range(len(self._rows[0])) if any(row[column] for row in self._rows[1:])]
        used = used or list(range(len(self._rows[0])))
        widths = {column: max(len(row[column]) for row in self._rows) for column in used}
        gap = GAP
        while width is not None and sum(widths.values()) + len(GAP) * (len(used) - 1) > width:
            words = [column for column in used if column not in self._numbers and widths[column] > LEAST_WIDTH]
            if not words:
                gap = " "  # a number in two pieces would be read as another one
                break
            widths[max(words, key=lambda column: widths[column])] -= 1
        lines = []
        for row in self._rows:
            parts = {column: fold(row[column], widths[column]) for column in used}
            for number in range(max(map(len, parts.values()))):
                cells = [self._cell(parts[column], number, column, widths[column]) for column in used]
                lines.append(gap.join(cells).rstrip())
        return lines

    def _cell(self, parts: list[str], number: int, column: int, width: int) -> str:
        text = parts[number] if number < len(parts) else ""
        return text.rjust(width) if column in self._numbers else text.ljust(width)


class Out:
    """Standard output, as far as tables go."""

    def print(self, table: TextTable) -> None:
        """Write a table: as wide as it is to a pipe, folded to a terminal."""
        terminal = sys.stdout.isatty()
        width = terminal_width() if terminal else None
        heading, *rest = table.lines(width)
        click.echo(click.style(heading, bold=True) if terminal else heading)
        if rest:
            click.echo("\n".join(rest))


def terminal_width() -> int:
    """Return how many characters a line of the terminal holds."""
    import shutil

    return shutil.get_terminal_size().columns


def write_json(value: Any) -> None:
    """Write plain values; numbers that JSON has not, as NaN, become null."""
    import json

    click.echo(json.dumps(_plain(value), indent=2))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bool | str | int) or value is None:
        return value
    number = float(value)
    return number if abs(number) < float("inf") else None


def console() -> Out:
    """Return where tables go."""
    return Out()


def new_table(*columns: str, right: slice = slice(0)) -> TextTable:
    """Return an empty table; ``right`` says which columns hold numbers."""
    return TextTable(columns, right)


def add_row(table: TextTable, *cells: str) -> None:
    """Add cells as they are: names from a file may hold control characters."""
    table.add(*cells)


def fold(text: str, width: int) -> list[str]:
    """Cut text into lines, at blanks where there are some."""
    lines = []
    while len(text) > width:
        cut = text.rfind(" ", 1, width + 1)
        cut = cut if cut > 0 else width
        lines.append(text[:cut])
        text = text[cut:].lstrip(" ")
    return [*lines, text]


def one_line(text: object) -> str:
    """Return an error as one line."""
    return rustfits.printable(" ".join(str(text).split()))
