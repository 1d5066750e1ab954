"""Tests that a plugin author inherits; needs the extra ``rustfits[testing]``."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("rustfits.testing.conformance")

from rustfits.testing.conformance import CodecConformance  # noqa: E402 - pytest must be told before

__all__ = ["CodecConformance"]
