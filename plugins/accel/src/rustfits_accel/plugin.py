"""What the entry point names."""

from __future__ import annotations

from rustfits.plugin import Kernels, choose_variant, hookimpl
from rustfits_accel.kernels import ISAS, CompiledKernels


@hookimpl
def rustfits_kernels() -> Kernels:
    """Return the compiled kernels, of the variant that RUSTFITS_ACCEL_KERNEL names if it is set."""
    return CompiledKernels(choose_variant("RUSTFITS_ACCEL_KERNEL", ISAS, CompiledKernels().isa))
