"""Random groups (FITS 4.0, section 6), read only: a whole kind of HDU for rustfits."""

import numpy as np

from rustfits.plugin import HDU, DataUnit, HDUKind, hookimpl, reads

DTYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


class RandomGroupsHDU(HDU):
    """A primary HDU of groups: each has some parameters, and an array of the same shape as all others."""

    label = "GROUPS_HDU"
    _kind = "GROUPS_HDU"

    @property
    def ngroups(self):
        """Number of groups."""
        return self._state.cards.integer("GCOUNT", 1)

    @property
    def shape(self):
        """Of the array of one group, numpy order."""
        cards = self._state.cards
        return tuple(cards.integer(f"NAXIS{axis}") for axis in range(cards.integer("NAXIS"), 1, -1))

    @property
    def parnames(self):
        """Names of the parameters: PTYPEn, or PARn where there is none."""
        cards = self._state.cards
        return [cards.text(f"PTYPE{n}", f"PAR{n}").strip() for n in range(1, cards.integer("PCOUNT") + 1)]

    @property
    def has_data(self):
        """Whether there is a group."""
        return self.ngroups > 0

    @reads
    def read(self, start=0, stop=None):
        """Return groups from ``start`` up to ``stop`` as a structured array: a field for each parameter, and DATA.

        Several parameters of one name are parts of one number: they are added (FITS 4.0, section 6.3).
        """
        cards, names = self._state.cards, self.parnames
        first, stop, _ = slice(start, stop).indices(self.ngroups)
        number = np.dtype(DTYPES[cards.integer("BITPIX")])
        group = np.dtype([("parameters", number, (len(names),)), ("data", number, self.shape)])
        count = max(stop - first, 0)
        stored = DataUnit(self).read(first * group.itemsize, count * group.itemsize).view(group)
        fields = [(name, "f8") for name in dict.fromkeys(names)]
        out = np.zeros(count, [*fields, ("DATA", "f8", self.shape)])
        for n, name in enumerate(names, start=1):
            scale, zero = cards.real(f"PSCAL{n}", 1.0), cards.real(f"PZERO{n}", 0.0)
            out[name] += stored["parameters"][:, n - 1] * scale + zero
        out["DATA"] = stored["data"] * cards.real("BSCALE", 1.0) + cards.real("BZERO", 0.0)
        return out


class RandomGroups(HDUKind):
    """What the core asks."""

    def match(self, cards, primary):
        """Say how specifically a header of the class GROUPS is ours."""
        return self.STANDARD if cards.get("NAXIS1") == 0 else 0

    def hdu_class(self, cards):
        """Return the class of its HDU."""
        return RandomGroupsHDU


@hookimpl
def rustfits_hdu_type():
    """Return the kind that the entry point promises."""
    return RandomGroups()
