"""The verdicts on an HDU of any kind: whether it is whole, and whether DATASUM and CHECKSUM are those of its bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from rustfits.errors import FitsError, TruncatedFile
from rustfits.hdu.report import Verdict
from rustfits.hdu.sums import Sums, absent, is_checksum, is_datasum, measured, stated
from rustfits.header.card import CARD, find_end
from rustfits.storage.extent import Extent, padded
from rustfits.storage.openfile import OpenFile

if TYPE_CHECKING:
    from rustfits.header.cards import Cards

ZERO, BLANK = b"\0", b" "  # what fills a data unit: blanks in an ASCII table, else zeros
STANDARD_KINDS = ("IMAGE", "TABLE", "BINTABLE")  # of extensions, by XTENSION
_SHOWN_FAULTS = 3


def own_verdicts(
    file: OpenFile, extent: Extent, cards: Cards, check_header: Callable[[], None]
) -> tuple[Verdict, Verdict, Verdict]:
    """Return the verdicts on structure, DATASUM and CHECKSUM; every byte is read once. Inside `reading`.

    Parameters
    ----------
    file, extent, cards
        Of the HDU.
    check_header : callable
        Raises a `FitsError` if the header does not say what its kind of HDU needs.
    """
    faults = [*_header_faults(file, extent), *_count_faults(cards), *_data_faults(file, extent, cards)]
    try:
        check_header()
    except FitsError as error:
        faults.append(error._sentence())
    shown = "; ".join(faults[:_SHOWN_FAULTS]) + (f"; and {len(faults) - _SHOWN_FAULTS} more" * (len(faults) > 3))
    structure = Verdict("structure", "bad" if faults else "ok", shown or "header and data unit are there whole")
    try:
        sums = measured(file, extent)
    except TruncatedFile:
        sums = None
    return structure, _datasum(cards, sums), _checksum(cards, sums)


def nothing_compressed(cards: Cards) -> tuple[Verdict, ...]:
    """Return the verdicts on ZDATASUM, ZHECKSUM and tiles of an HDU that is no compressed image."""
    table = cards.get("ZTABLE") is True
    what = "the rows of a compressed table are not decoded" if table else "the HDU is no compressed image"
    return tuple(Verdict(check, "does not apply", what) for check in ("ZDATASUM", "ZHECKSUM", "tiles"))


def tail_verdict(file: OpenFile, damage: FitsError | None) -> tuple[Verdict, int]:
    """Return the verdict on the bytes after the last HDU, and how many they are; inside `reading`."""
    stop, size = file.extents[-1].stop if file.extents else 0, file.storage.size()
    nbytes = max(size - stop, 0)
    if not nbytes:
        return Verdict("tail", "ok", "nothing follows the last HDU"), 0
    where = f"{nbytes} bytes after the last HDU, from byte {stop} on"
    if any(_only(file, stop, size, byte) for byte in (ZERO, BLANK)):
        return Verdict("tail", "ok", f"{where}, are zeros or blanks alone, which is no damage"), nbytes
    if damage is not None:
        return Verdict("tail", "bad", f"{where}: {damage}"), nbytes
    return Verdict("tail", "bad", f"{where}, are neither zeros nor blanks: special records, or a damaged HDU"), nbytes


def _header_faults(file: OpenFile, extent: Extent) -> list[str]:
    """Name bytes of a header that FITS does not allow (FITS 4.0, sections 3.2 and 3.3.1)."""
    raw = file.storage.read_bytes(extent.header_start, extent.data_start - extent.header_start)
    codes = np.frombuffer(raw, np.uint8)
    faults = []
    for number in np.unique(np.flatnonzero((codes < 0x20) | (codes > 0x7E)) // CARD).tolist():
        card = codes[number * CARD : (number + 1) * CARD]
        stray = card[(card < 0x20) | (card > 0x7E)]
        keyword = bytes(card[:8]).decode("ascii", "replace").strip()
        faults.append(f"card {number + 1} ({keyword}) holds a byte {stray[0]:#04x}, which is no text")
    end = find_end(raw)
    if not faults and end >= 0 and raw[end + CARD :].strip(b" "):
        faults.append("the bytes after END are not blank")
    return faults


def _count_faults(cards: Cards) -> list[str]:
    """Tell whether GCOUNT of an extension is what it must be (FITS 4.0, sections 4.4.1.2, 7.1.1, 7.2.1 and 7.3.1).

    An extension of a kind that is not of the standard may have groups, but not none: it would have no data.
    """
    kind, count = cards.get("XTENSION"), cards.get("GCOUNT")
    if not isinstance(kind, str) or not isinstance(count, int) or count == 1:
        return []
    if kind.strip() in STANDARD_KINDS:
        return [f"GCOUNT is {count}; of an extension {kind.strip()} it must be 1"]
    return [f"GCOUNT is {count}; it must be 1 or more, or there were no data"] if count < 1 else []


def _data_faults(file: OpenFile, extent: Extent, cards: Cards) -> list[str]:
    """Tell what is missing of a data unit, or wrong with its fill (FITS 4.0, sections 3.3.2, 7.2.3)."""
    stop, size = extent.data_start + extent.data_nbytes, file.storage.size()
    if size < stop:
        return [f"{stop - size} of the {extent.data_nbytes} bytes of the data unit are missing: the file ends early"]
    whole = extent.data_start + padded(extent.data_nbytes)
    if size < whole:
        return [f"the data unit is whole, but {whole - size} of the bytes that fill its last block are missing"]
    kind = cards.first_value()
    fill = BLANK if isinstance(kind, str) and kind.strip() == "TABLE" else ZERO
    if not _only(file, stop, whole, fill):
        return [
            f"the {whole - stop} bytes that fill the last block are not all {'blanks' if fill == b' ' else 'zeros'}"
        ]
    return []


def _only(file: OpenFile, start: int, stop: int, byte: bytes) -> bool:
    """Return whether bytes of a file are all the same one."""
    step = file.storage.chunk_nbytes
    return all(not file.storage.read_bytes(at, min(step, stop - at)).strip(byte) for at in range(start, stop, step))


def _datasum(cards: Cards, sums: Sums | None) -> Verdict:
    value = stated(cards, "DATASUM")
    if value is None:
        return absent(cards, "DATASUM")
    if sums is None:
        return Verdict("DATASUM", "bad", "the data unit is not there whole")
    if is_datasum(value, sums.data):
        return Verdict("DATASUM", "ok", "it is the sum of the data unit")
    return Verdict("DATASUM", "bad", f"it is {value!r}, but the data unit sums up to {sums.data}")


def _checksum(cards: Cards, sums: Sums | None) -> Verdict:
    value = stated(cards, "CHECKSUM")
    if value is None:
        return absent(cards, "CHECKSUM")
    if sums is None:
        return Verdict("CHECKSUM", "bad", "the data unit is not there whole")
    if not is_checksum(value):
        return Verdict("CHECKSUM", "bad", f"it is {value!r}, which is no checksum of 16 characters")
    if sums.vanish:
        return Verdict("CHECKSUM", "ok", "it makes the sum of the HDU vanish")
    datasum = stated(cards, "DATASUM")
    where = "the header or the data unit"
    if datasum is not None:
        where = "the header" if is_datasum(datasum, sums.data) else "the data unit, and perhaps the header,"
    return Verdict("CHECKSUM", "bad", f"{where} is not what it was when the checksum was written")
