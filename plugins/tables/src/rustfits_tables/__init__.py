"""Tables for rustfits.

Every name is loaded from its module when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rustfits_tables.ascii_hdu import AsciiTableHDU
    from rustfits_tables.choice import active
    from rustfits_tables.fields import Fault, Field, FieldArray, Kind, Reason
    from rustfits_tables.kernels import RowDecoder, RowEncoder, TableKernels
    from rustfits_tables.subsets import (
        AsciiColumnSubset,
        AsciiSingleColumnSubset,
        ColumnSubset,
        CompressedColumnSubset,
        CompressedSingleColumnSubset,
        SingleColumnSubset,
    )
    from rustfits_tables.tables import TableHDU
    from rustfits_tables.ztable_hdu import CompressedTableHDU

__all__ = [
    "AsciiColumnSubset",
    "AsciiSingleColumnSubset",
    "AsciiTableHDU",
    "ColumnSubset",
    "CompressedColumnSubset",
    "CompressedSingleColumnSubset",
    "CompressedTableHDU",
    "Fault",
    "Field",
    "FieldArray",
    "Kind",
    "Reason",
    "RowDecoder",
    "RowEncoder",
    "SingleColumnSubset",
    "TableHDU",
    "TableKernels",
    "active",
]

_MODULES = {
    "ascii_hdu": ("AsciiTableHDU",),
    "choice": ("active",),
    "fields": ("Fault", "Field", "FieldArray", "Kind", "Reason"),
    "kernels": ("RowDecoder", "RowEncoder", "TableKernels"),
    "subsets": (
        "AsciiColumnSubset",
        "AsciiSingleColumnSubset",
        "ColumnSubset",
        "CompressedColumnSubset",
        "CompressedSingleColumnSubset",
        "SingleColumnSubset",
    ),
    "tables": ("TableHDU",),
    "ztable_hdu": ("CompressedTableHDU",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(f"rustfits_tables.{module}"), name)
            return value
    raise AttributeError(f"module 'rustfits_tables' has no attribute {name!r}")
