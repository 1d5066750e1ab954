"""What packages with compiled kernels need of the core."""

from pathlib import Path

import pytest

import rustfits
from rustfits.plugin import InvalidParameter, choose_variant

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("portable", "avx2", "avx512")


@pytest.mark.parametrize(("wanted", "chosen"), [(None, 1), ("", 1), ("Portable", 0), ("AVX2", 1)])
def test_a_variant_can_be_chosen_by_name(wanted, chosen, monkeypatch):
    monkeypatch.delenv("SOME_KERNEL", raising=False)
    if wanted is not None:
        monkeypatch.setenv("SOME_KERNEL", wanted)
    assert choose_variant("SOME_KERNEL", NAMES, 1) == chosen


@pytest.mark.parametrize("wanted", ["avx512", "best"])
def test_a_variant_that_the_machine_cannot_run_is_refused(wanted, monkeypatch):
    monkeypatch.setenv("SOME_KERNEL", wanted)
    with pytest.raises(InvalidParameter, match="SOME_KERNEL must be one of portable, avx2 on this machine"):
        choose_variant("SOME_KERNEL", NAMES, 1)


def test_the_header_is_where_strangers_look_for_it():
    assert Path(rustfits.get_include(), "rustfits.h").is_file()


def test_the_copies_of_the_header_in_our_plugins_are_equal_to_it():
    header = Path(rustfits.get_include(), "rustfits.h").read_bytes()
    copies = list(ROOT.glob("plugins/*/src/*/c/rustfits.h"))
    if not (ROOT / "plugins").is_dir():
        pytest.skip("not here: the plugins, which a source distribution of the core lacks")
    assert copies
    for copy in copies:
        assert copy.read_bytes() == header, copy
