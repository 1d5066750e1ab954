"""Headers as users see them: items, collection, commentary, and update from others."""

import copy
import pickle

import numpy as np
import pytest

from rustfits.errors import MissingKeyword, ProtectedKeyword
from rustfits.header.cards import Cards
from rustfits.header.edit import FITSHeaderEdit
from rustfits.header.header import FITSHeader
from rustfits.header.state import HeaderState
from rustfits.storage.extent import BLOCK

# -- item access ------------------------------------------------------------------------------------------------------


def test_an_assignment_is_on_disk_and_in_every_view_at_once(handle, header):
    view = FITSHeader._of(handle.states[0])
    header["Object"] = ("M31", "target")
    assert handle.on_disk(0).get("OBJECT") == "M31"
    assert view["object"] == "M31"
    assert view.comment_of("OBJECT") == "target"


def test_a_bare_value_keeps_the_comment_and_the_position(header):
    header["A"], header["B"] = (1, "why"), 2
    header["a"] = 3
    assert header.cards[-3] == "A       =                    3 / why"
    header["A"] = (4, "")
    assert header.comment_of("A") == ""


def test_numpy_scalars_are_stored_as_what_they_are(header):
    values = [np.bool_(True), np.int16(-5), np.float32(0.1), np.complex64(1 + 2j), np.str_("x"), np.uint64(2**64 - 1)]
    for number, value in enumerate(values):
        header[f"K{number}"] = value
        assert header[f"K{number}"] == value
    assert [type(value) for value in header.values()[-6:]] == [bool, int, float, complex, str, int]


def test_integers_beyond_64_bits_are_stored_as_floats(header):
    header["BIG"] = 2**70 + 1
    assert header["BIG"] == float(2**70)
    with pytest.raises(ValueError, match="more than a float can hold"):
        header["BIG"] = 10**400


@pytest.mark.parametrize("value", [None, [], b"x", {}, ("x",), ("x", 1), ("x", "y", "z"), (None, "x")])
def test_other_values_are_refused(header, value):
    with pytest.raises(ValueError, match=r"KEY: (unsupported value type|a tuple must be \(value, comment\))"):
        header["KEY"] = value
    assert "KEY" not in header


@pytest.mark.parametrize("key", ["NAXIS", "naxis1", "END", "TFORM5", "HIERARCH NAXIS", "CHECKSUM"])
def test_protected_keywords_may_not_be_touched(handle, header, key):
    for change in (
        lambda: header.__setitem__(key, 1),
        lambda: header.__delitem__(key),
        lambda: header.set_comment(key, "x"),
    ):
        with pytest.raises(ProtectedKeyword, match=r"protected.*leave it out") as caught:
            change()
        assert isinstance(caught.value, ValueError)
        assert str(caught.value).endswith("(in HDU 0 of name.fits)")


@pytest.mark.parametrize("key", ["COMMENT", "history", "", " "])
def test_commentary_is_added_not_assigned(header, key):
    for change in (
        lambda: header.__setitem__(key, "text"),
        lambda: header.set_comment(key, "text"),
        lambda: header.update({key: "text"}),
    ):
        with pytest.raises(ValueError, match="add_comment, add_history or add_blank"):
            change()
    with pytest.raises(ValueError, match="commentary"):
        header.comment_of(key)


def test_end_and_continue_are_no_keywords(header):
    header["LONG"] = "x" * 100
    for key in "END", "CONTINUE":
        assert key not in header
        with pytest.raises(KeyError):
            header[key]
    with pytest.raises(KeyError):
        del header["CONTINUE"]
    for key in "CONTINUE", "HIERARCH", "HIERARCH CONTINUE":
        with pytest.raises(ValueError, match="alone"):
            header[key] = 1


def test_missing_keywords_are_named(header):
    for access in (
        lambda: header["NO"],
        lambda: header.__delitem__("NO"),
        lambda: header.comment_of("NO"),
        lambda: header.set_comment("NO", "x"),
        lambda: header["COMMENT"],
        lambda: header.__delitem__("HISTORY"),
        lambda: header.__delitem__(""),
    ):
        with pytest.raises(MissingKeyword, match=r"no keyword '.*' in this header.*HDU 0 of name.fits"):
            access()
    assert header.get("NO") is None
    assert header.get("NO", 5) == 5


def test_keywords_are_str(header):
    for access in (
        lambda: header[5],
        lambda: 5 in header,
        lambda: header.get(None),
        lambda: header.__setitem__(5, 1),
        lambda: header.__delitem__(b"A"),
        lambda: header.comment_of(5),
        lambda: header.set_comment("EXTNAME", 5),
        lambda: header.add_comment(5),
    ):
        with pytest.raises(TypeError):
            access()


def test_the_word_hierarch_is_optional(header):
    header["HIERARCH ESO det DIT"] = 1.5
    assert header.cards[-2] == "HIERARCH ESO det DIT = 1.5"
    assert header["eso DET dit"] == header["hierarch eso det dit"] == 1.5
    header["ESO DET DIT"] = (2.5, "s")
    assert header.keys()[-1] == "ESO det DIT"
    header["HIERARCH SHORT"] = 1
    assert header.cards[-2] == "SHORT   =                    1"


# -- as a collection --------------------------------------------------------------------------------------------------


def test_keys_values_and_items_are_lists_in_card_order(header):
    header.add_comment("one")
    header["ESO det"] = 1
    header.add_comment("two")
    header["LONG"] = "x" * 100
    header.add_blank("text")
    expected = ["SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "EXTEND", "COMMENT", "ESO det", "LONG", ""]
    assert header.keys() == list(header) == expected
    assert len(header) == 9
    assert header.values()[-4:] == [["one", "two"], 1, "x" * 100, ["text"]]
    assert header.items() == list(zip(expected, header.values(), strict=True))
    assert header["COMMENT"] == header.get("comment") == ["one", "two"]
    assert "comment" in header
    assert header.cards[-1] == "END"
    assert str(header) == "\n".join(header.cards)
    assert repr(header) == "\n".join(["<FITSHeader: 9 unique keys, 12 cards>", *header.cards])
    header.cards.clear()
    assert header.cards


def test_a_header_becomes_a_dict(header):
    header["A"] = (5, "why")
    header.add_history("text")
    whole = header.to_dict()
    assert whole["A"] == {"value": 5, "comment": "why"}
    assert whole["HISTORY"] == ["text"]
    assert whole["NAXIS1"] == {"value": 10, "comment": ""}
    assert header.to_dict(skip_protected=True) == {"A": whole["A"], "HISTORY": ["text"]}


def test_a_view_is_neither_made_nor_copied_and_is_equal_to_itself_alone(handle, header):
    for kind in FITSHeader, FITSHeaderEdit:
        with pytest.raises(TypeError, match=r"hdu\.header"):
            kind()
    for view in header, header.edit():
        for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="cannot be pickled or copied"):
                duplicate(view)
    assert header != FITSHeader._of(handle.states[0])
    assert {header: 1}[header] == 1
    assert not any(hasattr(header, name) for name in ("pop", "setdefault", "copy", "clear"))


# -- commentary -------------------------------------------------------------------------------------------------------


def test_commentary_is_split_and_goes_behind_its_like(header):
    header.add_comment("one")
    header["A"] = 1
    header.add_comment("x" * 72 + "  y")
    header.add_history("")
    assert header.cards[-6:-3] == ["COMMENT one", "COMMENT " + "x" * 72, "COMMENT   y"]
    assert header.cards[-3:] == ["A       =                    1", "HISTORY", "END"]
    assert header["HISTORY"] == [""]
    del header["comment"]
    assert "COMMENT" not in header
    assert header["A"] == 1


def test_slots_that_are_freed_become_blank_and_the_data_stay_where_readers_look_for_them(handle, header):
    header.update({f"KEY{number}": number for number in range(70)})
    start = handle.file.extents[0].data_start
    assert start == 3 * BLOCK
    for number in range(70):
        del header[f"KEY{number}"]
    handle.check()
    assert handle.file.extents[0].data_start == start
    raw = bytes(handle.storage.read(0, start))
    assert raw.rstrip(b" ").endswith(b"END")
    assert len(raw.rstrip(b" ")) > 2 * BLOCK
    header["NEW"] = 1
    assert header.cards[5:7] == ["NEW     =                    1", ""]


def test_blank_cards_are_added_listed_with_text_and_removed(header):
    header.add_blank("")
    assert header.cards[-2:] == ["", "END"]
    assert "" not in header
    header.add_blank("text")
    assert header[""] == ["text"]
    del header[""]
    assert header.cards[-2].startswith("EXTEND")


@pytest.mark.parametrize("text", ["line\nbreak", "caf\xe9", "\0"])
def test_commentary_is_printable_ascii(header, text):
    for add in header.add_comment, header.add_history, header.add_blank:
        with pytest.raises(ValueError, match="printable ASCII"):
            add(text)


# -- update -----------------------------------------------------------------------------------------------------------


def test_update_from_a_header_leaves_structure_and_commentary(handle, header):
    other = handle.headers[1]
    with other.edit() as e:
        e.update({"A": (1, "why"), "LONG": "x" * 100, "ESO Det": 2.5, "EXTNAME": "SCI"})
        e.add_comment("one")
        e.add_blank("text")
    header["ESO dET"] = 1
    header.update(other)
    assert [header[key] for key in ("A", "LONG", "ESO DET", "EXTNAME")] == [1, "x" * 100, 2.5, "SCI"]
    assert header.comment_of("A") == "why"
    assert "ESO dET" in header.keys()  # noqa: SIM118
    assert not {"XTENSION", "PCOUNT", "COMMENT", ""} & set(header)
    header.update(other, copy_commentary=True)
    header.update(other, copy_commentary=True)
    assert header["COMMENT"] == ["one", "one"]
    assert header[""] == ["text", "text"]


def test_update_from_itself_is_harmless(header):
    header["A"] = (1.5, "why")
    header.add_comment("one")
    before = header.cards
    header.update(header)
    assert header.cards == before
    header.update(header, copy_commentary=True)
    assert header["COMMENT"] == ["one", "one"]


def test_update_copies_what_could_not_be_assigned(handle, header):
    text = ["A       =", "B       = NaN / why", "C       = 123456789012345678901234567890", "d       = 1"]
    source = Cards.parse("".join(line.ljust(80) for line in text).encode())
    header.update(FITSHeader._of(HeaderState(None, None, source)))
    assert header["A"] is None
    assert np.isnan(header["B"])
    assert header["C"] == 123456789012345678901234567890
    assert header["D"] == 1
    assert header.cards[-5:-1] == [*text[:3], "D       = 1"]


def test_update_from_a_mapping_is_all_or_nothing(header):
    header.update({"A": 1, "B": (2, "why")})
    before = header.cards
    for bad in ({"A": 5, "B": None}, {"A": 5, "COMMENT": "x"}, {"A": 5, "b.c": 1}):
        with pytest.raises(ValueError, match=r"unsupported|commentary|invalid"):
            header.update(bad)
        assert header.cards == before


@pytest.mark.parametrize("other", [None, [("A", 1)], 5, "A"])
def test_update_takes_headers_and_mappings_alone(header, other):
    with pytest.raises(ValueError, match=r"update\(\) expects"):
        header.update(other)
    with pytest.raises(TypeError):
        header.update({}, A=1)


def test_update_is_one_write(handle, header):
    handle.storage.writes_left = 1
    header.update({f"K{number}": number for number in range(20)})
    assert header["K19"] == 19
