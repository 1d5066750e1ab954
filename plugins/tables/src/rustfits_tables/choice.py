"""Which kernels are in use."""

from __future__ import annotations

from functools import cache

from rustfits.plugin import choose_variant
from rustfits_tables.kernels import TableKernels


@cache
def active() -> TableKernels:
    """Return the compiled kernels, or those in NumPy if RUSTFITS_KERNELS says so or the others were not compiled.

    Raises
    ------
    InvalidParameter
        If RUSTFITS_KERNELS has another value than ``numpy`` or ``auto``.
    """
    if choose_variant("RUSTFITS_KERNELS", ("numpy", "auto"), 1):
        try:
            from rustfits_tables.compiled import CompiledTableKernels
        except ImportError:
            return TableKernels()
        return CompiledTableKernels()
    return TableKernels()
