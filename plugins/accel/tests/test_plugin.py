"""The package is found by the core."""

from importlib.metadata import entry_points

import pytest

from rustfits.plugin import Kernels
from rustfits_accel import CompiledKernels
from rustfits_accel.plugin import rustfits_kernels


def test_the_entry_point_offers_the_compiled_kernels():
    (entry,) = [entry for entry in entry_points(group="rustfits.kernels") if entry.dist.name == "rustfits-accel"]
    kernels = entry.load().rustfits_kernels()
    assert isinstance(kernels, Kernels)
    assert kernels.name == "accel"


def test_the_core_uses_them_unless_told_otherwise(monkeypatch):
    from rustfits.codec import choice

    monkeypatch.setattr(choice, "_active", None)
    monkeypatch.delenv("RUSTFITS_KERNELS", raising=False)
    assert isinstance(choice.active(), CompiledKernels)
    monkeypatch.setattr(choice, "_active", None)
    monkeypatch.setenv("RUSTFITS_KERNELS", "numpy")
    assert type(choice.active()) is Kernels


@pytest.mark.parametrize("isa", [0, 1, 99])
def test_no_instruction_set_is_used_that_the_machine_lacks(isa):
    assert CompiledKernels(isa).isa <= CompiledKernels().isa


def test_an_instruction_set_can_be_chosen_by_name(monkeypatch):
    monkeypatch.setenv("RUSTFITS_ACCEL_KERNEL", "portable")
    assert rustfits_kernels().isa == 0
