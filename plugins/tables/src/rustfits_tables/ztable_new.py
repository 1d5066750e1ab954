"""New compressed tables: which algorithm compresses which column, and the header (FITS 4.0, section 10.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rustfits import InvalidParameter, TableError
from rustfits.plugin import Cards, HeapWriter, NewHDU, TableUnit, TileCodec, as_codec
from rustfits_tables.columns import Cells
from rustfits_tables.values import Values
from rustfits_tables.ztable import PAIR_NBYTES, CompressedFacts
from rustfits_tables.ztable_encode import TileEncoder, with_maximum

TILE_NBYTES = 10_000_000  # of rows in a tile, as fpack has it
RICE_BLOCKSIZE = 32  # a compressed table has no keyword for another

# By the letter of TFORMn, or that of arrays in the heap; the default comes first (FITS 4.0, section 10.3.5).
ALLOWED = {
    "B": ("GZIP_1", "RICE_1"),
    "I": ("GZIP_2", "GZIP_1", "RICE_1"),
    "J": ("RICE_1", "GZIP_1", "GZIP_2"),
    **dict.fromkeys("KED", ("GZIP_2", "GZIP_1")),
    **dict.fromkeys("CM", ("GZIP_1", "GZIP_2")),
    **dict.fromkeys("LAX", ("GZIP_1",)),
}


def planned(
    cards: Cards, cells: Sequence[Cells], values: Sequence[Values] | None, compress: Any, ztilelen: int | None
) -> NewHDU:
    """Return a compressed table.

    Parameters
    ----------
    cards : Cards
        The header of the table if it were not compressed.
    cells : sequence of Cells
        Its columns.
    values : sequence of Values or None
        Of all columns; None for rows that are not written yet.
    compress : True, str, TileCodec, or dict of column names to str or TileCodec
        How columns are compressed; those that are not named have the default of their type.
    ztilelen : int or None
        Rows of a tile.

    Raises
    ------
    TableError
        If a column is unknown, cannot be compressed so, or ``ztilelen`` is less than 1.
    InvalidParameter
        If there is no such algorithm, or a codec has a parameter that a table cannot tell of.
    CodecNotInstalled, PluginError
        If an algorithm cannot be had.
    TypeError
        If an argument has the wrong type.
    """
    codecs = chosen_codecs(compress, cells)
    nrows = cards.count("NAXIS2")
    disk = disk_cards(cards, cells, codecs, tile_nrows(cards, ztilelen), values)
    facts = CompressedFacts(disk)
    writer = HeapWriter.anew(facts.layout)
    named = {name: codec for name, codec in codecs.items() if codec is not None}
    if values is not None and nrows:
        disk.set("ZPCOUNT", TileEncoder(facts, None, nrows, named).add(writer, range(nrows), values, 0))

    def fill(hdu: Any) -> None:
        hdu._codecs = named
        TableUnit(hdu).fill(writer)

    return NewHDU(writer.complete(disk), fill)


def chosen_codecs(compress: Any, cells: Sequence[Cells]) -> dict[str, TileCodec]:
    """Return the codec of each column, by its name; errors as `planned`."""
    wishes: dict[str, Any] = {}
    if isinstance(compress, Mapping):
        names = {one.name.upper(): one.name for one in cells}
        for name, wish in compress.items():
            known = names.get(name.rstrip(" ").upper()) if isinstance(name, str) else None
            if known is None:
                raise TableError(
                    f"compress= has {name!r}, which does not match any column: {', '.join(map(repr, names.values()))}"
                )
            wishes[known] = wish
    elif compress is not True:
        wishes = dict.fromkeys((one.name for one in cells), compress)
    found: dict[str, TileCodec] = {}
    for one in cells:
        allowed = ALLOWED[one.column.element or one.column.code]
        wish = wishes.get(one.name)
        codec = as_codec(allowed[0] if wish is None or wish is True else _checked_wish(wish))
        assert codec is not None
        found[one.name] = _fitting(one, codec, allowed)
    return found


def _checked_wish(wish: object) -> str | TileCodec:
    if not isinstance(wish, str | TileCodec):
        raise TypeError(
            "compress= of a table must be True, a codec such as Gzip2(), the name of one, or a dict of columns to "
            f"these, not {wish!r}"
        )
    return wish


def _fitting(cells: Cells, codec: TileCodec, allowed: Sequence[str]) -> TileCodec:
    if codec.zcmptype not in allowed:
        image_only = codec.tile_ndim is not None or not codec.negative
        what = f"{codec.zcmptype} is image-only" if image_only else f"{codec.zcmptype} is not for such columns"
        raise TableError(
            f"column {cells.name!r} ({cells.label()}): {what}. Allowed for this dtype: {', '.join(sorted(allowed))}"
        )
    if codec.tile_shape is not None:
        raise InvalidParameter("tile_shape", codec.tile_shape, "is for images; ztilelen= says how many rows a tile has")
    blocksize = getattr(codec, "blocksize", RICE_BLOCKSIZE)
    if blocksize != RICE_BLOCKSIZE:
        raise InvalidParameter(
            "blocksize", blocksize, f"must be {RICE_BLOCKSIZE} in tables, whose header cannot tell it"
        )
    return codec


def tile_nrows(cards: Cards, ztilelen: int | None) -> int:
    """Return the rows of a tile; errors as `planned`."""
    nrows = cards.count("NAXIS2")
    if ztilelen is None:
        found = max(TILE_NBYTES // max(cards.integer("NAXIS1"), 1), 1)
    elif isinstance(ztilelen, bool) or not isinstance(ztilelen, int):
        raise TypeError(f"ztilelen= must be an int, not {ztilelen!r}")
    elif ztilelen < 1:
        raise TableError(f"ztilelen= must be > 0, not {ztilelen}")
    else:
        found = ztilelen
    return min(found, nrows) if nrows else found


def disk_cards(
    cards: Cards,
    cells: Sequence[Cells],
    codecs: Mapping[str, TileCodec],
    tile_nrows: int,
    values: Sequence[Values] | None,
) -> Cards:
    """Return the header of the table of tiles, whose heap is empty."""
    disk, nrows = cards.copy(), cards.count("NAXIS2")
    disk.set("NAXIS1", PAIR_NBYTES * len(cells))
    disk.set("NAXIS2", -(-nrows // tile_nrows))
    forms: list[tuple[str, str, str]] = []
    for index, one in enumerate(cells):
        number = one.column.number
        form = cards.text(f"TFORM{number}")
        if one.in_heap:
            counts = None if values is None else values[index].counts
            form = with_maximum(form, 0 if counts is None else int(counts.max(initial=0)))
        disk.set(f"TFORM{number}", "1QB")
        forms.append((f"ZFORM{number}", form, "format of the column before compression"))
    for keyword, value, comment in (
        ("ZTABLE", True, "this is a compressed table"),
        ("ZTILELEN", tile_nrows, "rows of a tile"),
        ("ZNAXIS1", cards.integer("NAXIS1"), "bytes in a row before compression"),
        ("ZNAXIS2", nrows, "rows of the table"),
        ("ZPCOUNT", 0, "bytes of the heap before compression"),
        *forms,
        *((f"ZCTYP{one.column.number}", codecs[one.name].zcmptype, "compression algorithm") for one in cells),
    ):
        disk.set(keyword, value, comment)
    return disk
