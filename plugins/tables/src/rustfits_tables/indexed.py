"""Keywords that hold the number of a column (FITS 4.0, tables 20 and 22, and conventions), for columns that move."""

from __future__ import annotations

import re
from collections.abc import Callable

from rustfits import TableError
from rustfits.plugin import Cards

# Of columns: the standard's, and those of conventions in common use.
_COLUMN = (
    "T(TYPE|FORM|UNIT|DIM|NULL|SCAL|ZERO|DISP|BCOL|DMIN|DMAX|LMIN|LMAX|DBIN|COMM|DESC|UCD|UTYP|XP|CLAS|RPOS|ROTA?)"
)
# Of coordinates, where a column holds those of pixels, and where its cells are images; with the letter of a version.
_WORLD = "(CTYP|CUNI|CRVL|CDLT|CRPX|CROT|CTY|CUN|CRV|CDE|CRP|CNA|CRD|CSY|CZP|CPR)"
_COMMON = (
    "(WCSN|WCAX|WCST|LONP|LATP|EQUI|RADE|SPEC|SSYS|SOBS|SSRC|VSYS|VANG|VSOU|ZSOU|RFRQ|RWAV|MJDOB|MJDA|DOBS|DAVG"
    "|OBSG[XYZLBH]|TWCS)"
)
_PATTERNS = [
    (re.compile(pattern), groups)
    for pattern, groups in (
        (rf"(?P<a>{_COLUMN})(?P<n>[1-9]\d*)(?P<z>)", "n"),
        (rf"(?P<a>T{_WORLD})(?P<n>[1-9]\d*)(?P<z>[A-Z]?)", "n"),
        (rf"(?P<a>\d{_WORLD})(?P<n>[1-9]\d*)(?P<z>[A-Z]?)", "n"),
        (rf"(?P<a>{_COMMON})(?P<n>[1-9]\d*)(?P<z>[A-Z]?)", "n"),
        (r"(?P<a>\d\d(PC|CD|P|C))(?P<n>[1-9]\d*)(?P<z>[A-Z]?)", "n"),
        (r"(?P<a>(T|\d)(PV|PS|V|S))(?P<n>[1-9]\d*)(?P<z>_\d+[A-Z]?)", "n"),
        (r"(?P<a>T(PC|CD|P|C))(?P<n>[1-9]\d*)_(?P<m>[1-9]\d*)(?P<z>[A-Z]?)", "nm"),
    )
]


def renumbered(cards: Cards, ncolumns: int, number_of: Callable[[int], int | None]) -> Cards:
    """Return a header whose columns have other numbers.

    Parameters
    ----------
    cards : Cards
    ncolumns : int
        Columns that there are.
    number_of : callable
        Returns the new number of a column; None if its keywords are to be left out.

    Raises
    ------
    TableError
        If a keyword would be longer than 8 characters.
    """

    def rename(keyword: str) -> str | None:
        for pattern, groups in _PATTERNS:
            found = pattern.fullmatch(keyword)
            if found is None:
                continue
            numbers = [int(found[group]) for group in groups]
            # Cards of columns that are not there move too, or they would describe one that comes. What a keyword that
            # does not begin with T says of such a column is anybody's guess.
            if max(numbers) > ncolumns and keyword[0] != "T":
                return keyword
            new = [number_of(number) for number in numbers]
            if None in new:
                return None
            renamed = f"{found['a']}{'_'.join(map(str, new))}{found['z']}"
            if len(renamed) > 8:
                raise TableError(
                    f"{keyword} would become {renamed}, which is no keyword: it has more than 8 characters"
                )
            return renamed
        return keyword

    return cards.renamed(rename)
