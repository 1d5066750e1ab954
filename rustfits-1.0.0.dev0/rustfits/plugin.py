"""All that a plugin may import from rustfits: the contract, and nothing behind it.

Every name is loaded from its module when it is first asked for: a codec needs no kernels.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rustfits.codec.batch import QuantizedTiles
    from rustfits.codec.choice import choose_variant
    from rustfits.codec.codec import (
        API_VERSION,
        EncodedTiles,
        Int64s,
        Parameter,
        PixelBatch,
        TileBatch,
        TileCodec,
        decoded_by,
        encoded_by,
        raise_first_fault,
    )
    from rustfits.codec.hookspecs import hookimpl
    from rustfits.codec.kernels import Kernels
    from rustfits.codec.readers import BoxReader, HeapBytes, PlainImage, TiledImage, TileIndex, TileKeeper
    from rustfits.codec.registry import as_codec, codec_class
    from rustfits.errors import (
        FileChanged,
        FileMissing,
        FitsIOError,
        InvalidParameter,
        LocationError,
        NotSupported,
        OpenFailed,
        ParameterOverflow,
        TileDecodeError,
        TileEncodeError,
        TruncatedFile,
        UnsupportedPixels,
    )
    from rustfits.hdu.base import HDU
    from rustfits.hdu.checksum import Datasum, checksum_of, is_checksum_of
    from rustfits.hdu.compressed.detached import ImageTiles, StoredTiles, stored_tiles, write_tiles
    from rustfits.hdu.image.cards import name_entries
    from rustfits.hdu.kind import DataUnit, HDUKind, NewHDU, changes, reads
    from rustfits.hdu.reference import Reference, reference_of
    from rustfits.hdu.report import Verdict
    from rustfits.hdu.sums import is_datasum
    from rustfits.hdu.table import AnyTableHDU, TableFacts
    from rustfits.hdu.tableunit import TableUnit
    from rustfits.header.cards import Cards
    from rustfits.header.edit import carried_cards
    from rustfits.header.state import Snapshot
    from rustfits.heap.bintable import ELEMENT_DTYPES, ELEMENT_NBYTES, Column, TableLayout, column_of
    from rustfits.heap.ranges import heap_ranges
    from rustfits.heap.writer import HeapWriter, Run
    from rustfits.parallel.memory import empty
    from rustfits.parallel.threads import run, scratch
    from rustfits.quantize.dither import DITHER_METHODS, Dither, method_number, random_starts, random_table
    from rustfits.quantize.noise import row_lengths
    from rustfits.quantize.quantum import effective_level
    from rustfits.storage.base import HEAD_NBYTES, Identity, Storage, as_bytes, without_user
    from rustfits.tiles.cache import TileCache
    from rustfits.tiles.decode import TileEntries
    from rustfits.tiles.encode import EncodedBatch

__all__ = [
    "API_VERSION",
    "DITHER_METHODS",
    "ELEMENT_DTYPES",
    "ELEMENT_NBYTES",
    "HDU",
    "HEAD_NBYTES",
    "AnyTableHDU",
    "BoxReader",
    "Cards",
    "Column",
    "DataUnit",
    "Datasum",
    "Dither",
    "EncodedBatch",
    "EncodedTiles",
    "FileChanged",
    "FileMissing",
    "FitsIOError",
    "HDUKind",
    "HeapBytes",
    "HeapWriter",
    "Identity",
    "ImageTiles",
    "Int64s",
    "InvalidParameter",
    "Kernels",
    "LocationError",
    "NewHDU",
    "NotSupported",
    "OpenFailed",
    "Parameter",
    "ParameterOverflow",
    "PixelBatch",
    "PlainImage",
    "QuantizedTiles",
    "Reference",
    "Run",
    "Snapshot",
    "Storage",
    "StoredTiles",
    "TableFacts",
    "TableLayout",
    "TableUnit",
    "TileBatch",
    "TileCache",
    "TileCodec",
    "TileDecodeError",
    "TileEncodeError",
    "TileEntries",
    "TileIndex",
    "TileKeeper",
    "TiledImage",
    "TruncatedFile",
    "UnsupportedPixels",
    "Verdict",
    "as_bytes",
    "as_codec",
    "carried_cards",
    "changes",
    "checksum_of",
    "choose_variant",
    "codec_class",
    "column_of",
    "decoded_by",
    "effective_level",
    "empty",
    "encoded_by",
    "heap_ranges",
    "hookimpl",
    "is_checksum_of",
    "is_datasum",
    "method_number",
    "name_entries",
    "raise_first_fault",
    "random_starts",
    "random_table",
    "reads",
    "reference_of",
    "row_lengths",
    "run",
    "scratch",
    "stored_tiles",
    "without_user",
    "write_tiles",
]

_MODULES = {
    "codec.batch": ("EncodedTiles", "Int64s", "PixelBatch", "QuantizedTiles", "TileBatch", "raise_first_fault"),
    "codec.codec": ("API_VERSION", "Parameter", "TileCodec", "decoded_by", "encoded_by"),
    "codec.choice": ("choose_variant",),
    "codec.hookspecs": ("hookimpl",),
    "codec.kernels": ("Kernels",),
    "codec.readers": ("BoxReader", "HeapBytes", "PlainImage", "TiledImage", "TileIndex", "TileKeeper"),
    "errors": (
        *("FileChanged", "FileMissing", "FitsIOError", "LocationError", "NotSupported", "OpenFailed", "TruncatedFile"),
        *("InvalidParameter", "ParameterOverflow", "TileDecodeError", "TileEncodeError", "UnsupportedPixels"),
    ),
    "codec.registry": ("as_codec", "codec_class"),
    "hdu.base": ("HDU",),
    "hdu.checksum": ("Datasum", "checksum_of", "is_checksum_of"),
    "hdu.compressed.detached": ("ImageTiles", "StoredTiles", "stored_tiles", "write_tiles"),
    "hdu.image.cards": ("name_entries",),
    "hdu.kind": ("DataUnit", "HDUKind", "NewHDU", "changes", "reads"),
    "hdu.reference": ("Reference", "reference_of"),
    "hdu.report": ("Verdict",),
    "hdu.sums": ("is_datasum",),
    "hdu.table": ("AnyTableHDU", "TableFacts"),
    "hdu.tableunit": ("TableUnit",),
    "header.cards": ("Cards",),
    "header.edit": ("carried_cards",),
    "header.state": ("Snapshot",),
    "heap.bintable": ("ELEMENT_DTYPES", "ELEMENT_NBYTES", "Column", "TableLayout", "column_of"),
    "heap.ranges": ("heap_ranges",),
    "heap.writer": ("HeapWriter", "Run"),
    "parallel.memory": ("empty",),
    "parallel.threads": ("run", "scratch"),
    "quantize.dither": ("DITHER_METHODS", "Dither", "method_number", "random_starts", "random_table"),
    "quantize.noise": ("row_lengths",),
    "quantize.quantum": ("effective_level",),
    "storage.base": ("HEAD_NBYTES", "Identity", "Storage", "as_bytes", "without_user"),
    "tiles.cache": ("TileCache",),
    "tiles.decode": ("TileEntries",),
    "tiles.encode": ("EncodedBatch",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(f"rustfits.{module}"), name)
            return value
    raise AttributeError(f"module 'rustfits.plugin' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
