"""The README and the manual say what is true: commands, links, examples, hooks and errors."""

from __future__ import annotations

import doctest
import inspect
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import rustfits
from rustfits import errors
from rustfits.codec import hookspecs

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PATHS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
PAGES = {path.relative_to(ROOT).as_posix(): path for path in PATHS}
ERRORS = [name for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, errors.FitsError)]
HOOKS = [name for name in vars(hookspecs) if name.startswith("rustfits_")]


@pytest.mark.parametrize("error", ERRORS)
def test_the_manual_explains_every_error(error):
    assert f"| `{error}` |" in (ROOT / "docs" / "errors.md").read_text()


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_can_be_caught_by_its_name_in_rustfits(error):
    assert getattr(rustfits, error) is getattr(errors, error)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_manual_explains_every_hook(hook):
    assert f"| `{hook}` |" in (ROOT / "docs" / "hooks.md").read_text()


def test_the_manual_lists_every_command():
    main = pytest.importorskip("rustfits_cli.main", reason="not installed: rustfits-cli").main
    listed = set(re.findall(r"^\| `rustfits (\w+)", (ROOT / "docs" / "command-line.md").read_text(), re.MULTILINE))
    assert listed == set(main.list_commands(None))  # also those that are loaded when they are called


def test_the_page_of_options_has_every_command():
    """The page shows what is in `commands`; most are loaded only when they are called."""
    pytest.importorskip("docutils", reason="not installed: docutils")
    main = pytest.importorskip("rustfits_cli.main", reason="not installed: rustfits-cli").main
    before = dict(main.commands)
    try:
        runpy.run_path(str(ROOT / "docs" / "conf.py"))["load_commands"]()
        assert set(main.commands) == set(main.list_commands(None)) > set(before)
    finally:
        main.commands = before


def test_the_manual_lists_every_page():
    trees = re.findall(r"{toctree}.*?\n\n(.*?)```", (ROOT / "docs" / "index.md").read_text(), re.DOTALL)
    listed = " ".join(trees).split()
    assert len(listed) == len(set(listed))
    pages = [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/*.ipynb")]
    assert set(listed) == {path.stem for path in pages} - {"index"}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_that_exists(page):
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", PAGES[page].read_text())
    assert [link for link in links if not (PAGES[page].parent / link).exists()] == []


def test_the_page_for_those_who_change_something_names_what_is_there():
    rows = re.findall(r"^\| (.*) \|$", (ROOT / "docs" / "changing-rustfits.md").read_text(), re.MULTILINE)
    named = {path for row in rows for path in re.findall(r"`([\w./*-]+/[\w./*-]*|\w+\.py)`", row)}
    places = [ROOT, ROOT / "rustfits", *ROOT.glob("plugins/*/src/*")]
    assert len(named) > 50
    assert [path for path in sorted(named) if not any([*place.glob(path.rstrip("/"))] for place in places)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_plugin_folder_that_is_named_exists(page):
    named = set(re.findall(r"plugins/(\w+)", PAGES[page].read_text()))
    assert [name for name in sorted(named) if not (ROOT / "plugins" / name).is_dir()] == []


def test_the_readme_has_two_commands_that_stand_alone():
    commands = re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)
    assert len(commands) == 2
    demo, tests = commands
    assert demo.endswith("/bin/rustfits demo")
    assert tests.endswith("/bin/tox")


def test_every_tox_environment_is_explained():
    explained = set(re.findall(r"^\| `([\w-]+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE))
    environments = set(re.findall(r"^\[testenv:([\w-]+)\]", (ROOT / "tox.ini").read_text(), re.MULTILINE))
    assert environments <= explained


def test_every_environment_variable_is_explained():
    sources = [*ROOT.glob("rustfits/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py"), *ROOT.glob("tests/**/*.py")]
    used = {name for path in sources for name in re.findall(r"\"(RUSTFITS_[A-Z_]+)\"", path.read_text())}
    assert used <= set(re.findall(r"^\| `(RUSTFITS_\w+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE))


def test_the_readme_lists_every_distribution():
    listed = set(re.findall(r"^\| `(rustfits[\w-]*)` \|", README, re.MULTILINE))
    projects = [ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")]
    assert listed == {tomllib.loads(path.read_text())["project"]["name"] for path in projects}


@pytest.mark.parametrize("page", [page for page in PAGES if "```pycon" in PAGES[page].read_text()])
def test_the_examples_give_what_they_say(page, tmp_path, monkeypatch):
    text = PAGES[page].read_text()
    missing = set(re.findall(r"RICE_1|HCOMPRESS_1|PLIO_1", "".join(pycon_blocks(text)))) - set(rustfits.codecs())
    if missing:
        pytest.skip(f"codecs not installed: {', '.join(sorted(missing))}")
    if "write_table" in "".join(pycon_blocks(text)):
        pytest.importorskip("rustfits_tables", reason="not installed: rustfits-tables")
    for peer in re.findall(
        r"^>>> (?:import|from) (astropy|fitsio|polars)\b", "".join(pycon_blocks(text)), re.MULTILINE
    ):
        pytest.importorskip(peer, reason=f"not installed: {peer}")
    monkeypatch.chdir(tmp_path)
    if "m13.fits.fz" in text:
        shutil.copy(ROOT / "tests" / "data" / "m13_rice.fits", "m13.fits.fz")
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(parser.get_doctest("\n".join(pycon_blocks(text)), {}, page, str(PAGES[page]), 0))
    assert runner.tries
    assert runner.failures == 0


# Which test runs the Python of a page that has no prompts, or holds it to be that of an example which is run.
RUN_BY = {
    "docs/arrays.md": "tests/arrays/test_manual.py",
    "docs/cluster.md": "plugins/arrays/tests/test_dask_manual.py",
    "docs/remote.md": "plugins/remote/tests/test_remote_manual.py",
    "docs/writing-a-storage.md": "plugins/testing/tests/test_storage_page.py",
    "docs/writing-a-codec.md": "tests/packaging/test_manual.py",
    "docs/writing-an-hdu-kind.md": "tests/packaging/test_manual.py",
    "docs/xarray-zarr.md": "plugins/arrays/tests/test_zarr_manual.py",
}


@pytest.mark.parametrize("page", [page for page in PAGES if "```python" in PAGES[page].read_text()])
def test_no_page_has_python_that_nothing_runs(page):
    assert PAGES[page].name in (ROOT / RUN_BY[page]).read_text()


def pycon_blocks(text):
    return re.findall(r"```pycon\n(.*?)```", text, re.DOTALL)


def test_the_codec_in_the_manual_is_the_one_in_examples():
    module, project, tests = re.findall(
        r"```(?:python|toml)\n(.*?)```", (ROOT / "docs" / "writing-a-codec.md").read_text(), re.DOTALL
    )
    folder = ROOT / "examples" / "rustfits-delta"
    assert module == (folder / "rustfits_delta.py").read_text()
    assert tests == (folder / "tests" / "test_delta.py").read_text()
    shown, real = tomllib.loads(project)["project"], tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert shown == {key: real[key] for key in shown}


def test_the_kind_in_the_manual_is_the_one_in_examples():
    text = (ROOT / "docs" / "writing-an-hdu-kind.md").read_text()
    module, project, *writing = re.findall(r"```(?:python|toml)\n(.*?)```", text, re.DOTALL)
    healpix = (ROOT / "examples" / "rustfits-healpix" / "rustfits_healpix.py").read_text()
    assert [part in healpix for part in writing] == [True, True]
    folder = ROOT / "examples" / "rustfits-groups"
    assert module == (folder / "rustfits_groups.py").read_text()
    shown, real = tomllib.loads(project)["project"], tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert shown == {key: real[key] for key in shown}


def test_the_codec_of_the_examples_works_from_its_folder(tmp_path):
    # An entry point needs metadata beside the module; pip would write the same.
    info = tmp_path / "rustfits_delta-1.0.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: rustfits-delta\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text("[rustfits.codecs]\nDELTA_1 = rustfits_delta\n")
    program = """
import numpy as np, rustfits
pixels = np.random.default_rng(1).integers(-30000, 30000, (40, 50)).astype("i2")
with rustfits.FITS("delta.fits", "w+") as fits:
    fits.write_image(pixels, compress=rustfits.codecs() and "DELTA_1")
with rustfits.FITS("delta.fits") as fits:
    assert (fits[1].read() == pixels).all()
    assert fits[1].header["ZNAME1"] == "LEVEL"
"""
    search = os.pathsep.join([str(tmp_path), str(ROOT / "examples" / "rustfits-delta")])
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "PYTHONPATH": search}, check=True)


def test_the_stamps_example_runs(tmp_path):
    target = tmp_path / "stamps.fits"
    source = ROOT / "tests" / "data" / "m13_gzip.fits"
    subprocess.run([sys.executable, str(ROOT / "examples" / "stamps.py"), str(source), str(target)], check=True)
    with rustfits.FITS(target) as fits:
        assert fits["STAMPS"].shape == (20, 17, 17)
        image = rustfits.read(source)
        assert fits["STAMPS"][0, 8, 8] == image[8:-8, 8:-8].max()


def test_core_tests_that_compare_with_others_run_where_the_others_are():
    named = (ROOT / "tox.ini").read_text()
    for path in sorted((ROOT / "tests" / "core").glob("test_*.py")):
        text = path.read_text()
        if "importorskip" in text or "which(" in text:
            assert f"tests/core/{path.name}" in named, "name it in the environment `all` of tox.ini"
