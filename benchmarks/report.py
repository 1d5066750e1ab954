"""The outcome of `compare.py` as text: on the terminal, and as a page of the manual."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from workloads import CONTENDERS, WORKLOADS, Workload

BOTH, ONE, PLAIN = (contender.name for contender in CONTENDERS if contender.venv == CONTENDERS[0].venv)
OTHERS = tuple(contender.name for contender in CONTENDERS if contender.venv != CONTENDERS[0].venv)

REMARKS = "What is missed, and why:"  # begins what is not written here but by hand
SHARE = 2 / 3  # of a goal, where there is no AVX-512
FIGURES = ("benchmarks-ratios.svg", "benchmarks-threads.svg")  # beside the page; drawn by `plots.py`


def print_head(result: dict[str, Any]) -> None:
    """Print what was measured, and where."""
    print("  ".join(f"{key}: {value}" for key, value in result["machine"].items()))
    for name, about in result["versions"].items():
        print(f"  {name:16}{about['version']}, numpy {about['numpy']}")
    print(f"{result['repeats']} interleaved repeats; files in the page cache; ratios: how many times as fast as ...")


def print_workload(workload: Workload, outcome: dict[str, Any]) -> None:
    """Print one workload: milliseconds, peak memory, and the ratios of both of ours to each library."""
    print(f"\n{workload.name}   ({'x'.join(map(str, workload.image.shape))})")
    if "error" in outcome:
        print(f"  {outcome['error']}")
        return
    print(f"  {'':16}{'best ms':>10}{'median ms':>11}{'CPU ms':>9}{'MiB':>8}{'x 2 thr':>9}{'x 1 thr':>9}")
    for name, found in outcome.items():
        if "error" in found:
            print(f"  {name:16}{found['error']}")
            continue
        ratios = "".join(
            f"{ratio:9.2f}" if ratio else f"{'':9}" for ratio in (_ratio(outcome, each, name) for each in (BOTH, ONE))
        )
        times = f"{found['best'] * 1e3:10.2f}{found['median'] * 1e3:11.2f}{found['best_cpu'] * 1e3:9.2f}"
        print(f"  {name:16}{times}{found.get('peak_mib', 0):8.0f}{ratios}")
    told = _verdict(workload, outcome)
    if told:
        print(
            "  "
            + "; ".join(
                f"{name}: {ratio:.2f} of {goal:g}{'' if ratio >= goal else '  MISSED'}" for name, ratio, goal in told
            )
        )


def remarks_of(page: Path) -> str:
    """Return what people wrote at the end of a page that is there already, to be kept when it is written anew."""
    text = page.read_text() if page.exists() else ""
    return "\n" + text[text.index(REMARKS) :] if REMARKS in text else ""


def page(result: dict[str, Any]) -> str:
    """Return the page of the manual."""
    machine = result["machine"]
    others = [name for name in OTHERS if name in result["versions"]]
    outcomes = [(workload, result["outcomes"].get(workload.name)) for workload in WORKLOADS]
    known = [(workload, outcome) for workload, outcome in outcomes if outcome and BOTH in outcome]
    lines = [
        "# Benchmarks",
        "",
        "Written by `python3 benchmarks/compare.py --page docs/benchmarks.md`, which anybody can run. It makes an",
        "environment for each library, checks that all give the same pixels, and times them in turn, in one run.",
        "",
        f"- Machine: {machine['processor']} ({machine['vectors']}), {machine['cpus']} CPUs, {machine['system']},",
        f"  Python {machine['python']}; load at the start {machine['load']}.",
        f"- {_ceiling(result['scaling'])}",
        *(f"- {name}: {about['version']}, numpy {about['numpy']}." for name, about in result["versions"].items()),
        f"- Images of 4000x4000 pixels, files in the page cache, best of {result['repeats']} repeats, opening and",
        "  closing included. Cutouts: 1000 of 32x32 pixels at random places, one call each, time for all of them.",
        "  What is written is a new file.",
        "",
        f"![How many times as fast as rustfits 0.1.8]({FIGURES[0]})",
        "",
        f"![How many times as fast with more threads]({FIGURES[1]})",
        "",
        "Times, in milliseconds. `this, no accel` is one thread without rustfits-accel, to be compared with astropy.",
        "",
        _row("workload", BOTH, ONE, PLAIN, *others),
        _row(*["---"] * (len(others) + 4)),
        *(_row(workload.name, *_times(outcome, others)) for workload, outcome in known),
        "",
        "How many times as fast. The goals are ratios to rustfits 0.1.8 of the package index, with two threads and",
        "with one, on a machine with AVX-512: where there is none, 2/3 says that two thirds of the goal are reached.",
        "Those in brackets are ratios to the fastest of the other libraries. The ratio of processor time, of one",
        "thread, is less at the mercy of other programs. The peak is that of the process above what it had before, for",
        "two threads.",
        "",
        _row("workload", "ratio 2 / 1", "goal 2 / 1", "met", "CPU ratio", "peak MiB"),
        _row(*["---"] * 6),
        *(_row(workload.name, *_ratios(workload, outcome, machine["vectors"])) for workload, outcome in known),
    ]
    return "\n".join(lines) + "\n"


def _ceiling(scaling: list[float]) -> str:
    least, most = min(scaling), max(scaling)
    return (
        f"Two threads of zlib, which share nothing, went {least:.1f} to {most:.1f} times as fast as one (median\n"
        f"  {statistics.median(scaling):.1f}), between the workloads: more cannot be asked of two threads here."
    )


def _times(outcome: dict[str, Any], others: list[str]) -> list[str]:
    return [_milliseconds(outcome.get(name)) for name in (BOTH, ONE, PLAIN, *others)]


def _ratios(workload: Workload, outcome: dict[str, Any], vectors: str) -> list[str]:
    told = _verdict(workload, outcome)
    ratios = " / ".join(f"{ratio:.1f}" for _, ratio, _ in told)
    goals = " / ".join(f"{goal:g}" for _, _, goal in told)
    share = SHARE if workload.vectorised and vectors != "avx512vl" else 1
    met = " / ".join("yes" if ratio >= goal else "2/3" if ratio >= share * goal else "no" for _, ratio, goal in told)
    peak = outcome[BOTH].get("peak_mib")
    shown = f"({goals})" if goals and not workload.reference else goals
    cpu = [outcome.get(name, {}).get("best_cpu") for name in (workload.reference, ONE)]
    processor = f"{cpu[0] / cpu[1]:.1f}" if all(cpu) else ""
    return [ratios, shown, met, processor, f"{peak:.0f}" if peak else ""]


def _verdict(workload: Workload, outcome: dict[str, Any]) -> list[tuple[str, float, float]]:
    """Return name, ratio to the reference and goal of both of ours; nothing where one of them is not known."""
    timed = {name: found["best"] for name, found in outcome.items() if "best" in found}
    others = {name: seconds for name, seconds in timed.items() if name in OTHERS}
    reference = workload.reference or min(others, key=lambda name: others[name], default="")
    if workload.goals is None or reference not in timed:
        return []
    found = [
        (name, timed[reference] / timed[name], goal)
        for name, goal in zip((BOTH, ONE), workload.goals, strict=True)
        if name in timed
    ]
    return found if len(found) == 2 else []


def _ratio(outcome: dict[str, Any], ours: str, name: str) -> float | None:
    first = outcome.get(ours, {}).get("best")
    return outcome[name]["best"] / first if first else None


def _milliseconds(found: dict[str, Any] | None) -> str:
    if not found or "best" not in found:
        return "-"
    return f"{found['best'] * 1e3:.3g}"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
