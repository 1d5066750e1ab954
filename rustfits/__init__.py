"""Read and write FITS files whose images may be tile-compressed.

Every name is loaded from its module when it is first asked for, and ``Rice1``, ``Hcompress1``, ``Plio1`` and the
classes of tables from the packages that offer them: importing `rustfits` loads next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rustfits import convenience, limits
    from rustfits._version import __version__
    from rustfits.codec.batch import TileBatch
    from rustfits.codec.builtin import Gzip1, Gzip2, NoCompress
    from rustfits.codec.codec import TileCodec
    from rustfits.codec.hookspecs import hookimpl
    from rustfits.codec.include import get_include
    from rustfits.codec.registry import CodecSource, codecs
    from rustfits.container.fitsfile import FITS
    from rustfits.container.remote import Remote
    from rustfits.convenience import read, read_header, write
    from rustfits.errors import (
        ChecksumError,
        CodecError,
        CodecNotInstalled,
        DamagedEnd,
        FileChanged,
        FileExists,
        FileLocked,
        FileMissing,
        FileReplaced,
        FitsError,
        FitsIOError,
        HandleClosed,
        HandleTainted,
        HDUIndexError,
        HDUKeyInvalid,
        HDUNotFound,
        HDUUndone,
        HeaderError,
        ImageError,
        InvalidParameter,
        JournalError,
        LimitExceeded,
        LocationError,
        MissingKeyword,
        NotAFitsBuffer,
        NotAFitsFile,
        NotPicklable,
        NotSupported,
        OpenFailed,
        OutOfMemory,
        ParameterOverflow,
        PixelIndexError,
        PixelOverflow,
        PluginError,
        ProtectedKeyword,
        ReadOnlyFile,
        RowIndexError,
        TableError,
        TileDecodeError,
        TileEncodeError,
        TransactionOpen,
        TransactionUndone,
        TruncatedFile,
        UnsupportedPixels,
        WrongHDUKind,
        printable,
    )
    from rustfits.hdu.base import HDU
    from rustfits.hdu.checksum import Datasum, checksum_of, is_checksum_of
    from rustfits.hdu.compressed.compressed import CompressedImageHDU
    from rustfits.hdu.image.image import ImageHDU
    from rustfits.hdu.image.lazy import LazyArray
    from rustfits.hdu.report import FileReport, HDUReport, Verdict
    from rustfits.hdu.sums import HDUExtent
    from rustfits.header.edit import FITSHeaderEdit
    from rustfits.header.header import FITSHeader
    from rustfits.header.keys import is_protected_key
    from rustfits.parallel.threads import get_num_threads, set_num_threads
    from rustfits.quantization import QuantizationError, quantization_error
    from rustfits.quantize.parameters import Quantize
    from rustfits.storage.recovery import recover
    from rustfits.tiles.damage import DamagedTile

if TYPE_CHECKING:  # classes of packages that may be absent, which is why they are not in `__all__` either
    from rustfits_hcompress import Hcompress1 as Hcompress1
    from rustfits_plio import Plio1 as Plio1
    from rustfits_rice import Rice1 as Rice1
    from rustfits_tables import AsciiColumnSubset as AsciiColumnSubset
    from rustfits_tables import AsciiSingleColumnSubset as AsciiSingleColumnSubset
    from rustfits_tables import AsciiTableHDU as AsciiTableHDU
    from rustfits_tables import CompressedColumnSubset as CompressedColumnSubset
    from rustfits_tables import CompressedSingleColumnSubset as CompressedSingleColumnSubset
    from rustfits_tables import CompressedTableHDU as CompressedTableHDU
    from rustfits_tables import TableHDU as TableHDU

__all__ = [
    "FITS",
    "HDU",
    "ChecksumError",
    "CodecError",
    "CodecNotInstalled",
    "CodecSource",
    "CompressedImageHDU",
    "DamagedEnd",
    "DamagedTile",
    "Datasum",
    "FITSHeader",
    "FITSHeaderEdit",
    "FileChanged",
    "FileExists",
    "FileLocked",
    "FileMissing",
    "FileReplaced",
    "FileReport",
    "FitsError",
    "FitsIOError",
    "Gzip1",
    "Gzip2",
    "HDUExtent",
    "HDUIndexError",
    "HDUKeyInvalid",
    "HDUNotFound",
    "HDUReport",
    "HDUUndone",
    "HandleClosed",
    "HandleTainted",
    "HeaderError",
    "ImageError",
    "ImageHDU",
    "InvalidParameter",
    "JournalError",
    "LazyArray",
    "LimitExceeded",
    "LocationError",
    "MissingKeyword",
    "NoCompress",
    "NotAFitsBuffer",
    "NotAFitsFile",
    "NotPicklable",
    "NotSupported",
    "OpenFailed",
    "OutOfMemory",
    "ParameterOverflow",
    "PixelIndexError",
    "PixelOverflow",
    "PluginError",
    "ProtectedKeyword",
    "QuantizationError",
    "Quantize",
    "ReadOnlyFile",
    "Remote",
    "RowIndexError",
    "TableError",
    "TileBatch",
    "TileCodec",
    "TileDecodeError",
    "TileEncodeError",
    "TransactionOpen",
    "TransactionUndone",
    "TruncatedFile",
    "UnsupportedPixels",
    "Verdict",
    "WrongHDUKind",
    "__version__",
    "checksum_of",
    "codecs",
    "convenience",
    "get_include",
    "get_num_threads",
    "hookimpl",
    "is_checksum_of",
    "is_protected_key",
    "limits",
    "printable",
    "quantization_error",
    "read",
    "read_header",
    "recover",
    "set_num_threads",
    "write",
]

# Where the public names live; those that are not here are classes of `rustfits.errors`.
_MODULES = {
    "CodecSource": "codec.registry",
    "CompressedImageHDU": "hdu.compressed.compressed",
    "DamagedTile": "tiles.damage",
    "Datasum": "hdu.checksum",
    "FITS": "container.fitsfile",
    "FITSHeader": "header.header",
    "FITSHeaderEdit": "header.edit",
    "FileReport": "hdu.report",
    "Gzip1": "codec.builtin",
    "Gzip2": "codec.builtin",
    "HDU": "hdu.base",
    "HDUExtent": "hdu.sums",
    "HDUReport": "hdu.report",
    "ImageHDU": "hdu.image.image",
    "LazyArray": "hdu.image.lazy",
    "NoCompress": "codec.builtin",
    "QuantizationError": "quantization",
    "Quantize": "quantize.parameters",
    "Remote": "container.remote",
    "TileBatch": "codec.batch",
    "TileCodec": "codec.codec",
    "Verdict": "hdu.report",
    "__version__": "_version",
    "checksum_of": "hdu.checksum",
    "codecs": "codec.registry",
    "get_include": "codec.include",
    "get_num_threads": "parallel.threads",
    "hookimpl": "codec.hookspecs",
    "is_checksum_of": "hdu.checksum",
    "is_protected_key": "header.keys",
    "printable": "errors",
    "quantization_error": "quantization",
    "read": "convenience",
    "read_header": "convenience",
    "recover": "storage.recovery",
    "set_num_threads": "parallel.threads",
    "write": "convenience",
}

_PLUGIN_CLASSES = (
    "AsciiColumnSubset",
    "AsciiSingleColumnSubset",
    "AsciiTableHDU",
    "CompressedColumnSubset",
    "CompressedSingleColumnSubset",
    "CompressedTableHDU",
    "Hcompress1",
    "Plio1",
    "Rice1",
    "TableHDU",
)


def __getattr__(name: str) -> Any:
    if name in ("convenience", "limits"):
        value: Any = import_module(f"rustfits.{name}")
    elif name in _PLUGIN_CLASSES:
        value = _plugin_class(name)
    elif name in __all__:
        value = getattr(import_module(f"rustfits.{_MODULES.get(name, 'errors')}"), name)
    else:
        raise AttributeError(f"module 'rustfits' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PLUGIN_CLASSES})


def _plugin_class(name: str) -> Any:
    from rustfits.codec.registry import CLASS_NAMES, codec_class
    from rustfits.errors import CodecError, NotSupported

    try:
        if name in CLASS_NAMES:
            return codec_class(CLASS_NAMES[name])
        from rustfits.hdu.kinds import shown_class

        return shown_class(name)
    except (CodecError, NotSupported) as error:
        sentence = f"rustfits has no {name}: {error}"
        # `from rustfits import Rice1` swallows an AttributeError and raises an ImportError that says nothing. Before
        # that, a function of this name asks whether the package has the attribute.
        asking = sys._getframe(1).f_back
        if asking is not None and asking.f_code.co_name == "_handle_fromlist":
            raise ImportError(sentence, name="rustfits") from error
        raise AttributeError(sentence, name=name, obj=sys.modules[__name__]) from error
