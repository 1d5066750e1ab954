import pytest

from rustfits.errors import HeaderError
from rustfits.header.keys import canonical, is_protected_key, key_field

NUMBERED = "NAXIS TFORM TDIM TTYPE TSCAL TZERO TNULL TBCOL PTYPE PSCAL PZERO ZNAXIS ZTILE ZNAME ZVAL"
FREE = (
    "BSCALE BZERO BLANK BUNIT EXTNAME EXTVER EXTLEVEL INHERIT BLOCKED LONGSTRN TUNIT1 TDISP1 ZSCALE ZZERO ZTABLE "
    "ZTILELEN ZFORM1 ZCTYP1 COMMENT OBJECT ENDIAN"
)


@pytest.mark.parametrize("key", ["SIMPLE", "xtension", " NAXIS ", "END", "ZIMAGE", "ZHECKSUM", "Checksum", "GROUPS"])
def test_the_keywords_of_the_structure_are_protected(key):
    assert is_protected_key(key)


@pytest.mark.parametrize("prefix", NUMBERED.split())
def test_a_numbered_keyword_is_protected_with_digits_alone_behind_it(prefix):
    assert is_protected_key(f"{prefix}1")
    assert is_protected_key(f"{prefix.lower()}99999")
    assert not is_protected_key(f"{prefix}1A")
    assert not is_protected_key(f"{prefix}\N{ARABIC-INDIC DIGIT ONE}")
    assert is_protected_key(prefix) is (prefix in ("NAXIS", "ZNAXIS"))


@pytest.mark.parametrize("key", FREE.split())
def test_other_keywords_are_not_protected(key):
    assert not is_protected_key(key)


def test_letters_that_only_upper_case_makes_ascii_name_no_other_keyword():
    assert not is_protected_key("\N{LATIN SMALL LETTER LONG S}IMPLE")
    assert canonical("\N{LATIN SMALL LETTER LONG S}IMPLE") != "SIMPLE"


@pytest.mark.parametrize("function", [is_protected_key, canonical])
def test_a_keyword_is_a_str(function):
    with pytest.raises(TypeError, match="not int: 5"):
        function(5)


def test_keywords_are_compared_without_case_blanks_and_the_word_hierarch():
    assert canonical(" exptime ") == "EXPTIME"
    assert canonical("HIERARCH  ESO   det  Dit ") == "ESO DET DIT"
    assert canonical("HIERARCH") == "HIERARCH"


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("exptime", "EXPTIME = "),
        ("A", "A       = "),
        ("a_b-3", "A_B-3   = "),
        ("ESO det DIT", "HIERARCH ESO det DIT = "),
        ("a b", "HIERARCH a b = "),
        ("LongerThan8", "HIERARCH LongerThan8 = "),
        ("with.dots+plus", "HIERARCH with.dots+plus = "),
        ("HIERARCH OBJECT", "OBJECT  = "),
    ],
)
def test_long_keywords_and_those_with_blanks_make_hierarch_cards(key, field):
    assert key_field(key) == field


@pytest.mark.parametrize("key", ["A.B", "A+B", "A=B", "A/B", "TAB\tKEY", "caf\xe9", "long key with = sign", "\u017f"])
def test_invalid_characters_are_refused(key):
    with pytest.raises(HeaderError, match="invalid character"):
        key_field(key)


@pytest.mark.parametrize("key", ["HIERARCH", "continue", "END", "", "  "])
def test_names_that_are_not_keywords_are_refused(key):
    with pytest.raises(HeaderError):
        key_field(key)
