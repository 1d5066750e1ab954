"""The verdicts on the rows of a compressed table: ZDATASUM, ZHECKSUM, and whether every tile can be decoded."""

from __future__ import annotations

import numpy as np

from rustfits import CodecNotInstalled, FitsError, PluginError, TruncatedFile
from rustfits.plugin import Verdict, is_datasum
from rustfits_tables.columns import Cells
from rustfits_tables.ztable import CodedColumn
from rustfits_tables.ztable_cells import CellReader
from rustfits_tables.ztable_sums import data_sum, is_checksum
from rustfits_tables.ztable_tiles import TileRows

SHOWN = 3
NOT_ASKED = "the rows were not decoded, as was asked"


def row_verdicts(
    tiles: TileRows, own: tuple[Verdict, Verdict], *, decode: bool
) -> tuple[tuple[Verdict, Verdict, Verdict], str]:
    """Return the verdicts on ZDATASUM, ZHECKSUM and tiles, and why the rows could not be looked at.

    Parameters
    ----------
    tiles : TileRows
    own : (Verdict, Verdict)
        On DATASUM and CHECKSUM.
    decode : bool
        Whether to decode the rows at all.
    """
    data, unread = None, ""
    if decode:
        verdict, unread = _tiles(tiles)
        if verdict.status == "ok":
            try:
                data = data_sum(tiles)
            except FitsError as error:
                unread = error._sentence()
    else:
        verdict = Verdict("tiles", "does not apply", NOT_ASKED)
    why = unread or ("the rows cannot be decoded" if verdict.status == "bad" else verdict.reason)
    return (_datasum(tiles, data, own[0], why), _checksum(tiles, data, own[1], why), verdict), unread


def _tiles(tiles: TileRows) -> tuple[Verdict, str]:
    """Decode every tile of every column."""
    facts = tiles.facts
    damage: list[str] = []  # not the errors: their frames would keep every tile in memory
    try:
        columns = [facts.coded(one) for one in facts.cells if isinstance(one, Cells)]
    except (CodecNotInstalled, PluginError) as error:
        return Verdict("tiles", "does not apply", error._sentence()), error._sentence()
    except FitsError as error:
        return Verdict("tiles", "bad", error._sentence()), ""
    there, cut = _tiles_there(tiles)
    for column in columns:
        for first in range(0, facts.nrows, facts.tile_nrows)[:there]:
            try:
                _decode(tiles, column, np.arange(first, min(first + facts.tile_nrows, facts.nrows)))
            except FitsError as error:
                damage.append(error._sentence())
    count, nlost = facts.ntiles * len(columns), len(damage) + (facts.ntiles - there) * len(columns)
    if cut is not None and nlost > len(damage):
        damage.append(cut._sentence())
    if not damage:
        return Verdict("tiles", "ok", f"all {facts.ntiles} tiles of all {len(columns)} columns can be decoded"), ""
    shown = "; ".join(damage[:SHOWN])
    left = nlost - min(len(damage), SHOWN)
    more = f"; and {left} more" if left else ""
    return Verdict("tiles", "bad", f"{nlost} of {count} tiles cannot be decoded: {shown}{more}"), ""


def _tiles_there(tiles: TileRows) -> tuple[int, FitsError | None]:
    """Return how many tiles have their row in the file, and what is said of the first of the others.

    A header may claim any number of them: they are not gone through one by one.
    """
    there, stop, cut = 0, tiles.facts.ntiles, None
    while there < stop:
        middle = (there + stop) // 2
        try:
            tiles.unit.require((middle + 1) * tiles.facts.layout.row_nbytes)
            there = middle + 1
        except TruncatedFile as error:
            stop, cut = middle, error
    return there, cut


def _decode(tiles: TileRows, column: CodedColumn, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    if not column.cells.in_heap:
        tiles.raw(rows, column)
    elif column.cells.column.nbytes:
        reader = CellReader(tiles)
        reader.bytes_of(column, reader.all_cells(rows, column))


def _datasum(tiles: TileRows, data: int | None, own: Verdict, why: str) -> Verdict:
    value = _stated(tiles, "ZDATASUM")
    if value is None:
        return _absent(tiles, "ZDATASUM")
    if data is None:
        return Verdict("ZDATASUM", "does not apply", f"it cannot be compared: {why}")
    if is_datasum(value, data):
        return Verdict("ZDATASUM", "ok", "it is the sum of the rows and their heap")
    if own.status == "ok":
        reason = f"{own.check} is right, so it is of a heap that was not kept as it was, and tells nothing of damage"
        return Verdict("ZDATASUM", "does not apply", f"it is {value!r}, but the rows sum up to {data}: {reason}")
    reason = f"{own.check} is {own.status}, so nothing shows that they are what they were"
    return Verdict("ZDATASUM", "bad", f"it is {value!r}, but the rows sum up to {data}: {reason}")


def _checksum(tiles: TileRows, data: int | None, own: Verdict, why: str) -> Verdict:
    if _stated(tiles, "ZHECKSUM") is None:
        return _absent(tiles, "ZHECKSUM")
    if data is None:
        return Verdict("ZHECKSUM", "does not apply", f"it cannot be compared: {why}")
    if is_checksum(tiles.facts, data):
        return Verdict("ZHECKSUM", "ok", "it is the checksum of the table as a program unpacks it")
    if own.status == "ok":
        reason = f"{own.check} is right, so it is of a header or rows that are not kept as they were"
        return Verdict("ZHECKSUM", "does not apply", f"it is not the checksum of this header and these rows: {reason}")
    return Verdict(
        "ZHECKSUM", "bad", f"it is not the checksum of this header and these rows; {own.check} is {own.status}"
    )


def _stated(tiles: TileRows, keyword: str) -> object | None:
    value = tiles.facts.cards.get(keyword)
    return None if isinstance(value, str) and not value.strip() else value


def _absent(tiles: TileRows, keyword: str) -> Verdict:
    there = keyword in tiles.facts.cards
    return Verdict(
        keyword, "absent", "the card is blank, which means undefined" if there else "the header has no such card"
    )
