"""Work on numbered cases in processes of its own, so that one that dies, hangs or fills its memory spares the rest."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ADDRESS_NBYTES = 1 << 30  # address space beyond what a process has when a case begins
SECONDS = 10  # of a processor, for one case
FILE_NBYTES = 1 << 29  # of a file that a case writes


@dataclass(frozen=True)
class Ended:
    """How a process ended that should have gone on."""

    status: int

    def __str__(self) -> str:
        if self.status in (-signal.SIGALRM, -signal.SIGPROF, -signal.SIGXCPU):
            return f"time: more than {SECONDS} s"
        return f"the process ended with {self.status}"


def in_processes(numbers: range, work: Callable[[int], Any], nrounds: int) -> Iterator[tuple[int, Any]]:
    """Yield each number with what ``work`` returns for it, or with `Ended`; ``nrounds`` numbers have one process."""
    first = numbers.start
    while first < numbers.stop:
        stop = min(first + nrounds, numbers.stop)
        end, start = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(end)
            _serve(range(first, stop), work, start)
        os.close(start)
        with os.fdopen(end, "rb") as pipe:
            while first < stop:
                try:
                    found = pickle.load(pipe)
                except (EOFError, pickle.UnpicklingError):
                    break
                yield first, found
                first += 1
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if first < stop:
            yield first, Ended(status)
            first += 1


def _serve(numbers: range, work: Callable[[int], Any], start: int) -> None:
    """Work in this process, and end it."""
    try:
        with os.fdopen(start, "wb") as pipe:
            for number in numbers:
                limit()
                pickle.dump(work(number), pipe)
                pipe.flush()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(3)


def limit(nbytes: int = ADDRESS_NBYTES) -> None:
    """Give this process the time and the memory of one case, from now on."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # the processors may be shared with others
    signal.setitimer(signal.ITIMER_REAL, 30 * SECONDS)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_NBYTES, resource.RLIM_INFINITY))
    if "asan" not in os.environ.get("LD_PRELOAD", ""):  # it needs all addresses that there are
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + nbytes, resource.RLIM_INFINITY))
