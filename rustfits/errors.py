"""Everything rustfits raises.

Every class derives from `FitsError` and from the built-in type that the API promises, so that both habits of
catching work. The exception takes facts and writes the sentence; whoever knows the place adds it with `locate`.

FitsError
    FitsIOError (OSError)                  the bytes cannot be had or changed
        OpenFailed                         the file cannot be opened
            FileMissing (FileNotFoundError)    there is none of that name
            FileExists (FileExistsError)       mode 'x' replaces nothing
        NotAFitsFile                       empty or too short to be FITS
        TruncatedFile                      a header or data unit ends early
        HandleClosed                       the file was closed
        HandleTainted                      a change was cut short and could not be undone
        ReadOnlyFile                       a change was asked of a file opened for reading
        TransactionUndone                  a change failed inside a transaction, which is undone as a whole
        HDUUndone                          the HDU was made in a change that was undone
        FileLocked                         another process, or another handle, is changing the file
        FileChanged                        somebody else has changed what is read of the file
        FileReplaced                       the file is not, or no longer as, it was when it was opened
        JournalError                       the journal beside a file cannot be used
        DamagedEnd (ValueError)            the file ends with something that must not be overwritten or moved
    TransactionOpen (ValueError)           a call that has to wait for the end of a transaction
    NotAFitsBuffer (OSError, ValueError)   the same for `FITS.from_bytes`
    HeaderError (ValueError)               a card or a keyword breaks the standard, or may not be set
        ProtectedKeyword                   the keyword describes the structure of the file
    MissingKeyword (KeyError)              no card of that name
    ChecksumError (ValueError)             a checksum of an HDU is wrong
    LimitExceeded (ValueError)             a file asks for more than `rustfits.limits` allows
    OutOfMemory (MemoryError)              the system has no memory for what was asked of a file
    LocationError (ValueError)             a filename, a URL or `remote=` cannot be understood
    HDUKeyInvalid (ValueError)             the key between `f[` and `]` is of a kind that selects no HDU
    HDUNotFound (ValueError)               no HDU has that name
        HDUIndexError (IndexError)         no HDU has that number
    WrongHDUKind (TypeError)               an HDU was asked for as one of another kind
    ImageError (ValueError)                a shape, dtype, section or value does not fit the image
        PixelIndexError (IndexError)       a pixel index is out of range
        PixelOverflow (OverflowError)      an integer is beyond the range of the pixels
    TableError (ValueError)                a table's columns or rows cannot be had or written
        RowIndexError (IndexError)         a row number is out of range
    NotSupported (NotImplementedError)     absent on purpose, or not there yet
        NotPicklable (TypeError)           an object of an open file that no other process could have
    CodecError
        CodecNotInstalled (LookupError, ValueError)   no plugin offers the algorithm
        PluginError (ValueError)           a plugin cannot be loaded, is outdated, or two offer one name
        InvalidParameter (ValueError)      a parameter the codec cannot accept
        ParameterOverflow (OverflowError)  a parameter beyond its type's range
        UnsupportedPixels (NotImplementedError)       the algorithm cannot hold such pixels
        TileDecodeError (ValueError)       the bytes of one tile are damaged
        TileEncodeError (ValueError)       the pixels of one tile cannot be coded
"""

from __future__ import annotations

import errno

from rustfits._version import __version__


def how_to_install(package: str) -> str:
    """Return what to type for a package of ours, with its extra if that is wanted: `rustfits-arrays[dask]`.

    A development version is on no index, where anybody could take the names of its packages: they are in the clone.
    """
    if "dev" not in __version__ or not package.startswith("rustfits"):
        return f"pip install '{package}'" if "[" in package else f"pip install {package}"
    folder = f".{package.removeprefix('rustfits').replace('-', '/plugins/', 1)}"
    return f"pip install '{folder}' in a clone of rustfits (no index has {package.partition('[')[0]} {__version__})"


def printable(text: str) -> str:
    """Return text that a terminal can be given: what it would obey, or has no sign for, is escaped as in a `repr`.

    Names of files hold any character, and what stands in a file may do so, too. Messages and reprs of this library
    have been through it.

    Parameters
    ----------
    text : str
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


class FitsError(Exception):
    """Base of everything rustfits raises; `where` names file and HDU once they are known."""

    where: str = ""

    def locate(self, where: str) -> None:
        """Say where it happened, unless that was said already nearer to the fault."""
        self.where = self.where or where

    def _sentence(self) -> str:
        """Return what happened, without the place."""
        return " ".join(str(arg) for arg in self.args)

    def __str__(self) -> str:
        return printable(f"{self._sentence()} (in {self.where})" if self.where else self._sentence())


class FitsIOError(FitsError, OSError):
    """The bytes of a file cannot be had or changed; with two arguments they are `errno` and the sentence."""

    def _sentence(self) -> str:
        return super()._sentence() if self.errno is None else str(self.strerror)


class OpenFailed(FitsIOError):
    """A file cannot be opened; `errno`, `strerror` and `filename` as of every OSError."""

    def __init__(self, errno: int, strerror: str, filename: str) -> None:
        super().__init__(errno, strerror, filename)

    @classmethod
    def of(cls, filename: str, error: OSError) -> OpenFailed:
        """Build the exception from what the operating system said."""
        kind = cls
        if isinstance(error, FileNotFoundError | FileExistsError):
            kind = FileMissing if isinstance(error, FileNotFoundError) else FileExists
        return kind(error.errno or 0, error.strerror or str(error), filename)

    def _sentence(self) -> str:
        return f"Failed to open {self.filename}: {self.strerror}"


class FileMissing(OpenFailed, FileNotFoundError):
    """There is no file of that name, or no folder to create it in."""


class FileExists(OpenFailed, FileExistsError):
    """There is a file of that name already, and mode 'x' replaces none."""


class NotAFitsFile(FitsIOError):
    """Too few bytes, or the wrong ones, to be a FITS file."""


class NotAFitsBuffer(FitsError, OSError, ValueError):
    """Too few bytes, or the wrong ones, given to `FITS.from_bytes`."""


class TruncatedFile(FitsIOError):
    """A header or a data unit ends early."""


class HandleClosed(FitsIOError):
    """The file was closed."""

    def __init__(self, filename: str) -> None:
        super().__init__(filename)
        self.path = filename

    def _sentence(self) -> str:
        return f"the file is closed: {self.path}; open it again"


class HandleTainted(FitsIOError):
    """An earlier change of the file was cut short and could not be undone."""

    def __init__(self, filename: str) -> None:
        super().__init__(filename)
        self.path = filename

    def _sentence(self) -> str:
        return f"{self.path} is in an indeterminate state since a change of it failed half-way; close and reopen it"


class ReadOnlyFile(FitsIOError):
    """A change was asked of a file that was opened for reading."""

    def __init__(self, filename: str) -> None:
        super().__init__(filename)
        self.path = filename

    def _sentence(self) -> str:
        return f"{self.path} is open read-only (mode 'r'); open it with mode 'r+' to change it"


class TransactionUndone(FitsIOError):
    """A change failed inside a transaction, and the failure was caught there: all of the transaction is undone."""

    def __init__(self, filename: str) -> None:
        super().__init__(filename)
        self.path = filename

    def _sentence(self) -> str:
        return (
            f"a change inside this transaction failed, so everything it did to {self.path} is undone; leave its block, "
            "then begin anew"
        )


class HDUUndone(FitsIOError):
    """The HDU was made in a transaction that was undone, so it is not in the file."""

    def __init__(self, filename: str) -> None:
        super().__init__(filename)
        self.path = filename

    def _sentence(self) -> str:
        return f"this HDU was made in a change of {self.path} that was undone: it is not in the file; make it again"


class FileLocked(FitsIOError):
    """Another process, or another handle of this one, is changing the file."""

    def __init__(self, filename: str, advice: str) -> None:
        super().__init__(filename, advice)
        self.errno, self.strerror = errno.EAGAIN, advice
        self.path = filename

    def _sentence(self) -> str:
        return f"{self.path} is locked: another process or handle is changing it; {self.strerror}"


class FileChanged(FitsIOError):
    """Somebody else has changed the file since it was opened, so that what was asked for cannot be read."""

    def __init__(self, filename: str, found: str) -> None:
        super().__init__(filename, found)
        self.errno = None
        self.path, self.found = filename, found

    def _sentence(self) -> str:
        return f"{self.path} was changed by somebody else since it was opened: {self.found}"


class FileReplaced(FitsIOError):
    """The file of that name is not the one that was opened, or somebody else has changed it since."""

    def __init__(self, filename: str, found: str) -> None:
        super().__init__(filename, found)
        self.errno = None
        self.path, self.found = filename, found

    def _sentence(self) -> str:
        return f"{self.path} {self.found} since it was opened, so it is not changed; close and reopen it"


class JournalError(FitsIOError):
    """A file may be half-made, and its journal, which would undo that, is not proven to be of it, or is damaged."""

    def __init__(self, journal: str, found: str) -> None:
        super().__init__(journal, found)
        self.errno = None
        self.path, self.found = journal, found

    def _sentence(self) -> str:
        return f"{self.path}: {self.found}"


class DamagedEnd(FitsIOError, ValueError):
    """What follows the last sound HDU is none, or a damaged one, and must not be written over or moved."""

    def __init__(self, filename: str, found: str, advice: str) -> None:
        super().__init__(filename, found, advice)
        self.errno = None
        self.path, self.found, self.advice = filename, found, advice

    def _sentence(self) -> str:
        return f"{self.path} has something else than a sound HDU at its end: {self.found}; {self.advice}"


class TransactionOpen(FitsError, ValueError):
    """A call that has to wait for the end of a transaction."""


class HeaderError(FitsError, ValueError):
    """A card or a keyword breaks the standard, or may not be set in this way."""


_WRITERS = {  # of protected keywords, without the number of a column
    "TTYPE": "; rename_column() of a table changes it",
    "TNULL": "; describe_column() of a table changes it",
    "CHECKSUM": "; add_checksum() writes it",
    "DATASUM": "; add_datasum() writes it",
}


class ProtectedKeyword(HeaderError):
    """The keyword describes the structure of the file, which the library keeps right."""

    def __init__(self, keyword: str) -> None:
        super().__init__(keyword)
        self.keyword = keyword

    def _sentence(self) -> str:
        return (
            f"keyword {self.keyword!r} is protected: it describes the structure of the file and cannot be edited; "
            "leave it out, or pass the whole header to update() or header=, which skip such keywords"
            + _WRITERS.get(self.keyword.rstrip("0123456789"), "")
        )


class MissingKeyword(FitsError, KeyError):
    """A header has no card of that name."""

    def __init__(self, keyword: str) -> None:
        super().__init__(keyword)
        self.keyword = keyword

    def _sentence(self) -> str:
        return f"no keyword {self.keyword!r} in this header"


class ChecksumError(FitsError, ValueError):
    """A checksum of an HDU is wrong, in a file opened with ``checksum=True``.

    Attributes
    ----------
    keyword : str
        DATASUM, CHECKSUM, ZDATASUM or ZHECKSUM.
    found : str
        What is wrong with it.
    """

    def __init__(self, keyword: str, found: str) -> None:
        super().__init__(keyword, found)
        self.keyword, self.found = keyword, found

    def _sentence(self) -> str:
        return (
            f"{self.keyword} is wrong: {self.found}; to read or repair it all the same, open it without checksum=True"
        )


class LimitExceeded(FitsError, ValueError):
    """A file asks for more than `rustfits.limits` allows."""


class OutOfMemory(FitsError, MemoryError):
    """The system has no memory for what was asked of a file."""


class LocationError(FitsError, ValueError):
    """A filename, a URL or the argument `remote=` cannot be understood, or they do not go together."""


class HDUKeyInvalid(FitsError, ValueError):
    """A key of a kind that selects no HDU."""


class HDUNotFound(FitsError, ValueError):
    """No HDU of the file has that name."""


class HDUIndexError(HDUNotFound, IndexError):
    """No HDU of the file has that number."""


class WrongHDUKind(FitsError, TypeError):
    """An HDU was asked for as one of another kind."""


class ImageError(FitsError, ValueError):
    """A shape, dtype, section or value does not fit the image."""


class PixelIndexError(ImageError, IndexError):
    """A pixel index lies outside its axis."""


class PixelOverflow(ImageError, OverflowError):
    """An integer lies beyond the range of the pixels."""


class TableError(FitsError, ValueError):
    """The columns or rows of a table cannot be read or written as asked."""


class RowIndexError(TableError, IndexError):
    """A row number lies outside the table."""


class NotSupported(FitsError, NotImplementedError):
    """Absent on purpose, or not there yet; the message says which, and the alternative."""


class NotPicklable(NotSupported, TypeError):
    """What belongs to an open file that no other process could have, so that it can be neither pickled nor copied."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what, self.reason = what, reason

    def _sentence(self) -> str:
        return f"{self.what} cannot be pickled, copied or read by another process: {self.reason}"


class CodecError(FitsError):
    """Base of what concerns a compression algorithm."""


class CodecNotInstalled(CodecError, LookupError, ValueError):
    """No installed plugin offers the algorithm an image was compressed with."""

    def __init__(self, algorithm: str, installed: tuple[str, ...], package: str | None = None) -> None:
        super().__init__(algorithm, installed, package)
        self.algorithm, self.installed, self.package = algorithm, installed, package

    def _sentence(self) -> str:
        found = f"no codec for ZCMPTYPE {self.algorithm!r} (installed: {', '.join(self.installed) or 'none'})"
        if self.package is None:
            return f"{found}; install the package that offers it as an entry point of the group 'rustfits.codecs'"
        return f"{found}; try: {how_to_install(self.package)}"


class PluginError(CodecError, ValueError):
    """A plugin cannot be loaded, is outdated, or two distributions offer one name."""


class InvalidParameter(CodecError, ValueError):
    """A parameter that the codec, or the image, cannot accept."""

    def __init__(self, parameter: str, found: object, allowed: str) -> None:
        super().__init__(parameter, found, allowed)
        self.parameter, self.found, self.allowed = parameter, found, allowed

    def _sentence(self) -> str:
        return f"{self.parameter} {self.allowed}; got {self.found!r}"


class ParameterOverflow(CodecError, OverflowError):
    """A parameter beyond the range of its type."""

    def __init__(self, parameter: str, found: object, allowed: str) -> None:
        super().__init__(parameter, found, allowed)
        self.parameter, self.found, self.allowed = parameter, found, allowed

    def _sentence(self) -> str:
        return f"{self.parameter} {self.allowed}; got {self.found!r}"


class UnsupportedPixels(CodecError, NotImplementedError):
    """The algorithm cannot hold pixels of that kind."""


class TileDecodeError(CodecError, ValueError):
    """The compressed bytes of one tile are damaged.

    Attributes
    ----------
    algorithm : str
        ZCMPTYPE of the codec that found the fault.
    row : int
        Table row of the tile, from 0; messages count from 1, as FITS does.
    reason : str
        What was found.
    """

    def __init__(self, algorithm: str, row: int, reason: str) -> None:
        super().__init__(algorithm, int(row), reason)
        self.algorithm, self.row, self.reason = algorithm, int(row), reason

    def _sentence(self) -> str:
        return f"{self.algorithm}: tile in table row {self.row + 1}: {self.reason}"


class TileEncodeError(CodecError, ValueError):
    """The pixels of one tile cannot be coded; attributes as in `TileDecodeError`."""

    def __init__(self, algorithm: str, row: int, reason: str) -> None:
        super().__init__(algorithm, int(row), reason)
        self.algorithm, self.row, self.reason = algorithm, int(row), reason

    def _sentence(self) -> str:
        return f"{self.algorithm}: tile in table row {self.row + 1}: {self.reason}"
