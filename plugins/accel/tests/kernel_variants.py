"""The kernels that are compared: those of the core, and the compiled ones for every instruction set of this machine."""

import numpy as np

from rustfits.plugin import Kernels, TileBatch
from rustfits_accel import CompiledKernels, _kernel

CORE = Kernels()
VARIANTS = [CompiledKernels(isa) for isa in range(_kernel.best_isa() + 1)]


def batch_of(streams):
    length = np.array([len(stream) for stream in streams], dtype=np.int64)
    return TileBatch(
        np.frombuffer(b"".join(streams), dtype=np.uint8),
        np.cumsum(length) - length,
        length,
        np.ones((len(streams), 1), dtype=np.int64),
        np.arange(len(streams)),
    )
