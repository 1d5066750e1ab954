"""Run the harnesses of `run.py` under libFuzzer, which keeps what reaches code that nothing has reached before.

    python tests/sanitize/guided.py [--runs N] [--seconds N] [--only PLUGIN] [--keep]

Each harness is built by clang with the address and undefined behaviour sanitizers, is given the inputs kept in
tests/sanitize/corpus/PLUGIN, and, unless N is 0, goes on from there for so many rounds or seconds. --keep merges what
it found into that folder. An input that shows a fault stays in the working folder, and its name is printed.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from run import FLAGS, HERE, OWN_FLAGS, PLUGINS, ROOT, SANITIZERS

CORPUS = HERE / "corpus"
MAX_NBYTES = 4096  # of an input: the numbers of one round
MAX_KEPT = 150  # inputs kept for each harness, the shortest


def build(plugin: str, folder: Path) -> Path:
    """Build the harness of a plugin as a target of libFuzzer."""
    place = ROOT / "plugins" / plugin
    kernels = place / "src" / f"rustfits_{plugin}" / "c"
    sources = [place / "tests" / "c" / "sanitize.c", *sorted(kernels.glob("*.c"))]
    flags = [flag for flag in FLAGS if not flag.startswith("-fsanitize=")]
    command = ["clang", *flags, f"-fsanitize=fuzzer,{SANITIZERS}", *OWN_FLAGS.get(plugin, ()), "-O1", "-DRF_GUIDED"]
    command += [f"-I{HERE}", f"-I{kernels}", *map(str, sources), "-lm", "-o", str(folder / plugin)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise SystemExit(f"{shlex.join(command)}\n{made.stdout}{made.stderr}")
    return folder / plugin


def fuzz(program: Path, corpus: Path, found: Path, *limits: str) -> tuple[str, int]:
    """Run a target; return what it says of its coverage, and its exit status."""
    command = [str(program), *limits, f"-max_len={MAX_NBYTES}", f"-artifact_prefix={program.name}-", "-timeout=20"]
    done = subprocess.run(
        [*command, str(found), str(corpus)], capture_output=True, text=True, errors="replace", check=False
    )
    said = re.findall(r"^#(\d+).*cov: (\d+) ft: (\d+)", done.stderr, re.MULTILINE)
    if done.returncode:
        return done.stderr[-6000:], done.returncode
    inputs, edges, features = said[-1] if said else ("0", "0", "0")
    return f"{inputs} inputs, {edges} edges, {features} features", 0


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
    program, corpus, found = build(plugin, folder), CORPUS / plugin, folder / f"{plugin}-found"
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir()
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
    chosen = parser.parse_args()
    plugins = [chosen.only] if chosen.only else list(PLUGINS)
    if shutil.which("clang") is None:
        print("guided: SKIPPED, there is no clang: apt-get install clang libclang-rt-dev")
        return 0
    with tempfile.TemporaryDirectory(prefix="rustfits-guided-") as name, ThreadPoolExecutor(os.cpu_count()) as pool:
        return int(any(list(pool.map(lambda plugin: one(plugin, Path(name), chosen), plugins))))


if __name__ == "__main__":
    sys.exit(main())
