"""What `rustfits` offers, and how a name whose package is absent says so."""

import ast
import importlib
import inspect
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import rustfits
from rustfits import errors
from rustfits.errors import how_to_install

API = """
    FITS HDU ImageHDU CompressedImageHDU FITSHeader FITSHeaderEdit
    Gzip1 Gzip2 NoCompress Quantize Remote read write read_header is_protected_key __version__ convenience
    TileCodec TileBatch hookimpl codecs set_num_threads get_num_threads FitsError
"""
PLUGIN_CLASSES = {"Rice1": "rice", "Hcompress1": "hcompress", "Plio1": "plio"}
NO_PLUGINS = """
from rustfits.codec import discovery
discovery.entry_points = lambda group, **how: ()
"""


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", API.split())
def test_a_promised_name_is_there(name):
    assert name in rustfits.__all__
    assert getattr(rustfits, name) is not None


def test_every_listed_name_is_there_and_documented():
    for name in rustfits.__all__:
        found = getattr(rustfits, name)
        if inspect.isclass(found) or inspect.isfunction(found):
            assert inspect.getdoc(found), name
    assert set(rustfits.__all__) <= set(dir(rustfits))


def test_every_error_is_a_public_name():
    tree = [name for name, found in vars(errors).items() if inspect.isclass(found)]
    assert set(tree) <= set(rustfits.__all__)
    assert all(issubclass(getattr(rustfits, name), rustfits.FitsError) for name in tree)


def test_every_error_stands_in_the_drawn_tree():
    lines = errors.__doc__.splitlines()
    drawn = {line.split()[0]: (len(line) - len(line.lstrip())) // 4 for line in lines if line[:1] in (" ", "F")}
    for name, found in vars(errors).items():
        if inspect.isclass(found):
            depth = [base for base in found.__mro__ if base.__module__ == errors.__name__]
            assert drawn[name] == len(depth) - 1, name


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(rustfits.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {}
    for node in block.body:
        seen |= {alias.name: node.module for alias in node.names}
    assert set(seen) | {"__version__"} == set(rustfits.__all__)
    for name, module in seen.items():
        if name != "convenience":
            assert getattr(importlib.import_module(module), name) is getattr(rustfits, name)


def test_the_version_is_that_of_the_distribution():
    assert rustfits.__version__ == metadata.version("rustfits")


def test_the_shim_needs_its_own_import():
    assert python("import rustfits; print(hasattr(rustfits, 'fitsio')); import rustfits.fitsio; print(rustfits.fitsio)")


def test_an_unknown_name_is_an_ordinary_error():
    with pytest.raises(AttributeError, match="module 'rustfits' has no attribute 'Ricee1'"):
        rustfits.Ricee1  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Ricee1'"):
        from rustfits import Ricee1  # noqa: F401


@pytest.mark.parametrize(("name", "package"), PLUGIN_CLASSES.items())
def test_a_codec_whose_package_is_absent_says_what_to_install(name, package):
    printed = python(f"""{NO_PLUGINS}
import rustfits
assert not hasattr(rustfits, "{name}")
try:
    rustfits.{name}
except AttributeError as error:
    print(error)
try:
    from rustfits import {name}
except ImportError as error:
    print(error)
try:
    from rustfits import Gzip1, {name} as other
except ImportError as error:
    print(error)
""").splitlines()
    assert len(printed) == 3
    for line in printed:
        assert line.startswith(f"rustfits has no {name}: no codec for ZCMPTYPE ")
        assert line.endswith(f"try: {how_to_install(f'rustfits-{package}')}")


TABLES = ("TableHDU", "CompressedTableHDU", "AsciiTableHDU")
SUBSETS = [f"{kind}{what}Subset" for kind in ("Compressed", "Ascii") for what in ("Column", "SingleColumn")]


@pytest.mark.parametrize("name", [*TABLES, *SUBSETS])
def test_a_table_class_whose_package_is_absent_says_what_to_install(name):
    printed = python(f"""{NO_PLUGINS}
import rustfits
assert not hasattr(rustfits, "{name}")
assert "{name}" in dir(rustfits)
try:
    rustfits.{name}
except AttributeError as error:
    print(error)
try:
    from rustfits import {name}
except ImportError as error:
    print(error)
""").splitlines()
    advice = f"no installed package offers it; try: {how_to_install('rustfits-tables')}"
    assert printed == [f"rustfits has no {name}: {advice}"] * 2


@pytest.mark.parametrize("name", TABLES)
def test_a_table_class_whose_package_is_there_is_a_name(name):
    module = pytest.importorskip("rustfits_tables", reason="rustfits-tables is not installed")
    assert getattr(rustfits, name) is getattr(module, name)
    assert issubclass(getattr(rustfits, name), rustfits.HDU)


@pytest.mark.parametrize("name", SUBSETS)
def test_columns_of_tables_have_names(name):
    module = pytest.importorskip("rustfits_tables", reason="rustfits-tables is not installed")
    assert getattr(rustfits, name) is getattr(module, name)
    assert getattr(rustfits, name).__name__ == name


def test_a_star_import_needs_no_plugin():
    assert python(f"{NO_PLUGINS}\nfrom rustfits import *\nprint(FITS.__name__)") == "FITS\n"


@pytest.mark.parametrize(("name", "package"), PLUGIN_CLASSES.items())
def test_a_codec_whose_package_is_there_is_a_name(name, package):
    module = pytest.importorskip(f"rustfits_{package}", reason=f"rustfits-{package} is not installed")
    assert getattr(rustfits, name) is getattr(module, name)
    assert python(f"from rustfits import {name}; print({name}.__name__)") == f"{name}\n"


@pytest.mark.parametrize(
    ("version", "package", "folder"),
    [
        ("1.0.0", "rustfits-rice", None),
        ("1.0.0", "rustfits-arrays[dask]", None),
        ("1.2.0.dev3", "rustfits-rice", "./plugins/rice"),
        ("1.2.0.dev3", "rustfits-arrays[dask]", "./plugins/arrays[dask]"),
        ("1.2.0.dev3", "zstandard", None),
    ],
)
def test_what_is_advised_can_be_typed_now(version, package, folder, monkeypatch):
    monkeypatch.setattr(errors, "__version__", version)
    if folder is None:
        assert how_to_install(package) == f"pip install {shlex.quote(package)}"
        return
    name = package.partition("[")[0]
    assert how_to_install(package) == f"pip install '{folder}' in a clone of rustfits (no index has {name} {version})"
    root = Path(__file__).parents[2]
    assert not (root / "plugins").is_dir() or (root / folder.partition("[")[0] / "pyproject.toml").exists()
