"""Imports point down, modules and functions stay short, and each part keeps to itself."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "rustfits"

# A module imports only from those before it; an import inside a function, or for typing, counts.
ORDER = """
    _version errors locks memory
    storage storage.undo storage.filelock storage.pages storage.journal storage.recovery storage.watch
    storage.reread storage.extent storage.base
    storage.local storage.memory storage.gzipped
    openfile
    header header.keys header.card header.cards header.state header.edit header.header
    bintable columns bitpix sections tilegrid tilebatch codec
    dither noise quantum inflate moves kernels hookspecs plugin builtin discovery registry
    quantize scaling checksum threads heap tilecache zimage decode shortway fewtiles tilereader tilerows encode
    requantize onetile recode spare growth repack
    hdu hdu.base hdu.sums hdu.sum_members hdu.cache_members
    hdu.image_cards hdu.image_facts hdu.image_values hdu.image_io hdu.cutouts hdu.image
    hdu.compressed_cards hdu.compressed_values hdu.compressed_sums hdu.compressed_edit hdu.extending hdu.compressed
    hdu.table_facts hdu.ascii_facts hdu.table_rows hdu.table_members hdu.table
    hdu.kinds
    remote locator scan hdulist newimage newtable creation fitsfile convenience fitsio
    testing.samples testing.conformance testing.peers testing
    __init__
"""
LAYERS = ORDER.split()

MODULES = sorted(PACKAGE.rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").glob("*/src/**/*.py"))
CODEC_NAMES = {"GZIP_1", "GZIP_2", "RICE_1", "HCOMPRESS_1", "PLIO_1", "NOCOMPRESS"}
MAX_MODULE, MAX_FUNCTION = 400, 60


def name_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1]) if parts[-1] == "__init__" and len(parts) > 1 else ".".join(parts)


def nodes(path, *kinds):
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]


def is_module(dotted):
    path = PACKAGE.joinpath(*dotted.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def imported(path):
    """Return (module, name) of every import; the name is None where a module is imported whole."""
    for node in nodes(path, ast.Import, ast.ImportFrom):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        else:
            assert node.level == 0, f"{path}: imports name the package they come from"
            yield from ((node.module, alias.name) for alias in node.names)


def own_targets(path):
    for module, name in imported(path):
        if module.split(".")[0] == "rustfits":
            inner = ".".join(module.split(".")[1:])
            dotted = f"{inner}.{name}".strip(".") if name else inner
            yield dotted if name and is_module(dotted) else inner or "__init__"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_what_lies_below_it(path):
    name = name_of(path)
    assert name in LAYERS, f"{name} has no place in the order of imports yet"
    for target in own_targets(path):
        assert LAYERS.index(target) < LAYERS.index(name), f"{name} imports {target}"


def test_the_order_of_imports_names_no_module_that_is_gone():
    assert sorted(LAYERS) == sorted(map(name_of, MODULES))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_core_imports_no_plugin(path):
    assert not [module for module, _ in imported(path) if module.startswith("rustfits_")]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_core_compares_no_name_of_an_algorithm(path):
    for node in nodes(path, ast.Compare):
        compared = {inner.value for inner in ast.walk(node) if isinstance(inner, ast.Constant)}
        assert not compared & CODEC_NAMES, f"line {node.lineno}: ask the codec"


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: "/".join(path.parts[-2:]))
def test_a_plugin_imports_the_contract_or_public_names_alone(path):
    for module, _ in imported(path):
        if module.split(".")[0] == "rustfits":
            allowed = {"rustfits.plugin"} if "rustfits_cli" not in path.parts else {"rustfits"}
            assert module in allowed


@pytest.mark.parametrize("path", MODULES + PLUGINS, ids=lambda path: "/".join(path.parts[-2:]))
def test_modules_and_functions_are_short(path):
    assert len(path.read_text().splitlines()) <= MAX_MODULE
    for node in nodes(path, ast.FunctionDef, ast.AsyncFunctionDef):
        assert node.end_lineno - node.lineno < MAX_FUNCTION, f"{node.name}: line {node.lineno}"


@pytest.mark.parametrize("path", MODULES + PLUGINS, ids=lambda path: "/".join(path.parts[-2:]))
def test_a_module_says_in_its_docstring_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_hdu_classes_are_three_deep_at_most():
    import rustfits

    for name in rustfits.__all__:
        found = getattr(rustfits, name)
        if isinstance(found, type) and issubclass(found, rustfits.HDU):
            assert sum(issubclass(base, rustfits.HDU) for base in found.__mro__) <= 3
