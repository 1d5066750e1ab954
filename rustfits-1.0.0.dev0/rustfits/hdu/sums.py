"""DATASUM and CHECKSUM of an HDU as it lies in its file (FITS 4.0, section 4.4.2.7)."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from rustfits.errors import TruncatedFile
from rustfits.hdu.checksum import ALL_ONES, ZEROS, encode, fold, parse_datasum, storage_sum
from rustfits.hdu.report import Verdict
from rustfits.header.cards import Cards
from rustfits.header.state import HeaderState
from rustfits.storage.extent import Extent, padded
from rustfits.storage.openfile import OpenFile

DATASUM_COMMENT = "data unit checksum"
CHECKSUM_COMMENT = "HDU checksum"
BOTH = ("DATASUM", "CHECKSUM")


class HDUExtent(NamedTuple):
    """Where an HDU lies: bytes from the start of its file, or of what a file that is compressed as a whole holds.

    Attributes
    ----------
    header_start, header_nbytes : int
        Whole blocks of 2880 bytes.
    data_start, data_nbytes : int
        The data unit, without the bytes that fill its last block.
    """

    header_start: int
    header_nbytes: int
    data_start: int
    data_nbytes: int


class Sums(NamedTuple):
    """The sums of the bytes of an HDU, of its header and of its data unit; fill included."""

    header: int
    data: int

    @property
    def vanish(self) -> bool:
        """Whether the sum of the whole HDU is zero, which is what a right CHECKSUM makes it."""
        # Ones'-complement numbers write zero with ones as soon as anything was added.
        return fold(self.header + self.data) in (0, ALL_ONES)


def measured(file: OpenFile, extent: Extent) -> Sums:
    """Add up the bytes of an HDU, each of which is read once; inside `reading`.

    Raises
    ------
    TruncatedFile
        If the data unit is not there whole.
    """
    return Sums(storage_sum(file.storage, extent.header_start, extent.data_start), _data_sum(file, extent))


def stated(cards: Cards, keyword: str) -> object | None:
    """Return what a header says of a sum; None if the card is absent, or blank, which means undefined."""
    value = cards.get(keyword)
    return None if isinstance(value, str) and not value.strip() else value


def absent(cards: Cards, keyword: str) -> Verdict:
    """Return the verdict on a sum that a header does not state."""
    reason = "the card is blank, which means undefined" if keyword in cards else "the header has no such card"
    return Verdict(keyword, "absent", reason)


def is_datasum(value: object, data: int) -> bool:
    """Tell whether the value of a DATASUM is the sum of the data; a malformed one is none."""
    return parse_datasum(value) == data


def is_checksum(value: object) -> bool:
    """Tell whether the value of a CHECKSUM looks like one."""
    return isinstance(value, str) and len(value) == len(ZEROS)


def add_datasum(file: OpenFile, extent: Extent, state: HeaderState) -> int:
    """Write the keyword DATASUM, and return the number; inside `changing`.

    Raises
    ------
    TruncatedFile
        If the data unit is not there whole.
    """
    data = _data_sum(file, extent)
    state.change({"DATASUM": (str(data), DATASUM_COMMENT)})
    return data


def add_checksum(file: OpenFile, extent: Extent, state: HeaderState) -> None:
    """Write the keywords DATASUM and CHECKSUM; inside `changing`, errors as `add_datasum`."""
    _write_checksum(file, extent, state, add_datasum(file, extent, state))


def renew(file: OpenFile, extent: Extent, state: HeaderState, keywords: Collection[str] = BOTH) -> None:
    """Write those of DATASUM and CHECKSUM anew that the header has; inside `changing`, errors as `add_datasum`.

    Parameters
    ----------
    file, extent, state
        Of the HDU.
    keywords : collection of str
        Which of the two.
    """
    data = None
    if "DATASUM" in keywords and "DATASUM" in state.cards:
        data = add_datasum(file, extent, state)
    if "CHECKSUM" in keywords and "CHECKSUM" in state.cards:
        _write_checksum(file, extent, state, _data_sum(file, extent) if data is None else data)


def right_ones(file: OpenFile, extent: Extent, state: HeaderState) -> list[str]:
    """Return those of DATASUM and CHECKSUM that are there and right; errors as `add_datasum`."""
    values = {keyword: stated(state.cards, keyword) for keyword in BOTH}
    if values["DATASUM"] is values["CHECKSUM"] is None:
        return []
    found = measured(file, extent)
    right = {
        "DATASUM": is_datasum(values["DATASUM"], found.data),
        "CHECKSUM": is_checksum(values["CHECKSUM"]) and found.vanish,
    }
    return [keyword for keyword in BOTH if right[keyword]]


def is_wrong(file: OpenFile, extent: Extent, state: HeaderState) -> bool:
    """Tell whether DATASUM or CHECKSUM is there and wrong, or the data unit not whole; each byte is read once."""
    there = [keyword for keyword in BOTH if stated(state.cards, keyword) is not None]
    try:
        return right_ones(file, extent, state) != there
    except TruncatedFile:
        return True


def _write_checksum(file: OpenFile, extent: Extent, state: HeaderState, data: int) -> None:
    state.change({"CHECKSUM": (ZEROS, CHECKSUM_COMMENT)})
    # Taken from the file: what matters is every byte of its header, the fill included.
    header = storage_sum(file.storage, extent.header_start, extent.data_start)
    state.change({"CHECKSUM": encode(fold(header + data))})


def verify_datasum(file: OpenFile, extent: Extent, state: HeaderState) -> bool | None:
    """Tell whether DATASUM is right; None if it is absent or undefined. Inside `reading`, errors as `add_datasum`."""
    value = stated(state.cards, "DATASUM")
    return None if value is None else is_datasum(value, _data_sum(file, extent))


def verify_checksum(file: OpenFile, extent: Extent, state: HeaderState) -> bool | None:
    """Tell whether CHECKSUM is right; None if it is absent or undefined. Inside `reading`, errors as `add_datasum`."""
    value = stated(state.cards, "CHECKSUM")
    if value is None:
        return None
    return is_checksum(value) and measured(file, extent).vanish


def _data_sum(file: OpenFile, extent: Extent) -> int:
    # The fill counts too. Zeros add nothing, so that of a last HDU may be missing; ASCII tables are filled with blanks.
    stop = min(extent.data_start + padded(extent.data_nbytes), file.storage.size())
    return storage_sum(file.storage, extent.data_start, max(stop, extent.data_start + extent.data_nbytes))
