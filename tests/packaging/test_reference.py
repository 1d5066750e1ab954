"""The reference has every public name of every distribution, and none that is gone."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(ROOT.glob("docs/api*.md"))
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
# Where a package lies, by its import name.
PACKAGES = {"rustfits": ROOT / "rustfits"} | {
    path.name: path
    for path in sorted(ROOT.glob("plugins/*/src/rustfits_*"))
    if path.is_dir() and path.suffix != ".egg-info"
}
# Public though no `__all__` lists them: what entry points of others name.
ENTRY_POINTS = {
    "rustfits_arrays.xarray.FITSBackend",
    "rustfits_arrays.zarr.codec.PixelsCodec",
    "rustfits_arrays.zarr.codec.TilesCodec",
}
# Modules of rooms, whose names are public elsewhere.
NOT_PUBLIC = {"rustfits.codec.codec", "rustfits.pixels.scaling"}


def module_name(package, folder, path):
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join((package, *parts[: -1 if parts[-1] == "__init__" else None]))


def listed_in(path):
    """Return what `__all__` of a module has; its dependencies need not be there."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "__all__" for target in node.targets):
            return ast.literal_eval(node.value)
    return []


def public_names():
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            module = module_name(package, folder, path)
            if module not in NOT_PUBLIC:
                yield from (f"{module}.{name}" for name in listed_in(path))


PUBLIC = set(public_names()) | ENTRY_POINTS
DOCUMENTED = set(re.findall(r"^\.\. auto(?:class|function|data|exception):: ([\w.]+)", TEXT, re.MULTILINE))
TOLD = set(re.findall(r"^\| `(rustfits[\w.]+)` \| (?!`)", TEXT, re.MULTILINE))  # constants and types
WHOLE_MODULES = set(re.findall(r"^\.\. automodule:: ([\w.]+)\n   :members:", TEXT, re.MULTILINE))
ALIASES = dict(re.findall(r"^\| `([\w.]+)` \| `([\w.]+)` \|$", TEXT, re.MULTILINE))


def has_its_place(name):
    if name in DOCUMENTED | TOLD | WHOLE_MODULES:
        return True
    if name in ALIASES:
        return has_its_place(ALIASES[name])
    # The members of modules that are documented whole; the classes of errors are shown by `rustfits` and `plugin` too.
    return any(re.search(rf"^class {name.rpartition('.')[2]}\b", text, re.MULTILINE) for text in whole(name))


def whole(name):
    home = name.rpartition(".")[0]
    for module in WHOLE_MODULES:
        if home in (module, "rustfits", "rustfits.plugin"):
            yield (ROOT / Path(*module.split("."))).with_suffix(".py").read_text(encoding="utf-8")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_its_place_in_the_reference(package):
    assert re.search(rf"^#+ .*`{package}`", TEXT, re.MULTILINE)


def test_no_public_name_is_missing():
    assert sorted(name for name in PUBLIC if not has_its_place(name)) == []


def test_the_names_of_classes_that_packages_bring_to_rustfits_are_there():
    shown = import_module("rustfits")._PLUGIN_CLASSES
    assert [name for name in shown if not has_its_place(f"rustfits.{name}")] == []


def test_no_name_is_stale():
    known = PUBLIC | {f"rustfits.{name}" for name in import_module("rustfits")._PLUGIN_CLASSES}
    assert sorted((DOCUMENTED | TOLD | set(ALIASES)) - known) == []


def test_no_name_stands_twice():
    everywhere = re.findall(r"^\.\. auto(?:class|function|data|exception):: ([\w.]+)", TEXT, re.MULTILINE)
    assert sorted(name for name in set(everywhere) if everywhere.count(name) > 1) == []


def test_the_reference_has_every_page():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert [path.stem for path in PAGES if not re.search(rf"^{path.stem}$", index, re.MULTILINE)] == []
