"""The suites that authors of plugins inherit, from the distribution ``rustfits-testing``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rustfits.errors import how_to_install

if TYPE_CHECKING:
    from rustfits_testing import CodecConformance, HDUKindConformance, StorageConformance

__all__ = ["CodecConformance", "HDUKindConformance", "StorageConformance"]

PACKAGE = "rustfits-testing"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'rustfits.testing' has no attribute {name!r}")
    module = PACKAGE.replace("-", "_")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        reason = f"rustfits.testing.{name} needs the package {PACKAGE}, which is not installed"
        raise ModuleNotFoundError(f"{reason}; try: {how_to_install(PACKAGE)}", name=module) from None


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
