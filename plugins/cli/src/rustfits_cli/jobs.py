"""Many files side by side, on all cores, with a bar that says how far it is."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import click

import rustfits
from rustfits_cli.files import named
from rustfits_cli.show import one_line
from rustfits_cli.wholefile import Done, Task, do

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

LARGE_NBYTES = 1 << 28  # of a single file, from which on it is told how far it is
REDRAWN_SECONDS = 0.2
_KILLED = "not done: the system has killed a process that packs; is there too little memory? --jobs 1 needs less"


def run_all(tasks: Sequence[Task], jobs: int, tell: Callable[[int], None] | None = None) -> Iterator[Done]:
    """Do tasks, several side by side, and yield what became of each as it ends.

    Each of several gets one thread, and a process where processes fork: their Python then never waits for that of
    another. A single file gets all threads, and ``tell`` is given its bytes as they are read.
    """
    jobs = min(jobs, len(tasks))
    gc.freeze()  # what is loaded stays: to look through it again and again took a tenth of the time
    if jobs <= 1:
        for task in tasks:
            yield do(task, tell)
        return
    yield from _side_by_side(tasks, jobs)


def _side_by_side(tasks: Sequence[Task], jobs: int) -> Iterator[Done]:
    from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, wait  # of no use to a single file

    threads = rustfits.get_num_threads()
    rustfits.set_num_threads(1)
    try:
        with _pool(jobs) as pool:
            waiting = iter(tasks)
            running = {pool.submit(do, task): task for task in islice(waiting, jobs)}
            while running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    task = running.pop(future)
                    yield _outcome(future, task)
                    for following in islice(waiting, 1):
                        try:
                            running[pool.submit(do, following)] = following
                        except BrokenExecutor:
                            yield Done(following.name, following.output, error=_KILLED)
    finally:
        rustfits.set_num_threads(threads)


def _pool(jobs: int) -> Executor:
    """Return what runs tasks side by side; forking is left to systems where it is the custom of programs."""
    if not sys.platform.startswith("linux"):
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(jobs)
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    return ProcessPoolExecutor(jobs, get_context("fork"))


def _outcome(future: Future[Done], task: Task) -> Done:
    from concurrent.futures import BrokenExecutor

    try:
        return future.result()
    except BrokenExecutor:
        return Done(task.name, task.output, error=_KILLED)


def show_progress(tasks: Sequence[Task], jobs: int, *, quiet: bool, verbose: bool) -> list[Done]:
    """Do tasks and tell how it goes, on standard error: a bar if that is a terminal; return what became of them."""
    total = sum(os.path.getsize(task.name) for task in tasks if os.path.exists(task.name))
    done: list[Done] = []
    with_bar = not quiet and (len(tasks) > 1 or total >= LARGE_NBYTES) and sys.stderr.isatty()
    begin, nbytes, part, drawn = time.monotonic(), 0, 0, 0.0

    def tell(more: int) -> None:
        nonlocal part, drawn
        part, now = part + more, time.monotonic()
        if with_bar and now - drawn > REDRAWN_SECONDS:
            drawn = now
            bar = _bar(len(done), len(tasks), nbytes + part, total, now - begin)
            click.echo(f"\r\x1b[K{bar}", nl=False, err=True)

    for each in run_all(tasks, jobs, tell):
        done.append(each)
        nbytes, part = nbytes + each.before, 0
        if with_bar:
            click.echo("\r\x1b[K", nl=False, err=True)
        if each.error:
            click.echo(f"Error: {named(each.name, each.error)}", err=True)
        for remark in together(each.remarks):
            click.echo(one_line(f"{each.name}: {remark}"), err=True)
        if verbose and not each.error:
            ratio = each.before / max(each.after, 1)
            said = f"{each.output}  {each.after} bytes, {ratio:.2f} times smaller than {each.name}"
            click.echo(rustfits.printable(said), err=True)
        if with_bar:
            click.echo(_bar(len(done), len(tasks), nbytes, total, time.monotonic() - begin), nl=False, err=True)
    if with_bar:
        click.echo("\r\x1b[K", nl=False, err=True)
    ntables = sum(each.ntables for each in done if not each.error)
    if ntables and not quiet:
        click.echo(f"{ntables} {'table stays as it is' if ntables == 1 else 'tables stay as they are'}", err=True)
    order = {task.name: number for number, task in enumerate(tasks)}
    return sorted(done, key=lambda each: order[each.name])


def together(remarks: Sequence[str]) -> list[str]:
    """Return what is said of HDUs once for all of which the same is said: a mosaic may have a hundred."""
    found: dict[str, list[int]] = {}
    for remark in remarks:
        head, _, rest = remark.partition(": ")
        number = head.removeprefix("HDU ")
        found.setdefault(rest if number.isdecimal() else remark, []).extend([int(number)] if number.isdecimal() else [])
    return [f"{_hdus(numbers)}: {said}" if numbers else said for said, numbers in found.items()]


def _hdus(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"HDU {numbers[0]}"
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"HDUs {numbers[0]} to {numbers[-1]}"
    return f"HDUs {', '.join(map(str, numbers))}"


def _bar(ndone: int, ntasks: int, nbytes: int, total: int, seconds: float) -> str:
    rate = nbytes / max(seconds, 1e-3)
    left = (total - nbytes) / rate if rate else 0.0
    filled = min(20 * nbytes // max(total, 1), 20)
    minutes, rest = divmod(round(left), 60)
    return (
        f"[{'#' * filled}{'.' * (20 - filled)}] {ndone}/{ntasks} files, {rate / 1e6:.0f} MB/s, {minutes}:{rest:02} left"
    )
