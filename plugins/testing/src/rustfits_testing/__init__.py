"""Suites that authors of plugins inherit, and tiles that CFITSIO compressed to compare with."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("rustfits_testing.conformance")

from rustfits_testing.conformance import CodecConformance  # noqa: E402 - pytest must be told before

__all__ = ["CodecConformance"]
