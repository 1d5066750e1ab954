"""Memory of large arrays is used again, by one array at a time, and never more of it waits than is allowed."""

import gc
import threading

import numpy as np
import pytest

from rustfits.errors import InvalidParameter
from rustfits.parallel import memory

LARGE = memory.LEAST_NBYTES

pytestmark = pytest.mark.skipif(memory.GIVE_BACK is None, reason="this system has no MADV_FREE")


@pytest.fixture(autouse=True)
def nothing_waits(monkeypatch):
    monkeypatch.delenv(memory.VARIABLE, raising=False)
    memory._waiting.clear()
    yield
    memory._waiting.clear()


def address(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("shape", [(), (0,), (3, 4), (1 << 12, 1 << 11), (LARGE // 8 + 5, 2)])
@pytest.mark.parametrize("dtype", ["u1", "i4", ">f8"])
def test_an_array_is_as_one_of_numpy(shape, dtype):
    found, expected = memory.empty(shape, np.dtype(dtype)), np.empty(shape, dtype)
    assert (found.shape, found.dtype, found.strides) == (expected.shape, expected.dtype, expected.strides)
    assert found.flags.writeable
    assert found.flags.c_contiguous
    assert found.flags.aligned
    found[...] = 7
    assert (found == 7).all()


def test_an_array_may_have_fields():
    dtype = np.dtype([("a", ">f8"), ("b", "S3"), ("c", "i2", (2, 3))])
    found = memory.empty((LARGE // dtype.itemsize + 1,), dtype)
    assert (found.dtype, found.strides) == (dtype, (dtype.itemsize,))
    found["c"] = 5
    assert found[-1]["c"].tolist() == [[5, 5, 5]] * 2
    del found
    assert memory.waiting_nbytes() >= LARGE


def test_the_next_array_has_the_memory_of_the_last():
    first = memory.empty((LARGE,), np.dtype("u1"))
    place = address(first)
    del first
    assert LARGE <= memory.waiting_nbytes() < 2 * LARGE
    second = memory.empty((LARGE // 4, 2), np.dtype("i2"))
    assert address(second) == place
    assert memory.waiting_nbytes() == 0


def test_memory_is_not_used_again_while_a_view_of_it_is_there():
    first = memory.empty((LARGE,), np.dtype("u1"))
    first[...] = 1
    view = first[5:10].reshape(5, 1).view("i1")
    del first
    second = memory.empty((LARGE,), np.dtype("u1"))
    second[...] = 2
    assert (view == 1).all()
    assert memory.waiting_nbytes() == 0
    del view
    assert memory.waiting_nbytes() >= LARGE


def test_memory_that_is_much_too_large_waits_on():
    del_me = memory.empty((2 * LARGE,), np.dtype("u1"))
    del del_me
    waiting = memory.waiting_nbytes()
    small = memory.empty((LARGE,), np.dtype("u1"))
    assert memory.waiting_nbytes() == waiting
    assert small.size == LARGE


def test_small_arrays_are_left_to_numpy():
    small = memory.empty((LARGE - 1,), np.dtype("u1"))
    assert small.flags.owndata
    del small
    assert memory.waiting_nbytes() == 0


def test_no_more_waits_than_is_allowed(monkeypatch):
    monkeypatch.setenv(memory.VARIABLE, str(5 * LARGE))
    arrays = [memory.empty((2 * LARGE,), np.dtype("u1")) for _ in range(4)]
    while arrays:
        arrays.pop()
        assert memory.waiting_nbytes() <= 5 * LARGE
    assert memory.waiting_nbytes() == 4 * LARGE


def test_nothing_waits_if_that_is_wanted(monkeypatch):
    monkeypatch.setenv(memory.VARIABLE, "0")
    array = memory.empty((LARGE,), np.dtype("u1"))
    assert array.flags.owndata
    monkeypatch.delenv(memory.VARIABLE)
    array = memory.empty((LARGE,), np.dtype("u1"))
    monkeypatch.setenv(memory.VARIABLE, "0")
    del array
    assert memory.waiting_nbytes() == 0


def test_a_wrong_number_is_refused(monkeypatch):
    monkeypatch.setenv(memory.VARIABLE, "much")
    with pytest.raises(InvalidParameter, match="RUSTFITS_REUSED_NBYTES"):
        memory.empty((LARGE,), np.dtype("u1"))


def test_an_array_in_a_cycle_gives_its_memory_back():
    cycle = [memory.empty((LARGE,), np.dtype("u1"))]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert memory.waiting_nbytes() >= LARGE


def test_threads_never_share_memory():
    faults = []

    def work(number):
        for _ in range(20):
            array = memory.empty((LARGE + number,), np.dtype("u1"))
            array[:: 1 << 12] = number
            if (array[:: 1 << 12] != number).any():
                faults.append(number)

    crew = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    assert not faults
    assert memory.waiting_nbytes() <= memory.DEFAULT_NBYTES


def test_what_a_shelf_keeps_stays():
    shelf = memory.Shelf(1000)
    given = [np.full(number, number % 256, np.uint8) for number in (0, 3, 900, 200, 5000, 1)]
    kept = [shelf.keep(data) for data in given]
    for data, copy in zip(given, kept, strict=True):
        assert np.array_equal(copy, data)
        assert not np.may_share_memory(copy, data)


def test_threads_share_a_shelf():
    shelf, kept = memory.Shelf(1 << 16), []

    def work(number):
        kept.extend((number, shelf.keep(np.full(100 + number, number, np.uint8))) for _ in range(200))

    crew = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    assert len(kept) == 800
    assert all((data == number).all() and data.size == 100 + number for number, data in kept)
