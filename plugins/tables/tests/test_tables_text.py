"""Strings of tables are ASCII text (FITS 4.0, section 7.3.3.1): what else there is can be read, and is not written."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tablefiles import table

from rustfits import FITS, TableError

CODES = st.one_of(st.integers(32, 126), st.integers(32, 126), st.integers(0, 255))


def is_text(values):
    """Whether all characters are from 32 to 126; numpy has cut NULs at the end."""
    codes = [ord(one) if isinstance(one, str) else one for value in values.reshape(-1).tolist() for one in value]
    return all(32 <= code <= 126 for code in codes)


@given(
    texts=st.lists(st.lists(CODES, max_size=9), min_size=1, max_size=8),
    kind=st.sampled_from(["S9", "U9", ">U9", "S16", "U16"]),
    wide=st.booleans(),
    step=st.sampled_from([1, -1, 2]),
)
@settings(deadline=None, max_examples=300)
def test_text_is_written_and_nothing_else(texts, kind, wide, step):
    values = np.array([bytes(text) if kind[0] == "S" else "".join(map(chr, text)) for text in texts]).astype(kind)
    values = (np.stack([values, values], axis=1) if wide else values)[::step]
    with FITS("mem://", "w+") as fits:
        if is_text(values):
            hdu = fits.write_table({"s": values, "n": np.zeros(len(values))})
            assert np.strings.rstrip(values.astype("U"), " ").tolist() == hdu.read()["s"].tolist()
            return
        hdu = fits.write_table({"s": np.zeros_like(values), "n": np.zeros(len(values))})
        before = fits.to_bytes()
        for write in (fits.write_table, hdu.write, hdu.append):
            with pytest.raises(TableError, match=r"(non-ASCII|control) character in column 's', row \d+"):
                write({"s": values, "n": np.zeros(len(values))})
        assert fits.to_bytes() == before


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array(["ab", "c\td"]), "control character in column 's', row 1, at position 1: U[+]09 in.*32 to 126"),
        (np.array([b"ab", b"\x7f"]), "control character in column 's', row 1, at position 0: 0x7F in"),
        (np.array([b"a\0b"]), "control character .* 0x00 in .* end at the first NUL"),
        (np.array(["a", "bé"]), "non-ASCII character in column 's', row 1, at position 1: U[+]E9 in"),
        (np.array([["a", "b"], ["c", "\n"]]), "control character in column 's', row 1, at position 0: U[+]0A in"),
        (
            np.array(["x"] * 99_999 + ["\u20ac"]),
            "non-ASCII character in column 's', row 99999, at position 0: U[+]20AC in",
        ),
        (
            np.array(["x" * 20] * 99_999 + ["\x1b"]),
            "control character in column 's', row 99999, at position 0: U[+]1B in",
        ),
    ],
)
def test_the_first_odd_character_is_named(values, words):
    with FITS("mem://", "w+") as fits, pytest.raises(TableError, match=words):
        fits.write_table({"s": values})


@pytest.mark.parametrize("compress", [None, True])
def test_cells_and_rows_are_judged_too(compress):
    with FITS("mem://", "w+") as fits:
        hdu = fits.write_table({"s": np.array(["ab", "cd"])}, compress=compress)
        changes = [
            lambda: hdu["s"].__setitem__(0, "a\n"),
            lambda: hdu["s"].__setitem__(slice(0, 1), ["\0a"]),
            lambda: hdu.__setitem__("s", np.array(["é", "a"], "U2")),
        ]
        for change in changes:
            with pytest.raises(TableError, match=r"(non-ASCII|control) character"):
                change()
        assert hdu.read()["s"].tolist() == ["ab", "cd"]


def test_strings_of_any_length_are_text_and_bytes_are_written_as_they_are():
    cells = np.empty(2, object)
    with FITS("mem://", "w+") as fits:
        for odd, words in (("a\tb", "control"), ("é", "non-ASCII"), ("a\0b", "control")):
            cells[:] = ["ab", odd]
            with pytest.raises(TableError, match=rf"{words} character in column 's', row 1.*bytes are written"):
                fits.write_table({"s": cells}, var_dtypes={"s": "U"})
        cells[:] = ["ab", b"a\tb\xff"]
        hdu = fits.write_table({"s": cells}, var_dtypes={"s": "U"})
        assert hdu.read_column("s", as_bytes=True).tolist() == [b"ab", b"a\tb\xff"]


def test_odd_bytes_of_others_are_read():
    hdu = table([("4A", "s")], b"a\tb\0" + b"\x1b[1m" + b"a\0\xff\n", 3)
    assert hdu.read_column("s").tolist() == ["a\tb", "\x1b[1m", "a"]
    assert hdu.read_column("s", as_bytes=True).tolist() == [b"a\tb", b"\x1b[1m", b"a\0\xff\n"]
    hdu = table([("2A", "s")], b"a\xe9", 1)
    with pytest.raises(TableError, match=r"non-ASCII byte 0xE9.*as_bytes=True"):
        hdu.read()
    assert hdu.read_column("s", as_bytes=True).tolist() == [b"a\xe9"]
