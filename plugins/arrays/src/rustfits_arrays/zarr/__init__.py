"""FITS images for readers of Zarr: references to the bytes of their files, and a store of their pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rustfits_arrays.zarr.refs import references

if TYPE_CHECKING:
    from rustfits_arrays.zarr.icechunk import write_icechunk
    from rustfits_arrays.zarr.refstore import ReferenceStore
    from rustfits_arrays.zarr.store import FITSStore
    from rustfits_arrays.zarr.virtual import FITSParser

__all__ = ["FITSParser", "FITSStore", "ReferenceStore", "references", "write_icechunk"]

_MODULES = {"FITSParser": "virtual", "FITSStore": "store", "ReferenceStore": "refstore", "write_icechunk": "icechunk"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
