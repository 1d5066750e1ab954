"""The container: an open FITS file and its HDUs, which can be added to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias, TypeVar, cast, final, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from rustfits.container.creation import is_image
from rustfits.container.hdulist import HDUList, name_in
from rustfits.container.locator import open_location, opened_bytes
from rustfits.errors import (
    FitsError,
    InvalidParameter,
    LocationError,
    NotAFitsBuffer,
    NotAFitsFile,
    NotPicklable,
    WrongHDUKind,
    printable,
)
from rustfits.hdu.base import HDU
from rustfits.hdu.image.image import ImageHDU
from rustfits.storage.base import Storage
from rustfits.storage.openfile import OpenFile
from rustfits.storage.reread import repeated

if TYPE_CHECKING:
    from rustfits.codec.codec import TileCodec
    from rustfits.container.newimage import Header
    from rustfits.container.remote import Remote
    from rustfits.hdu.compressed.compressed import CompressedImageHDU
    from rustfits.hdu.report import FileReport, Verdict
    from rustfits.quantize.parameters import Quantize
    from rustfits.storage.fileobject import BinaryFile, Openable
    from rustfits_tables import AsciiTableHDU, CompressedTableHDU, TableHDU

    Compress = str | TileCodec | None

Key: TypeAlias = int | str | bytes | tuple[str | bytes, int]
Kind = TypeVar("Kind", bound=HDU)


@final
class FITS:
    """An open FITS file: a sequence of HDUs, which can be read, and added to.

    Parameters
    ----------
    filename : str, os.PathLike or file object
        A path; ``mem://`` for a file in memory; a ``file://`` URL; a URL that a plugin opens. Or a binary file object,
        which is taken whole, wherever its position is, and stays open: `io.BytesIO`, an open file, ``fsspec.OpenFile``,
        ``UPath``. A file that begins as gzip does, or whose name ends in ``.gz``, is decompressed into memory and
        written back when it is closed; bzip2, xz, zstd and compress (``.Z``) are read so.
    mode : {'r', 'r+', 'w+', 'x'}
        Read; read and write; write anew, whatever has the name; write what has a name that nothing has. With 'w+' a
        file that is there stays until the first HDU is written, or the handle is closed: an exception that leaves a
        ``with`` block before that leaves the old file.
    lenient : bool or None
        Whether bytes in headers that are not printable ASCII are read as ``_`` instead of being refused; None: except
        in values without which data cannot be read. With True, iteration and names end at a damaged HDU in silence.
    salvage : bool
        Whether a file whose end is no HDU, or a damaged one, may be changed: changes that leave a damaged HDU where it
        is, or that write over something else.
    remote : Remote or 'ranged', optional
        How to reach the file behind a URL.
    durability : {'process', 'power'}
        What a change of a local file survives as a whole: that the process is killed, or that the power fails too,
        for which every change waits for the disk.
    checksum : bool
        Whether to verify the checksums of an HDU before the first time that it is read or changed: `ChecksumError`
        if one is wrong. A compressed image without DATASUM and CHECKSUM is decoded for that.
    scan : {'eager', 'lazy'}
        With 'lazy', the HDUs of a file whose parts are fetched are looked for only as far as one that is asked for by
        number or name; counting and iterating find all. Other files are scanned when they are opened.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    NotSupported
        If nothing installed opens the URL, or a file that is compressed as a whole.
    LocationError
        If the URL, or ``remote``, is not understood, or there is no such durability.
    FileLocked
        If somebody is changing the file, or, for 'w+', has it locked.
    JournalError
        If there is a journal beside the file that is not its own.
    FitsIOError
        If the mode is not one of the four, or not for such a file; if the file cannot be opened (`OpenFailed`,
        `FileMissing`, `FileExists`), is damaged though it is compressed as a whole, is empty or too short
        (`NotAFitsFile`), or its first header has no END (`TruncatedFile`).
        `DamagedEnd`: if it is to be changed, and has a damaged HDU after the first.
    HeaderError
        If the first header breaks the standard so that its HDU cannot be sized; see `damage` for those after it.
    """

    def __init__(
        self,
        filename: str | os.PathLike[str] | BinaryFile | Openable,
        mode: Literal["r", "r+", "w+", "x"] = "r",
        *,
        lenient: bool | None = None,
        remote: Remote | Literal["ranged"] | None = None,
        durability: Literal["process", "power"] = "process",
        checksum: bool = False,
        salvage: bool = False,
        scan: Literal["eager", "lazy"] = "eager",
    ) -> None:
        if scan not in ("eager", "lazy"):
            raise InvalidParameter("scan", scan, "must be 'eager' or 'lazy'")
        if isinstance(filename, str) or hasattr(filename, "__fspath__"):
            opened = open_location(os.fspath(cast("str", filename)), mode, remote, durability)
        else:
            from rustfits.container.objects import open_object

            opened = open_object(filename, mode, remote, durability)
        self._open(*opened, mode, lenient, salvage, lazy=scan == "lazy")
        self._file.checksum, self._file.remote = checksum, remote

    def __init_subclass__(cls, **_: Any) -> NoReturn:
        raise TypeError("FITS cannot be subclassed; write a class that holds one")

    def __reduce__(self) -> NoReturn:
        raise NotPicklable("an open FITS file", "open it there by its name, or pickle its HDUs")

    @staticmethod
    def from_bytes(
        data: bytes | bytearray | memoryview,
        mode: Literal["r", "r+"] = "r",
        *,
        lenient: bool | None = None,
        salvage: bool = False,
    ) -> FITS:
        """Open a private copy of the bytes of a whole file.

        Parameters
        ----------
        data : bytes-like
            A FITS file, or a gzip stream that holds one.
        mode : {'r', 'r+'}
        lenient : bool or None
        salvage : bool
            As for `FITS`.

        Returns
        -------
        FITS
            Its `filename` is ``mem://``.

        Raises
        ------
        TypeError
            If ``data`` is not bytes-like.
        LocationError
            If ``mode`` is another one.
        NotAFitsBuffer
            If the data are no FITS file, or a damaged gzip stream.
        HeaderError, TruncatedFile
            As for `FITS`.
        """
        if mode not in ("r", "r+"):
            raise LocationError(f"from_bytes takes mode 'r' or 'r+', not {mode!r}")
        fits = object.__new__(FITS)
        try:
            fits._open(opened_bytes(data, writable=mode == "r+"), "mem://", mode, lenient, salvage)
        except NotAFitsFile as error:
            raise NotAFitsBuffer(*error.args) from error
        return fits

    @staticmethod
    def from_storage(
        storage: object,
        path: str = "",
        mode: Literal["r", "r+", "w+", "x"] = "r",
        *,
        lenient: bool | None = None,
        salvage: bool = False,
    ) -> FITS:
        """Open what a storage holds.

        Parameters
        ----------
        storage : rustfits.plugin.Storage or object
            Whatever gives bytes by range. Or, with a plugin that knows it (rustfits-remote), what reaches files by
            their path: a file system of fsspec, a store of obstore.
        path : str
            Of the file in it. Of a storage, another name for it.
        mode : {'r', 'r+', 'w+', 'x'}
            Other than 'r' for a storage that may be changed.
        lenient : bool or None
        salvage : bool
            As for `FITS`.

        Returns
        -------
        FITS
            It closes the storage when it is closed.

        Raises
        ------
        TypeError
            If no plugin knows such an object.
        FitsIOError
            If there is no such file, or it cannot be read, or not changed.
        HeaderError, TruncatedFile
            As for `FITS`.
        """
        from rustfits.container.objects import open_storage

        fits = object.__new__(FITS)
        fits._open(*open_storage(storage, path, mode), mode, lenient, salvage)
        return fits

    def _open(
        self,
        storage: Storage,
        filename: str,
        mode: str,
        lenient: bool | None,
        salvage: bool,
        *,
        lazy: bool = False,
    ) -> None:
        self._file = OpenFile(storage, filename, mode)
        self._hdus = HDUList(self._file)
        if mode in ("w+", "x"):
            return
        try:
            self._hdus.load(lenient=lenient, salvage=salvage, lazy=lazy)
        except BaseException:
            self._file.close()
            raise

    # -- the file as a whole --------------------------------------------------------------------------------------

    @property
    def filename(self) -> str:
        """The path as given, or that of a ``file://`` URL; ``mem://`` for a file in memory."""
        return self._file.filename

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._file.closed

    @property
    def damage(self) -> FitsError | None:
        """What is wrong with what follows the last sound HDU, and where that is; None if nothing is.

        The HDUs before it are there. Iteration raises it after them, and so does a key that selects none of them,
        unless the file was opened with ``lenient=True``. `hdus` and ``len`` are of the sound ones in any case.
        """
        self._hdus.look_for()
        return self._hdus.damage

    @property
    def tail_nbytes(self) -> int:
        """Number of bytes after the last HDU.

        Zeros and blanks there are no damage: the next HDU that is added replaces them.

        Raises
        ------
        FitsIOError
            If the file is closed.
        """
        self._hdus.look_for()
        with self._file.reading(self.filename):
            return self._file.tail_nbytes

    def close(self) -> None:
        """Flush and release the file; does nothing the second time.

        HDUs and headers already at hand keep what they know of their headers.

        Raises
        ------
        ImageError
            If an HDU still buffers what is appended to it; the handle stays open.
        TransactionOpen
            Inside a `transaction`; the handle stays open.
        FitsIOError
            If a gzip file cannot be replaced; the old file stays, and the handle is closed.
        """
        self._file.close()

    def refresh(self) -> None:
        """Read the headers again, after somebody else has changed the file, or put another one in its place.

        The file is the one that has the name now. An HDU object stays what it is if its header is the same in the same
        place; its pixels are read anew. Any other one raises `FileChanged` from now on: take it from here again. A
        handle that may write can do so again. What lives in memory, a gzip file too, is not read again.

        Raises
        ------
        FileChanged
            If another program changes the file again and again.
        FileLocked
            If another handle is changing it.
        TransactionOpen
            Inside a `transaction`.
        ImageError
            If an HDU still buffers what is appended to it.
        HandleClosed, HandleTainted
            If the file is closed, or in an unknown state.
        FitsError
            As for `FITS`, if the file cannot be opened or its headers cannot be read. The handle is as before then.
        """
        self._hdus.refresh()

    def sync(self) -> None:
        """Flush, and make the disk keep it; does nothing on a closed handle.

        Raises
        ------
        FitsIOError
            If that fails.
        TransactionOpen
            Inside a `transaction`.
        """
        self._file.sync()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Return a context in which all changes of the file are one: made as a whole, or not at all.

        An exception that leaves the block undoes them, and so does whoever opens the file next if the process is
        killed in it. Other threads that use the handle wait until its end. Transactions nest; an inner one is part of
        the outer one.

        Raises
        ------
        TransactionUndone
            At the end of the block, if a change failed half-way in it and the exception was caught there.
        ReadOnlyFile, HandleClosed, HandleTainted
            If the file cannot be changed.

        Examples
        --------
        >>> with FITS("mem://", "w+") as fits:
        ...     with fits.transaction():
        ...         fits.create_image_hdu("i2", (100, 100))
        ...         fits[0].header["OBJECT"] = "M13"
        """
        with self._file.changing(self.filename):
            yield

    def to_bytes(self) -> bytes:
        """Return the whole file, decompressed if it is a gzip file.

        Raises
        ------
        HandleClosed, HandleTainted
            If the file is closed, or in an unknown state.
        """
        return self._file.content()

    def verify(self, *, decode: bool = True) -> FileReport:
        """Check the whole file for damage: every HDU as `HDU.verify`, and what follows the last one.

        Parameters
        ----------
        decode : bool
            Whether to decode the pixels of compressed images.

        Returns
        -------
        FileReport
            ``print`` it; `FileReport.to_dict` is fit for JSON.

        Raises
        ------
        FitsIOError
            If the bytes cannot be read, though they are there.
        """
        from rustfits.hdu.report import FileReport

        hdus = tuple(hdu.verify(decode=decode) for hdu in self.hdus)
        return FileReport(self.filename, hdus, *self._tail())

    @repeated
    def _tail(self) -> tuple[Verdict, int]:
        from rustfits.hdu.verify import tail_verdict

        with self._file.reading(self.filename):
            return tail_verdict(self._file, self.damage)

    def __enter__(self) -> FITS:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        self._file.close(failed=error is not None)
        return False

    def __repr__(self) -> str:
        lines = [f"  file: {printable(self.filename)}", f"  mode: {self._file.mode}"]
        if self.closed:
            return "\n".join([*lines, "  status: closed"])
        lines.append("  extnum  hdutype     extname")
        for hdu in self.hdus:
            name = name_in(hdu._state.snapshot_anyhow.cards) or ""
            lines.append(f"  {hdu.index:<6}  {hdu.label:<10}  {name}".rstrip())
        if self.damage is not None:
            lines.append(f"  damage: {self.damage}")
        return "\n".join(lines)

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows: the HDUs, if `rustfits-cli` is installed."""
        from rustfits.codec.registry import html_of

        return html_of(self)

    # -- a sequence of HDUs ---------------------------------------------------------------------------------------

    @property
    def hdus(self) -> list[HDU]:
        """A new list of the HDUs."""
        return self._hdus.copy()

    def __len__(self) -> int:
        return len(self._hdus)

    def __iter__(self) -> Iterator[HDU]:
        return self._hdus.walk()

    def __contains__(self, key: object) -> bool:
        return self._hdus.find(key) is not None

    def __getitem__(self, key: Key) -> HDU:
        """Return an HDU; always the same object for the same HDU.

        Parameters
        ----------
        key : int, str, bytes, or tuple
            Position, from the end if negative; EXTNAME, without regard to case and surrounding blanks, of which the
            first counts; or ``(extname, extver)``, which ``'extname,extver'`` is too if no HDU is called so.

        Raises
        ------
        HDUKeyInvalid
            If the key is of another kind.
        HDUNotFound, HDUIndexError
            If there is no such HDU.
        FitsError
            The `damage`, if it may be a damaged one.
        """
        return self._hdus.get(key)

    def image(self, key: Key) -> ImageHDU:
        """Return an image: what ``fits[key]`` is, with its type.

        Parameters
        ----------
        key : int, str, bytes, or tuple
            As ``fits[key]``, errors too.

        Returns
        -------
        ImageHDU
            A `CompressedImageHDU` is one.

        Raises
        ------
        WrongHDUKind
            If the HDU is no image.
        """
        return _of_kind(self[key], ImageHDU, "an image")

    def compressed_image(self, key: Key) -> CompressedImageHDU:
        """Return a compressed image: as `image`, for what only these have, such as `CompressedImageHDU.repack`."""
        from rustfits.hdu.compressed.compressed import CompressedImageHDU

        return _of_kind(self[key], CompressedImageHDU, "a compressed image")

    def table(self, key: Key) -> TableHDU:
        """Return a binary table: as `image`. A compressed table is one, an ASCII table is not.

        Returns
        -------
        rustfits.TableHDU
            Of the package rustfits-tables.

        Raises
        ------
        WrongHDUKind
            If the HDU is no binary table.
        NotSupported
            If it is one, and the package is not installed.
        """
        return cast("TableHDU", self._shown(key, "TableHDU", "a binary table"))

    def compressed_table(self, key: Key) -> CompressedTableHDU:
        """Return a compressed table: as `table`, for what only these have, such as `CompressedTableHDU.n_tiles`."""
        return cast("CompressedTableHDU", self._shown(key, "CompressedTableHDU", "a compressed table"))

    def ascii_table(self, key: Key) -> AsciiTableHDU:
        """Return an ASCII table: as `table`, for what only these have, such as `AsciiTableHDU.formats`."""
        return cast("AsciiTableHDU", self._shown(key, "AsciiTableHDU", "an ASCII table"))

    def _shown(self, key: Key, name: str, what: str) -> Any:
        from rustfits.hdu.kinds import shown_class
        from rustfits.hdu.table import AnyTableHDU

        return _of_kind(_of_kind(self[key], AnyTableHDU, what), shown_class(name), what)

    # -- HDUs that are added ------------------------------------------------------------------------------------------

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
        header: Header | None = None,
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
        header : FITSHeader, header of astropy or fitsio, or mapping, optional
            Cards to copy, as in `write_image`.

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
        new = NewImage.plan(
            dtype, dims, compress=compress, quantize=quantize, header=header, primary=not len(self._hdus), **names
        )
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
        """Append a binary table whose rows are zero bytes, as the package rustfits-tables makes it.

        Parameters
        ----------
        dtype : dtype-like
            With named fields: numbers, bools, strings "S8" or "U8", arrays of these; objects are cells of any length.
        nrows : int
        extname, extver : str, int, optional
        units : dict of column name to str, optional
        var_dtypes : dict of column name to str, optional
            What the cells of object columns hold: such as "f4", or "U" for strings.
        bit_columns : bool or list of str, optional
            Which columns of bools are stored as bits; True for all.
        heap_format : {'P', 'Q'}
            Whether descriptors of cells of any length have 32 or 64 bits.
        compress : True, str, TileCodec, or dict of column name to these, optional
            How each column is compressed, in tiles of rows (FITS 4.0, section 10.3): True for the default of its type,
            which columns that a dict does not name have too. Its rows are there once they are written.
        ztilelen : int, optional
            Rows of a tile; by default as many as make up 10 MB.

        Raises
        ------
        TableError
            If there can be no such table; nothing was appended then, and after all other errors.
        InvalidParameter, CodecNotInstalled, PluginError
            If there is no such codec, or it cannot be had.
        TypeError
            If an argument has the wrong type.
        NotSupported
            If the package is absent.
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
    ) -> TableHDU:
        """Append a binary table with rows, as the package rustfits-tables makes it.

        Parameters
        ----------
        data : array with named fields, dict of name to array, or list of arrays
            Of dtypes as in `create_table_hdu`. Masked floats become NaN. Or a binary table of a file, which keeps its
            cards and bytes: a plain one is compressed (``compress`` must say how), a compressed one becomes plain.
        names : sequence of str, optional
            Of the arrays in a list.
        extname, extver, units, var_dtypes, bit_columns, heap_format, compress, ztilelen
            As in `create_table_hdu`.
        header : FITSHeader, header of astropy or fitsio, or mapping, optional
            As in `write_image`.

        Returns
        -------
        TableHDU

        Raises
        ------
        TableError
            If ``data`` is no table, or cannot be written; nothing was appended then.
        InvalidParameter, CodecNotInstalled, PluginError, TypeError, NotSupported
            As `create_table_hdu`.
        TileEncodeError
            If a codec cannot hold a column.
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
            return cast("TableHDU", new.append_to(self._file, self._hdus))


def _of_kind(hdu: HDU, kind: type[Kind], noun: str) -> Kind:
    if not isinstance(hdu, kind):
        raise WrongHDUKind(f"{hdu._place} is of type {hdu.label}, not {noun}; fits[key] returns any HDU")
    return hdu
