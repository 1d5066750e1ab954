"""The half of the container that adds HDUs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from rustfits.container.hdulist import HDUList
from rustfits.errors import ImageError
from rustfits.hdu.base import HDU
from rustfits.hdu.image.image import ImageHDU
from rustfits.storage.openfile import OpenFile

if TYPE_CHECKING:
    from rustfits.codec.codec import TileCodec
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
        """Append an HDU of the kind that suits ``data``: an image for an array; a table for one with fields, or a dict.

        Raises
        ------
        ImageError
            If ``data`` is something else.
        """
        if suited_hdu(data) == "image":
            return self.write_image(data, extname=extname, header=header)
        return self.write_table(data, extname=extname, header=header)

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
        """Append a binary table of zeros: not there yet.

        Raises
        ------
        TableError
            If ``dtype`` has no named fields, or ``nrows`` is negative.
        NotSupported
            Otherwise.
        """
        from rustfits.container.newtable import check_table_dtype, not_there_yet

        check_table_dtype(dtype, nrows)
        with self._file.changing(self._file.filename):
            raise not_there_yet("binary tables")

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
        """Append a table of text: not there yet; errors as `create_table_hdu`."""
        from rustfits.container.newtable import check_table_dtype, not_there_yet

        check_table_dtype(dtype, nrows)
        with self._file.changing(self._file.filename):
            raise not_there_yet("ASCII tables")

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
        """Append a binary table with rows: not there yet.

        Raises
        ------
        TableError
            If ``data`` is no table.
        NotSupported
            Otherwise.
        """
        from rustfits.container.newtable import check_table_data, not_there_yet

        check_table_data(data, names)
        with self._file.changing(self._file.filename):
            raise not_there_yet("binary tables")


def suited_hdu(data: object) -> Literal["image", "table"]:
    """Return the kind of HDU that `FITS.write` makes of ``data``.

    Raises
    ------
    ImageError
        If it makes none.
    """
    if isinstance(data, np.ndarray):
        return "image" if data.dtype.names is None else "table"
    if isinstance(data, dict):
        return "table"
    raise ImageError(
        f"write takes an array or a dict of arrays, not {type(data).__name__}: call write_image for an image given as "
        "a list, write_table for a table"
    )


def planned(data: object, extname: str | None, header: Header | None, *, primary: bool) -> NewImage:
    """Return what `FITS.write` would write, before a file is opened for it; errors as there."""
    if suited_hdu(data) == "table":
        from rustfits.container.newtable import check_table_data, not_there_yet

        check_table_data(data, None)
        raise not_there_yet("binary tables")
    from rustfits.container.newimage import NewImage

    return NewImage.of_pixels(np.asanyarray(data), header=header, primary=primary, extname=extname, extver=None)
