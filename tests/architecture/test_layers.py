"""Imports point down, functions stay short, and each part keeps to itself."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "rustfits"

# The rooms from the ground to the roof, each with its modules. A module imports only from those before it, in its own
# room and in those below; an import inside a function, or for typing, counts.
ROOMS = [
    ("", "_version errors limits system"),
    ("parallel", "memory threads"),
    (
        "storage",
        "undo pages sectors journal leftover evidence recovery watch reread newfile extent base local packed "
        "fileobject memory gzipped locks openfile",
    ),
    ("header", "keys card cards state assignment foreign edit header"),
    ("quantize", "dither noise quantum parameters"),
    (
        "codec",
        "batch codec inflate readers kernels include hookspecs installed discovery choice builtin registry",
    ),
    ("pixels", "bitpix sections scaling facts"),
    ("heap", "bintable ranges rows segments spare pieces writer repack"),
    ("tiles", "grid plan cache zimage newtiles decode fetch boxes reader damage encode requantize recode"),
    ("hdu", "checksum report sums verify first_read reference base"),
    ("hdu.image", "cards values raster cutouts lost lazy image"),
    ("hdu.compressed", "cards sums verify unpacked edit waiting extending compressed detached"),
    ("hdu", "table kind tableunit kinds"),
    ("", "plugin testing"),
    ("container", "remote locator objects ahead scan sharing hdulist newimage newhdu copying creation fitsfile"),
    ("", "convenience quantization fitsio __init__"),
]


def layers():
    names = []
    for room, modules in ROOMS:
        if room and room not in names:
            names.append(room)
        names += [f"{room}.{module}".strip(".").removesuffix(".__init__") for module in modules.split()]
    return names


LAYERS = layers()

MODULES = sorted(PACKAGE.rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").glob("*/src/**/*.py"))
CODEC_NAMES = {"GZIP_1", "GZIP_2", "RICE_1", "HCOMPRESS_1", "PLIO_1", "NOCOMPRESS"}
MAX_FUNCTION = 60
NOT_EVERYWHERE = [
    "preadv",
    "pread",
    "pwritev",
    "pwrite",
    "fchmod",
    "fchown",
    "getegid",
    "geteuid",
    "getgrouplist",
    "sched_getaffinity",
    "fork",
    "link",
    "register_at_fork",
    "uname",
    "SEEK_HOLE",
    "O_NOFOLLOW",
    "O_NONBLOCK",
    "O_CLOEXEC",
    "O_BINARY",
    "MADV_FREE",
    "MADV_HUGEPAGE",
    "MAP_PRIVATE",
    "MAP_ANONYMOUS",
]


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


@pytest.mark.parametrize("room", sorted({room for room, _ in ROOMS} - {""}))
def test_a_room_says_what_it_holds_and_does_nothing(room):
    (docstring,) = ast.parse(PACKAGE.joinpath(*room.split("."), "__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr)


def test_the_map_of_the_manual_names_every_room_and_module_in_their_order():
    mapped = re.findall(r"^\| `([\w/]+(?:/|\.py))` \|", (ROOT / "docs" / "design.md").read_text(), re.MULTILINE)
    rooms = [name.removesuffix("/").replace("/", ".") for name in mapped if name.endswith("/")]
    assert rooms == list(dict.fromkeys(room for room, _ in ROOMS if room))
    modules = [name.removesuffix(".py").replace("/", ".") for name in mapped if name.endswith(".py")]
    assert modules == [name for name in LAYERS if name not in rooms]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_what_is_not_on_every_system_stands_in_one_module(path):
    if name_of(path) == "system":
        return
    for node in nodes(path, ast.Attribute):
        if isinstance(node.value, ast.Name) and node.value.id in ("os", "mmap"):
            assert node.attr not in NOT_EVERYWHERE, f"line {node.lineno}: ask rustfits.system"
    assert not {module for module, _ in imported(path)} & {"fcntl", "pwd", "grp", "msvcrt", "resource"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_core_imports_no_plugin(path):
    for_types = {  # who has not installed the package sees Any there
        module
        for block in nodes(path, ast.If)
        if isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom) and (module := node.module)
    }
    assert not [module for module, _ in imported(path) if module.startswith("rustfits_") and module not in for_types]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_core_compares_no_name_of_an_algorithm(path):
    for node in nodes(path, ast.Compare):
        compared = {inner.value for inner in ast.walk(node) if isinstance(inner, ast.Constant)}
        assert not compared & CODEC_NAMES, f"line {node.lineno}: ask the codec"


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: "/".join(path.parts[-2:]))
def test_a_plugin_imports_the_contract_or_public_names_alone(path):
    for module, _ in imported(path):
        if module.split(".")[0] == "rustfits":
            allowed = {"rustfits"} if "rustfits_cli" in path.parts else {"rustfits", "rustfits.plugin"}
            assert module in allowed


@pytest.mark.parametrize("path", MODULES + PLUGINS, ids=lambda path: "/".join(path.parts[-2:]))
def test_functions_are_short(path):
    for node in nodes(path, ast.FunctionDef, ast.AsyncFunctionDef):
        assert node.end_lineno - node.lineno < MAX_FUNCTION, f"{node.name}: line {node.lineno}"


@pytest.mark.parametrize("path", MODULES + PLUGINS, ids=lambda path: "/".join(path.parts[-2:]))
def test_a_module_says_in_its_docstring_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", [path for path in MODULES if path.parts[-2] != "storage"], ids=name_of)
def test_nothing_is_remembered_behind_the_back_of_a_class(path):
    # What is known of a header is its snapshot's; that of a thread is no class at all.
    kept = [node for node in nodes(path, ast.Attribute) if node.attr == "__dict__"]
    assert all(ast.unparse(node.value) == "_BUFFERS" for node in kept)


def test_hdu_classes_are_four_deep_at_most():
    # An HDU, a table, a binary one, and one that is compressed: what all tables have is no mixin beside them.
    import rustfits

    for name in rustfits.__all__:
        found = getattr(rustfits, name)
        if isinstance(found, type) and issubclass(found, rustfits.HDU):
            assert sum(issubclass(base, rustfits.HDU) for base in found.__mro__) <= 4
