"""A new HDU of a kind that a plugin brings, planned as a whole before a byte is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rustfits.container.hdulist import HDUList
from rustfits.errors import ImageError, PluginError
from rustfits.hdu.base import HDU
from rustfits.hdu.image.cards import empty_primary_cards
from rustfits.hdu.kind import HDUKind, NewHDU
from rustfits.hdu.kinds import kind_of, kind_that_takes
from rustfits.hdu.table import needs_package
from rustfits.header.cards import Cards
from rustfits.storage.openfile import OpenFile


@dataclass(frozen=True, slots=True)
class PlannedHDU:
    """What a kind would write."""

    new: NewHDU

    @classmethod
    def of_data(cls, data: object, **options: Any) -> PlannedHDU:
        """Have the kind that is most specific for ``data`` plan it.

        Raises
        ------
        ImageError
            If there is none.
        NotSupported
            If it is a table, and there is none.
        PluginError
            If two kinds are equally fit, or one breaks the contract.
        """
        kind = kind_that_takes(data)
        if kind is None and (isinstance(data, np.ndarray | dict) or hasattr(data, "__arrow_c_stream__")):
            raise needs_package("tables")
        if kind is None:
            raise ImageError(
                f"write takes an array or a dict of arrays, not {type(data).__name__}: call write_image for an image "
                "given as a list, write_table for a table"
            )
        return cls(_checked(kind, kind.write(data, **options)))

    @classmethod
    def written(cls, entry: str, data: object, options: Mapping[str, Any]) -> PlannedHDU:
        """Have the kind of an entry point plan ``data``.

        Raises
        ------
        NotSupported
            If nobody offers it.
        PluginError
            If it cannot be loaded or breaks the contract.
        """
        kind = _required(entry)
        return cls(_checked(kind, kind.write(data, **options)))

    @classmethod
    def created(cls, entry: str, dtype: object, nrows: int, options: Mapping[str, Any]) -> PlannedHDU:
        """Have the kind of an entry point plan an HDU without values; errors as `written`."""
        kind = _required(entry)
        return cls(_checked(kind, kind.create(dtype, nrows, **options)))

    def append_to(self, file: OpenFile, hdus: HDUList, data: object = None) -> HDU:
        """Append the HDU to a file, after an empty primary one if there is none.

        Parameters
        ----------
        file : OpenFile
        hdus : HDUList
            Of the file.
        data : object
            Not used: the plan holds it.
        """
        with file.changing(file.filename), file.storage.gathered():
            if not len(hdus):
                hdus.append(empty_primary_cards())
            hdu = hdus.append(self.new.cards)
            if self.new.fill is not None:
                self.new.fill(hdu)
        return hdu


def _required(entry: str) -> HDUKind:
    kind = kind_of(entry)
    if kind is None:
        raise needs_package("tables")
    return kind


def _checked(kind: HDUKind, new: object) -> NewHDU:
    if not isinstance(new, NewHDU):
        raise PluginError(f"{type(kind).__name__} planned {new!r:.60}; it must be a NewHDU")
    if not isinstance(new.cards, Cards) or not (new.fill is None or callable(new.fill)):
        raise PluginError(
            f"{type(kind).__name__} planned {new!r:.60}; its cards must be Cards, and fill callable or None"
        )
    return new
