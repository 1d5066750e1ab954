"""How floats are to be made integers before they are compressed (FITS 4.0, section 10.2)."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Literal

from rustfits.errors import InvalidParameter
from rustfits.quantize.dither import DITHER_1, DITHER_2, NO_DITHER, NRANDOM

ZQUANTIZ = {"no_dither": NO_DITHER, "dither1": DITHER_1, "dither2": DITHER_2}
_METHODS = {**{name: name for name in ZQUANTIZ}, **{value.lower(): name for name, value in ZQUANTIZ.items()}}


@dataclass(frozen=True, kw_only=True, repr=False)
class Quantize:
    """Float pixels become integers times a quantum, chosen for each tile from its noise.

    Parameters
    ----------
    level : float
        Above 0: the quantum is the noise divided by it. Below 0: the quantum is its absolute value. 0 means 4.
    method : {'dither1', 'dither2', 'no_dither'}
        Whether random numbers are added before rounding and taken off again on reading; with 'dither2' pixels that
        are 0.0 stay so. The values of ZQUANTIZ are understood too, in any case.
    seed : int, 'clock' or 'checksum'
        Where the random numbers begin: ZDITHER0, 1 if it is below. 'clock' takes it from the time, 'checksum' from
        the pixels of the first tile.

    Raises
    ------
    InvalidParameter
        If the level is not finite, or the method or the seed is unknown.
    TypeError
        If an argument has the wrong type.
    """

    level: float = 4.0
    method: str = "dither1"
    seed: int | Literal["clock", "checksum"] = 0

    def __post_init__(self) -> None:
        if isinstance(self.level, str | bytes | bool):
            raise TypeError(f"level must be a number, not {self.level!r}")
        try:
            level = float(self.level)
        except OverflowError:
            level = math.inf
        if not math.isfinite(level):
            raise InvalidParameter("level", self.level, "must be finite")
        if not isinstance(self.method, str):
            raise TypeError(f"method must be a str, not {self.method!r}")
        method = _METHODS.get(self.method.strip().lower())
        if method is None:
            raise InvalidParameter(
                "method", self.method, f"must be one of {', '.join(map(repr, ZQUANTIZ))} (unknown method)"
            )
        # The only conversions, so that equal settings are equal and hash alike.
        object.__setattr__(self, "level", level)
        object.__setattr__(self, "method", method)
        object.__setattr__(self, "seed", _as_seed(self.seed))

    @property
    def zquantiz(self) -> str:
        """Value of the keyword ZQUANTIZ."""
        return ZQUANTIZ[self.method]

    def zdither0(self) -> int:
        """Return the value of ZDITHER0 for an image that has no pixels yet.

        A seed 'clock' gives another number each time, from 1 to 10000; the one of 'checksum' is known only when
        pixels are written, and is 1 until then.
        """
        if self.seed == "clock":
            import time

            return time.time_ns() // 1000 % NRANDOM + 1
        return 1 if isinstance(self.seed, str) else max(self.seed, 1)

    def __repr__(self) -> str:
        level = f"{int(self.level)}" if self.level == int(self.level) else _plain(self.level)
        return f"Quantize(level={level}, method={self.method!r}, seed={self.seed!r})"


def _as_seed(seed: object) -> int | Literal["clock", "checksum"]:
    if isinstance(seed, str):
        name = seed.strip().lower()
        if name == "clock":
            return "clock"
        if name == "checksum":
            return "checksum"
        raise InvalidParameter("seed", seed, "must be an int, 'clock' or 'checksum'")
    if isinstance(seed, bool):
        raise TypeError(f"seed must be an int, 'clock' or 'checksum', not {seed!r}")
    return operator.index(seed)  # type: ignore[arg-type]  # a TypeError is what is wanted for all else


def _plain(number: float) -> str:
    """Write a float in plain decimal, no exponent, so that it reads back the same."""
    from decimal import Decimal

    return format(Decimal(repr(number)), "f")
