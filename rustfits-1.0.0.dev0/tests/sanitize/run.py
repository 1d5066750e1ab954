"""Run the C of every plugin under the sanitizers, with new random inputs each time.

    python tests/sanitize/run.py [--seconds N] [--only PLUGIN] [--compiler NAME] [--seed N [--round N]]

Each plugin has a harness, plugins/NAME/tests/c/sanitize.c, which harness.h beside this file makes a program. It is
built with every compiler there is, with the address and undefined behaviour sanitizers and every warning an error, and
runs every variant of the kernels that the machine can. A fault prints the seed and the round that repeat it. What the
plugins' setup.py make is built and loaded with clang, too: all other tests are of what gcc made.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PLUGINS = ("rice", "hcompress", "accel", "tables", "plio")  # those that take longest to compile come first
SECONDS = 40.0  # of running, after all is built
LONG = 600.0  # from here on there is time to build, too, what the highest level of optimisation makes of the code
GRACE = 300.0  # seconds that a harness may take longer than it was told to, before it is thought to hang

SANITIZERS = "address,undefined,float-cast-overflow"
FLAGS = (
    # No contraction of floats, as in the plugins themselves: the variants must give the same bits.
    *("-std=gnu11", "-g1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"),
    *(f"-fsanitize={SANITIZERS}", "-fno-omit-frame-pointer"),
)
# What a plugin's setup.py says of the meaning of its code.
OWN_FLAGS = {"hcompress": ("-fwrapv",), "accel": ("-fno-trapping-math", "-fno-math-errno")}
OWN_FLAGS["tables"] = OWN_FLAGS["accel"]
# One level for each compiler: the lower finds what the optimiser would drop, the higher what it makes.
LEVELS = {"gcc": "-O1", "clang": "-O2"}
PEERS = {"gcc": "gcc libc6-dev", "clang": "clang libclang-rt-dev"}


@dataclass(frozen=True)
class Build:
    """One harness, as one compiler makes it."""

    plugin: str
    compiler: str
    flags: tuple[str, ...]

    @property
    def name(self) -> str:
        return " ".join((self.plugin, self.compiler, *self.flags))

    def program(self, folder: Path) -> Path:
        return folder / self.name.replace(" ", "_")


def can_build_distributions() -> bool:
    """Return whether this Python has what the setup.py of a plugin needs."""
    return all(importlib.util.find_spec(name) for name in ("pip", "setuptools", "Cython"))


def build_distribution(plugin: str, folder: Path) -> str:
    """Build and load what setup.py makes, with clang; return what went wrong."""
    place, target = folder / "sources" / plugin, folder / "site"
    shutil.copytree(ROOT / "plugins" / plugin, place, ignore=shutil.ignore_patterns("build", "*.so", "*.egg-info"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--disable-pip-version-check", "--target", str(target / plugin), str(place)]
    made = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "CC": "clang"})
    if made.returncode:
        return f"CC=clang {shlex.join(command)}\n{made.stdout}{made.stderr}"
    extensions = sorted(target.glob(f"{plugin}/*/*.so"))
    try:
        for path in extensions:
            ctypes.CDLL(str(path), mode=os.RTLD_NOW)  # finds every symbol
    except OSError as error:
        return str(error)
    return "" if extensions else "no extension was built"


def has_sanitizers(compiler: str, folder: Path) -> bool:
    """Return whether a compiler is there, and makes programs that the sanitizers watch."""
    if shutil.which(compiler) is None:
        return False
    source, program = folder / f"{compiler}.c", folder / compiler
    source.write_text("int main(void) { return 0; }\n")
    made = subprocess.run(
        [compiler, f"-fsanitize={SANITIZERS}", str(source), "-o", str(program)], capture_output=True, check=False
    )
    return made.returncode == 0 and subprocess.run([str(program)], capture_output=True, check=False).returncode == 0


def builds(plugins: list[str], compilers: list[str], seconds: float) -> list[Build]:
    """Return what to build, the longest first."""
    found = []
    for plugin in plugins:
        for compiler in compilers:
            levels = [LEVELS[compiler], *(["-O3"] if seconds >= LONG else [])]
            found += [Build(plugin, compiler, (level,)) for level in levels]
            if plugin in ("plio", "tables"):  # whose other form is for machines without SSE2
                found.append(Build(plugin, compiler, (LEVELS[compiler], "-U__SSE2__")))
    return found


def compile_one(build: Build, folder: Path) -> str:
    """Build one harness; return what the compiler complains of."""
    place = ROOT / "plugins" / build.plugin
    kernels = place / "src" / f"rustfits_{build.plugin}" / "c"
    sources = [place / "tests" / "c" / "sanitize.c", *sorted(kernels.glob("*.c"))]
    command = [build.compiler, *FLAGS, *OWN_FLAGS.get(build.plugin, ()), *build.flags, f"-I{HERE}", f"-I{kernels}"]
    command += [*map(str, sources), "-lm", "-o", str(build.program(folder))]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"{shlex.join(command)}\n{made.stdout}{made.stderr}" if made.returncode else ""


def run_one(build: Build, folder: Path, arguments: list[str], seconds: float) -> tuple[str, str]:
    """Run one harness; return its last line, and what went wrong."""
    command = [str(build.program(folder)), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=seconds + GRACE
        )
    except subprocess.TimeoutExpired as error:
        said = error.stderr.decode(errors="replace") if isinstance(error.stderr, bytes) else error.stderr or ""
        return "", f"{said}\nsanitize: did not end within {seconds + GRACE:g} seconds"
    if done.returncode:
        return "", f"{done.stdout}{done.stderr}\nsanitize: exit status {done.returncode}"
    said = done.stdout.strip()
    return said, "" if " rounds, " in said and not said.startswith("0 ") else f"{said}\nsanitize: no round was run"


def say_fault(build: Build, seed: str, fault: str) -> None:
    print(f"sanitize: FAULT in {build.name}, seed {seed}:\n{fault}", flush=True)
    again = f"python tests/sanitize/run.py --only {build.plugin} --compiler {build.compiler} --seed {seed}"
    print(f"sanitize: to repeat it: {again} --round ROUND, where ROUND is the number above", flush=True)


def options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked = float(os.environ.get("RUSTFITS_SANITIZE_SECONDS") or SECONDS)
    parser.add_argument("--seconds", type=float, default=asked, help="to run, all together (default %(default)g)")
    parser.add_argument("--only", choices=PLUGINS, help="the harness of one plugin")
    parser.add_argument("--compiler", choices=sorted(LEVELS), help="one compiler")
    parser.add_argument("--seed", type=int, help="of the random inputs, to repeat a run (default: another each time)")
    parser.add_argument("--round", type=int, help="one round of that seed")
    return parser.parse_args()


def built(plugins: list[str], todo: list[Build], folder: Path, pool: ThreadPoolExecutor) -> int:
    """Build everything, and return how much of it cannot be."""
    faults = 0
    harnesses = [(build.name, pool.submit(compile_one, build, folder)) for build in todo]
    distributions = []
    if any(build.compiler == "clang" for build in todo):
        if can_build_distributions():
            distributions = [
                (f"rustfits-{plugin} clang", pool.submit(build_distribution, plugin, folder)) for plugin in plugins
            ]
        else:
            print("sanitize: SKIPPED setup.py with clang, for this Python lacks pip, setuptools or Cython", flush=True)
    for name, done in (*harnesses, *distributions):
        if fault := done.result():
            faults += 1
            print(f"sanitize: {name} cannot be built:\n{fault}", flush=True)
    print(f"sanitize: {len(harnesses) + len(distributions) - faults} programs and distributions are built", flush=True)
    return faults


def ran(todo: list[Build], folder: Path, pool: ThreadPoolExecutor, arguments: list[str], seconds: float) -> int:
    """Run what was built, and return how many found a fault."""
    faults = 0
    running = [(build, pool.submit(run_one, build, folder, arguments, seconds)) for build in todo]
    for build, done in running:
        said, fault = done.result()
        faults += bool(fault)
        if fault:
            say_fault(build, arguments[0], fault)
        else:
            print(f"sanitize: {build.name}: {said}", flush=True)
    return faults


def main() -> int:
    """Build, run and tell; return 1 if anything went wrong, or nothing was run."""
    chosen = options()
    seed = secrets.randbits(48) if chosen.seed is None else chosen.seed
    plugins = [chosen.only] if chosen.only else list(PLUGINS)
    wanted = [chosen.compiler] if chosen.compiler else list(LEVELS)
    ncpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="rustfits-sanitize-") as name, ThreadPoolExecutor(ncpus) as pool:
        folder = Path(name)
        compilers = [compiler for compiler in wanted if has_sanitizers(compiler, folder)]
        for compiler in wanted:
            if compiler not in compilers:
                print(f"sanitize: SKIPPED {compiler}, not here with its sanitizers: apt-get install {PEERS[compiler]}")
        todo = builds(plugins, compilers, chosen.seconds)
        faults = built(plugins, todo, folder, pool)
        todo = [build for build in todo if build.program(folder).exists()]
        share = chosen.seconds * ncpus / max(len(todo), 1)
        print(f"sanitize: seed {seed}, {share:.0f} seconds each", flush=True)
        arguments = [str(seed), f"{share:.3f}", *([str(chosen.round)] if chosen.round is not None else [])]
        faults += ran(todo, folder, pool, arguments, share)
    if not todo:
        print("sanitize: NOTHING was run")
    else:
        print(f"sanitize: {len(todo)} harnesses, {faults or 'no'} fault{'s' if faults > 1 else ''}")
    return int(faults > 0 or not todo)


if __name__ == "__main__":
    sys.exit(main())
