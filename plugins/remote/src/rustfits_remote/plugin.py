"""The hooks: which transport brings what a URL, or an object and a path, names."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rustfits.plugin import FitsIOError, LocationError, NotSupported, Storage, hookimpl
from rustfits_remote.names import has_secrets, shown_error, shown_url
from rustfits_remote.storage import DownloadedFile, RangedFile
from rustfits_remote.transport import Transport

if TYPE_CHECKING:
    from rustfits import Remote

DOWNLOADED = ("http", "https", "ftp", "ftps")  # unless ranges are asked for
_HTTP = ("http", "https")
_LOCAL = ("file", "local")
_PACKAGES = {"s3": "rustfits-remote[s3]", "s3a": "rustfits-remote[s3]", "http": "rustfits-remote[aiohttp]"}


@hookimpl
def rustfits_open_storage(url: str, mode: str, options: Remote | None, near: int) -> Storage | None:
    """Open what a URL names; as the specification."""
    scheme = url.partition("://")[0]
    if scheme not in DOWNLOADED and not _known(scheme):
        return None
    _check_readable(shown_url(url), mode)
    if options is not None and options.headers is not None and scheme not in _HTTP:
        raise LocationError(f"{shown_url(url)}: headers= are for http and https; pass options= to others")
    ranged = scheme not in DOWNLOADED if options is None or "ranged" not in options.given else bool(options.ranged)
    location = "" if has_secrets(url) else url
    return _stored(_by_url(url, scheme, options), options, ranged=ranged, location=location, near=near)


@hookimpl
def rustfits_storage_of(thing: Any, path: str, mode: str, options: Remote | None) -> Storage | None:
    """Return a storage of a file in a file system, in a store, or of a file that is to be opened."""
    file_system = getattr(thing, "fs", None)
    if file_system is not None and not path:
        thing, path = file_system, thing.path
    if hasattr(thing, "cat_file"):
        if not path:
            raise LocationError(f"which file of {type(thing).__name__}? pass its path")
        transport: Transport = _of_file_system(thing, thing._strip_protocol(path))
    elif type(thing).__module__.partition(".")[0] == "obstore" and hasattr(thing, "get_range"):
        if not path:
            raise LocationError(f"which file of {type(thing).__name__}? pass its path")
        from rustfits_remote.objectstore import ObjectFile

        transport = ObjectFile(thing, path, f"{path} of a {type(thing).__name__}")
    else:
        return None
    _check_readable(transport.name, mode)
    return _stored(transport, options, ranged=True, location="")


def _stored(transport: Transport, options: Remote | None, *, ranged: bool, location: str, near: int = 0) -> Storage:
    if ranged:
        return RangedFile(transport, options, location, near)
    return DownloadedFile(transport, None if options is None else options.timeout, location)


def _check_readable(name: str, mode: str) -> None:
    if mode != "r":
        raise FitsIOError(f"{name} is read-only: mode {mode!r} needs a local file")


def _known(scheme: str) -> bool:
    """Return whether fsspec, or obstore, knows a scheme of files that are not of this machine's folders."""
    from fsspec import available_protocols

    return scheme not in _LOCAL and (scheme in available_protocols() or scheme in ("s3a", "abfss"))


def _by_url(url: str, scheme: str, options: Remote | None) -> Transport:
    asked = {} if options is None or options.options is None else options.options
    if scheme in _HTTP and not asked:
        from rustfits_remote.http import HTTPFile

        return HTTPFile(url, None if options is None else options.headers)
    if scheme in ("ftp", "ftps") and not asked:
        from rustfits_remote.ftp import FTPFile

        return FTPFile(url)
    if find_spec("obstore") is not None:
        from rustfits_remote.objectstore import SCHEMES, opened_by_url, store_options

        passed = store_options(scheme, asked) if scheme in SCHEMES else None
        if passed is not None:
            return opened_by_url(url, passed)
    return _by_file_system(url, scheme, asked, None if options is None else options.headers)


def _by_file_system(url: str, scheme: str, asked: dict[str, Any], headers: dict[str, str] | None) -> Transport:
    from fsspec.core import url_to_fs

    if headers is not None:
        asked = {**asked, "headers": {**headers, **asked.get("headers", {})}}
    try:
        file_system, path = url_to_fs(url, **asked)
    except ImportError as error:
        package = _PACKAGES.get(scheme)
        advice = f"pip install {package!r}" if package else "install what fsspec asks for"
        raise NotSupported(f"{shown_url(url)} needs another package ({shown_error(error)}): {advice}") from None
    except Exception as error:
        raise FitsIOError(f"cannot open {shown_url(url)}: {shown_error(error)}") from None
    return _of_file_system(file_system, path)


def _of_file_system(file_system: Any, path: str) -> Transport:
    from rustfits_remote.filesystem import FileSystemFile, S3File

    kind = S3File if type(file_system).__module__.partition(".")[0] == "s3fs" else FileSystemFile
    return kind(file_system, path)
