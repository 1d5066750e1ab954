"""Draw the outcome of `compare.py`, JSON on standard input, as the figures of its page: `plots.py FOLDER`."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from report import BOTH, FIGURES, ONE, OTHERS, PLAIN

SHOWN = (BOTH, ONE, PLAIN, *OTHERS)


def best(outcome: dict[str, Any], name: str) -> float | None:
    """Return the seconds of a contender, if it took part."""
    seconds: float | None = outcome.get(name, {}).get("best")
    return seconds


def ratios(result: dict[str, Any], path: Path, reference: str = "rustfits 0.1.8") -> None:
    """Draw a bar for each contender and workload: how many times as fast as the reference, on a log scale."""
    outcomes = result["outcomes"]
    there = {name: outcome for name, outcome in outcomes.items() if best(outcome, reference)}
    took_part = {name for outcome in there.values() for name in SHOWN if best(outcome, name)}
    names = [name for name in SHOWN if name in took_part and name != reference]
    figure, axes = plt.subplots(figsize=(9, 1 + 0.55 * len(there)), layout="constrained")
    height = 0.8 / len(names)
    for number, name in enumerate(names):
        rows = [row for row, outcome in enumerate(there.values()) if best(outcome, name)]
        values = [
            outcome[reference]["best"] / outcome[name]["best"] for outcome in there.values() if best(outcome, name)
        ]
        axes.barh([row + (number - len(names) / 2 + 0.5) * height for row in rows], values, height, label=name)
    axes.axvline(1, color="black", linewidth=1)
    axes.set(xscale="log", xlabel=f"times as fast as {reference}", yticks=range(len(there)), yticklabels=list(there))
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.03), ncols=len(names), frameon=False)
    figure.savefig(path, bbox_inches="tight")  # the legend is wider than the axes


def threads(result: dict[str, Any], path: Path) -> None:
    """Draw how many times as fast two threads are as one, a line for each workload that is shared out."""
    outcomes = result["outcomes"]
    there = {
        name: outcome[ONE]["best"] / outcome[BOTH]["best"]
        for name, outcome in outcomes.items()
        if name.startswith(("read", "write")) and best(outcome, ONE) and best(outcome, BOTH)
    }
    figure, axes = plt.subplots(figsize=(9, 6), layout="constrained")
    axes.plot([1, 2], [1, 2], color="black", linestyle="--", label="ideal")
    axes.plot([1, 2], [1, statistics.median(result["scaling"])], color="black", label="zlib, which shares nothing")
    styles = [(style, color) for style in ("-", ":") for color in plt.get_cmap("tab20").colors]
    for (name, ratio), (style, color) in zip(there.items(), styles, strict=False):
        axes.plot([1, 2], [1, ratio], linestyle=style, color=color, label=name)
    axes.set(xlabel="threads", ylabel="times as fast as one thread", xticks=[1, 2])
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize="x-small", frameon=False)
    figure.savefig(path)


def main() -> None:
    """Read the outcome and draw both figures."""
    result = json.load(sys.stdin)
    folder = Path(sys.argv[1])
    # Text stays text, and the same outcome gives the same file.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "rustfits"})
    for draw, name in zip((ratios, threads), FIGURES, strict=True):
        draw(result, folder / name)


if __name__ == "__main__":
    main()
