import threading
import time

import pytest

from rustfits.locks import ReadWriteLock

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
