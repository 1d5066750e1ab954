"""Keywords: how they are compared, which may be written, which the library keeps for itself."""

from __future__ import annotations

import re
from functools import cache

from rustfits.errors import HeaderError

COMMENTARY = frozenset({"COMMENT", "HISTORY", ""})
NOT_KEYS = frozenset({"END", "CONTINUE"})  # cards of these names belong to the header, or to another card

_PROTECTED = (
    "SIMPLE|XTENSION|EXTEND|BITPIX|NAXIS|PCOUNT|GCOUNT|END|TFIELDS|THEAP|GROUPS"
    "|ZIMAGE|ZCMPTYPE|ZBITPIX|ZNAXIS|ZSIMPLE|ZEXTEND|ZBLOCKED|ZPCOUNT|ZGCOUNT|ZHECKSUM|ZDATASUM|ZTENSION"
    "|ZQUANTIZ|ZDITHER0|ZMASKCMP|ZBLANK|CHECKSUM|DATASUM"
    "|(NAXIS|TFORM|TDIM|TTYPE|TSCAL|TZERO|TNULL|TBCOL|PTYPE|PSCAL|PZERO|ZNAXIS|ZTILE|ZNAME|ZVAL)[0-9]+"
)
# Of the numbers in one data unit, though users may write some of them: scaling, the keywords of compressed images and
# tables (FITS 4.0, sections 10.1 to 10.3), what fpack was told, columns (tables 20, 22 and C.2), and BLOCKED.
_OF_DATA = (
    "BSCALE|BZERO|BLANK|BLOCKED"
    "|ZSCALE|ZZERO|ZTABLE|ZTILELEN|ZTHEAP|(ZFORM|ZCTYP)[0-9]+"
    "|FZ(ALGOR|ALG[0-9]+|TILE|TILELN|QLEVEL|QVALUE|QUANT|QMETHD|DTHRSD|I2F|INT2F|HSCALE)"
    "|T(UNIT|DISP|DMIN|DMAX|LMIN|LMAX)[0-9]+"
    "|T(CTYP|CUNI|CRVL|CRPX|CDLT|CROT|CTY|CUN|CRV|CRP|CDE)[0-9]+[A-Z]?|T(PC|CD)[0-9]+_[0-9]+[A-Z]?"
)
_NOT_NEEDED = "CHECKSUM|DATASUM|ZHECKSUM|ZDATASUM|T(UNIT|DISP|DMIN|DMAX|LMIN|LMAX|C|P).*|FZ.*|BLOCKED"
_STANDARD = "[A-Z0-9_-]{1,8}"
_HIERARCH_KEY = "[A-Za-z0-9_.+ -]+"
_HIERARCH = "HIERARCH "


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """Return a regular expression; who only reads needs none."""
    return re.compile(text)


def is_protected_key(key: str) -> bool:
    """Whether a keyword describes the structure of the file, so that only the library writes it.

    Parameters
    ----------
    key : str
        Any case; surrounding blanks do not matter.

    Returns
    -------
    bool

    Raises
    ------
    TypeError
        If ``key`` is not a str.

    Examples
    --------
    >>> is_protected_key("naxis1"), is_protected_key("OBJECT")
    (True, False)
    """
    name = checked_str(key).strip(" ")
    return name.isascii() and _pattern(_PROTECTED).fullmatch(name.upper()) is not None


def describes_data(name: str) -> bool:
    """Whether a canonical keyword describes the data unit that it stands before, and would lie about any other."""
    return name.isascii() and _pattern(f"{_PROTECTED}|{_OF_DATA}").fullmatch(name) is not None


def is_needed(name: str) -> bool:
    """Whether data cannot be read rightly without what the card of a canonical keyword says."""
    return describes_data(name) and _pattern(_NOT_NEEDED).fullmatch(name) is None


def checked_str(key: object) -> str:
    """Return ``key``, or raise `TypeError` if it is not a str."""
    if not isinstance(key, str):
        raise TypeError(f"a header keyword is a str, not {type(key).__name__}: {key!r}")
    return key


def canonical(key: str) -> str:
    """Return the form in which keywords are compared: upper-case, single blanks inside, no HIERARCH in front.

    Raises
    ------
    TypeError
        If ``key`` is not a str.
    """
    if type(key) is str and key.isupper() and " " not in key and key.isascii():
        return key  # the usual case, quickly
    name = stripped(checked_str(key))
    # Outside ASCII some letters turn into ASCII ones in upper case, and would name another keyword.
    return name.upper() if name.isascii() else name


def stripped(key: str) -> str:
    """Return ``key`` with its spelling, but without the blanks that do not count and the word HIERARCH in front."""
    name = key.strip(" ")
    if name[:9].upper() == _HIERARCH:
        name = name[9:].lstrip(" ")
    while "  " in name:
        name = name.replace("  ", " ")
    return name


def key_field(key: str) -> str:
    """Return how a new card of this keyword begins, value indicator included.

    Parameters
    ----------
    key : str
        Up to 8 letters, digits, ``-`` or ``_`` make a standard keyword (FITS 4.0, section 4.1.2.1); anything longer
        or with blanks inside makes a HIERARCH card, which may have ``.`` and ``+`` too.

    Returns
    -------
    str
        Such as ``'EXPTIME = '`` or ``'HIERARCH ESO DET DIT = '``.

    Raises
    ------
    HeaderError
        If no card can have this keyword.
    """
    name = stripped(key)
    if _pattern(_STANDARD).fullmatch(name.upper()) and name.isascii():
        if name.upper() in ("HIERARCH", *NOT_KEYS):
            raise HeaderError(f"{name.upper()} alone is not a keyword that can have a value")
        return f"{name.upper():8}= "
    if not name:
        raise HeaderError("the blank keyword holds commentary; use add_blank")
    if (len(name) > 8 or " " in name) and _pattern(_HIERARCH_KEY).fullmatch(name):
        return f"{_HIERARCH}{name} = "
    allowed = "A-Z a-z 0-9 - _, and . + where it is longer than 8 characters or has blanks inside"
    raise HeaderError(f"keyword {key!r} has an invalid character; allowed are {allowed}")
