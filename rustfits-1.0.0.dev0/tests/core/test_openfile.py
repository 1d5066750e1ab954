import pytest

from rustfits.errors import (
    HandleClosed,
    HandleTainted,
    ImageError,
    ReadOnlyFile,
    TransactionOpen,
    TransactionUndone,
    TruncatedFile,
)
from rustfits.storage.extent import BLOCK, padded
from rustfits.storage.memory import MemoryStorage
from rustfits.storage.openfile import OpenFile

HEADER = b"H" * BLOCK


@pytest.fixture
def file():
    return OpenFile(MemoryStorage(), "name.fits", "w+")


def append(file, data):
    with file.changing():
        extent = file.append(HEADER, len(data))
        file.storage.write(extent.data_start, data)
    return extent


def content(file, extent):
    return bytes(file.storage.read(extent.data_start, extent.data_nbytes))


def places(file):
    return [(extent.header_start, extent.data_start, extent.data_nbytes) for extent in file.extents]


@pytest.mark.parametrize(
    ("nbytes", "expected"), [(0, 0), (1, BLOCK), (BLOCK, BLOCK), (BLOCK + 1, 2 * BLOCK), (10**30, 10**30 + 800)]
)
def test_padding_fills_whole_blocks(nbytes, expected):
    assert padded(nbytes) == expected or padded(nbytes) % BLOCK == 0
    assert 0 <= padded(nbytes) - nbytes < BLOCK


def test_hdus_follow_each_other_in_whole_blocks_padded_with_zeros(file):
    first, second = append(file, b"abc"), append(file, b"defg")
    assert places(file) == [(0, BLOCK, 3), (2 * BLOCK, 3 * BLOCK, 4)]
    assert file.storage.size() == second.stop == 4 * BLOCK
    assert bytes(file.storage.read(first.data_start, BLOCK)) == b"abc" + bytes(BLOCK - 3)


def test_data_that_grow_and_shrink_move_what_follows(file):
    first, second, third = (append(file, letter * 10) for letter in (b"a", b"b", b"c"))
    with file.changing():
        file.resize_data(first, 2 * BLOCK + 1)
    assert content(file, first) == b"a" * 10 + bytes(2 * BLOCK - 9)
    assert (content(file, second), content(file, third)) == (b"b" * 10, b"c" * 10)
    assert file.storage.size() == third.stop
    with file.changing():
        file.resize_data(first, 5)
    assert (content(file, first), content(file, second), content(file, third)) == (b"a" * 5, b"b" * 10, b"c" * 10)
    assert bytes(file.storage.read(first.data_start + 5, BLOCK - 5)) == bytes(BLOCK - 5)
    assert file.storage.size() == third.stop == 6 * BLOCK


def test_a_header_that_grows_moves_its_data_too(file):
    first, second = append(file, b"a" * 10), append(file, b"b" * 10)
    with file.changing():
        file.resize_header(first, 3 * BLOCK)
    assert places(file) == [(0, 3 * BLOCK, 10), (4 * BLOCK, 5 * BLOCK, 10)]
    assert (content(file, first), content(file, second)) == (b"a" * 10, b"b" * 10)


def test_a_failed_change_puts_the_places_in_memory_back(file):
    first = append(file, b"a" * 10)
    append(file, b"b")
    before = places(file)
    with pytest.raises(KeyError), file.changing():
        file.resize_data(first, 10 * BLOCK)
        file.resize_header(first, 2 * BLOCK)
        file.append(HEADER, 5)
        raise KeyError
    assert places(file) == before


def test_an_outer_failure_undoes_inner_changes_that_had_succeeded(file):
    first = append(file, b"a" * 10)
    before = places(file)
    with pytest.raises(KeyError), file.changing():
        with file.changing():
            file.resize_data(first, 10 * BLOCK)
        raise KeyError
    assert places(file) == before


def test_an_inner_failure_that_is_caught_undoes_all_in_memory_too(file):
    first = append(file, b"a" * 10)
    before, content = places(file), file.content()
    with pytest.raises(TransactionUndone), file.changing():
        file.resize_data(first, 10 * BLOCK)
        with pytest.raises(KeyError), file.changing():
            file.append(HEADER, 2)
            raise KeyError
        assert places(file) == before
        assert file.content() == content
        with pytest.raises(TransactionUndone):
            file.append(HEADER, 2)
    assert places(file) == before
    assert file.content() == content
    append(file, b"b")


def test_an_inner_failure_before_any_byte_changed_undoes_only_itself(file):
    undone = []
    with file.changing():
        kept = file.append(HEADER, 1)
        with pytest.raises(KeyError), file.changing():
            file.on_failure(lambda: undone.append("inner"))
            raise KeyError
        assert undone == ["inner"]
    assert file.extents == [kept]
    assert file.storage.size() == kept.stop


def test_what_was_read_of_a_change_that_is_undone_is_forgotten(file):
    forgotten = []
    file.after_undoing(lambda: forgotten.append(1))
    append(file, b"abc")
    with pytest.raises(KeyError), file.changing():
        raise KeyError
    assert not forgotten
    with pytest.raises(KeyError), file.changing():
        file.storage.write(0, b"x")
        raise KeyError
    assert forgotten == [1]


def test_a_failure_after_the_first_byte_is_undone_and_the_file_goes_on(file):
    append(file, b"abc")
    content = file.content()
    for change in (lambda: file.append(HEADER, 1), lambda: file.storage.write(0, b"x"), lambda: None):
        with pytest.raises(KeyError), file.changing():
            change()
            raise KeyError
        assert not file.tainted
        assert file.content() == content
    append(file, b"d")


def test_a_tainted_file_refuses_everything_but_closing(file):
    file.storage.tainted = True
    for enter in (file.reading, file.changing):
        with pytest.raises(HandleTainted, match=r"indeterminate state.*reopen"), enter("HDU 1"):
            pass
    file.close()


def test_neither_closing_nor_syncing_is_possible_inside_a_change(file):
    with file.changing():
        for act in (file.close, file.sync):
            with pytest.raises(TransactionOpen, match="inside a transaction; leave its block first"):
                act()
        append(file, b"abc")
    file.close()


def test_a_closed_file_says_so_and_closing_twice_is_harmless(file):
    file.close()
    file.close()
    file.sync()
    for enter in (file.reading, file.changing):
        with pytest.raises(HandleClosed, match="file is closed"), enter():
            pass
    with pytest.raises(HandleClosed, match="file is closed"):
        file.content()


def test_a_read_only_file_refuses_changes():
    file = OpenFile(MemoryStorage(HEADER, writable=False), "name.fits", "r")
    with pytest.raises(ReadOnlyFile, match="read-only"), file.changing("HDU 0"):
        pass
    with file.reading():
        assert file.content() == HEADER


def test_a_file_with_an_open_context_cannot_be_closed(file):
    file.contexts[3] = "extending"
    with pytest.raises(ImageError, match=r"cannot close FITS while HDU at index 3 is inside extending\(\) context"):
        file.close()
    assert not file.closed
    del file.contexts[3]
    file.close()


def test_errors_learn_the_place_they_happened_at(file):
    with pytest.raises(ImageError, match=r"bad shape \(in HDU 1\)"), file.reading("file"), file.reading("HDU 1"):
        raise ImageError("bad shape")


def test_a_truncated_last_hdu_cannot_be_moved_or_followed(file):
    extent = append(file, b"a" * 5000)
    with file.changing():
        file.storage.truncate(extent.data_start + 100)
    for act in (lambda: file.append(HEADER, 1), lambda: file.resize_header(extent, 2 * BLOCK)):
        with pytest.raises(TruncatedFile, match="truncated"), file.changing():
            act()
    assert not file.tainted


def test_missing_padding_and_trailing_junk_do_not_matter(file):
    extent = append(file, b"a" * 100)
    with file.changing():
        file.storage.truncate(extent.data_start + 100)
    second = append(file, b"b")
    with file.changing():
        file.storage.write(second.stop, b"junk")
    third = append(file, b"c")
    assert [content(file, each) for each in file.extents] == [b"a" * 100, b"b", b"c"]
    assert file.storage.size() == third.stop
