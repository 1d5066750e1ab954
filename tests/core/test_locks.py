import signal
import threading
import time

import pytest

from rustfits.storage.locks import ReadWriteLock

SOON = 5  # seconds that no test waits for when all is well


def start(target):
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def test_readers_share_the_lock():
    lock = ReadWriteLock()
    together = threading.Barrier(3)

    def read():
        with lock.shared():
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
            with lock.shared():
                most.append(1 + len(inside))

    threads = [start(write), start(write), start(read)]
    for thread in threads:
        thread.join(SOON)
    assert max(most) == 1


def test_both_ways_nest_and_a_writer_may_read():
    lock = ReadWriteLock()
    with lock.shared(), lock.shared():
        pass
    with lock.exclusive(), lock.shared(), lock.exclusive():
        pass
    with lock.exclusive():
        pass


def test_a_reader_that_asks_to_write_is_told_so_instead_of_waiting_for_itself():
    lock = ReadWriteLock()
    with lock.shared(), pytest.raises(AssertionError), lock.exclusive():
        pass
    with lock.exclusive():
        pass


def test_a_waiting_writer_goes_before_new_readers_but_not_before_nested_ones():
    lock = ReadWriteLock()
    order = []
    reading, writer_waits = threading.Event(), threading.Event()

    def first_reader():
        with lock.shared():
            reading.set()
            assert writer_waits.wait(SOON)
            with lock.shared():
                order.append("nested read")

    def writer():
        with lock.exclusive():
            order.append("write")

    def second_reader():
        with lock.shared():
            order.append("read")

    threads = [start(first_reader)]
    assert reading.wait(SOON)
    threads.append(start(writer))
    while not lock._waiting:
        time.sleep(0.001)
    threads.append(start(second_reader))
    time.sleep(0.02)
    writer_waits.set()
    for thread in threads:
        thread.join(SOON)
    assert order == ["nested read", "write", "read"]


def test_an_exception_lets_the_lock_go():
    lock = ReadWriteLock()
    with pytest.raises(KeyError), lock.exclusive():
        raise KeyError
    with pytest.raises(KeyError), lock.shared():
        raise KeyError
    done = threading.Event()

    def write():
        with lock.exclusive():
            done.set()

    start(write)
    assert done.wait(SOON)


def test_all_who_wait_get_their_turn_writers_first():
    lock, order = ReadWriteLock(), []

    def write():
        with lock.exclusive():
            order.append("write")

    def read():
        with lock.shared():
            order.append("read")

    with lock.shared():
        threads = [start(write) for _ in range(3)]
        while lock._waiting < 3:
            time.sleep(0.001)
        threads += [start(read) for _ in range(3)]
        time.sleep(0.02)
    for thread in threads:
        thread.join(SOON)
    assert order == ["write"] * 3 + ["read"] * 3


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="interrupts itself with a timer of POSIX")
@pytest.mark.parametrize("holds", ["shared", "exclusive"])
def test_a_writer_that_is_interrupted_while_it_waits_leaves_nobody_waiting(holds):
    lock = ReadWriteLock()
    held, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def hold():
        with getattr(lock, holds)():
            held.set()
            assert go_on.wait(SOON)

    def read():
        while not lock._waiting:
            time.sleep(0.001)
        with lock.shared():
            done.set()

    def interrupt(*_):
        raise KeyboardInterrupt

    threads = [start(hold), start(read)]
    assert held.wait(SOON)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt), lock.exclusive():
            pass
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
