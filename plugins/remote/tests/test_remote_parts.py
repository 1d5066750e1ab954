"""Parts of a file: every byte is the right one, none is fetched twice while it is kept, and names tell no secrets."""

import threading
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustfits import FitsIOError
from rustfits_remote.names import has_secrets, shown_error, shown_url
from rustfits_remote.parts import MANY, NTHREADS, Parts
from rustfits_remote.transport import Deadline, PassingFault, patiently

SIZE = 5000
CONTENT = np.random.default_rng(1).bytes(SIZE)
RANGE = st.tuples(st.integers(0, SIZE), st.integers(0, 900)).map(lambda at: (at[0], min(at[0] + at[1], SIZE)))


class Source:
    def __init__(self):
        self.asked, self.lock = [], threading.Lock()

    def __call__(self, start, stop):
        assert 0 <= start < stop <= SIZE
        with self.lock:
            self.asked.append((start, stop))
        return CONTENT[start:stop]

    @property
    def nbytes(self):
        return sum(stop - start for start, stop in self.asked)


def taken(parts, ranges):
    """Return the bytes of ranges, from the parts that hold them."""
    found = parts.want(ranges)
    starts = [part.start for part in found]
    assert starts == sorted(starts)
    result = []
    for start, stop in ranges:
        data = bytearray(stop - start)
        covered = 0
        for part in found:
            begin, end = max(start, part.start), min(stop, part.stop)
            if begin < end:
                data[begin - start : end - start] = part.wait(5)[begin - part.start : end - part.start]
                covered += end - begin
        assert covered == stop - start
        result.append(bytes(data))
    return result


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(st.tuples(st.booleans(), st.lists(RANGE, min_size=1, max_size=6)), min_size=1, max_size=8),
    block=st.sampled_from([0, 1, 7, 100, 4096, 10000]),
    capacity=st.sampled_from([0, 50, 1000, 100000]),
    first=st.integers(0, 300),
    near=st.integers(0, SIZE - 1),
)
def test_any_reads_and_hints_give_the_right_bytes(steps, block, capacity, first, near):
    source = Source()
    parts = Parts(source, SIZE, block, capacity)
    if first:
        start = near // block * block if block else near
        parts.put(CONTENT[start : start + (block or first)], start)
    for hint, ranges in steps:
        if hint:
            parts.plan(ranges)
        else:
            assert taken(parts, ranges) == [CONTENT[start:stop] for start, stop in ranges]
        with parts._lock:
            held = sorted((part.start, part.stop) for part in parts._parts.values())
            assert all(stop <= start for (_, stop), (start, _) in pairwise(held))
            assert sorted(parts._parts) == parts._starts
            assert parts._nbytes == sum(stop - start for start, stop in held)
            assert parts._waiting == sum(part.stop - part.start for part in parts._parts.values() if part.waits)
    if capacity == 100000:
        asked = sorted(source.asked)
        assert all(stop <= start for (_, stop), (start, _) in pairwise(asked))
    if block:
        for start, stop in source.asked:
            assert start % block == 0 or start == first
            assert stop % block == 0 or stop == SIZE


def test_what_is_kept_is_not_fetched_again_and_what_is_old_goes():
    source = Source()
    parts = Parts(source, SIZE, 0, 1000)
    for _ in range(3):
        taken(parts, [(0, 400)])
    assert source.asked == [(0, 400)]
    taken(parts, [(1000, 1500), (3000, 3400)])
    taken(parts, [(0, 400)])
    assert source.asked.count((0, 400)) == 2
    assert parts._nbytes <= 1000


def test_neighbours_are_joined_and_few_far_ones_are_not():
    far = 10_000_000
    parts = Parts(lambda start, stop: bytes(stop - start), far, 0, far)
    assert parts._pieces([(0, 1000), (3000, 4000)]) == [(0, 4000)]
    assert parts._pieces([(0, 1000), (30000, 31000)]) == [(0, 1000), (30000, 31000)]
    assert parts._pieces([(0, 100_000), (120_000, 220_000)]) == [(0, 220_000)]
    lines = [(at, at + 100) for at in range(0, 9_000_000, 9000)]
    assert len(lines) > MANY
    assert len(parts._pieces(lines)) <= 10
    assert len(parts._pieces([(0, far)])) == 8


def test_a_request_that_fails_is_made_again_by_who_wants_it_next():
    failing = [True]

    def fetch(start, stop):
        if failing[0]:
            raise FitsIOError("no")
        return CONTENT[start:stop]

    parts = Parts(fetch, SIZE, 0, 1000)
    for part in parts.want([(5, 50)]):
        with pytest.raises(FitsIOError, match="no"):
            part.wait(5)
    failing[0] = False
    assert taken(parts, [(5, 50)]) == [CONTENT[5:50]]


def test_requests_that_wait_keep_to_the_room_that_there_is():
    gate, source = threading.Event(), Source()

    def fetch(start, stop):
        gate.wait(10)
        return source(start, stop)

    parts = Parts(fetch, SIZE, 100, 1000)
    parts.plan([(0, SIZE)])
    assert parts._waiting <= 500
    gate.set()
    assert taken(parts, [(0, SIZE)]) == [CONTENT]
    assert parts._nbytes <= 1000
    assert NTHREADS > 1


def test_waiting_for_ones_turn_is_not_taken_for_a_fault():
    parts = Parts(lambda start, stop: time.sleep(0.1) or bytes(stop - start), 10**6, 0, 10**6)
    found = parts.want([(at, at + 1) for at in range(0, 10**6, 10_000)])
    assert len(found) == 100
    assert all(len(part.wait(0.3)) == 1 for part in found)  # which takes longer, as not all are made at once
    stuck = threading.Event()
    parts = Parts(lambda start, stop: stuck.wait(5) and b"", 100, 0, 100)
    (part,) = parts.want([(0, 5)])
    with pytest.raises(TimeoutError):
        part.wait(0.1)
    stuck.set()


@pytest.fixture
def threadless(monkeypatch):
    """Let as many threads of requests be started as the list says."""
    room, start = [0], threading.Thread.start

    def refused(thread):
        if thread.name == "rustfits-remote":
            if not room[0]:
                raise RuntimeError("can't start new thread")
            room[0] -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    return room


def test_a_request_without_a_thread_is_an_error_and_made_again_later(threadless):
    parts = Parts(Source(), SIZE, 0, 1000)
    parts.plan([(0, 300)])
    with pytest.raises(RuntimeError, match="can't start"):
        parts.want([(5, 50), (200, 400)])
    assert not parts._parts
    assert not parts._starts
    assert not parts._requests
    assert (parts._nbytes, parts._waiting, parts._nthreads) == (0, 0, 0)
    threadless[0] = NTHREADS
    assert taken(parts, [(5, 50), (200, 400)]) == [CONTENT[5:50], CONTENT[200:400]]


def test_the_threads_that_there_are_make_all_requests(threadless):
    threadless[0] = 1
    parts = Parts(Source(), SIZE, 100, SIZE)
    ranges = [(at, at + 50) for at in range(0, SIZE, 500)]
    assert taken(parts, ranges) == [CONTENT[start:stop] for start, stop in ranges]
    assert threadless == [0]


# -- trying again ------------------------------------------------------------------------------------------------------


def test_tries_end_with_the_time_or_their_number(monkeypatch):
    from rustfits_remote import transport

    slept = []
    monkeypatch.setattr(transport.time, "sleep", slept.append)
    tries = []

    def attempt():
        tries.append(1)
        raise PassingFault("busy")

    with pytest.raises(FitsIOError, match=r"cannot read x: busy \(after 6 tries\)"):
        patiently(attempt, "x", Deadline(None))
    assert len(tries) == 6
    assert slept == sorted(slept) or max(slept) < 3
    tries.clear()
    with pytest.raises(FitsIOError, match=r"after 1 try\)"):
        patiently(attempt, "x", Deadline(0.01))
    assert len(tries) == 1


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host/a.fits", "https://host/a.fits"),
        ("https://me:pa55@host:80/a.fits?x=1", "https://host:80/a.fits?x=1"),
        ("https://host:80/a@b.fits?x=c@d", "https://host:80/a@b.fits?x=c@d"),
        ("https://[::1]:80/a@b.fits", "https://[::1]:80/a@b.fits"),
        ("https://me:5e/cret@host/a.fits", "https://host/a.fits"),
        ("https://me:5e?cret@host/a.fits", "https://host/a.fits"),
        ("https://me:5e#cret@host/a.fits?x=1#there", "https://host/a.fits?x=1"),
        ("https://me:5e@c/r@e?t#@host/a.fits", "https://host/a.fits"),
        ("zip://a.fits::https://me:5ecret@host/a.zip", "zip://host/a.zip"),
        ("https://host/a?X-Amz-Signature=5ecret&n=2#there", "https://host/a?X-Amz-Signature=...&n=2"),
        ("https://host/a?sig=5ecret", "https://host/a?sig=..."),
        ("https://host/a?api_key=5ecret&sign=aries&signal=1", "https://host/a?api_key=...&sign=aries&signal=1"),
        ("s3://key:5ecret@bucket/a.fits", "s3://bucket/a.fits"),
    ],
)
def test_a_name_tells_no_secret(url, shown):
    assert shown_url(url) == shown
    assert has_secrets(url) == (shown != url.partition("#")[0])


def test_an_error_of_another_library_tells_no_secret():
    text = shown_error(OSError("GET https://me:pa55@host/a?token=5ecret failed, Authorization: Bearer5ecret"))
    assert "5ecret" not in text
    assert "pa55" not in text
    assert "host/a" in text
