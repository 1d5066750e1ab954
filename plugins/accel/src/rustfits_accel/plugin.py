"""What the entry point names."""

from __future__ import annotations

from rustfits.plugin import Kernels, hookimpl
from rustfits_accel.kernels import CompiledKernels


@hookimpl
def rustfits_kernels() -> Kernels:
    """Return the compiled kernels."""
    return CompiledKernels()
