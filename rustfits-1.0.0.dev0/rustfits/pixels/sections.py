"""Regular sections of an image: what ``hdu[key]`` means in whole numbers."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import ImageError, PixelIndexError


class Section:
    """Every ``step``-th pixel of a box, numpy axis order; not to be changed.

    Attributes
    ----------
    start : tuple of int
        First selected pixel along each axis.
    count : tuple of int
        Pixels selected along each axis; 0 where nothing is.
    step : tuple of int
        Distance between selected pixels along each axis, positive.
    dropped : tuple of int
        Axes indexed by an integer, which the result lacks; ascending.
    """

    # No dataclass: every cutout makes one, and a frozen one would cost it more than its index does; and to make a
    # dataclass takes longer than to load the rest of the module.
    __slots__ = ("count", "dropped", "start", "step")

    def __init__(
        self,
        start: tuple[int, ...],
        count: tuple[int, ...],
        step: tuple[int, ...],
        dropped: tuple[int, ...] = (),
    ) -> None:
        self.start, self.count, self.step, self.dropped = start, count, step, dropped

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Section):
            return NotImplemented
        return (self.start, self.count, self.step, self.dropped) == (
            other.start,
            other.count,
            other.step,
            other.dropped,
        )

    __hash__ = None  # type: ignore[assignment]

    def _fields(self) -> tuple[tuple[int, ...], ...]:
        return self.start, self.count, self.step, self.dropped

    def __repr__(self) -> str:
        return f"Section(start={self.start}, count={self.count}, step={self.step}, dropped={self.dropped})"

    @property
    def stop(self) -> tuple[int, ...]:
        """One past the last selected pixel along each axis; equal to ``start`` where nothing is selected."""
        return tuple(
            start + (count - 1) * step + 1 if count else start
            for start, count, step in zip(self.start, self.count, self.step, strict=True)
        )

    @property
    def key(self) -> tuple[slice, ...]:
        """A key that selects the same pixels, and drops no axis."""
        bounds = zip(self.start, self.stop, self.step, strict=True)
        return tuple([slice(start, stop, None if step == 1 else step) for start, stop, step in bounds])

    @property
    def ndim(self) -> int:
        """Axes of the image."""
        return len(self.count)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result, without the dropped axes."""
        if not self.dropped:
            return self.count
        return tuple(count for axis, count in enumerate(self.count) if axis not in self.dropped)

    @property
    def npixels(self) -> int:
        """Pixels selected."""
        return prod(self.count)

    @property
    def empty(self) -> bool:
        """Whether no pixel is selected."""
        return 0 in self.count

    @property
    def scalar(self) -> bool:
        """Whether one pixel was named by integers alone: the result is a scalar, not an array."""
        return bool(self.count) and len(self.dropped) == len(self.count)


def full_section(shape: tuple[int, ...]) -> Section:
    """Return the section that selects a whole image of shape ``shape``."""
    return Section((0,) * len(shape), tuple(shape), (1,) * len(shape))


def box_section(start: tuple[int, ...], count: tuple[int, ...]) -> Section:
    """Return the section of ``count`` pixels along each axis from ``start`` on."""
    return Section(start, count, (1,) * len(count))


def parse_section(key: object, shape: tuple[int, ...]) -> Section:
    """Turn the key of ``hdu[key]`` into a `Section` of an image of shape ``shape``.

    Parameters
    ----------
    key : int, slice, Ellipsis, or tuple of these
        As numpy's basic indexing, without negative steps and without new axes.
    shape : tuple of int

    Returns
    -------
    Section

    Raises
    ------
    ImageError
        If the key has another type, too many entries, two ellipses, or a step that is not positive.
    PixelIndexError
        If an integer lies outside its axis.
    TypeError
        If a bound of a slice is not an integer.
    """
    plain = _parse_box(key, shape)
    if plain is not None:
        return plain
    entries: Sequence[object] = key if isinstance(key, tuple) else (key,)
    if len(entries) != len(shape) or any(entry is Ellipsis for entry in entries):
        entries = _expand(tuple(entries), len(shape))
    axes = [_parse_axis(entry, axis, size) for axis, (entry, size) in enumerate(zip(entries, shape, strict=True))]
    return Section(
        tuple([start for start, _, _ in axes]),
        tuple([count for _, count, _ in axes]),
        tuple([step for _, _, step in axes]),
        tuple([axis for axis, entry in enumerate(entries) if not isinstance(entry, slice)]),
    )


def _parse_box(key: object, shape: tuple[int, ...]) -> Section | None:
    """Return the section of a key that names both ends of a slice along each axis, as cutouts do; None for others."""
    if type(key) is not tuple or len(key) != len(shape):
        return None
    starts, counts = [], []
    for entry, size in zip(key, shape, strict=True):
        if type(entry) is not slice or entry.step is not None:
            return None
        start, stop = entry.start, entry.stop
        if type(start) is not int or type(stop) is not int:
            if not _indexes(start) or not _indexes(stop):
                return None  # the other way says what is wrong, if anything is
            start, stop = operator.index(start), operator.index(stop)
        if not 0 <= start <= stop <= size:
            return None
        starts.append(start)
        counts.append(stop - start)
    return box_section(tuple(starts), tuple(counts))


def _indexes(bound: object) -> bool:
    """Tell whether an end of a slice is an integer of any kind, as the NumPy ones of catalogues are, but no bool."""
    return hasattr(bound, "__index__") and not isinstance(bound, bool)


def _expand(entries: tuple[object, ...], ndim: int) -> list[object]:
    """Return one entry per axis: the ellipsis, or what is left out at the end, becomes whole axes."""
    # Compared by identity: an array among the entries would compare element by element.
    ellipses = [number for number, entry in enumerate(entries) if entry is Ellipsis]
    if len(ellipses) > 1:
        raise ImageError(f"an index can have only a single ellipsis ('...'); got {len(ellipses)}")
    missing = ndim - (len(entries) - len(ellipses))
    if missing < 0:
        raise ImageError(f"too many indices: the image has {ndim} axes, the index names {ndim - missing}")
    number = ellipses[0] if ellipses else len(entries)
    return [*entries[:number], *[slice(None)] * missing, *entries[number + 1 :]]


def _parse_axis(entry: object, axis: int, size: int) -> tuple[int, int, int]:
    """Return start, count and step along one axis."""
    if type(entry) is slice:
        if entry.step is not None and operator.index(entry.step) <= 0:
            raise ImageError(
                f"negative or zero step in the slice of axis {axis}: {entry.step}; read with a positive step "
                "and reverse the array"
            )
        start, stop, step = entry.indices(size)
        count = len(range(start, stop, step))
        return start, count, step if count > 1 else 1
    # bool is an int to Python, but as an index it nearly always is a mask gone wrong.
    if isinstance(entry, int | np.integer) and not isinstance(entry, bool):
        index = int(entry)
        if not -size <= index < size:
            raise PixelIndexError(f"index {index} is out of range for axis {axis}, which has {size} pixels")
        return index % size, 1, 1
    raise ImageError(
        f"unsupported index type {type(entry).__name__} for axis {axis}: an image takes ints, slices with a "
        "positive step and '...'; use hdu.read()[...] for other numpy indexing"
    )


def shaped(pixels: NDArray[Any], section: Section) -> Any:
    """Drop the axes indexed by integers; a pixel of its own becomes a numpy scalar."""
    if not section.dropped:
        return pixels
    return pixels.reshape(-1)[0] if section.scalar else pixels.reshape(section.shape)


def flipped_key(key: object, shape: tuple[int, ...]) -> tuple[object, tuple[slice, ...]]:
    """Turn a key that may have negative steps into one that has none, and what to do to the result.

    Parameters
    ----------
    key : object
        As of `parse_section`, but for the sign of the steps.
    shape : tuple of int

    Returns
    -------
    key : object
        For `parse_section`; the key itself if there is nothing to turn.
    flips : tuple of slice
        To be applied to the pixels, one for each axis that is left; empty if there is nothing to turn.

    Raises
    ------
    ImageError
        If the key has too many entries, or two ellipses.
    TypeError
        If a step is not an integer.
    """
    entries: tuple[object, ...] = key if isinstance(key, tuple) else (key,)
    if not any(isinstance(entry, slice) and _descends(entry) for entry in entries):
        return key, ()
    forward: list[object] = []
    flips: list[slice] = []
    for entry, size in zip(_expand(entries, len(shape)), shape, strict=True):
        if not isinstance(entry, slice) or not _descends(entry):
            forward.append(entry)
            flips += [slice(None)] if isinstance(entry, slice) else []
            continue
        chosen = range(*entry.indices(size))[::-1]
        forward.append(slice(chosen.start, chosen.stop, chosen.step) if chosen else slice(0, 0))
        flips.append(slice(None, None, -1))
    return tuple(forward), tuple(flips)


def _descends(bounds: slice) -> bool:
    return bounds.step is not None and operator.index(bounds.step) < 0
