"""Compiled kernels for the parts of rustfits that are not a codec's."""

from rustfits_accel.kernels import CompiledKernels

__all__ = ["CompiledKernels"]
