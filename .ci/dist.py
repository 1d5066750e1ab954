"""Check what would be uploaded: source distributions, wheels, and an environment without a compiler.

    python .ci/dist.py WHEELS             # a folder with the wheel of every distribution, as `.ci/wheels.py` makes it
    python .ci/dist.py WHEELS --thorough  # build the wheels anew from the source distributions, and run their tests
    python .ci/dist.py WHEELS --keep TO   # leave source distributions and pure wheels there, for uploading

Run by the environment `dist` of tox; docs/releasing.md says what else a release needs. Needs build, twine, auditwheel,
abi3audit and what builds the plugins.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACES = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
ALONE = ("rice", "hcompress", "plio")  # whose tests need no file of the core's
CORE_TESTS = ("core", "flow", "plugins", "systems", "architecture", "packaging")
OF_THE_CORE = ("rustfits", "tests", "docs", "examples", "*.md", "LICENSE", "conftest.py", ":!plugins", ":!recipe")
BUILT_ONLY = {".c", ".h", ".pyx", ".pxd"}  # sources, of no use where a wheel is installed


def run(*command: str | Path, cwd: Path = ROOT, **variables: str) -> str:
    """Run a command to its end and return what it printed."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONWARNINGS": "default", **variables}
    environment.pop("PYTHONPATH", None)
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"dist: {' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def tracked(*paths: str, place: Path = ROOT) -> list[str]:
    """Return the files that git has of some paths, as they are in the folder of a distribution."""
    return run("git", "ls-files", "--", *paths, cwd=place).split("\n")[:-1]


def build_sources(tree: Path, target: Path) -> list[Path]:
    """Build every source distribution from a copy of what git has, so that nothing else can be in them."""
    for name in tracked():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    for place in PLACES:
        options = ("--sdist", "--no-isolation", "--outdir", target)
        run(sys.executable, "-m", "build", *options, tree / place.relative_to(ROOT))
    return sorted(target.glob("*.tar.gz"))


def check_sources(place: Path, archive: Path) -> None:
    """Look for every file that belongs to a distribution."""
    with tarfile.open(archive) as opened:
        inside = {member.name.partition("/")[2] for member in opened.getmembers() if member.isfile()}
    own = OF_THE_CORE if place == ROOT else (".",)
    if missing := sorted(set(tracked(*own, place=place)) - inside):
        sys.exit(f"dist: {archive.name} lacks {', '.join(missing[:9])}; see MANIFEST.in of its folder")


def check_wheel(wheel: Path) -> None:
    """Look at what a wheel holds, and whether its binaries keep to what its name promises."""
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
    if not any("/licenses/LICENSE" in name for name in names):
        sys.exit(f"dist: {wheel.name} has no licence file")
    headers = "rustfits/include/"  # for compiled packages of others
    if useless := [name for name in names if Path(name).suffix in BUILT_ONLY and not name.startswith(headers)]:
        sys.exit(f"dist: {wheel.name} has sources of what it has compiled: {', '.join(useless)}")
    if "-abi3-" in wheel.name:
        run(sys.executable, "-m", "abi3audit", "--strict", wheel)
    if "linux" in wheel.name:
        said = run(sys.executable, "-m", "auditwheel", "show", wheel)
        tag = next((word.strip('",.') for word in said.split() if "manylinux" in word or "musllinux" in word), None)
        if tag is None:
            sys.exit(f"dist: no older Linux can load {wheel.name}\n{said}")
        print(f"dist: {wheel.name}: {tag}", flush=True)


def without_compiler(wheels: Path, folder: Path) -> Path:
    """Install all wheels into a new environment and run the demo, with no compiler to be found; return its Python."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    variables = {"PATH": str(python.parent), "CC": "no-compiler-here", "CXX": "no-compiler-here"}
    install = ("-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--find-links", wheels)
    run(python, *install, "rustfits[all,testing]", "hypothesis", **variables)
    said = run(python.with_name("rustfits"), "demo", cwd=folder, **variables)
    if "RICE_1" not in said or not (folder / "rustfits-demo.png").exists():
        sys.exit(f"dist: the demo went wrong\n{said}")
    return python


def test_sources(archive: Path, python: Path, folder: Path) -> None:
    """Run the tests that a source distribution has, with what is installed."""
    shutil.unpack_archive(archive, folder)
    inside = folder / archive.name.removesuffix(".tar.gz")
    core = archive.name.count("-") == 1 and (inside / "tests" / "core").is_dir()
    tests = [f"tests/{name}" for name in CORE_TESTS] if core else ["tests"]
    if core:  # so that the one that is installed is tested
        shutil.move(inside / "rustfits", inside / "rustfits.away")
    said = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, cwd=inside)
    print(f"dist: {archive.name}: {said.strip().splitlines()[-1]}", flush=True)


def main() -> int:
    """Check everything; the first fault ends it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", type=Path)
    parser.add_argument("--thorough", action="store_true", help="build and test what the source distributions hold")
    parser.add_argument("--keep", type=Path, metavar="TO", help="where to leave sources and pure wheels")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rustfits-dist-") as name:
        folder, wheels = Path(name), asked.wheels.resolve()
        sources = build_sources(folder / "tree", folder / "sources")
        for place in PLACES:
            title = "rustfits" if place == ROOT else f"rustfits_{place.name}"
            check_sources(place, next(path for path in sources if path.name.startswith(f"{title}-")))
        if asked.thorough:
            wheels = folder / "wheels"
            for archive in sources:
                run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", wheels, archive)
        made = sorted(wheels.glob("rustfits*.whl"))
        print(run(sys.executable, "-m", "twine", "check", "--strict", *sources, *made), flush=True)
        for wheel in made:
            check_wheel(wheel)
        python = without_compiler(wheels, folder)
        if asked.thorough:
            for archive in sources:
                if archive.name.startswith(("rustfits-", *(f"rustfits_{plugin}-" for plugin in ALONE))):
                    test_sources(archive, python, folder / "tested")
        for path in (*sources, *made) if asked.keep else ():
            if path in sources or path.name.endswith("-py3-none-any.whl"):
                asked.keep.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, asked.keep)
    print(f"dist: {len(sources)} source distributions, {len(made)} wheels", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
