"""DATASUM and CHECKSUM of an HDU as it lies in its file."""

from __future__ import annotations

from rustfits.hdu.checksum import ALL_ONES, ZEROS, encode, fold, parse_datasum, storage_sum
from rustfits.header.state import HeaderState
from rustfits.storage.extent import Extent, padded
from rustfits.storage.openfile import OpenFile

DATASUM_COMMENT = "data unit checksum"
CHECKSUM_COMMENT = "HDU checksum"


def add_datasum(file: OpenFile, extent: Extent, state: HeaderState) -> None:
    """Write the keyword DATASUM; inside `changing`.

    Raises
    ------
    TruncatedFile
        If the data unit is not there whole.
    """
    state.change({"DATASUM": (str(_data_sum(file, extent)), DATASUM_COMMENT)})


def add_checksum(file: OpenFile, extent: Extent, state: HeaderState) -> None:
    """Write the keywords DATASUM and CHECKSUM; inside `changing`, errors as `add_datasum`."""
    data = _data_sum(file, extent)
    state.change({"DATASUM": (str(data), DATASUM_COMMENT), "CHECKSUM": (ZEROS, CHECKSUM_COMMENT)})
    # Taken from the file: what matters is every byte of its header, the fill included.
    header = storage_sum(file.storage, extent.header_start, extent.data_start)
    state.change({"CHECKSUM": encode(fold(header + data))})


def verify_datasum(file: OpenFile, extent: Extent, state: HeaderState) -> bool | None:
    """Tell whether DATASUM is right; None if it is absent. Inside `reading`, errors as `add_datasum`."""
    if "DATASUM" not in state.cards:
        return None
    return parse_datasum(state.cards.get("DATASUM")) == _data_sum(file, extent)


def verify_checksum(file: OpenFile, extent: Extent, state: HeaderState) -> bool | None:
    """Tell whether CHECKSUM is right; None if it is absent. Inside `reading`, errors as `add_datasum`."""
    value = state.cards.get("CHECKSUM")
    if "CHECKSUM" not in state.cards:
        return None
    if not isinstance(value, str) or len(value) != len(ZEROS):
        return False
    header = storage_sum(file.storage, extent.header_start, extent.data_start)
    # The sum of an intact HDU is zero, which ones'-complement numbers write with ones as soon as anything was added.
    return fold(header + _data_sum(file, extent)) in (0, ALL_ONES)


def _data_sum(file: OpenFile, extent: Extent) -> int:
    # The fill counts too. Zeros add nothing, so that of a last HDU may be missing; ASCII tables are filled with blanks.
    stop = min(extent.data_start + padded(extent.data_nbytes), file.storage.size())
    return storage_sum(file.storage, extent.data_start, max(stop, extent.data_start + extent.data_nbytes))
