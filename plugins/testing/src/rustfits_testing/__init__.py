"""Suites that authors of plugins inherit, and tiles that CFITSIO compressed to compare with."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("rustfits_testing.conformance", "rustfits_testing.kinds", "rustfits_testing.storages")

from rustfits_testing.conformance import CodecConformance  # noqa: E402 - pytest must be told before
from rustfits_testing.kinds import HDUKindConformance  # noqa: E402
from rustfits_testing.storages import StorageConformance  # noqa: E402

__all__ = ["CodecConformance", "HDUKindConformance", "StorageConformance"]
