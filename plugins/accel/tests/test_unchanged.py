"""Whether a file has changed, as the core's form and the compiled one tell it."""

import os

import pytest

from rustfits.plugin import Kernels
from rustfits_accel.kernels import CompiledKernels


@pytest.mark.parametrize("kernels", [CompiledKernels, Kernels])
def test_size_and_time_of_modification_are_looked_at(kernels, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    descriptor = os.open(path, os.O_RDONLY)
    for wanted in (0, 1, 1_700_000_000_123_456_789, 2**62):
        os.utime(path, ns=(0, wanted))
        found = os.fstat(descriptor).st_mtime_ns  # what the file system can hold of it
        assert kernels.unchanged(descriptor, 5, found) is True
        for size, later in ((4, 0), (6, 0), (-1, 0), (5, 1), (5, -1), (5, 10**9)):
            assert kernels.unchanged(descriptor, size, found + later) is False
    os.close(descriptor)
    assert kernels.unchanged(descriptor, 5, found) is False
    assert kernels.unchanged(-1, 5, found) is False
