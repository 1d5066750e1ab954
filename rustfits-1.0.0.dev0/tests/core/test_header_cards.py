import numpy as np
import pytest

from rustfits.errors import HeaderError, MissingKeyword
from rustfits.header.cards import Cards


def parsed(*lines, end="END", **options):
    text = "".join(line.ljust(80) for line in (*lines, *([end] if end else [])))
    return Cards.parse(text.ljust(-(-len(text) // 2880) * 2880).encode("latin-1"), **options)


def field(text):
    return parsed(f"KEY     ={text}")


def written(key, value, comment=""):
    return Cards.build([(key, value, comment)]).lines()[:-1]


# -- from text to value -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("                    T", True),
        (" F / comment", False),
        ("                   42", 42),
        (" -007", -7),
        (" +9223372036854775807", 2**63 - 1),
        (" 9223372036854775808", 2**63),
        (" -123456789012345678901234567890", -123456789012345678901234567890),
        (" 1.5", 1.5),
        (" 1.", 1.0),
        (" .5", 0.5),
        (" 1.5E3", 1500.0),
        (" 1.5D-3", 0.0015),
        (" 2e5", 2e5),
        (" 1d400", float("inf")),
        (" INF", float("inf")),
        (" -inf", -float("inf")),
        (" (1.5, -2)", 1.5 - 2j),
        ("(1,2D1)", 1 + 20j),
        (" 'text    '", "text"),
        (" '  leading'", "  leading"),
        (" 'it''s'", "it's"),
        (" ''", ""),
        (" '   '", ""),
        (" '''quoted'''", "'quoted'"),
        (" 'with / slash' / comment", "with / slash"),
        (" 'not closed", "not closed"),
        ("'no blank before'", "no blank before"),
        (" ", None),
        (" / only a comment", None),
        (" 2024-01-02", "2024-01-02"),
        (" (1, 2", "(1, 2"),
        (" (1, x)", "(1, x)"),
        (" true", "true"),
        (" 1 2", "1 2"),
        (" 1_000", "1_000"),
    ],
)
def test_a_value_is_read_by_its_form(text, value):
    found = field(text).get("KEY")
    assert found == value
    assert type(found) is type(value)


def test_nan_is_read_as_a_float():
    assert np.isnan(field(" NaN").real("KEY"))


@pytest.mark.parametrize(
    ("text", "comment"),
    [
        (" 1 / a comment ", "a comment"),
        (" 1 /no blank", "no blank"),
        (" 1 / a / b", "a / b"),
        (" 'a / b' / c", "c"),
        (" 'a''/' junk / c", "c"),
        (" 1", ""),
        (" / only", "only"),
        (" 'open / c", ""),
    ],
)
def test_the_comment_follows_the_first_slash_outside_the_string(text, comment):
    assert field(text).comment("KEY") == comment


def test_a_keyword_without_value_indicator_has_no_value():
    cards = parsed("KEY  = 5", "JUNKTEXT here", "AB CD   = 3")
    assert cards.get("JUNKTEXT", 7) is None
    assert cards.get("KEY  =") is None
    assert cards.get("ab cd") == 3


def test_unusual_keywords_are_found_in_upper_case():
    cards = parsed("exptime = 5", "  LEAD  = 6", "A$B     = 7")
    assert [cards.get(key) for key in ("EXPTIME", "lead", "a$b")] == [5, 6, 7]
    assert cards.keys() == ["EXPTIME", "LEAD", "A$B"]


def test_the_first_of_several_cards_counts():
    cards = parsed("KEY     = 1", "key     = 2", "KEY     = 3")
    assert cards.get("KEY") == 1
    cards.set("KEY", 9)
    cards.remove("KEY")
    assert cards.get("KEY") == 2


def test_a_hierarch_card_without_an_indicator_hides_no_other():
    cards = parsed("HIERARCH no indicator", "HIERARCH ESO X = 2", "HIERARCH nor here", "HIERARCH = 5", "A       = 1")
    assert cards.keys() == ["HIERARCH", "ESO X", "A"]
    cards.set("eso x", 5)
    assert cards.lines()[1:3] == ["HIERARCH ESO X = 5", "HIERARCH nor here"]


def test_hierarch_keywords_are_named_by_what_follows_the_word():
    cards = parsed(
        "HIERARCH ESO  DET Dit = 1.5 / s", "HIERARCH TIGHT=3", "HIERARCH no indicator", "HIERARCH COMMENT = 5"
    )
    assert cards.keys() == ["ESO DET Dit", "TIGHT", "HIERARCH"]
    assert cards.get("eso det   dit") == cards.get("HIERARCH ESO DET DIT") == 1.5
    assert cards.comment("ESO DET DIT") == "s"
    assert cards.get("TIGHT") == 3
    assert cards.get("HIERARCH", 0) is None
    assert cards.commentary("COMMENT") == []


def test_a_chain_is_joined_with_its_comments():
    cards = parsed("KEY     = 'one &' / first", "CONTINUE  'two&' / ", "CONTINUE 'three  ' / last", "NEXT    = 1")
    assert cards.get("KEY") == "one twothree"
    assert cards.comment("KEY") == "first last"
    assert cards.keys() == ["KEY", "NEXT"]
    assert "CONTINUE" not in cards


@pytest.mark.parametrize("following", ["CONTINUE  'ignored'", "CONTINUE  no string", "OTHER   = 1"])
def test_an_ampersand_that_nothing_continues_is_text(following):
    first = "KEY     = 'text'" if "ignored" in following else "KEY     = 'text&'"
    cards = parsed(first, following)
    assert cards.get("KEY") == ("text" if "ignored" in following else "text&")


def test_a_continue_card_with_nothing_to_continue_is_ignored():
    cards = parsed("CONTINUE  'a'", "COMMENT x", "CONTINUE  'b'", "KEY     = 5", "CONTINUE  'c'")
    assert cards.keys() == ["COMMENT", "KEY"]
    assert cards.get("KEY") == 5


def test_commentary_starts_in_column_9_and_empty_blank_cards_are_nobodys():
    cards = parsed("COMMENT   indented ", "comment = 'not a value'", "", "        text", "HISTORY", "")
    assert cards.commentary("COMMENT") == ["  indented", "= 'not a value'"]
    assert cards.commentary("") == ["text"]
    assert cards.commentary("history") == [""]
    assert cards.keys() == ["COMMENT", "", "HISTORY"]
    assert "" not in parsed("", "KEY     = 1")


def test_only_a_card_of_that_name_ends_the_header():
    cards = parsed("ENDIAN  = 'little'", "X       = 'END     '", "END", "AFTER   = 1")
    assert cards.keys() == ["ENDIAN", "X"]
    assert cards.lines()[-1] == "END"
    assert "END" not in cards
    assert parsed("A       = 1", end="").get("A") == 1
    assert len(Cards.parse(b"END".ljust(2880))) == len(Cards.parse(b"")) == 0


@pytest.mark.parametrize("byte", ["\0", "\t", "\x1b", "\x7f", "\xe9"])
def test_a_byte_that_is_not_printable_is_refused_or_read_as_an_underscore(byte):
    lines = ("SIMPLE  =                    T", f"OBJECT  = 'a{byte}b'")
    with pytest.raises(HeaderError, match=f"non-printable byte 0x{ord(byte):02X}.*card 2.*OBJECT.*lenient=True"):
        parsed(*lines)
    assert parsed(*lines, lenient=True).get("OBJECT") == "a_b"


def test_typed_reading_names_the_keyword_and_what_was_found():
    cards = parsed("I       = 5", "R       = 2.5", "S       = 'x'", "L       = T", "U       =")
    assert (cards.integer("I"), cards.real("R"), cards.real("I"), cards.text("S")) == (5, 2.5, 5.0, "x")
    assert (cards.integer("NO", 3), cards.real("NO", 1), cards.text("NO", "d")) == (3, 1.0, "d")
    for read in (cards.integer, cards.real, cards.text):
        with pytest.raises(HeaderError, match="NO is missing"):
            read("NO")
        with pytest.raises(HeaderError, match="U has no value"):
            read("U")
    for read, key, message in [
        (cards.integer, "R", "R has 2.5; it must be an integer"),
        (cards.integer, "L", "L has True; it must be an integer"),
        (cards.real, "S", "S has 'x'; it must be a number"),
        (cards.text, "I", "I has 5; it must be a string"),
    ]:
        with pytest.raises(HeaderError, match=message):
            read(key)


# -- from value to text -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "card"),
    [
        (True, "KEY     =                    T"),
        (np.False_, "KEY     =                    F"),
        (5, "KEY     =                    5"),
        (np.uint64(2**64 - 1), "KEY     = 18446744073709551615"),
        (-(2**63), "KEY     = -9223372036854775808"),
        (2**63, "KEY     =  9223372036854775808"),
        (1.0, "KEY     =                  1.0"),
        (-0.0, "KEY     =                 -0.0"),
        (1e-5, "KEY     =              1.0E-05"),
        (1e300, "KEY     =             1.0E+300"),
        (np.float32(0.1), "KEY     =  0.10000000149011612"),
        (-1.2345678901234567e-308, "KEY     = -1.2345678901234567E-308"),
        (1 + 2j, "KEY     =           (1.0, 2.0)"),
        (np.complex64(1.5 - 2j), "KEY     =          (1.5, -2.0)"),
        ("abc", "KEY     = 'abc     '"),
        ("", "KEY     = '        '"),
        ("it's", "KEY     = 'it''s   '"),
        (np.str_("longer than eight"), "KEY     = 'longer than eight'"),
        ("trailing blanks are not kept   ", "KEY     = 'trailing blanks are not kept'"),
        (None, "KEY     ="),
    ],
)
def test_a_value_is_written_in_fixed_columns(value, card):
    assert written("KEY", value) == [card]


def test_comments_follow_a_slash():
    assert written("KEY", 5, "  why ") == ["KEY     =                    5 / why"]
    assert written("KEY", "abc", "why") == ["KEY     = 'abc     '           / why"]
    assert written("ESO KEY", "abc", "why") == ["HIERARCH ESO KEY = 'abc     ' / why"]
    assert written("ESO KEY", 5, "why") == ["HIERARCH ESO KEY = 5 / why"]
    assert written("KEY", None, "why") == ["KEY     =                      / why"]


@pytest.mark.parametrize("value", [[1], b"x", {}, 1 + 0j * np.ones(1), np.zeros(()), object()])
def test_other_types_are_refused(value):
    with pytest.raises(HeaderError, match="unsupported value type"):
        written("KEY", value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), complex(0, float("nan")), np.float32("-inf")])
def test_numbers_fits_has_no_text_for_are_refused(value):
    with pytest.raises(HeaderError, match=r"KEY = .*finite"):
        written("KEY", value)


@pytest.mark.parametrize("text", ["caf\xe9", "tab\there", "line\nbreak", "\x7f", "\N{GREEK SMALL LETTER ALPHA}"])
def test_text_that_is_not_printable_ascii_is_refused(text):
    for entry in (("KEY", text), ("KEY", 1, text), ("COMMENT", text)):
        with pytest.raises(HeaderError, match="printable ASCII"):
            Cards.build([entry])


def test_a_comment_that_does_not_fit_is_refused_and_a_kept_one_is_cut():
    with pytest.raises(HeaderError, match="comment of KEY has 67 characters; beside its value fit 66"):
        written("KEY", 5, "c" * 67)
    assert written("KEY", 5, "c" * 66) == ["KEY     = 5 / " + "c" * 66]
    with pytest.raises(HeaderError, match="65 characters; beside a string fit 64"):
        written("KEY", "x", "c" * 65)
    cards = Cards.build([("KEY", 5, "c" * 66), ("STR", "x", "c" * 64)])
    cards.set("KEY", 1234)
    cards.set("STR", "y" * 70)
    assert (cards.get("KEY"), cards.comment("KEY")) == (1234, "c" * 63)
    assert (cards.get("STR"), cards.comment("STR")) == ("y" * 70, "c" * 64)


def test_a_long_string_becomes_a_chain_with_the_comment_on_its_last_card():
    lines = written("KEY", "x" * 70, "why")
    assert lines == [f"KEY     = '{'x' * 67}&'", "CONTINUE  'xxx' / why"]
    assert len(written("KEY", "x" * 68)) == 1
    assert len(written("KEY", "x" * 60, "why")) == 1 + (60 + 12 + 6 > 80)
    assert len(written("KEY", "x" * 66, "why")) == 2


def test_a_doubled_quote_is_not_torn_apart():
    for length in range(60, 80):
        text = "x" * length + "'" * 20
        lines = written("KEY", text)
        assert Cards.build([("KEY", text)]).get("KEY") == text
        for line in lines:
            inner = line[line.index("'") + 1 : line.rindex("'")].removesuffix("&")
            assert inner.count("'") % 2 == 0


@pytest.mark.parametrize("comment", ["", "why", "c" * 64])
@pytest.mark.parametrize(
    "text", ["", "'", "&", "x" * 67 + "&", "&" * 200, "'" * 200, "x" * 134, "x" * 135, " " * 80 + "x"]
)
def test_a_string_reads_back_beside_any_comment(text, comment):
    cards = Cards.parse(Cards.build([("KEY", text, comment), ("NEXT", 1)]).encode())
    assert (cards.get("KEY"), cards.comment("KEY")) == (text, comment)
    assert cards.keys() == ["KEY", "NEXT"]


def test_a_hierarch_keyword_leaves_room_or_is_refused():
    assert Cards.build([("ESO " + "K" * 60, "x" * 30)]).get("ESO " + "K" * 60) == "x" * 30
    with pytest.raises(HeaderError, match="fewer than 65"):
        written("K" * 65, "x" * 30)
    with pytest.raises(HeaderError, match="does not fit on a card"):
        written("K" * 65, 1234)


# -- changes ----------------------------------------------------------------------------------------------------------


def test_a_new_card_goes_before_the_blank_cards_at_the_end_or_where_told():
    cards = parsed("A       = 1", "B       = 'x&'", "CONTINUE  'y'", "C       = 3", "", "")
    cards.set("NEW", 4)
    cards.set("MID", 5, after="b")
    assert [line[:8].strip() for line in cards.lines()] == ["A", "B", "CONTINUE", "MID", "C", "NEW", "", "", "END"]
    assert [cards.get(key) for key in ("A", "B", "MID", "C", "NEW")] == [1, "xy", 5, 3, 4]


def test_rewriting_a_card_takes_its_whole_chain_along():
    cards = Cards.build([("A", "x" * 200, "why"), ("B", 2)])
    cards.set("A", "short")
    assert cards.lines() == ["A       = 'short   '           / why", "B       =                    2", "END"]
    cards.set("A", "y" * 200)
    assert (cards.get("A"), cards.get("B"), cards.comment("A")) == ("y" * 200, 2, "why")
    cards.remove("A")
    assert cards.keys() == ["B"]
    assert len(cards) == 1


def test_a_failed_change_changes_nothing():
    cards = Cards.build([("A", 1, "why")])
    before = cards.lines()
    for key, value in (("A", "\n"), ("A", []), ("B.C", 1), ("A", float("nan"))):
        with pytest.raises(HeaderError):
            cards.set(key, value)
    assert cards.lines() == before


def test_another_comment_leaves_the_text_of_the_value_alone():
    cards = parsed("A       = 1.50D2 / old", "B       = 'text' / old", "HIERARCH x Y = NaN")
    for key in "A", "B", "x y":
        cards.set_comment(key, "new")
    assert cards.lines()[:3] == [
        "A       =               1.50D2 / new",
        "B       = 'text    '           / new",
        "HIERARCH x Y = NaN / new",
    ]
    cards.set_comment("A", "")
    assert cards.comment("A") == ""
    with pytest.raises(MissingKeyword):
        cards.set_comment("NO", "x")


def test_a_rewritten_hierarch_card_keeps_its_spelling():
    cards = parsed("HIERARCH eso Det   DIT=5 / s")
    cards.set("ESO DET DIT", 6)
    assert cards.lines()[0] == "HIERARCH eso Det   DIT = 6 / s"


def test_a_copy_is_independent():
    cards = Cards.build([("A", 1), ("B", 2)])
    assert cards.get("A") == 1
    other = cards.copy()
    other.set("A", 5)
    other.set("C", 6)
    other.remove("B")
    assert [cards.get(key) for key in "ABC"] == [1, 2, None]
    assert [other.get(key) for key in "ABC"] == [5, None, 6]


def test_cards_fill_whole_blocks():
    assert len(Cards.build([(f"K{n}", n) for n in range(35)]).encode()) == 2880
    assert len(Cards.build([(f"K{n}", n) for n in range(36)]).encode()) == 5760
    assert Cards.build([]).encode() == b"END".ljust(2880)


def test_a_keyword_that_was_lacking_is_found_once_it_is_set():
    cards = parsed("A       = 1")
    assert cards.get_only("KEY") is None
    assert cards.get_only("KEY") is None
    cards.set("KEY", 3)
    cards.set("B", "x" * 200)
    cards.remove("A")
    assert cards.get_only("KEY") == 3


def test_cards_get_other_keywords_and_keep_all_else():
    long = Cards.build([("LONG", "x" * 200), ("A1", 1, "one"), ("B", 2)])
    text = long.characters + "A2      = 'odd     '".ljust(80) + "A1      = 7 / again".ljust(80) + "COMMENT A1".ljust(80)
    raw = (text + "END").ljust(2880).encode().replace(b"'odd", b"'o\xe9d")
    cards = Cards.parse(raw, lenient=True)
    found = cards.renamed(lambda key: {"A1": "C10", "A2": "D2", "LONG": None}.get(key, key))
    assert found.keys() == ["C10", "B", "D2", "COMMENT"]
    assert found.lines()[:2] == ["C10     =                    1 / one", "B       =                    2"]
    assert found.lines()[3] == "C10     = 7 / again"
    assert b"D2      = 'o\xe9d     '" in found.encode()
    assert cards.renamed(lambda key: key).encode() == raw
