"""What the numbers depend on: the machine, and how much faster it goes with two threads, whatever they do."""

from __future__ import annotations

import os
import platform
import random
import threading
import time
import zlib
from pathlib import Path
from typing import Any

NBYTES = 1 << 16  # of what is compressed: no memory is shared, and all of it stays in the cache of each CPU
NROUNDS = 12


def describe() -> dict[str, Any]:
    """Return processor, widest vectors, CPUs, load, system and Python."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = (line.split(":", 1) for line in cpuinfo.read_text().splitlines()) if cpuinfo.exists() else ()
    told = {line[0].strip(): line[1].strip() for line in lines if len(line) == 2}
    flags = told.get("flags", "").split()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": told.get("model name") or platform.processor() or platform.machine(),
        "vectors": next((name for name in ("avx512vl", "avx2") if name in flags), "not known"),
        "cpus": usable,
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "not known",
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def scaling() -> float:
    """Return how many times as much two threads of zlib do as one in the same time.

    They share nothing, so it is 2 on two processors that are free; less where other programs use them, or where the two
    are halves of one.
    """
    numbers = random.Random(1)
    data = bytes(numbers.choices(range(32), k=NBYTES))

    def work() -> None:
        for _ in range(NROUNDS):
            zlib.compress(data, 1)

    def seconds(nthreads: int) -> float:
        threads = [threading.Thread(target=work) for _ in range(nthreads)]
        begin = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - begin

    one, two = (min(seconds(nthreads) for _ in range(3)) for nthreads in (1, 2))
    return 2 * one / two
