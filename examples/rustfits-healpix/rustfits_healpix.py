"""Maps of the whole sky (PIXTYPE = 'HEALPIX'): a kind of binary table that lives beside rustfits-tables."""

from dataclasses import dataclass

import numpy as np

from rustfits import TableHDU
from rustfits.plugin import Cards, DataUnit, HDUKind, NewHDU, carried_cards, hookimpl


@dataclass
class HealpixMap:
    """A map to be written: ``fits.write(HealpixMap(values))``."""

    values: np.ndarray  # one for each pixel
    ordering: str = "RING"


class HealpixHDU(TableHDU):
    """A table whose rows are pixels of the sky; all that tables can do is there too."""

    _kind = "BINARY_TBL (HEALPix)"

    @property
    def nside(self):
        """Resolution: the map has ``12 * nside ** 2`` pixels."""
        return self._state.cards.integer("NSIDE")

    @property
    def ordering(self):
        """RING or NESTED."""
        return self._state.cards.text("ORDERING").strip()

    def read_map(self, column=0):
        """Return the pixels of a column, by number or name, however many of them stand in one row."""
        name = self.colnames[column] if isinstance(column, int) else column
        return self.read_column(name).reshape(-1)


def carry(header, cards):
    """Add what the user says beside the data, but for keywords that are there and those that describe other data."""
    more = carried_cards(header, cards.keys())
    for key in [key for key in more.keys() if key not in ("COMMENT", "HISTORY", "")]:  # noqa: SIM118 - no mapping
        cards.adopt(more, key)
    cards.adopt_commentary(more)


class Healpix(HDUKind):
    """What the core asks."""

    def match(self, cards, primary):
        """Say how specifically a header of the class BINTABLE is ours: more than any table."""
        return self.CONVENTION if cards.get("PIXTYPE") == "HEALPIX" else 0

    def hdu_class(self, cards):
        """Return the class of its HDU."""
        return HealpixHDU

    def takes(self, data):
        """Say whether ``data`` can be written."""
        return self.CONVENTION if isinstance(data, HealpixMap) else 0

    def write(self, data, *, extname=None, header=None):
        """Return the HDU: its header, and what fills it. Whatever is wrong is found now, before the file changes."""
        values = np.ascontiguousarray(data.values, ">f8")
        nside = round((values.size / 12) ** 0.5)
        if values.ndim != 1 or 12 * nside**2 != values.size or not nside:
            raise ValueError(f"a map has 12 * nside ** 2 values, not {values.shape}")
        cards = Cards.build(
            [
                *[("XTENSION", "BINTABLE"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 8), ("NAXIS2", values.size)],
                *[("PCOUNT", 0), ("GCOUNT", 1), ("TFIELDS", 1), ("TTYPE1", "SIGNAL"), ("TFORM1", "1D")],
                *([("EXTNAME", extname)] if extname else []),
                *[("PIXTYPE", "HEALPIX"), ("ORDERING", data.ordering), ("INDXSCHM", "IMPLICIT")],
                ("NSIDE", nside, "there are 12 * NSIDE ** 2 pixels"),  # keyword, value, comment
            ]
        )
        carry(header, cards)
        return NewHDU(cards, lambda hdu: DataUnit(hdu).write(0, values))


@hookimpl
def rustfits_hdu_type():
    """Return the kind that the entry point promises."""
    return Healpix()
