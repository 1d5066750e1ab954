"""How a file behind a URL is to be reached."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass, field
from typing import Any

from rustfits.errors import FitsIOError, InvalidParameter, LocationError, ParameterOverflow
from rustfits.storage.base import without_user

BLOCK_BYTES = 1 << 20  # fetch granularity
CACHE_BYTES = 32 << 20  # capacity of the cache of blocks

SCHEMES = ("http", "https", "ftp", "ftps")  # of URLs that are no paths, whatever is installed
PACKAGE = "rustfits-remote"  # opens them, and more

_CLOUDS = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Remote:
    """Options for files behind URLs; equality is identity.

    Parameters
    ----------
    ranged : bool, optional
        True fetches only the byte ranges needed; False downloads the whole file when it is opened. By default files
        behind http, https, ftp and ftps URLs are downloaded, and ranges are fetched of all others.
    headers : dict of str to str, optional
        Sent with every HTTP request.
    timeout : float, optional
        Seconds, > 0, in which what is read must be there, with all tries; None waits as long as the system does.
    block_bytes : int, optional
        Bytes fetched at a time, > 0: whole blocks of that size are fetched and kept. Without it just the ranges that
        are needed are fetched, neighbours together. Only with ``ranged=True``.
    cache_bytes : int, optional
        Capacity of the cache of what was fetched, in bytes; 32 MiB by default, 0 disables it. Only with
        ``ranged=True``.
    options : dict, optional
        Passed on to the library that opens the scheme, such as ``{"anon": True}``; its keys are those of that library.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    InvalidParameter
        If a value is not allowed, or needs ``ranged=True``.
    ParameterOverflow
        If a size is negative.
    """

    ranged: bool | None = None
    headers: dict[str, str] | None = None
    timeout: float | None = None
    block_bytes: int | None = None
    cache_bytes: int | None = None
    options: dict[str, Any] | None = None
    given: frozenset[str] = field(init=False)  # names of what was not None: the properties show what stands for it

    def __post_init__(self) -> None:
        names = ("ranged", "headers", "timeout", "block_bytes", "cache_bytes", "options")
        object.__setattr__(self, "given", frozenset(name for name in names if getattr(self, name) is not None))
        if self.ranged is None:
            object.__setattr__(self, "ranged", False)
        if not isinstance(self.ranged, bool):
            raise TypeError(f"ranged must be True or False, not {self.ranged!r}")
        if not self.ranged:
            for name in ("block_bytes", "cache_bytes"):
                if getattr(self, name) is not None:
                    raise InvalidParameter(name, getattr(self, name), "needs ranged=True: a download has no blocks")
        # A private copy of the dict, and the numbers that stand for None, are what the properties show.
        object.__setattr__(self, "headers", _checked_headers(self.headers))
        object.__setattr__(self, "options", _checked_options(self.options))
        object.__setattr__(self, "timeout", _checked_timeout(self.timeout))
        object.__setattr__(self, "block_bytes", _checked_size("block_bytes", self.block_bytes, BLOCK_BYTES, least=1))
        object.__setattr__(self, "cache_bytes", _checked_size("cache_bytes", self.cache_bytes, CACHE_BYTES, least=0))

    def __repr__(self) -> str:
        # Headers and options may hold credentials, so that only their number is shown.
        headers = None if self.headers is None else f"<{len(self.headers)} entries>"
        return (
            f"Remote(ranged={self.ranged}, headers={headers}, timeout={self.timeout}, "
            f"block_bytes={self.block_bytes}, cache_bytes={self.cache_bytes}"
            + (")" if self.options is None else f", options=<{len(self.options)} entries>)")
        )


def url_scheme(filename: str) -> str | None:
    """Return 'http', 'https', 'ftp' or 'ftps' if ``filename`` is such a URL; case counts."""
    scheme, separator, _ = filename.partition("://")
    return scheme if separator and scheme in SCHEMES else None


def may_be_url(filename: str) -> bool:
    """Return whether a plugin may open what ``filename`` names; it may be a path all the same."""
    return re.match(r"[a-z][a-z0-9+.-]*://", filename) is not None


def is_known_url(filename: str) -> bool:
    """Return whether ``filename`` is a URL of a scheme that `PACKAGE` opens, and no path."""
    return filename.partition("://")[0] in (*SCHEMES, *_CLOUDS) and "://" in filename


def url_path(url: str) -> str:
    """Return ``url`` without its query and fragment."""
    return url.partition("#")[0].partition("?")[0]


def as_remote(remote: object) -> Remote | None:
    """Return the options that ``remote=`` stands for; `LocationError` if it is of another kind."""
    if remote is None or isinstance(remote, Remote):
        return remote
    if isinstance(remote, bool):
        raise LocationError(f"remote={remote} is not accepted: pass remote='ranged' or Remote(ranged={remote})")
    if remote == "ranged" and isinstance(remote, str):
        return Remote(ranged=True)
    raise LocationError(f"remote= must be None, 'ranged' or a Remote, not {remote!r}")


def check_url(url: str, mode: str, remote: Remote | None) -> None:
    """Refuse what a URL cannot do, before anything is sent.

    Raises
    ------
    FitsIOError
        If ``mode`` is not 'r'.
    LocationError
        If ``remote`` asks for what the scheme, or a compressed file, does not offer.
    """
    shown = url_path(without_user(url))  # a query may hold a key
    if mode != "r":
        raise FitsIOError(f"{shown} is read-only: mode {mode!r} needs a local file")
    if remote is None:
        return
    if remote.ranged and shown.lower().endswith(".gz"):
        raise LocationError(
            f"{shown} is not seekable: a gzip file must be read from its start; pass Remote(ranged=False)"
        )
    if url_scheme(url) in ("ftp", "ftps"):
        if remote.ranged:
            raise LocationError(f"{shown}: ranged access needs http or https; pass Remote(ranged=False)")
        if remote.headers is not None or remote.timeout is not None:
            raise LocationError(f"{shown}: headers= and timeout= are for http and https")


def _checked_headers(headers: object) -> dict[str, str] | None:
    if headers is None:
        return None
    if not isinstance(headers, dict):
        raise TypeError(f"headers must be None or a dict of str to str, not {type(headers).__name__}")
    for key, value in headers.items():
        if not isinstance(key, str) or not isinstance(value, str):
            # The value may be a credential: it is not shown.
            raise InvalidParameter("headers", key, "must map str to str")
    return dict(headers) or None


def _checked_options(options: object) -> dict[str, Any] | None:
    if options is None:
        return None
    if not isinstance(options, dict) or not all(isinstance(key, str) for key in options):
        raise TypeError(f"options must be None or a dict whose keys are str, not {type(options).__name__}")
    return dict(options) or None


def _checked_timeout(timeout: object) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not hasattr(timeout, "__float__") or isinstance(timeout, complex):
        raise TypeError(f"timeout must be None or a number of seconds, not {timeout!r}")
    seconds = float(timeout)
    if math.isnan(seconds) or seconds <= 0:
        raise InvalidParameter("timeout", timeout, "must be > 0 seconds")
    return seconds


def _checked_size(name: str, nbytes: object, default: int, *, least: int) -> int:
    if nbytes is None:
        return default
    if isinstance(nbytes, bool) or not hasattr(nbytes, "__index__"):
        raise TypeError(f"{name} must be None or an int, not {nbytes!r}")
    size = operator.index(nbytes)
    if not 0 <= size < 1 << 63:
        raise ParameterOverflow(name, size, "must be a number of bytes from 0 to 2**63 - 1")
    if size < least:
        raise InvalidParameter(name, size, f"must be >= {least}")
    return size
