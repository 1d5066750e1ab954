"""Changes of a header reach the file at once, or not at all: edits, growth, and what a file allows."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from header_file import EXTENSION, PRIMARY, Handle

from rustfits.errors import FitsIOError, HandleClosed, HandleTainted, ProtectedKeyword, ReadOnlyFile
from rustfits.header.cards import Cards
from rustfits.header.header import FITSHeader
from rustfits.header.state import HeaderState
from rustfits.storage.extent import BLOCK

# -- edit -------------------------------------------------------------------------------------------------------------


def test_an_edit_shows_its_own_cards_and_writes_them_once(handle, header):
    handle.storage.writes_left = 1
    e = header.edit()
    assert repr(e) == "<FITSHeaderEdit: 6 cards, pending>"
    assert e["NAXIS1"] == 10
    with e as entered:
        assert entered is e
        e["A"] = (1, "why")
        e.set_comment("A", "because")
        e.add_comment("one")
        e.add_history("two")
        e.add_blank("three")
        e.update({"B": 2, "C": 3})
        del e["C"]
        assert "A" in e
        assert "A" not in header
        assert repr(e) == "<FITSHeaderEdit: 11 cards, active>"
    assert repr(e) == "<FITSHeaderEdit: 11 cards, committed>"
    assert (header["A"], header.comment_of("A"), header["B"], "C" in header) == (1, "because", 2, False)
    assert e["A"] == 1


def test_errors_in_an_edit_come_at_their_line_and_discard_everything(handle, header):
    before = header.cards
    with pytest.raises(ProtectedKeyword), header.edit() as e:
        e["A"] = 1
        e["NAXIS"] = 5
    assert header.cards == before
    assert repr(e) == "<FITSHeaderEdit: 6 cards, discarded>"
    with header.edit() as e:
        e["A"] = 1
        with pytest.raises(ValueError, match="unsupported"):
            e.update({"A": 2, "B": None})
        assert e["A"] == 1
    assert header["A"] == 1


def test_an_edit_changes_inside_its_block_alone(header):
    e = header.edit()
    for _ in range(2):
        for change in (
            lambda: e.__setitem__("A", 1),
            lambda: e.__delitem__("A"),
            lambda: e.set_comment("A", "x"),
            lambda: e.update({}),
            lambda: e.add_comment(""),
        ):
            with pytest.raises(ValueError, match=r"must be used inside a `with header.edit\(\):` block"):
                change()
        with e:
            pass
    with e, pytest.raises(ValueError, match="under way"):
        e.__enter__()
    for absent in (len, iter):
        with pytest.raises(TypeError):
            absent(e)


def test_an_empty_edit_writes_nothing(handle, header):
    with header.edit():
        header["A"] = 1
    assert header["A"] == 1
    handle.storage.writes_left = 0
    with header.edit() as e:
        assert e["A"] == 1


def test_the_last_to_commit_wins_except_over_the_structure(handle, header):
    handle.states[0].change({"TFIELDS": 1, "TFORM1": "1J"})
    with header.edit() as e:
        e["A"] = 1
        header["A"] = 2
        header["B"] = 3
        handle.states[0].change({"NAXIS1": 10, "NAXIS": (1, "axes"), "TFORM2": "1E", "CHECKSUM": "x"})
        cards = handle.states[0].cards.copy()
        cards.remove("TFORM1")
        handle.states[0].commit(cards)
    assert header["A"] == 1
    assert "B" not in header
    assert header.comment_of("NAXIS") == "axes"
    assert (header["TFORM2"], header["CHECKSUM"], "TFORM1" in header) == ("1E", "x", False)


# -- growth -----------------------------------------------------------------------------------------------------------


def test_a_header_grows_by_blocks_and_all_views_keep_working(handle, header):
    second, third = handle.headers[1:]
    third["NAME"] = "third"
    for number in range(100):
        header[f"K{number}"] = (number, "some comment")
        handle.check()
    assert handle.file.extents[0].data_start == 3 * BLOCK
    second["LONG"] = "x" * 5000
    third["OTHER"] = 1
    handle.check()
    assert (third["NAME"], header["K99"], second["LONG"]) == ("third", 99, "x" * 5000)


def test_a_header_that_shrinks_stays_where_it_is(handle, header):
    header["LONG"] = "x" * 5000
    size = handle.storage.size()
    header["LONG"] = "x"
    handle.check()
    del header["LONG"]
    handle.check()
    assert handle.storage.size() == size


def test_blank_cards_before_end_are_used_before_the_header_grows():
    handle = Handle([*EXTENSION, *[("", "")] * 29])
    header = handle.headers[1]
    assert len(header.cards) == 36
    for number in range(29):
        header[f"K{number}"] = number
    handle.check()
    assert handle.storage.size() == 4 * BLOCK
    assert len(header.cards) == 36
    header["MORE"] = 1
    assert handle.storage.size() == 5 * BLOCK


def test_only_the_words_that_change_are_written(handle, header):
    written = []
    write = handle.storage._write
    handle.storage._write = lambda offset, data: (written.append((offset, data.nbytes)), write(offset, data))
    header["A"] = 1
    handle.states[0].change({"NAXIS1": 20})
    handle.states[0].change({"NAXIS1": 20})
    assert written == [(5 * 80, 80 + 8), (3 * 80 + 24, 8)]


# -- what a file allows -----------------------------------------------------------------------------------------------


def test_a_header_is_readable_after_close_but_not_changed(handle):
    header = handle.headers[0]
    handle.file.closed = True
    assert header["NAXIS1"] == 10
    assert "A" not in header.edit()
    with pytest.raises(HandleClosed, match="file is closed"):
        header["A"] = 1
    with pytest.raises(HandleClosed), header.edit() as e:
        e["A"] = 1


def test_a_file_open_for_reading_is_not_changed_nor_tainted(handle, header):
    handle.storage.writable = False
    with pytest.raises(ReadOnlyFile, match="read-only"):
        header["A"] = 1
    assert "A" not in header
    handle.storage.writable = True


def test_a_write_that_fails_leaves_memory_as_it_was(handle):
    state, extents = handle.states[0], handle.file.extents
    cards, places = state.cards.lines(), [(extent.header_start, extent.data_start) for extent in extents]
    for value, writes in (("x", 0), ("x" * 5000, 0), ("x" * 5000, 1)):
        handle.storage.writes_left, handle.storage.tainted = writes, False
        with pytest.raises(OSError, match="No space left"):
            handle.headers[0]["A"] = value
        assert state.snapshot_anyhow.cards.lines() == cards
        assert [(extent.header_start, extent.data_start) for extent in extents] == places


def test_a_change_inside_a_larger_one_that_fails_is_taken_back_in_memory(handle):
    header = handle.headers[0]
    with pytest.raises(RuntimeError), handle.file.changing():
        header["A"] = 1
        assert header["A"] == 1
        raise RuntimeError
    assert "A" not in handle.states[0].snapshot_anyhow.cards
    assert not handle.file.tainted


def test_a_tainted_handle_refuses_all_of_its_headers(handle):
    header, other = handle.headers[:2]
    active = other.edit()
    handle.storage.writes_left = 1
    with pytest.raises(OSError, match="No space left"):
        header["LONG"] = "x" * 5000
    assert handle.file.tainted
    view = FITSHeader._of(handle.states[1])
    for access in (
        lambda: view["NAXIS"],
        lambda: "NAXIS" in view,
        lambda: view.get("NAXIS"),
        lambda: len(view),
        lambda: iter(view),
        view.keys,
        view.values,
        view.items,
        view.to_dict,
        lambda: view.cards,
        lambda: view.comment_of("NAXIS"),
        lambda: view.__setitem__("A", 1),
        lambda: view.__delitem__("A"),
        lambda: view.set_comment("A", "x"),
        lambda: view.update({}),
        lambda: view.add_comment("x"),
        view.edit,
        active.__enter__,
        lambda: active["NAXIS"],
    ):
        with pytest.raises(HandleTainted, match=r"indeterminate state.*reopen") as caught:
            access()
        assert isinstance(caught.value, FitsIOError)
    assert repr(view).startswith("<FITSHeader: ")


def test_changes_from_several_threads_are_all_kept(handle, header):
    def assign(thread):
        for number in range(30):
            header[f"T{thread}K{number}"] = number
            handle.headers[1].update({f"T{thread}K{number}": number})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(assign, range(4)))
    for view in handle.headers[:2]:
        assert all(view[f"T{thread}K{number}"] == number for thread in range(4) for number in range(30))


def test_a_header_of_no_file_lives_in_memory():
    header = FITSHeader._of(HeaderState(None, None, Cards.build(PRIMARY)))
    header["A"] = 1
    with header.edit() as e:
        e["B"] = 2
    assert (header["A"], header["B"], header["NAXIS1"]) == (1, 2, 10)
