"""Every test runs with each kernel that the machine has."""

from __future__ import annotations

import pytest

from rustfits_hcompress import codec


@pytest.fixture(
    scope="module", autouse=True, params=range(codec._kernel.best_kernel() + 1), ids=codec.VARIANTS.__getitem__
)
def variant(request):
    best, codec.VARIANT = codec.VARIANT, request.param
    yield request.param
    codec.VARIANT = best
