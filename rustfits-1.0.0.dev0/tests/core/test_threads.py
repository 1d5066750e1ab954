"""The shared threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

import rustfits
from rustfits.errors import InvalidParameter
from rustfits.parallel import threads

MANY = threads.SMALL_NPIXELS


@pytest.fixture(autouse=True)
def _restored():
    before = threads.get_num_threads()
    yield
    threads.set_num_threads(before)


@pytest.mark.parametrize("nthreads", [1, 2, 5])
def test_every_item_is_worked_on_once(nthreads):
    threads.set_num_threads(nthreads)
    assert rustfits.get_num_threads() == nthreads
    done = []
    threads.run(done.append, range(100), npixels=MANY)
    assert sorted(done) == list(range(100))


def test_little_work_stays_on_the_calling_thread():
    threads.set_num_threads(4)
    seen = set()
    threads.run(lambda _: seen.add(threading.get_ident()), range(20), npixels=MANY - 1)
    assert seen == {threading.get_ident()}


def test_much_work_is_shared():
    threads.set_num_threads(3)
    together = threading.Barrier(3, timeout=30)  # passes only if three threads work at once
    threads.run(lambda _: together.wait(), range(3), npixels=MANY)


@pytest.mark.parametrize("nthreads", [1, 2, 6])
def test_the_failure_of_the_first_item_is_raised_whatever_the_number_of_threads(nthreads):
    threads.set_num_threads(nthreads)
    later = threading.Event()

    def work(item):
        if item == 7 and nthreads > 1:
            assert later.wait(30)  # for a failure that comes earlier
        if item > 7:
            later.set()
        if item >= 7:
            raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 7"):
        threads.run(work, range(100), npixels=MANY)


def test_work_may_ask_for_threads_itself():
    threads.set_num_threads(2)
    done = []
    threads.run(lambda item: threads.run(done.append, range(item), npixels=MANY), range(10), npixels=MANY)
    assert len(done) == 45


def test_the_number_may_change_while_others_work():
    def keep_busy():
        for _ in range(50):
            threads.run(lambda _: time.sleep(0.0002), range(8), npixels=MANY)

    crew = [threading.Thread(target=keep_busy) for _ in range(3)]
    for each in crew:
        each.start()
    for count in range(1, 40):
        threads.set_num_threads(count % 5 + 1)
        time.sleep(0.001)
    for each in crew:
        each.join()


@pytest.mark.parametrize(
    ("number", "error"), [(0, InvalidParameter), (-2, InvalidParameter), (1.5, TypeError), (True, TypeError)]
)
def test_the_number_must_be_at_least_one(number, error):
    with pytest.raises(error):
        threads.set_num_threads(number)


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_environment_sets_the_number():
    done = run_python("import rustfits; print(rustfits.get_num_threads())", RUSTFITS_NUM_THREADS="7")
    assert done.stdout.strip() == "7"


def test_a_wrong_number_in_the_environment_is_named():
    done = run_python("import rustfits; rustfits.get_num_threads()", RUSTFITS_NUM_THREADS="many")
    assert "RUSTFITS_NUM_THREADS must be a whole number" in done.stderr


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not tell which CPUs may be used")
def test_the_default_is_the_number_of_cpus_the_process_may_use():
    code = """
import os
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
import rustfits
print(rustfits.get_num_threads())
"""
    assert run_python(code, RUSTFITS_NUM_THREADS="").stdout.strip() == "1"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_has_threads_of_its_own():
    code = """
import os, threading
from rustfits.parallel import threads
threads.set_num_threads(3)
def use():
    together = threading.Barrier(3, timeout=20)
    threads.run(lambda _: together.wait(), range(3), npixels=threads.SMALL_NPIXELS)
use()
child = os.fork()
if not child:
    use()
    os._exit(42)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run_python(code).stdout.strip() == "42"
