"""Give the C of every plugin what libFuzzer makes up, which keeps what reaches code that nothing has reached before.

    python tests/sanitize/guided.py [--runs N] [--seconds N] [--only PLUGIN] [--keep]
    python tests/sanitize/guided.py --coverage
    python tests/sanitize/guided.py --build FOLDER

Each target, plugins/NAME/tests/c/guided.c, is built by clang with the address and undefined behaviour sanitizers, is
given the inputs kept in tests/sanitize/corpus/NAME, and, unless N is 0, goes on from there for so many inputs or
seconds. --keep merges what it found into that folder. An input that shows a fault stays in the working folder, and its
name is printed.

--coverage says which part of the kernels the kept inputs reach. --build only builds, with CC, CFLAGS and
LIB_FUZZING_ENGINE of the environment, as OSS-Fuzz wants it: a program and an archive of inputs for each plugin.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from run import FLAGS, HERE, OWN_FLAGS, PLUGINS, ROOT, SANITIZERS

CORPUS = HERE / "corpus"
PLAIN_FLAGS = [flag for flag in FLAGS if not flag.startswith("-fsanitize=")]
MAX_NBYTES = 2048  # of an input: some hundred pixels fill it
MAX_KEPT = 150  # inputs kept for each harness, the shortest


def build(plugin: str, program: Path, flags: Iterable[str], compiler: str = "clang") -> Path:
    """Build the harness of a plugin as a target of libFuzzer."""
    kernels = kernels_of(plugin)
    sources = [ROOT / "plugins" / plugin / "tests" / "c" / "guided.c", *sorted(kernels.glob("*.c"))]
    command = [compiler, *flags, *OWN_FLAGS.get(plugin, ()), f"-I{HERE}", f"-I{kernels}"]
    command += [*map(str, sources), "-lm", "-o", str(program)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise SystemExit(f"{shlex.join(command)}\n{made.stdout}{made.stderr}")
    return program


def kernels_of(plugin: str) -> Path:
    """Return the folder of a plugin's C."""
    return ROOT / "plugins" / plugin / "src" / f"rustfits_{plugin}" / "c"


def build_for_others(plugin: str, folder: Path) -> None:
    """Build a target with the flags that the environment asks for, and lay its inputs beside it."""
    flags = [*PLAIN_FLAGS, *shlex.split(os.environ.get("CFLAGS", "-O1"))]
    flags += shlex.split(os.environ.get("LIB_FUZZING_ENGINE", f"-fsanitize=fuzzer,{SANITIZERS}"))
    program = build(plugin, folder / f"kernels_{plugin}", flags, os.environ.get("CC", "clang"))
    with zipfile.ZipFile(folder / f"{program.name}_seed_corpus.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((CORPUS / plugin).iterdir()):
            archive.write(path, path.name)


def coverage(plugin: str, folder: Path) -> str:
    """Return what part of a plugin's kernels the kept inputs reach: lines and branches."""
    flags = [*PLAIN_FLAGS, "-O1", "-fprofile-instr-generate", "-fcoverage-mapping", "-fsanitize=fuzzer"]
    program = build(plugin, folder / f"{plugin}-coverage", flags)
    raw, merged = folder / f"{plugin}.profraw", folder / f"{plugin}.profdata"
    environment = os.environ | {"LLVM_PROFILE_FILE": str(raw)}
    replay = [str(program), "-runs=0", f"-max_len={MAX_NBYTES}", str(CORPUS / plugin)]
    subprocess.run(replay, capture_output=True, check=True, env=environment)
    subprocess.run(["llvm-profdata", "merge", "-o", str(merged), str(raw)], check=True)
    export = ["llvm-cov", "export", "-summary-only", f"-instr-profile={merged}", str(program)]
    files = json.loads(subprocess.run(export, capture_output=True, check=True).stdout)["data"][0]["files"]
    ours = [file["summary"] for file in files if Path(file["filename"]).is_relative_to(kernels_of(plugin))]
    parts = []
    for kind in ("lines", "branches"):
        covered, count = (sum(summary[kind][name] for summary in ours) for name in ("covered", "count"))
        parts.append(f"{covered} of {count} {kind} ({100 * covered / count:.1f} %)")
    return ", ".join(parts)


def fuzz(program: Path, corpus: Path, found: Path, *limits: str) -> tuple[str, int]:
    """Run a target; return what it says of its coverage, and its exit status."""
    command = [str(program), *limits, f"-max_len={MAX_NBYTES}", f"-artifact_prefix={program.name}-"]
    command += ["-timeout=20", "-print_final_stats=1"]
    done = subprocess.run(
        [*command, str(found), str(corpus)], capture_output=True, text=True, errors="replace", check=False
    )
    said = re.findall(r"cov: (\d+) ft: (\d+)", done.stderr)
    tried = re.search(r"number_of_executed_units: +(\d+)", done.stderr)
    if done.returncode or tried is None:
        return done.stderr[-6000:], done.returncode or 1
    edges, features = said[-1] if said else ("0", "0")
    return f"{tried[1]} inputs, {edges} edges, {features} features", 0


def keep(program: Path, corpus: Path, found: Path, folder: Path) -> None:
    """Make the corpus of a plugin anew, of the shortest inputs that reach all that old and new ones do."""
    merged = folder / f"{program.name}-merged"
    merged.mkdir()
    command = [str(program), "-merge=1", f"-max_len={MAX_NBYTES}", str(merged), str(corpus), str(found)]
    subprocess.run(command, capture_output=True, check=True)
    for old in corpus.iterdir():
        old.unlink()
    for path in sorted(merged.iterdir(), key=lambda path: path.stat().st_size)[:MAX_KEPT]:
        (corpus / path.name[:16]).write_bytes(path.read_bytes())


def one(plugin: str, folder: Path, chosen: argparse.Namespace) -> int:
    """Build and run the target of one plugin; return 1 if there was a fault."""
    corpus, found = CORPUS / plugin, folder / f"{plugin}-found"
    corpus.mkdir(parents=True, exist_ok=True)
    if chosen.build:
        build_for_others(plugin, chosen.build)
        return 0
    if chosen.coverage:
        print(f"guided: {plugin}: {coverage(plugin, folder)}", flush=True)
        return 0
    found.mkdir()
    program = build(plugin, folder / plugin, [*PLAIN_FLAGS, "-O1", f"-fsanitize=fuzzer,{SANITIZERS}"])
    limits = [f"-runs={chosen.runs}"] if chosen.seconds is None else [f"-max_total_time={chosen.seconds}"]
    said, status = fuzz(program, corpus, found, *limits)
    print(f"guided: {plugin}: {said}", flush=True)
    if not status and chosen.keep:
        keep(program, corpus, found, folder)
    return int(status != 0)


def main() -> int:
    """Build and run all targets; return 1 if any found a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=int(os.environ.get("RUSTFITS_FUZZ_RUNS", "0")))
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--only", choices=PLUGINS)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument("--build", type=Path, metavar="FOLDER")
    chosen = parser.parse_args()
    plugins = [chosen.only] if chosen.only else list(PLUGINS)
    if shutil.which("clang") is None and not chosen.build:
        print("guided: SKIPPED, there is no clang: apt-get install clang libclang-rt-dev")
        return 0
    with tempfile.TemporaryDirectory(prefix="rustfits-guided-") as name, ThreadPoolExecutor(os.cpu_count()) as pool:
        return int(any(list(pool.map(lambda plugin: one(plugin, Path(name), chosen), plugins))))


if __name__ == "__main__":
    sys.exit(main())
