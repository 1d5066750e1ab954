"""What is installed is what was promised: small, complete, and every entry point loads."""

from __future__ import annotations

import re
import runpy
import tomllib
import zlib
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [ROOT, *(path.parent for path in sorted(ROOT.glob("plugins/*/pyproject.toml")))]
PROJECTS = {folder: tomllib.loads((folder / "pyproject.toml").read_text()) for folder in FOLDERS}
PLUGINS = {folder: project for folder, project in PROJECTS.items() if folder != ROOT}
LIMITS = {
    "rustfits": 1_000_000,
    "rustfits-rice": 300_000,
    "rustfits-hcompress": 300_000,
    "rustfits-plio": 300_000,
    "rustfits-remote": 300_000,
    "rustfits-arrays": 300_000,
    "rustfits-testing": 300_000,
}
PACKED_LIMITS = {"rustfits-tables": 500_000}  # of what is fetched


def installed(name):
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        pytest.skip(f"not installed: {name}")


@pytest.mark.parametrize("name", LIMITS | PACKED_LIMITS)
def test_a_distribution_stays_small(name):
    distribution = installed(name)
    if '"editable"' in (distribution.read_text("direct_url.json") or ""):
        pytest.skip(f"{name} is installed in editable mode")
    # What counts is what the distribution brings. Bytecode is Python's own cache, and RECORD the list of both by who
    # installs them, longer with bytecode than without.
    brought = [path for path in distribution.files if path.suffix != ".pyc" and path.name != "RECORD"]
    contents = [path.locate().read_bytes() for path in brought]
    assert sum(map(len, contents)) < LIMITS.get(name, 1_000_000)
    if name in PACKED_LIMITS:
        assert sum(len(zlib.compress(content)) for content in contents) < PACKED_LIMITS[name]


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_a_plugin_is_a_whole_distribution(folder):
    project = PLUGINS[folder]["project"]
    assert project["name"] == f"rustfits-{folder.name}"
    assert "rustfits>=1.0.0.dev0,<2" in project["dependencies"]
    assert project["license"] == "BSD-3-Clause"
    assert (folder / "README.md").read_text().startswith(f"# {project['name']}\n")
    assert any((folder / "tests").glob("test_*.py"))
    assert (folder / "src" / f"rustfits_{folder.name}" / "py.typed").exists()


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name if folder != ROOT else "core")
def test_no_package_is_left_out_of_the_wheel(folder):
    listed = set(PROJECTS[folder]["tool"]["setuptools"]["packages"])
    source = folder / "src" if folder != ROOT else folder
    tops = {name.split(".")[0] for name in listed}
    found = {path.parent for top in tops for path in (source / top).rglob("__init__.py")}
    assert {".".join(path.relative_to(source).parts) for path in found} == listed


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name if folder != ROOT else "core")
def test_every_declared_entry_point_is_installed_and_loads(folder):
    project = PROJECTS[folder]["project"]
    declared = {("console_scripts", name, target) for name, target in project.get("scripts", {}).items()}
    for group, points in project.get("entry-points", {}).items():
        declared |= {(group, name, target) for name, target in points.items()}
    points = installed(project["name"]).entry_points
    assert {(point.group, point.name, point.value) for point in points} == declared
    for point in points:
        asking = point.group.partition(".")[0]  # who looks for it
        if asking in ("xarray", "zarr") and find_spec(asking) is None:
            continue
        assert point.load() is not None


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_a_codec_answers_with_the_class_its_entry_point_promises(folder):
    points = PLUGINS[folder]["project"].get("entry-points", {}).get("rustfits.codecs", {})
    if not points:
        pytest.skip("offers no codec")
    installed(PLUGINS[folder]["project"]["name"])
    for point in metadata.entry_points(group="rustfits.codecs"):
        if point.name in points:
            codec = point.load().rustfits_register_codec()
            assert codec.zcmptype == point.name
            assert re.fullmatch(r"[A-Z0-9_]+", codec.zcmptype)


@pytest.mark.parametrize(
    "folder", [folder for folder in PLUGINS if (folder / "setup.py").exists()], ids=lambda f: f.name
)
def test_no_kernel_is_compiled_with_fused_multiply_add(folder, monkeypatch):
    setuptools = pytest.importorskip("setuptools", reason="builds the plugins")
    built = {}
    monkeypatch.setattr(setuptools, "setup", lambda **keywords: built.update(keywords))
    monkeypatch.chdir(folder)
    runpy.run_path("setup.py")
    flags = [(library["sources"], library["cflags"]) for _, library in built.get("libraries", ())]
    flags += [(extension.sources, extension.extra_compile_args) for extension in built["ext_modules"]]
    kernels = [options for sources, options in flags if any(source.endswith(".c") for source in sources)]
    assert kernels
    # GCC fuses by itself wherever a target has the instruction; then the last bit would depend on the machine.
    assert all("-ffp-contract=off" in options for options in kernels)


def test_the_versions_of_all_distributions_are_one():
    import rustfits

    versions = {project["project"]["version"] for project in PLUGINS.values()}
    assert versions | {rustfits.__version__, metadata.version("rustfits")} == {rustfits.__version__}


def test_tox_installs_that_version():
    import rustfits

    assert f"\nversion = {rustfits.__version__}\n" in (ROOT / "tox.ini").read_text()
