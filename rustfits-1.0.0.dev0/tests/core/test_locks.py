import signal
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from rustfits.storage import locks
from rustfits.storage.locks import ReadWriteLock

SOON = 60  # seconds that no test waits for when all is well


@pytest.fixture
def waiting(monkeypatch):
    """Return a semaphore that is released whenever somebody begins to wait for a lock, from then on for certain."""
    found = threading.Semaphore(0)

    class Condition(threading.Condition):
        def wait(self, timeout=None):
            found.release()  # the lock's mutex is held: whoever does something to the lock now comes too late
            return super().wait(timeout)

    known = SimpleNamespace(Condition=Condition, Lock=threading.Lock, get_ident=threading.get_ident)
    monkeypatch.setattr(locks, "threading", known)
    return found


@contextmanager
def shared(lock):
    lock.acquire_shared()
    try:
        yield
    finally:
        lock.release_shared()


def start(target):
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def test_readers_share_the_lock():
    lock = ReadWriteLock()
    together = threading.Barrier(3)

    def read():
        with shared(lock):
            together.wait(SOON)

    threads = [start(read) for _ in range(3)]
    for thread in threads:
        thread.join(SOON)
    assert not together.broken


def test_a_writer_is_alone():
    lock = ReadWriteLock()
    inside, most = [], []

    def write():
        for _ in range(50):
            with lock.exclusive():
                inside.append(1)
                most.append(len(inside))
                time.sleep(0)
                inside.pop()

    def read():
        for _ in range(50):
            with shared(lock):
                most.append(1 + len(inside))

    threads = [start(write), start(write), start(read)]
    for thread in threads:
        thread.join(SOON)
    assert max(most) == 1


def test_both_ways_nest_and_a_writer_may_read():
    lock = ReadWriteLock()
    with shared(lock), shared(lock):
        pass
    with lock.exclusive(), shared(lock), lock.exclusive():
        pass
    with lock.exclusive():
        pass


def test_a_reader_that_asks_to_write_is_told_so_instead_of_waiting_for_itself():
    lock = ReadWriteLock()
    with shared(lock), pytest.raises(AssertionError), lock.exclusive():
        pass
    with lock.exclusive():
        pass


def test_a_waiting_writer_goes_before_new_readers_but_not_before_nested_ones(waiting):
    lock = ReadWriteLock()
    order = []
    reading, both_wait = threading.Event(), threading.Event()

    def first_reader():
        with shared(lock):
            reading.set()
            assert both_wait.wait(SOON)
            with shared(lock):
                order.append("nested read")

    def writer():
        with lock.exclusive():
            order.append("write")

    def second_reader():
        with shared(lock):
            order.append("read")

    threads = [start(first_reader)]
    assert reading.wait(SOON)
    threads.append(start(writer))
    assert waiting.acquire(timeout=SOON)
    threads.append(start(second_reader))
    assert waiting.acquire(timeout=SOON)
    both_wait.set()
    for thread in threads:
        thread.join(SOON)
    assert order == ["nested read", "write", "read"]


def test_an_exception_lets_the_lock_go():
    lock = ReadWriteLock()
    with pytest.raises(KeyError), lock.exclusive():
        raise KeyError
    with pytest.raises(KeyError), shared(lock):
        raise KeyError
    done = threading.Event()

    def write():
        with lock.exclusive():
            done.set()

    start(write)
    assert done.wait(SOON)


def test_all_who_wait_get_their_turn_writers_first(waiting):
    lock, order = ReadWriteLock(), []

    def write():
        with lock.exclusive():
            order.append("write")

    def read():
        with shared(lock):
            order.append("read")

    with shared(lock):
        threads = []
        for target in (write, read):
            threads += [start(target) for _ in range(3)]
            for _ in range(3):
                assert waiting.acquire(timeout=SOON)
    for thread in threads:
        thread.join(SOON)
    assert order == ["write"] * 3 + ["read"] * 3


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="interrupts itself with a signal of POSIX")
@pytest.mark.parametrize("holds", ["shared", "exclusive"])
def test_a_writer_that_is_interrupted_while_it_waits_leaves_nobody_waiting(waiting, holds):
    lock = ReadWriteLock()
    held, asks, interrupted, go_on, done = (threading.Event() for _ in range(5))
    me = threading.get_ident()

    def hold():
        with shared(lock) if holds == "shared" else lock.exclusive():
            held.set()
            assert go_on.wait(SOON)

    def read():
        assert waiting.acquire(timeout=SOON)  # the writer waits
        asks.set()
        with shared(lock):
            done.set()

    def interrupt():
        assert asks.wait(SOON)
        assert waiting.acquire(timeout=SOON)  # the reader waits too
        while not interrupted.wait(0.01):  # one signal may come just before the system is asked to wait
            signal.pthread_kill(me, signal.SIGALRM)

    def raise_once(*_):
        if not interrupted.is_set():
            interrupted.set()
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, raise_once)
    threads = [start(hold)]
    assert held.wait(SOON)
    try:
        threads += [start(read), start(interrupt)]
        with pytest.raises(KeyboardInterrupt), lock.exclusive():
            pass
        threads[-1].join(SOON)
    finally:
        signal.signal(signal.SIGALRM, before)
    if holds == "exclusive":
        go_on.set()
    assert done.wait(SOON)
    go_on.set()
    for thread in threads:
        thread.join(SOON)
    with lock.exclusive():
        pass
