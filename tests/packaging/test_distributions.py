"""What is installed is what was promised: small, complete, and every entry point loads."""

from __future__ import annotations

import re
import runpy
import sys
import sysconfig
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

ALL = list(PROJECTS)
NAMES = {folder: folder.name if folder != ROOT else "core" for folder in ALL}
KERNELS = [folder for folder in PLUGINS if (folder / "setup.py").exists()]


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


@pytest.mark.parametrize("folder", PROJECTS, ids=NAMES.get)
def test_no_package_is_left_out_of_the_wheel(folder):
    listed = set(PROJECTS[folder]["tool"]["setuptools"]["packages"])
    source = folder / "src" if folder != ROOT else folder
    tops = {name.split(".")[0] for name in listed}
    found = {path.parent for top in tops for path in (source / top).rglob("__init__.py")}
    assert {".".join(path.relative_to(source).parts) for path in found} == listed


@pytest.mark.parametrize("folder", PROJECTS, ids=NAMES.get)
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


@pytest.mark.parametrize("folder", KERNELS, ids=NAMES.get)
def test_no_kernel_is_compiled_with_fused_multiply_add(folder, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    built = described(folder, monkeypatch)
    flags = [(library["sources"], library["cflags"]) for _, library in built.get("libraries", ())]
    flags += [(extension.sources, extension.extra_compile_args) for extension in built["ext_modules"]]
    kernels = [options for sources, options in flags if any(source.endswith(".c") for source in sources)]
    assert kernels
    # GCC fuses by itself wherever a target has the instruction; then the last bit would depend on the machine.
    assert all("-ffp-contract=off" in options for options in kernels)


@pytest.mark.parametrize("folder", ALL, ids=NAMES.get)
def test_a_distribution_says_whose_it_is_and_what_for(folder):
    project, core = PROJECTS[folder]["project"], PROJECTS[ROOT]["project"]
    assert project["authors"] == [{"name": "the rustfits developers"}]
    assert "the rustfits developers" in (folder / "LICENSE").read_text()
    assert project["license"] == "BSD-3-Clause"
    assert project["readme"] == "README.md"
    assert project["requires-python"] == core["requires-python"]
    assert len(project["description"]) <= 100
    assert {"astronomy", "FITS"} < set(project["keywords"])
    # Until the project has a public home there is no address; then it is that of all.
    assert project.get("urls") == core.get("urls")


@pytest.mark.parametrize("folder", ALL, ids=NAMES.get)
def test_the_classifiers_are_known_and_name_each_python(folder):
    given = PROJECTS[folder]["project"]["classifiers"]
    assert given == sorted(set(given))
    assert not [name for name in given if name.startswith("License ::")]  # the expression says it
    least = int(PROJECTS[folder]["project"]["requires-python"].removeprefix(">=3."))
    versions = [int(minor) for minor in re.findall(r"Python :: 3\.(\d+)$", "\n".join(given), re.MULTILINE)]
    assert versions == list(range(least, max(versions) + 1))
    assert ("Programming Language :: Cython" in given) == (folder in KERNELS)
    known = pytest.importorskip("trove_classifiers", reason="not installed: trove-classifiers").classifiers
    assert set(given) <= known


@pytest.mark.parametrize("folder", ALL, ids=NAMES.get)
def test_every_licence_that_applies_comes_with_the_distribution(folder):
    files = PROJECTS[folder]["project"]["license-files"]
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert all((folder / name).is_file() for name in files)
    # Images and tables of others, beside the code, have licences of their own.
    foreign = list((folder / "src").rglob("*.fits*"))
    assert files == ["LICENSE", *(f"LICENSE-{path.stem}.rst" for path in foreign)]
    for path in foreign:
        assert "Copyright (c)" in (folder / f"LICENSE-{path.stem}.rst").read_text()


def test_each_plugin_is_an_extra_and_all_are_one():
    extras = PROJECTS[ROOT]["project"]["optional-dependencies"]
    wanted = {folder.name: f"{project['project']['name']}>=1.0.0.dev0,<2" for folder, project in PLUGINS.items()}
    if not wanted:
        pytest.skip("not here: the sources of the plugins")
    assert {name: extras[name] for name in wanted} == {name: [found] for name, found in wanted.items()}
    del wanted["testing"]  # of use to authors of plugins alone
    assert sorted(extras["all"]) == sorted(wanted.values())


@pytest.mark.parametrize("folder", KERNELS, ids=NAMES.get)
def test_no_older_binary_hides_the_one_that_is_built(folder):
    # Python takes name.cpython-311-*.so before name.abi3.so, which an editable install leaves beside it.
    binaries = [path.name.split(".")[0] for path in (folder / "src").rglob("*.so")]
    assert len(binaries) == len(set(binaries)), "remove all *.so of this folder and install it again"


@pytest.mark.parametrize("folder", KERNELS, ids=NAMES.get)
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("free", [0, 1])
def test_each_system_gets_flags_that_its_compiler_knows(folder, system, free, monkeypatch):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(sysconfig, "get_config_var", {"Py_GIL_DISABLED": free}.get)
    built = described(folder, monkeypatch)
    flags = [flag for _, library in built.get("libraries", ()) for flag in library["cflags"]]
    flags += [flag for each in built["ext_modules"] for flag in each.extra_compile_args + each.extra_link_args]
    assert all(flag.startswith("/" if system == "win32" else "-") for flag in flags)
    assert ("-Wl,-s" in flags) == (system == "linux")  # the linker of macOS has no such flag
    # Binaries for the stable ABI say so three times, or not at all; without the GIL there is none.
    stable = {each.py_limited_api for each in built["ext_modules"]}
    stable |= {("Py_LIMITED_API", "0x030B0000") in each.define_macros for each in built["ext_modules"]}
    stable |= {built.get("options", {}) == {"bdist_wheel": {"py_limited_api": "cp311"}}}
    assert stable == {not free and folder.name != "accel"}


def described(folder, monkeypatch):
    """Return what the setup.py of a plugin would build."""
    setuptools = pytest.importorskip("setuptools", reason="builds the plugins")
    built = {}
    monkeypatch.setattr(setuptools, "setup", lambda **keywords: built.update(keywords))
    monkeypatch.chdir(folder)
    runpy.run_path("setup.py")
    return built


def test_the_versions_of_all_distributions_are_one():
    import rustfits

    versions = {project["project"]["version"] for project in PLUGINS.values()}
    assert versions | {rustfits.__version__, metadata.version("rustfits")} == {rustfits.__version__}


def test_tox_installs_that_version():
    import rustfits

    assert f"\nversion = {rustfits.__version__}\n" in (ROOT / "tox.ini").read_text()


@pytest.mark.skipif(not (ROOT / "recipe").is_dir(), reason="not here: the recipe, which only the repository has")
@pytest.mark.parametrize("folder", ALL, ids=NAMES.get)
def test_the_recipe_asks_for_what_the_distribution_asks_for(folder):
    project = PROJECTS[folder]["project"]
    outputs = re.split(r"^  - package:$", (ROOT / "recipe" / "recipe.yaml").read_text(), flags=re.MULTILINE)[1:]
    assert len(outputs) == len(ALL)
    (recipe,) = (output for output in outputs if re.search(f"^      name: {project['name']}$", output, re.MULTILINE))
    wanted = {re.sub(r"\[.*?\]|\.dev0", "", word) for word in project["dependencies"]}
    run = re.search(r"^      run:\n        - python.*\n((?:        - .*\n)*)", recipe, re.MULTILINE)[1]
    assert {line.strip(" -").replace(" ", "") for line in run.splitlines()} == wanted
    licences = re.search(r"license_file:\n((?:        - .*\n)*)", recipe)[1]
    assert [line.strip(" -") for line in licences.splitlines()] == project["license-files"]
    assert ("compiler('c')" in recipe) == (folder in KERNELS) != ("noarch: python" in recipe)
    assert f'summary: "{project["description"]}"' in recipe


@pytest.mark.skipif(not (ROOT / ".ci").is_dir(), reason="not here: the workflow, which only the repository has")
def test_the_workflow_builds_every_plugin_that_has_compiled_code():
    workflow = (ROOT / ".github" / "workflows" / "wheels.yml").read_text()
    plugins = re.search(r"^        plugin: \[(.*)\]$", workflow, re.MULTILINE)[1].split(", ")
    assert sorted(plugins) == sorted(folder.name for folder in KERNELS)
    config = tomllib.loads((ROOT / ".ci" / "cibuildwheel.toml").read_text())["tool"]["cibuildwheel"]
    least = PROJECTS[ROOT]["project"]["requires-python"].removeprefix(">=3.")
    assert config["build"][0].startswith(f"cp3{least[0]}[{least[1]}-")
