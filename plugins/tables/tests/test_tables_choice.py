"""Which kernels are in use."""

import sys

import pytest

from rustfits_tables import active


@pytest.fixture(autouse=True)
def _anew():
    active.cache_clear()
    yield
    active.cache_clear()


def test_the_compiled_kernels_serve_unless_the_environment_says_numpy(monkeypatch):
    monkeypatch.delenv("RUSTFITS_KERNELS", raising=False)
    assert active().name == "compiled"
    active.cache_clear()
    monkeypatch.setenv("RUSTFITS_KERNELS", "numpy")
    assert active().name == "numpy"
    active.cache_clear()
    monkeypatch.setenv("RUSTFITS_KERNELS", "cuda")
    with pytest.raises(ValueError, match="RUSTFITS_KERNELS"):
        active()


def test_numpy_serves_where_nothing_was_compiled(monkeypatch):
    monkeypatch.delenv("RUSTFITS_KERNELS", raising=False)
    monkeypatch.delitem(sys.modules, "rustfits_tables.compiled", raising=False)
    monkeypatch.delattr("rustfits_tables._kernel", raising=False)
    monkeypatch.setitem(sys.modules, "rustfits_tables._kernel", None)
    assert active().name == "numpy"
