"""Images: pixels read and written as numpy arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from rustfits import limits
from rustfits.errors import ImageError, NotSupported
from rustfits.hdu.base import HDU
from rustfits.header.cards import Cards
from rustfits.header.state import Snapshot
from rustfits.pixels.facts import ImageFacts
from rustfits.pixels.scaling import Scaling
from rustfits.pixels.sections import Section, box_section, full_section, parse_section, shaped
from rustfits.storage.reread import Straddled, repeated

if TYPE_CHECKING:
    from rustfits.hdu.image.lazy import LazyArray
    from rustfits.hdu.image.raster import Raster
    from rustfits.header.header import FITSHeader
    from rustfits.tiles.reader import TileReader


class ImageHDU(HDU):
    """An image: the primary HDU, or an IMAGE extension (FITS 4.0, sections 3.3.2 and 7.1).

    Shapes have numpy order: the last axis is NAXIS1. ``hdu[key]`` reads and writes sections with ints, slices of
    positive steps and ``...``; only the bytes needed are read.
    """

    label: ClassVar[str] = "IMAGE_HDU"

    _kind: ClassVar[str] = "IMAGE_HDU"

    # What reads the pixels, and what it was made for: a snapshot, and the first byte of the data unit.
    _source: tuple[Snapshot, int, Raster | TileReader] | None = None

    # -- what the header says -------------------------------------------------------------------------------------

    @classmethod
    def _snapshot_of(cls, cards: Cards) -> Snapshot:
        return ImageFacts(cards)

    @property
    def _facts(self) -> ImageFacts:
        """What the cards say now of the pixels."""
        return self._facts_in(self._state.snapshot)

    @staticmethod
    def _facts_in(snapshot: Any) -> ImageFacts:
        facts: ImageFacts = snapshot
        return facts

    @property
    def bitpix(self) -> int:
        """BITPIX of the image: 8, 16, 32, 64, -32 or -64."""
        return self._facts.bitpix

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of what ``hdu[...]`` and `read` give: BSCALE and BZERO are applied; native byte order."""
        return self._facts.scaling.dtype

    @property
    def stored_dtype(self) -> np.dtype[Any]:
        """Dtype of the stored numbers, which ``read(scale=False)`` gives; native byte order."""
        return self._facts.stored

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along each axis, numpy order; ``()`` if there are no axes."""
        return self._facts.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._facts.shape)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return self._facts.size

    @property
    def unit(self) -> str | None:
        """Unit of the physical values, the keyword BUNIT; None if absent or no text."""
        unit = self._state.cards.get("BUNIT")
        return unit if isinstance(unit, str) else None

    @property
    def image_header(self) -> FITSHeader:
        """The header of the image itself, which is `header` unless the image is compressed."""
        return self.header

    @property
    def has_data(self) -> bool:
        """Whether the image has a pixel, or, of random groups, whether there are any."""
        return self._facts.size > 0 or (self._extent.data_nbytes > 0 and self._has_groups())

    def __len__(self) -> int:
        return self.shape[0] if self.shape else 0

    def __bool__(self) -> bool:
        return True  # an empty image is an HDU all the same

    def __repr__(self) -> str:
        facts = self._facts_in(self._state.snapshot_anyhow)
        unit = facts.cards.get("BUNIT")
        lines = [
            "  image info:",
            f"    data type: {facts.stored.str[1:]}",
            f"    dims: {list(facts.shape)}",
            *([f"    unit: {unit}"] if isinstance(unit, str) else []),
        ]
        return super().__repr__() + "\n".join(lines) + "\n"

    # -- reading --------------------------------------------------------------------------------------------------

    @repeated
    def read(
        self, *, scale: bool = True, mask_blank: bool = False, on_error: Literal["raise", "mask"] = "raise"
    ) -> NDArray[Any]:
        """Read the whole image.

        Parameters
        ----------
        scale : bool
            Whether to return physical values, ``stored * BSCALE + BZERO``: exact integers for the unsigned and
            signed-byte conventions, f8 for other scalings. False returns the stored numbers.
        mask_blank : bool
            Whether to return a masked array, in which the pixels that are stored as BLANK are masked.
        on_error : {'raise', 'mask'}
            What to do about pixels that are lost: in a tile that cannot be decoded, or missing at the end of a file
            that was cut short. 'mask' returns a masked array, in which they are masked; below the mask they are NaN,
            or the integer that is stored as 0.

        Returns
        -------
        array of shape `shape`
            New, writable, C-contiguous, native byte order.

        Raises
        ------
        ImageError
            If the image has no axes; with ``mask_blank`` if it holds floats; if ``on_error`` is something else.
        NotSupported
            If these are random groups.
        HeaderError
            If a keyword that is needed is malformed.
        LimitExceeded
            If it is more than `rustfits.limits` allows.
        FitsIOError
            If the bytes cannot be read; `TruncatedFile` if they are not there; `FileChanged` if somebody else has
            changed the file so that they cannot be found, here and wherever else bytes are read.
        """
        with self._reading:
            self._check_axes()
            section = full_section(self.shape)
            if on_error != "raise":
                return self._read_around(on_error, scale, mask_blank)
            if mask_blank:
                return self._read_masked(section, scale)
            return self._read_section(section, scale)

    def __getitem__(self, key: Any) -> Any:
        try:
            with self._reading:
                pixels = self._cut(key)
                if pixels is not None:
                    return pixels
                section = self._section(key)
                return shaped(self._read_section(section, True), section)
        except Straddled:  # here, as a cutout takes little longer than `repeated` would
            return self._read_keys([key], True)[0]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the whole image by one `read`, as `numpy.asarray` asks for it.

        Parameters
        ----------
        dtype : dtype, optional
            Of the result; that of the image if None.
        copy : bool, optional
            There is nothing to share, so that False is refused.

        Raises
        ------
        ImageError
            If ``copy`` is False; otherwise as `read`.
        """
        if copy is False:
            raise ImageError(
                "the pixels of an image are in a file, from which they are copied: copy=False cannot be had"
            )
        pixels = self.read()
        return pixels if dtype is None else pixels.astype(dtype, copy=False)

    def lazy(self) -> LazyArray:
        """Return an array that needs no open file: it is read, here or in another process, when it is asked for pixels.

        Returns
        -------
        LazyArray
            Small, and can be pickled.

        Raises
        ------
        NotPicklable
            If the file may be changed through its handle, or no other process could read it: in memory, compressed as
            a whole.
        ImageError
            If the image has no axes.
        NotSupported
            If these are random groups.
        FitsIOError
            If the file is closed; `FileChanged` if the HDU is not there any more as it was.
        """
        from rustfits.hdu.image.lazy import LazyArray

        self._check_axes()
        reopen, (reference,) = self.__reduce__()
        return LazyArray(reopen, reference, self.shape, self.dtype, self._chunks())

    def to_dask(self, chunks: Any = "tiles") -> Any:
        """Return a Dask array of the image, which needs no open file; from the package rustfits-arrays.

        Parameters
        ----------
        chunks : 'tiles', 'auto', or what Dask takes
            'tiles' makes chunks of whole tiles, of about 32 MiB; 'auto' of the size that Dask is set to.

        Returns
        -------
        dask.array.Array
            Of physical values. Its name is the same for the same state of the file and the same chunks.

        Raises
        ------
        NotSupported
            If the package, or Dask, is not installed; if these are random groups.
        NotPicklable, ImageError, FitsIOError
            As `lazy`.
        """
        from rustfits.hdu.image.lazy import package_for

        return package_for("dask").from_image(self, chunks)

    def _chunks(self) -> tuple[int, ...] | None:
        """Return the shape of the tiles; None if there are none."""
        return None

    def __iter__(self) -> Iterator[Any]:
        for index in range(len(self)):
            yield self[index]

    def read_many(self, keys: Iterable[Any], *, scale: bool = True) -> list[Any]:
        """Read many sections at once.

        Parameters
        ----------
        keys : iterable
            What could stand in ``hdu[key]``.
        scale : bool
            As for `read`.

        Returns
        -------
        list
            ``[hdu[key] for key in keys]``.

        Raises
        ------
        ImageError, PixelIndexError
            If a key does not fit the image; before anything is read.
        FitsIOError
            If the bytes cannot be read.
        """
        return self._read_keys(list(keys), scale)

    @repeated
    def _read_keys(self, keys: list[Any], scale: bool) -> list[Any]:
        with self._reading:
            sections = [self._section(key) for key in keys]
            parts = self._read_sections(sections, scale)
            return [shaped(part, section) for part, section in zip(parts, sections, strict=True)]

    @repeated
    def cutouts(
        self, centers: ArrayLike, shape: int | Sequence[int], *, fill_value: float | None = None
    ) -> NDArray[Any]:
        """Read boxes around pixel positions, in one array.

        Parameters
        ----------
        centers : (n, ndim) array-like of int or float
            Pixel positions, numpy order. A box begins at ``ceil(center - length / 2)`` along each axis.
        shape : int or sequence of int
            Pixels along each axis of a box; one int for all.
        fill_value : number, optional
            Physical value of what lies outside the image. None: NaN in floats, not allowed in integers.

        Returns
        -------
        array of shape ``(n, *shape)``
            Physical values.

        Raises
        ------
        ImageError
            If the shapes do not fit, or integers need a ``fill_value``, or cannot hold it.
        TypeError
            If an argument has the wrong type.
        FitsIOError
            If the bytes cannot be read.
        """
        from rustfits.hdu.image.cutouts import boxes, fill_for, gather, no_fill

        with self._reading:
            self._check_axes()
            dtype = self._facts.scaling.dtype
            first, box = boxes(centers, shape, self.ndim)
            fill = fill_for(fill_value, dtype)
            if fill is None:
                fill = no_fill(first, box, self.shape, dtype)
            return gather(lambda sections: self._read_sections(sections, True), first, box, self.shape, fill)

    def _cut(self, key: object) -> NDArray[Any] | None:
        """Return the pixels of a box by the kernels' short way, or None if they have none for it; inside `reading`."""
        pixels = self._pixels().cut(key)
        return None if pixels is None else self._facts.scaling.scaled(pixels)

    def _read_section(self, section: Section, scale: bool) -> NDArray[Any]:
        """Return the pixels of a section in its ``count`` shape; inside `reading`."""
        scaling = self._wanted([section], scale)
        return self._pixels().read(section, scaling)

    def _read_sections(self, sections: Sequence[Section], scale: bool) -> list[NDArray[Any]]:
        scaling = self._wanted(sections, scale)
        return self._pixels().read_many(sections, scaling)

    def _wanted(self, sections: Sequence[Section], scale: bool) -> Scaling:
        """Return what to do to the stored numbers; `LimitExceeded` if the sections are larger than the limits."""
        facts = self._facts
        scaling = facts.scaling if scale else Scaling(facts.stored)
        npixels = sum([section.npixels for section in sections])
        limits.check_read(npixels, npixels * scaling.dtype.itemsize)
        return scaling

    def _pixels(self) -> Raster | TileReader:
        """Return what reads the pixels of this image; made anew when the header or its place in the file changes."""
        snapshot, start, source = self._state.snapshot, self._extent.data_start, self._source
        if source is None or source[0] is not snapshot or source[1] != start:
            source = self._source = snapshot, start, self._new_source(snapshot, start)
        return source[2]

    def _new_source(self, snapshot: Any, start: int) -> Raster | TileReader:
        return self._raster(snapshot.shape)

    def _read_masked(self, section: Section, scale: bool) -> NDArray[Any]:
        """Return a masked array; inside `reading`."""
        facts = self._facts
        if facts.stored.kind == "f":
            raise ImageError(f"mask_blank is for integers: an image of float {facts.prefix}BITPIX has NaN instead")
        stored = self._read_section(section, False)
        mask = np.ma.nomask if facts.blank is None else stored == facts.blank
        return np.ma.MaskedArray(facts.scaling.scaled(stored) if scale else stored, mask)

    def _read_around(self, on_error: str, scale: bool, mask_blank: bool) -> NDArray[Any]:
        """Return a masked array of what can be read; inside `reading`."""
        from rustfits.hdu.image.lost import check_on_error, masked

        check_on_error(on_error)
        facts = self._facts
        if mask_blank and facts.stored.kind == "f":
            self._read_masked(full_section(self.shape), scale)  # which refuses
        stored, lost = self._stored_around()
        blanks = self._blanks(stored, lost) if mask_blank else None
        return masked(stored, lost, blanks, facts.scaling if scale else None)

    def _stored_around(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return the stored pixels that can be read, and which are lost; inside `reading`."""
        from rustfits.hdu.image.lost import read_present

        return read_present(self._file.storage, self._extent.data_start, self._facts.shape, self._facts.stored)

    def _blanks(self, stored: NDArray[Any], lost: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Return which of the pixels that are not lost are stored as BLANK; None if there is none."""
        return None if self._facts.blank is None else stored == self._facts.blank

    def _check_header(self) -> None:
        facts = self._facts
        _ = facts.shape, facts.scaling, facts.blank

    # -- writing --------------------------------------------------------------------------------------------------

    def write(self, data: NDArray[Any], start: Sequence[int] | None = None) -> None:
        """Write pixels in place; all that lies outside of them stays.

        Parameters
        ----------
        data : C-contiguous array
            Physical values or stored numbers, of any byte order; the pixels that are masked become BLANK, or NaN.
        start : sequence of int, optional
            Where the first pixel goes; the origin if None.

        Raises
        ------
        ImageError
            If shape, dtype or a value does not fit; before anything is written.
        TypeError
            If an argument has the wrong type.
        FitsIOError
            If the bytes cannot be written.
        """
        with self._changing():
            values, corner = self._checked(data), self._corner(start, (0,) * self.ndim)
            for axis, (first, count, size) in enumerate(zip(corner, data.shape, self.shape, strict=True)):
                if first + count > size:
                    raise ImageError(
                        f"data of shape {data.shape} at {corner} exceeds HDU dim {axis}, which has {size} pixels"
                    )
            self._write_section(box_section(corner, data.shape), values)

    def __setitem__(self, key: Any, value: Any) -> None:
        with self._changing():
            section = self._section(key)
            values = self._checked_value(value, section)
            if values is not None:
                self._write_section(section, values)

    def __delitem__(self, key: Any) -> NoReturn:
        raise NotSupported("can't delete item: the pixels of an image can be changed, but not taken away")

    def extend(self, data: NDArray[Any], start: Sequence[int] | None = None) -> None:
        """Make the first axis longer, if needed, and write pixels; later HDUs of the file move.

        Parameters
        ----------
        data : C-contiguous array
            As for `write`.
        start : sequence of int, optional
            Where the first pixel goes; after the last row if None. Rows and pixels left out become stored zeros.

        Raises
        ------
        ImageError
            If shape, dtype or a value does not fit; before anything is written.
        TypeError
            If an argument has the wrong type.
        FitsIOError
            If the bytes cannot be written.
        """
        from rustfits.hdu.image.values import plan_growth

        with self._changing():
            values = self._checked(data)
            corner = self._corner(start, (len(self), *[0] * (self.ndim - 1)))
            growth = plan_growth(self.shape, corner, data.shape, self.stored_dtype.itemsize)
            section = box_section(corner, data.shape)
            if growth is None:
                self._write_section(section, values)
                return
            if self._extent.data_nbytes != self.size * self.stored_dtype.itemsize:
                raise NotSupported("an image with parameters or groups (PCOUNT, GCOUNT) cannot be extended")
            self._file.resize_data(self._extent, growth.nbytes, zero=not growth.filled)
            self._raster(growth.shape).write(section, values, self._facts.scaling)
            self._state.change({f"NAXIS{self.ndim}": growth.shape[0]})

    def extending(self) -> AbstractContextManager[Self]:
        """Return a context that changes nothing: on an uncompressed image every `extend` writes at once."""
        return nullcontext(self)

    def _write_section(self, section: Section, values: NDArray[Any]) -> None:
        raster = self._raster(self.shape)
        raster.check(section)
        raster.write(section, values, self._facts.scaling)

    # -- checks ---------------------------------------------------------------------------------------------------

    def _raster(self, shape: tuple[int, ...]) -> Raster:
        from rustfits.hdu.image.raster import Raster

        return Raster(self._file.storage, self._extent.data_start, shape, self.stored_dtype)

    def _has_groups(self) -> bool:
        return self._index == 0 and self._facts.groups

    def _check_axes(self) -> None:
        if not self.shape:
            raise ImageError("the image has no pixels: NAXIS=0")
        if not self._facts.size and self._has_groups():
            raise NotSupported(
                f"these are {self._state.cards.get('GCOUNT', 1)} random groups (FITS 4.0, section 6), whose data are "
                "not read; astropy.io.fits reads them"
            )

    def _section(self, key: object) -> Section:
        facts = self._facts
        if not facts.size:
            self._check_axes()
        return parse_section(key, facts.shape)

    def _corner(self, start: Sequence[int] | None, default: tuple[int, ...]) -> tuple[int, ...]:
        if start is None:
            return default
        from rustfits.hdu.image.values import checked_start

        return checked_start(start, self.ndim)

    def _checked(self, data: object) -> NDArray[Any]:
        """Return the pixels that `write` or `extend` was given, checked."""
        from rustfits.hdu.image.values import checked_pixels

        self._check_axes()
        facts = self._facts
        if isinstance(data, np.ndarray) and not data.flags.c_contiguous:
            raise ImageError("data must be C-contiguous: pass numpy.ascontiguousarray(data)")
        return checked_pixels(data, self.ndim, facts.scaling, facts.blank, what=facts.dtype_name)

    def _checked_value(self, value: object, section: Section) -> NDArray[Any] | None:
        """Return what ``hdu[key] = value`` writes: an array of the section's ``count`` shape, or one stored number.

        None if there is nothing to write.
        """
        from rustfits.hdu.image.values import checked_pixels, stored_scalar

        facts = self._facts
        if not isinstance(value, np.ndarray) or not value.ndim:
            return None if section.empty else np.array(stored_scalar(value, facts.scaling, facts.blank))
        if value.shape != section.shape:
            raise ImageError(
                f"a value of shape {value.shape} does not fit the selection, which has shape {section.shape}"
            )
        # The checks are those of whole images; the axes dropped by integers come back for them.
        return checked_pixels(
            value.reshape(section.count), section.ndim, facts.scaling, facts.blank, what=facts.dtype_name
        )
