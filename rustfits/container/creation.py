"""The half of the container that adds HDUs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from rustfits.container.hdulist import HDUList
from rustfits.hdu.base import HDU
from rustfits.hdu.image.image import ImageHDU
from rustfits.storage.openfile import OpenFile

if TYPE_CHECKING:
    from rustfits.codec.codec import TileCodec
    from rustfits.container.newhdu import PlannedHDU
    from rustfits.container.newimage import Header, NewImage
    from rustfits.hdu.compressed.compressed import CompressedImageHDU
    from rustfits.quantize.parameters import Quantize

    Compress = str | TileCodec | None


class Creation:
    """What `FITS` can do to add HDUs at the end of a file; never used alone."""

    _file: OpenFile
    _hdus: HDUList

    def create_image_hdu(
        self,
        dtype: DTypeLike,
        dims: Sequence[int],
        *,
        extname: str | None = None,
        extver: int | None = None,
        compress: Compress = None,
        quantize: Quantize | None = None,
        blank: int | None = None,
        bscale: float | None = None,
        bzero: float | None = None,
    ) -> None:
        """Append an image of zeros; a compressed one has no pixels until it is written.

        Parameters
        ----------
        dtype : dtype-like
            u1, i1, i2, u2, i4, u4, i8, u8, f4 or f8, in any byte order.
        dims : sequence of int
            Pixels along each axis, numpy order; the first may be 0, for `ImageHDU.extend`. An empty one makes a
            header without data.
        extname : str, optional
        extver : int, optional
        compress : str or TileCodec, optional
            Name of an algorithm, such as 'RICE', or a codec with its parameters. A file without HDUs gets an empty
            primary HDU first (FITS 4.0, section 10.1).
        quantize : Quantize, optional
            How to make integers of floats; only with ``compress``.
        blank : int, optional
            The pixel value that means "no value"; only for integers.
        bscale, bzero : float, optional
            What makes physical values of pixels of this dtype, which are stored as they are.

        Raises
        ------
        TypeError
            If an argument has the wrong type.
        ImageError, HeaderError, CodecError, OverflowError
            If there can be no such image; nothing was appended.
        FitsIOError
            If the file is closed, open for reading only, or cannot be written.
        """
        from rustfits.container.newimage import NewImage

        names: dict[str, Any] = {"extname": extname, "extver": extver, "blank": blank, "bscale": bscale, "bzero": bzero}
        new = NewImage.plan(dtype, dims, compress=compress, quantize=quantize, primary=not len(self._hdus), **names)
        new.append_to(self._file, self._hdus, None)

    @overload
    def write_image(
        self,
        data: ArrayLike,
        *,
        extname: str | None = None,
        extver: int | None = None,
        compress: None = None,
        quantize: None = None,
        blank: int | None = None,
        bscale: float | None = None,
        bzero: float | None = None,
        header: Header | None = None,
    ) -> ImageHDU: ...

    @overload
    def write_image(
        self,
        data: ArrayLike,
        *,
        extname: str | None = None,
        extver: int | None = None,
        compress: str | TileCodec,
        quantize: Quantize | None = None,
        blank: int | None = None,
        bscale: float | None = None,
        bzero: float | None = None,
        header: Header | None = None,
    ) -> CompressedImageHDU: ...

    @overload
    def write_image(
        self,
        data: ArrayLike,
        *,
        extname: str | None = None,
        extver: int | None = None,
        compress: Compress,
        quantize: Quantize | None = None,
        blank: int | None = None,
        bscale: float | None = None,
        bzero: float | None = None,
        header: Header | None = None,
    ) -> ImageHDU: ...

    def write_image(
        self,
        data: ArrayLike,
        *,
        extname: str | None = None,
        extver: int | None = None,
        compress: Compress = None,
        quantize: Quantize | None = None,
        blank: int | None = None,
        bscale: float | None = None,
        bzero: float | None = None,
        header: Header | None = None,
    ) -> ImageHDU:
        """Append an image with pixels.

        Parameters
        ----------
        data : array-like, at least 1-D
            C-contiguous unless it is to be compressed. Masked pixels become NaN in floats, ``blank`` in integers.
        extname, extver, compress, quantize, blank
            As in `create_image_hdu`.
        bscale, bzero : float, optional
            ``data`` are numbers as they are to be stored, and these make physical values of them.
        header : FITSHeader, header of astropy or fitsio, or mapping, optional
            Cards to copy, COMMENT and HISTORY too; a mapping is of keyword to value or ``(value, comment)``, or what
            `FITSHeader.to_dict` returned. What describes other data is left out: structure, BSCALE, BZERO, BLANK, the
            keywords of compressed images and of columns, checksums. ``extname`` and ``extver`` win over the header's.

        Returns
        -------
        ImageHDU

        Raises
        ------
        TypeError, ImageError, HeaderError, CodecError, OverflowError, FitsIOError
            As `create_image_hdu`, and if the header cannot be written, or has a scaling for integers of just the type
            of ``data``, which may be meant for it or not. Nothing was appended then.
        """
        from rustfits.container.newimage import NewImage

        pixels = np.asanyarray(data)
        names: dict[str, Any] = {"extname": extname, "extver": extver, "blank": blank, "bscale": bscale, "bzero": bzero}
        new = NewImage.of_pixels(
            pixels, compress=compress, quantize=quantize, header=header, primary=not len(self._hdus), **names
        )
        return new.append_to(self._file, self._hdus, pixels)

    def write(self, data: Any, *, extname: str | None = None, header: Header | None = None) -> HDU:
        """Append an HDU of the kind that suits ``data``.

        An array becomes an image; one with fields, or a dict of arrays, a table, if the package rustfits-tables is
        installed. Of other data a plugin may know what to make: the kind of HDU that says so.

        Raises
        ------
        ImageError
            If nothing that is installed can write ``data``.
        NotSupported
            If the kind of HDU that it needs is not written, or its package is absent.
        PluginError
            If two plugins are equally fit.
        """
        if is_image(data):
            return self.write_image(data, extname=extname, header=header)
        from rustfits.container.newhdu import PlannedHDU

        with self._file.changing(self._file.filename):
            return PlannedHDU.of_data(data, extname=extname, header=header).append_to(self._file, self._hdus)

    def append(self, hdu: HDU) -> HDU:
        """Append a copy of an HDU of any kind, of another file or of this one: its header and its data, byte for byte.

        A primary HDU that becomes an extension begins with XTENSION instead of SIMPLE; a CHECKSUM that was right is
        renewed then. An extension that comes first gets an empty primary HDU before it.

        Parameters
        ----------
        hdu : HDU
            Of an open file.

        Returns
        -------
        HDU
            The copy.

        Raises
        ------
        TypeError
            If it is no HDU.
        NotSupported
            If it has random groups, which only a primary HDU can have.
        FitsIOError
            If one of the files is closed, or cannot be read or written; nothing was appended then.
        """
        from rustfits.container.copying import append_copy

        if not isinstance(hdu, HDU):
            raise TypeError(f"append takes an HDU of an open file, not {type(hdu).__name__}; write_image takes pixels")
        return append_copy(self._file, self._hdus, hdu)

    # -- new tables -----------------------------------------------------------------------------------------------

    def create_table_hdu(
        self,
        dtype: DTypeLike,
        nrows: int = 0,
        *,
        extname: str | None = None,
        extver: int | None = None,
        units: Mapping[str, str] | None = None,
        var_dtypes: Mapping[str, str] | None = None,
        bit_columns: bool | Sequence[str] | None = None,
        heap_format: str = "P",
        compress: Any = None,
        ztilelen: int | None = None,
    ) -> None:
        """Append a binary table of zeros, as the package rustfits-tables makes it.

        Raises
        ------
        TableError
            If ``dtype`` has no named fields, or ``nrows`` is negative.
        NotSupported
            If the package is absent, or writes no tables.
        """
        from rustfits.container.newhdu import PlannedHDU

        options: dict[str, Any] = {"extname": extname, "extver": extver, "units": units, "var_dtypes": var_dtypes}
        options |= {"bit_columns": bit_columns, "heap_format": heap_format, "compress": compress, "ztilelen": ztilelen}
        with self._file.changing(self._file.filename):
            PlannedHDU.created("BINTABLE.table", dtype, nrows, options).append_to(self._file, self._hdus)

    def create_ascii_table_hdu(
        self,
        dtype: DTypeLike,
        nrows: int = 0,
        *,
        extname: str | None = None,
        extver: int | None = None,
        units: Mapping[str, str] | None = None,
        formats: Mapping[str, str] | None = None,
    ) -> None:
        """Append a table of text; as `create_table_hdu`, errors too."""
        from rustfits.container.newhdu import PlannedHDU

        options: dict[str, Any] = {"extname": extname, "extver": extver, "units": units, "formats": formats}
        with self._file.changing(self._file.filename):
            PlannedHDU.created("TABLE.ascii", dtype, nrows, options).append_to(self._file, self._hdus)

    def write_table(
        self,
        data: Any,
        *,
        names: Sequence[str] | None = None,
        extname: str | None = None,
        extver: int | None = None,
        units: Mapping[str, str] | None = None,
        var_dtypes: Mapping[str, str] | None = None,
        bit_columns: bool | Sequence[str] | None = None,
        heap_format: str = "P",
        compress: Any = None,
        ztilelen: int | None = None,
        header: Header | None = None,
    ) -> HDU:
        """Append a binary table with rows, as the package rustfits-tables makes it.

        Raises
        ------
        TableError
            If ``data`` is no table.
        NotSupported
            If the package is absent, or writes no tables.
        """
        from rustfits.container.newhdu import PlannedHDU

        options: dict[str, Any] = {
            "names": names,
            "extname": extname,
            "extver": extver,
            "units": units,
            "var_dtypes": var_dtypes,
        }
        options |= {"bit_columns": bit_columns, "heap_format": heap_format, "compress": compress, "ztilelen": ztilelen}
        with self._file.changing(self._file.filename):
            new = PlannedHDU.written("BINTABLE.table", data, options | {"header": header})
            return new.append_to(self._file, self._hdus)


def is_image(data: object) -> bool:
    """Return whether `FITS.write` makes an image of ``data``: no plugin is asked about arrays of numbers."""
    return isinstance(data, np.ndarray) and data.dtype.names is None


def planned(data: object, extname: str | None, header: Header | None, *, primary: bool) -> NewImage | PlannedHDU:
    """Return what `FITS.write` would write, before a file is opened for it; errors as there."""
    if not is_image(data):
        from rustfits.container.newhdu import PlannedHDU

        return PlannedHDU.of_data(data, extname=extname, header=header)
    from rustfits.container.newimage import NewImage

    return NewImage.of_pixels(np.asanyarray(data), header=header, primary=primary, extname=extname, extver=None)
