import math

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from rustfits.errors import HeaderError
from rustfits.header.cards import Cards
from rustfits.header.header import FITSHeader
from rustfits.header.state import HeaderState
from rustfits.storage.memory import MemoryStorage
from rustfits.storage.openfile import OpenFile

PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
TEXT = st.text(st.one_of(PRINTABLE, st.sampled_from("'& /")), max_size=400).map(lambda text: text.rstrip(" "))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    FINITE,
    st.complex_numbers(allow_nan=False, allow_infinity=False),
    TEXT,
)
COMMENTS = st.text(PRINTABLE, max_size=64).map(lambda text: text.strip(" "))
STANDARD = st.from_regex("[A-Z][A-Z0-9_-]{0,6}Q", fullmatch=True)  # the Q keeps it apart from protected keywords
HIERARCH = st.from_regex("[A-Za-z][A-Za-z0-9_-]{0,9}( [A-Za-z0-9.+_-]{1,9}){1,3}", fullmatch=True)
KEYS = st.one_of(STANDARD, HIERARCH)


def same(found, expected):
    return found == expected and type(found) is type(expected) and str(found) == str(expected)


def fits(key, value, comment):
    """Whether a value that is no string has room beside its keyword and comment."""
    return isinstance(value, str) or len(key) + len(str(value)) + len(comment) < 45


def open_header(*, hdus=3):
    file = OpenFile(MemoryStorage(), "name.fits", "w+")
    for number in range(hdus):
        with file.changing():
            extent = file.append(Cards.build([("XTENSION", "IMAGE"), ("MARK", number)]).encode(), 7)
            file.storage.write(extent.data_start, bytes([number]) * 7)
    first, *_ = file.extents
    state = HeaderState(file, first, Cards.parse(bytes(file.storage.read(first.header_start, 2880))))
    return file, FITSHeader._of(state)


def on_disk(file, index):
    extent = file.extents[index]
    return Cards.parse(bytes(file.storage.read(extent.header_start, extent.data_start - extent.header_start)))


@given(st.dictionaries(KEYS, st.tuples(VALUES, COMMENTS), max_size=12))
def test_what_is_written_is_what_is_read(entries):
    taken = {}
    cards = Cards.build([])
    for key, (value, comment) in entries.items():
        if fits(key, value, comment):
            cards.set(key, value, comment)
            taken[" ".join(key.upper().split())] = (value, comment)
    again = Cards.parse(cards.encode())
    for key, (value, comment) in taken.items():
        assert same(again.get(key), value), key
        assert again.comment(key) == comment
    assert [key.upper() for key in again.keys()] == list(taken)  # noqa: SIM118
    assert all(len(line) <= 80 for line in again.lines())


@given(FINITE)
def test_a_float_reads_back_as_the_same_double_and_fits_its_card(value):
    (line, _) = Cards.build([("KEY", value)]).lines()
    found = Cards.parse(line.ljust(80).encode()).get("KEY")
    assert isinstance(found, float)
    assert found == value
    assert math.copysign(1, found) == math.copysign(1, value)


@given(TEXT, COMMENTS, st.integers(1, 64))
def test_a_chain_of_any_length_reads_back(text, comment, width):
    text = text * 7
    key = ("K" * width).ljust(9, "L") if width > 8 else "K" * width
    cards = Cards.parse(Cards.build([(key, text, comment), ("NEXT", 1)]).encode())
    assert cards.get(key) == text
    assert cards.comment(key) == comment
    assert cards.get("NEXT") == 1


OPERATIONS = st.one_of(
    st.tuples(st.just("set"), KEYS, VALUES),
    st.tuples(st.just("comment"), KEYS, COMMENTS),
    st.tuples(st.just("delete"), KEYS, st.none()),
    st.tuples(st.just("again"), st.integers(0, 20), VALUES),
    st.tuples(st.just("update"), KEYS, VALUES),
    st.tuples(st.sampled_from(["COMMENT", "HISTORY", ""]), st.none(), st.text(PRINTABLE, max_size=200)),
    st.tuples(st.just("clear"), st.sampled_from(["COMMENT", "HISTORY"]), st.none()),
)


class Model:
    """What a header should hold: values and comments by keyword, and texts by commentary keyword."""

    def __init__(self):
        self.values = {"XTENSION": "IMAGE", "MARK": 0}
        self.texts = {"COMMENT": [], "HISTORY": [], "": []}

    def name(self, key):
        if isinstance(key, int):
            names = list(self.values)[1:]
            return names[key % len(names)] if names else "NEW"
        return " ".join(key.upper().split())

    def apply(self, header, operation, key, value):
        name = None if key is None else self.name(key)
        if operation in ("set", "again", "update") and fits(name, value, ""):
            header.update({name: value}) if operation == "update" else header.__setitem__(name, (value, ""))
            self.values[name] = value
        elif operation == "comment" and name in self.values and fits(name, self.values[name], value):
            header.set_comment(name, value)
            assert header._cards().comment(name) == value
        elif operation == "delete" and name in self.values:
            del header[name]
            del self.values[name]
        elif operation in self.texts:
            {"COMMENT": header.add_comment, "HISTORY": header.add_history, "": header.add_blank}[operation](value)
            pieces = [value[at : at + 72].rstrip(" ") for at in range(0, max(len(value), 1), 72)]
            self.texts[operation] += pieces if operation else list(filter(None, pieces))
        elif operation == "clear" and self.texts[name]:
            del header[name]
            self.texts[name] = []

    def check(self, header):
        for name, value in self.values.items():
            assert same(header.get(name), value), name
        for name, texts in self.texts.items():
            assert header.commentary(name) == texts
        present = {key.upper() for key in header.keys()}  # noqa: SIM118
        assert present == set(self.values) | {name for name, texts in self.texts.items() if texts}


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(OPERATIONS, max_size=25), st.booleans())
def test_any_sequence_of_changes_leaves_what_a_dict_would_hold(operations, batched):
    file, header = open_header()
    model = Model()
    if batched:
        with header.edit() as e:
            for operation in operations:
                model.apply(e, *operation)
    else:
        for operation in operations:
            model.apply(header, *operation)
    model.check(header._cards())
    assert on_disk(file, 0).lines() == header.cards
    for number in (1, 2):
        assert on_disk(file, number).get("MARK") == number
        assert bytes(file.storage.read(file.extents[number].data_start, 7)) == bytes([number]) * 7
    assert file.storage.size() == file.extents[-1].stop


CARD = st.one_of(
    st.text(PRINTABLE, max_size=80),
    st.tuples(
        st.sampled_from(["KEY     =", "CONTINUE ", "HIERARCH ", "COMMENT ", "HIERARCH A B =", "END     ", "        "]),
        st.text(st.one_of(PRINTABLE, st.sampled_from("'&/=T()")), max_size=70),
    ).map("".join),
).map(lambda line: line[:80].ljust(80))


@given(st.lists(CARD, max_size=40), VALUES)
def test_any_printable_header_is_read_and_can_be_changed(lines, value):
    cards = Cards.parse("".join(lines).encode())
    for key in cards.keys():  # noqa: SIM118
        assert key in cards
        cards.get(key)
        assert cards.commentary(key) if key in ("COMMENT", "HISTORY", "") else cards.comment(key) is not None
    names = [key for key in cards.keys() if key not in ("COMMENT", "HISTORY", "")]  # noqa: SIM118
    cards.set("NEW", value)
    assert same(cards.get("NEW"), value)
    for key in names:
        kept = {name: cards.get(name) for name in names if name != key}
        if lines and all(line[:8].rstrip(" ").upper() != "NEW" for line in lines) and key != "NEW":
            copy = cards.copy()
            copy.remove(key)
            rest = Cards.parse(copy.encode())
            assert all(str(rest.get(name)) == str(found) for name, found in kept.items())


WAYS_TO_SPELL = [
    "KEY     = 1",
    "KEY     = 'text&'",
    "CONTINUE  'KEY     = 2'",
    "key     = 3",
    " KEY    = 4",
    "HIERARCH KEY = 5",
    "HIERARCH  key= 6",
    "KEYS    = 7",
    "OTHER   = 8 / KEY",
    "COMMENT KEY     = 9",
    "KEY     text",
]


@given(st.lists(st.sampled_from(WAYS_TO_SPELL).map(lambda line: line.ljust(80)) | CARD, max_size=6))
def test_one_keyword_alone_has_the_value_it_has_among_all(lines):
    raw = "".join(lines).encode()
    assert Cards.parse(raw).get_only("KEY") == Cards.parse(raw).get("KEY")


@given(st.binary(max_size=600), st.booleans())
def test_bytes_of_any_kind_are_read_or_refused(raw, lenient):
    if lenient or all(0x20 <= byte <= 0x7E for byte in raw):
        cards = Cards.parse(raw, lenient=lenient)
        assert len(cards.lines()) == len(cards) + 1
    else:
        with pytest.raises(HeaderError, match="non-printable byte 0x"):
            Cards.parse(raw)
