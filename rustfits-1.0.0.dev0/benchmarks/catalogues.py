"""Tables that are measured, the same each time."""

from __future__ import annotations

from typing import Any

import numpy as np

MIX = (
    *((f"d{number}", "f8") for number in range(4)),
    *((f"e{number}", "f4") for number in range(3)),
    *((f"k{number}", "i8") for number in range(2)),
    *((f"j{number}", "i4") for number in range(2)),
    *((f"i{number}", "i2") for number in range(2)),
    ("b0", "u1"),
    ("u2", "u2"),
    ("u4", "u4"),
    ("l0", "?"),
    *((f"s{number}", "S8") for number in range(2)),
    ("name", "S20"),
)
THREE = ("d0", "k1", "name")
NUMBERS = tuple(name for name, dtype in MIX if not dtype.startswith("S"))


def mixed(nrows: int) -> np.ndarray[Any, Any]:
    """Return 20 columns of numbers, logicals and strings, 110 bytes a row."""
    numbers = np.random.default_rng(20)
    table = np.zeros(nrows, dtype=list(MIX))
    for name, dtype in MIX:
        if dtype[0] == "f":
            table[name] = numbers.normal(size=nrows)
        elif dtype[0] in "iu":
            limits = np.iinfo(dtype)
            table[name] = numbers.integers(limits.min, limits.max, nrows, dtype=dtype, endpoint=True)
        elif dtype == "?":
            table[name] = numbers.integers(0, 2, nrows)
        else:
            width = int(dtype[1:])
            letters = numbers.integers(ord("A"), ord("Z") + 1, (nrows, width), dtype=np.uint8)
            if name == "name":
                letters[np.arange(width) >= numbers.integers(4, width + 1, (nrows, 1))] = 0
            table[name] = letters.view(dtype)[:, 0]
    return table


def numbers(nrows: int) -> np.ndarray[Any, Any]:
    """Return 200 columns of numbers, 900 bytes a row."""
    random = np.random.default_rng(21)
    kinds = ("f4", "i4", "f8", "i2")
    table = np.zeros(nrows, dtype=[(f"c{number}", kinds[number % 4]) for number in range(200)])
    for name in table.dtype.names or ():
        table[name] = random.normal(scale=1000, size=nrows)
    return table


def arrays(nrows: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return a column of numbers, and one of arrays of 0 to 40 float32 each."""
    random = np.random.default_rng(22)
    lengths = random.integers(0, 41, nrows)
    cells = np.empty(nrows, dtype=object)
    cells[:] = np.split(random.normal(size=int(lengths.sum())).astype("f4"), np.cumsum(lengths)[:-1])
    return {"id": np.arange(nrows, dtype="i4"), "flux": cells}


def stars(nrows: int) -> np.ndarray[Any, Any]:
    """Return 8 columns as catalogues have them: what compression is for."""
    random = np.random.default_rng(23)
    table = np.zeros(nrows, dtype=[("id", "i8"), ("ra", "f8"), ("dec", "f8"), ("mag", "f4"), ("error", "f4"),
                                   ("n", "i2"), ("x", "i4"), ("flag", "u1")])  # fmt: skip
    table["id"] = np.arange(nrows) * 7 + 10**9
    table["ra"], table["dec"] = np.sort(random.uniform(0, 360, nrows)).round(6), random.uniform(-90, 90, nrows).round(6)
    table["mag"], table["error"] = random.normal(20, 2, nrows).round(3), random.uniform(0, 0.2, nrows).round(3)
    table["n"], table["x"] = random.integers(0, 40, nrows), random.integers(0, 4096, nrows)
    table["flag"] = random.integers(0, 4, nrows)
    return table
