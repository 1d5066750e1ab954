"""Stored numbers and what they mean: BITPIX, BSCALE, BZERO and BLANK (FITS 4.0, sections 4.4.1.1, 4.4.2.5, 5.2.5)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import ImageError, PixelOverflow
from rustfits.header.cards import Cards
from rustfits.pixels.bitpix import BITPIX, CONVENTION_OF, bitpix_dtype, dtype_bitpix, short_name, stored_form

__all__ = [
    "Scaling",
    "bitpix_dtype",
    "blank_value",
    "dtype_bitpix",
    "fill_masked",
    "is_masked_array",
    "short_name",
    "stored_form",
]

CHUNK_NPIXELS = 1 << 16  # pixels scaled at a time: all intermediate arrays stay in the cache


def is_masked_array(data: object) -> TypeGuard[np.ma.MaskedArray[Any, Any]]:
    """Tell whether data are a masked array; `numpy.ma`, which is long to load, is not loaded for those that are not."""
    return isinstance(data, getattr(sys.modules.get("numpy.ma"), "MaskedArray", ()))


class Scaling(NamedTuple):
    """How stored numbers become physical ones: ``physical = stored * bscale + bzero``.

    Attributes
    ----------
    stored : dtype
        Of the stored numbers, native byte order.
    bscale : float
    bzero : float or int
        An exact int for the integer conventions.
    """

    stored: np.dtype[Any]
    bscale: float = 1.0
    bzero: float | int = 0

    @classmethod
    def from_cards(cls, cards: Cards, stored: np.dtype[Any]) -> Scaling:
        """Read BSCALE and BZERO; absent or undefined ones are 1 and 0.

        Raises
        ------
        HeaderError
            If one of them is not a number.
        """
        bscale = cards.real("BSCALE", 1.0) if cards.get("BSCALE") is not None else 1.0
        bzero = cards.real("BZERO", 0.0) if cards.get("BZERO") is not None else 0.0
        # As ints the offsets of the conventions are exact in every later sum.
        exact = abs(bzero) <= 1 << 63 and bzero == int(bzero)  # False for NaN
        return cls(stored, bscale, int(bzero) if exact else bzero)

    @classmethod
    def of_dtype(cls, dtype: np.dtype[Any]) -> Scaling:
        """Return the scaling of a new image of dtype ``dtype``; errors as `stored_form`."""
        bitpix, bzero = stored_form(dtype)
        return cls(bitpix_dtype(bitpix), 1.0, bzero)

    @property
    def trivial(self) -> bool:
        """Whether physical and stored numbers are the same."""
        return self.bscale == 1 and self.bzero == 0

    @property
    def convention(self) -> bool:
        """Whether this is one of the four exact integer conventions."""
        return self.bscale == 1 and (short_name(self.stored), self.bzero) in CONVENTION_OF

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the user sees: the stored dtype, that of the integer convention, or f8."""
        if self.bscale == 1:
            if self.bzero == 0:
                return self.stored
            name = CONVENTION_OF.get((short_name(self.stored), self.bzero))
            if name is not None:
                return np.dtype(name)
        return np.dtype("f8")

    def accepted(self) -> tuple[np.dtype[Any], ...]:
        """Return the dtypes that may be written: what the user sees, and stored numbers."""
        return (self.stored,) if self.trivial else tuple(dict.fromkeys((self.stored, self.dtype)))

    # -- stored to physical ---------------------------------------------------------------------------------------

    def apply(self, stored: NDArray[Any], out: NDArray[Any]) -> None:
        """Scale stored numbers.

        Parameters
        ----------
        stored : array of `stored`
        out : array of `dtype`, same shape
            To be filled. May be the same memory as ``stored``, viewed as `dtype`, if both have the same item size.
        """
        if self.trivial:
            out[...] = stored
        elif self.convention:
            unsigned = f"u{self.stored.itemsize}"
            np.bitwise_xor(stored.view(unsigned), self._sign_bit(), out=out.view(unsigned))
        else:
            # Two roundings, never a fused multiply-add: other readers' numbers, to the last bit.
            with np.errstate(all="ignore"):
                np.multiply(stored, self.bscale, out=out, dtype=np.float64)
                np.add(out, float(self.bzero), out=out)

    def scaled(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return physical values; for the integer conventions in the memory of ``stored``, a contiguous array."""
        if self.trivial:
            return stored
        out = stored.view(self.dtype) if self.convention else np.empty(stored.shape, "f8")
        self.apply(stored, out)
        return out

    def _sign_bit(self) -> np.unsignedinteger[Any]:
        unsigned: np.unsignedinteger[Any] = np.dtype(f"u{self.stored.itemsize}").type(
            1 << (8 * self.stored.itemsize - 1)
        )
        return unsigned

    # -- physical to stored ---------------------------------------------------------------------------------------

    def check_dtype(self, dtype: np.dtype[Any], *, what: str) -> None:
        """Refuse arrays of a dtype that is neither that of the user nor that of the stored numbers.

        Parameters
        ----------
        dtype : dtype
            Any byte order.
        what : str
            The keyword at fault, such as "HDU BITPIX".

        Raises
        ------
        ImageError
        """
        if dtype.newbyteorder("=") not in self.accepted():
            expected = " or ".join(short_name(allowed) for allowed in self.accepted())
            raise ImageError(
                f"data dtype {short_name(dtype)} does not match {what} {BITPIX[short_name(self.stored)]}"
                f"{'' if self.trivial else ' with its BSCALE and BZERO'}: expected {expected}; "
                "convert with data.astype(...)"
            )

    def check_values(self, values: NDArray[Any]) -> None:
        """Refuse physical values that have no stored form; takes a dtype that was checked.

        Works in bounded memory.

        Raises
        ------
        ImageError
            If a value is not finite, or outside the range of the stored integers.
        """
        if self._lossy(values.dtype):
            for part in _parts(values):
                self._to_integers(part)

    def convert(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the stored form, native byte order, of physical values or stored numbers of a checked dtype.

        The array itself where nothing has to be done. Raises as `check_values`.
        """
        native = values.dtype.newbyteorder("=")
        if native == self.stored:
            return values.astype(native, copy=False)
        if self.convention:
            unsigned = f"u{self.stored.itemsize}"
            flipped: NDArray[Any] = values.astype(native, copy=False).view(unsigned) ^ self._sign_bit()
            return flipped.view(self.stored)
        if self._lossy(values.dtype):
            return self._to_integers(values)
        with np.errstate(all="ignore"):
            stored: NDArray[Any] = ((values - float(self.bzero)) / self.bscale).astype(self.stored)
            return stored

    def to_stored(self, values: NDArray[Any]) -> NDArray[Any]:
        """As `convert`, but that an image of floats that are not scaled takes any real numbers."""
        if self.trivial and self.stored.kind == "f":
            with np.errstate(all="ignore"):  # a number too large for single precision is infinite in it
                return values.astype(self.stored, copy=False)
        return self.convert(values)

    def invert_scalar(self, value: object) -> np.generic[Any]:
        """Turn one physical value into a stored number.

        Parameters
        ----------
        value : int, float, numpy integer or float, or 0-d array of these

        Returns
        -------
        numpy scalar of `stored`

        Raises
        ------
        TypeError
            If it is no real number, or a float for an image of integers that are not scaled.
        ImageError
            If it has no stored form. `PixelOverflow` for integers out of range.
        """
        number = _as_number(value)
        if self.stored.kind == "f" or not (self.trivial or self.convention):
            try:
                real = float(number)
            except OverflowError as error:
                raise PixelOverflow(f"an integer of {int(number).bit_length()} bits, but floats end at 1024") from error
            with np.errstate(all="ignore"):
                return self._invert_float(real)
        if isinstance(number, float):
            raise TypeError(f"a float, {number!r}, cannot be put into an image of {short_name(self.dtype)} pixels")
        limits = np.iinfo(self.dtype)
        if not limits.min <= number <= limits.max:
            raise PixelOverflow(
                f"value {number} is out of range: {short_name(self.dtype)} pixels hold {limits.min} to {limits.max}"
            )
        converted: np.generic[Any] = self.stored.type(number - int(self.bzero))
        return converted

    def _invert_float(self, number: float) -> np.generic[Any]:
        # An array of one: numpy treats scalars and arrays differently where they overflow.
        value = np.array([number])
        if self.stored.kind in "iu":
            stored = self._to_integers(value)
        else:
            stored = (value if self.trivial else (value - float(self.bzero)) / self.bscale).astype(self.stored)
        one: np.generic[Any] = stored[0]
        return one

    def _lossy(self, dtype: np.dtype[Any]) -> bool:
        """Whether arrays of ``dtype`` are physical values that may have no stored form."""
        return self.stored.kind in "iu" and dtype.kind == "f"

    def _to_integers(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return stored integers, rounded half to even."""
        bitpix = BITPIX[short_name(self.stored)]
        with np.errstate(all="ignore"):
            stored = np.rint((values - float(self.bzero)) / self.bscale)
        if not np.isfinite(stored).all():
            raise ImageError(
                f"non-finite values cannot be stored with BITPIX {bitpix}, BSCALE {self.bscale} and BZERO "
                f"{self.bzero}; mask them, with a BLANK keyword in the header"
            )
        limits = np.iinfo(self.stored)
        # The largest i8 is no double: the next number up is one, and must not be reached.
        if stored.size and not (stored.min() >= float(limits.min) and stored.max() < float(int(limits.max) + 1)):
            raise ImageError(
                f"values overflow BITPIX {bitpix} with BSCALE {self.bscale} and BZERO {self.bzero}: stored numbers "
                f"from {stored.min()} to {stored.max()}, where {limits.min} to {limits.max} fit"
            )
        return stored.astype(self.stored)


def _as_number(value: object) -> int | float:
    """Return a Python number; a TypeError for what is no real number."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    # True is 1 to Python, but a pixel is never a truth value: it is a mask gone wrong.
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value)
    raise TypeError(f"a pixel must be a real number or an array of them, not {type(value).__name__}")


def _parts(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the elements of an array of any layout, in 1-D pieces of bounded size and native byte order."""
    # The annotations of np.nditer know neither these flags in lists nor that it iterates over arrays.
    pieces: Any = np.nditer(
        values,
        flags=("external_loop", "buffered", "zerosize_ok"),
        op_flags=[("readonly", "nbo", "aligned")],  # type: ignore[list-item]
        buffersize=CHUNK_NPIXELS,
    )
    yield from pieces


# -- null pixels ------------------------------------------------------------------------------------------------------


def blank_value(cards: Cards, stored: np.dtype[Any], keywords: tuple[str, ...] = ("BLANK",)) -> int | None:
    """Return the stored integer that means "no value" (FITS 4.0, section 4.4.2.5).

    Parameters
    ----------
    cards : Cards
    stored : dtype
        Of the stored numbers.
    keywords : tuple of str
        The first one present counts.

    Returns
    -------
    int or None
        None for floats, and if the keyword is absent, no integer, or outside the range of ``stored``.
    """
    if stored.kind not in "iu":
        return None
    limits = np.iinfo(stored)
    for keyword in keywords:
        value = cards.get(keyword)
        if isinstance(value, int) and not isinstance(value, bool):
            return value if limits.min <= value <= limits.max else None
        if value is not None:
            return None
    return None


def fill_masked(values: NDArray[Any], scaling: Scaling, blank: int | None, *, what: str) -> NDArray[Any]:
    """Replace the masked pixels of values to be written.

    Parameters
    ----------
    values : array, perhaps masked
        Physical values of `Scaling.dtype`, or stored numbers; any byte order.
    blank : int or None
        See `blank_value`.
    what : str
        The keyword that messages name, such as "HDU BITPIX".

    Returns
    -------
    array
        The plain data if nothing is masked. Otherwise stored numbers, masked pixels being ``blank``, or NaN in floats.

    Raises
    ------
    ImageError
        If pixels are masked but integers have no BLANK, the dtype does not match, or a value has no stored form.
    """
    if not is_masked_array(values):
        return np.asarray(values)
    data, mask = np.asarray(values.data), np.ma.getmask(values)
    if mask is np.ma.nomask or not mask.any():
        return data
    scaling.check_dtype(data.dtype, what=what)
    if scaling.stored.kind == "f":
        stored = np.array(scaling.convert(data))
        stored[mask] = np.nan
        return stored
    if blank is None:
        raise ImageError(
            "masked pixels need a BLANK (ZBLANK) keyword that fits the stored integers: create the image with "
            "blank=..., or fill the mask first"
        )
    # What lies under a mask may be NaN or out of range: it becomes the physical value of a stored 0.
    harmless = data.dtype.type(scaling.bzero if data.dtype.newbyteorder("=") != scaling.stored else 0)
    stored = np.array(scaling.convert(np.where(mask, harmless, data)))
    stored[mask] = blank
    return stored
