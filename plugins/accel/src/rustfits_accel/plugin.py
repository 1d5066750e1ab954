"""What the entry point names."""

from __future__ import annotations

import os

from rustfits.plugin import Kernels, hookimpl
from rustfits_accel.kernels import CompiledKernels, choose_isa


@hookimpl
def rustfits_kernels() -> Kernels:
    """Return the compiled kernels, of the variant that RUSTFITS_ACCEL_KERNEL names if it is set."""
    return CompiledKernels(choose_isa(os.environ.get("RUSTFITS_ACCEL_KERNEL"), CompiledKernels().isa))
