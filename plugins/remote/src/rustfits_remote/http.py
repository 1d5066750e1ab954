"""Files behind http and https: one GET for each range, over connections that are kept, of one state of the file."""

from __future__ import annotations

import base64
import http.client
import math
import re
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from rustfits.plugin import FileMissing, FitsIOError, Identity, OpenFailed
from rustfits_remote.names import shown_error, shown_url, user_of
from rustfits_remote.transport import Deadline, Opened, PassingFault, Transport

_OWN_HEADERS = {"User-Agent": "rustfits-remote", "Accept-Encoding": "identity"}
_CHUNK_NBYTES = 1 << 18
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 10
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_GONE = (404, 410)
_EXPIRED = (401, 403, 404, 410)  # of what a redirect has led to: it may lead elsewhere now
_FAULTS = (ConnectionError, http.client.HTTPException, ssl.SSLEOFError, ssl.SSLZeroReturnError)
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)$")

_Key = tuple[str, str]


class _Proxied(http.client.HTTPConnection):
    """A connection to a proxy, which is asked by whole URLs."""


class _Answer(NamedTuple):
    """The head of a response, and where its body comes from."""

    connection: http.client.HTTPConnection
    sock: Any
    response: http.client.HTTPResponse
    key: _Key
    url: str


class HTTPFile(Transport):
    """A file behind an http or https URL.

    Parameters
    ----------
    url : str
    headers : mapping of str to str, or None
        Sent with every request, but not to another server that a redirect leads to.
    """

    timed = True

    def __init__(self, url: str, headers: Mapping[str, str] | None) -> None:
        self.forked()
        self.name = shown_url(url)
        parts, user, password = user_of(url)
        host = parts.netloc.rpartition("@")[2]
        self._url = parts._replace(netloc=host, fragment="").geturl()
        self._target = self._url  # where redirects have led to
        own = dict(_OWN_HEADERS)
        if user is not None:
            own["Authorization"] = _basic(user, password)
        given = dict(headers or {})
        names = {name.lower() for name in given}
        self._headers = {name: value for name, value in own.items() if name.lower() not in names} | given
        self._context: ssl.SSLContext | None = None
        self._size = -1
        self._etag = self._modified = ""

    def forked(self) -> None:
        """Forget the connections, which are those of another process."""
        self._lock = threading.Lock()
        self._idle: dict[_Key, list[http.client.HTTPConnection]] | None = {}  # None when it is closed

    def close(self) -> None:
        """Close the connections that are idle."""
        with self._lock:
            idle, self._idle = self._idle, None
        for connections in (idle or {}).values():
            for connection in connections:
                connection.close()

    def __del__(self) -> None:
        self.close()

    # -- the contract ---------------------------------------------------------------------------------------------

    def open(self, nbytes: int | None, deadline: Deadline, start: int = 0) -> Opened:
        """Bring some bytes, or all; as `Transport.open`."""
        sent = {} if nbytes is None else {"Range": f"bytes={start}-{start + nbytes - 1}"}
        answer = self._ask(sent, deadline)
        status, found = answer.response.status, answer.response.headers
        size = -1
        if nbytes is None:
            if status != 200:
                raise self._refused(answer, deadline)
        elif status == 416 and start:
            self._leave(answer)
            raise self.changed()
        elif status == 416 and (_content_range(found.get("Content-Range")) or ("", -1))[1] == 0:
            self._leave(answer)
            return Opened(b"", 0, None)
        elif status == 200:
            self._leave(answer)
            raise FitsIOError(
                f"{self.name}: the server ignores Range, so no parts come; pass Remote(ranged=False) to download it"
            )
        else:
            begin, size = self._range_of(answer, deadline)
            if begin != start:
                self._leave(answer)
                wanted_ones = f"those from {start} on" if start else "the first"
                raise FitsIOError(
                    f"{self.name}: bytes from {begin} on came, not {wanted_ones}; pass Remote(ranged=False)"
                )
        end = _bounds(found.get("Content-Range"))[1]
        wanted = None if nbytes is None else max(min(start + nbytes, size, end + 1) - start, 0)
        data = self._body(answer, wanted, deadline, renew=nbytes is None)
        if wanted is not None and len(data) < wanted:
            raise PassingFault(f"{len(data)} of {wanted} bytes came")
        self._size = len(data) if nbytes is None else size
        self._etag, self._modified = found.get("ETag", ""), found.get("Last-Modified", "")
        return Opened(data, self._size, self._identity(), start)

    def fetch(self, start: int, stop: int, deadline: Deadline) -> bytes:
        """Bring a range; as `Transport.fetch`."""
        data = b""
        while True:  # a server may send less than it was asked for (RFC 9110, section 15.3.7)
            part = self._fetched(start + len(data), stop, deadline)
            data = data + part if data else part
            if len(data) == stop - start:
                return data

    def _fetched(self, start: int, stop: int, deadline: Deadline) -> bytes:
        answer = self._ask({"Range": f"bytes={start}-{stop - 1}", **self._condition()}, deadline)
        if answer.response.status in (412, 416):
            self._leave(answer)
            raise self.changed()
        if answer.response.status == 200:
            self._check_state(answer)
            self._leave(answer)
            raise FitsIOError(
                f"{self.name}: the server ignores Range of a sudden; pass Remote(ranged=False) to download it"
            )
        begin, size = self._range_of(answer, deadline)
        if size != self._size:
            self._leave(answer)
            raise self.changed()
        self._check_state(answer)
        if begin != start:
            self._leave(answer)
            raise FitsIOError(f"{self.name}: bytes from {begin} on came, not those from {start} on")
        _, end = _bounds(answer.response.headers.get("Content-Range"))
        wanted = min(end + 1, stop) - start
        if wanted <= 0:
            raise PassingFault("an answer without bytes")
        data = self._body(answer, wanted, deadline)
        if len(data) < wanted:
            raise PassingFault(f"{len(data)} of {wanted} bytes came")
        return data

    # -- the state of the file ------------------------------------------------------------------------------------

    def _identity(self) -> Identity | None:
        tag = self._etag or self._modified
        return (self._size, tag) if tag else None

    def _condition(self) -> dict[str, str]:
        """Return the header by which a server refuses to send another state."""
        if self._etag and not self._etag.startswith("W/"):  # weak ones are no condition (RFC 9110, section 13.1.1)
            return {"If-Match": self._etag}
        return {"If-Unmodified-Since": self._modified} if self._modified else {}

    def _check_state(self, answer: _Answer) -> None:
        """Compare, for servers that know no conditions."""
        found = answer.response.headers
        # A state that was told once is told again, or nobody knows.
        if (found.get("ETag", ""), found.get("Last-Modified", "")) != (self._etag, self._modified):
            self._leave(answer)
            raise self.changed()

    def _range_of(self, answer: _Answer, deadline: Deadline) -> tuple[int, int]:
        """Return the first byte of an answer and the size of the file, if it is a part of it at all."""
        if answer.response.status != 206:
            raise self._refused(answer, deadline)
        found = answer.response.headers.get("Content-Range")
        parsed = _content_range(found)
        encoding = answer.response.headers.get("Content-Encoding", "identity")
        if parsed is None or parsed[0] == "" or parsed[1] < 0 or encoding.lower() != "identity":
            self._leave(answer)
            what = f"Content-Range is {found!r}, Content-Encoding {encoding!r}"
            raise FitsIOError(f"{self.name}: parts cannot be told ({what}); pass Remote(ranged=False) to download it")
        return int(parsed[0]), parsed[1]

    # -- requests -------------------------------------------------------------------------------------------------

    def _ask(self, sent: dict[str, str], deadline: Deadline) -> _Answer:
        """Send a GET, follow redirects, and return the answer before its body."""
        url, first = self._target, urlsplit(self._url)
        for _ in range(_MAX_REDIRECTS + 1):
            parts = urlsplit(url)
            home = (parts.scheme, parts.netloc) == (first.scheme, first.netloc)
            # What was passed is for one server alone: any header may be a key.
            answer = self._sent(url, (self._headers if home else _OWN_HEADERS) | sent, deadline)
            status = answer.response.status
            if status in _EXPIRED and url == self._target != self._url:
                self._leave(answer)
                url = self._target = self._url
            elif status not in _REDIRECTS:
                if status in (200, 206):
                    self._target = url
                return answer
            else:
                there = answer.response.headers.get("Location", "")
                self._leave(answer)
                url = urljoin(url, there)
                if not there or urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
                    raise FitsIOError(f"{self.name}: the server leads to {shown_url(there)!r}, which is no http URL")
        raise FitsIOError(f"{self.name}: the server leads from URL to URL, more than {_MAX_REDIRECTS} times")

    def _sent(self, url: str, headers: dict[str, str], deadline: Deadline) -> _Answer:
        parts = urlsplit(url)
        key = parts.scheme, parts.netloc
        with self._lock:
            idle = (self._idle or {}).get(key)
            connection = idle.pop() if idle else None
        used = connection is not None
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            if connection is None:
                connection, direct = self._connection(parts.scheme, parts.netloc, deadline)
                target = target if direct else url
            elif isinstance(connection, _Proxied):
                target = url
            if connection.sock is None:
                connection.timeout = deadline.left
                connection.connect()
            sock = connection.sock
            sock.settimeout(deadline.left)
            connection.request("GET", target, headers=headers)
            return _Answer(connection, sock, connection.getresponse(), key, url)
        except Exception as error:
            if connection is not None:
                connection.close()
            if used and isinstance(error, _FAULTS):  # it had been closed there: that says nothing of the server
                return self._sent(url, headers, deadline)
            raise self._fault(error) from None

    def _connection(self, scheme: str, authority: str, deadline: Deadline) -> tuple[http.client.HTTPConnection, bool]:
        """Return a new connection, and whether it leads to the server itself; it is not open yet."""
        timeout = deadline.left
        proxy = None if proxy_bypass(authority) else getproxies().get(scheme)
        through, user, password = user_of(proxy if proxy and "://" in proxy else f"http://{proxy or authority}")
        host, port = through.hostname or "", through.port
        if scheme == "http":
            kind = _Proxied if proxy else http.client.HTTPConnection
            connection = kind(host, port or 80, timeout=timeout)
            return connection, not proxy
        if self._context is None:
            self._context = ssl.create_default_context()
        secure = http.client.HTTPSConnection(
            host, port or (80 if proxy else 443), timeout=timeout, context=self._context
        )
        if proxy:
            behind = urlsplit(f"https://{authority}")
            sent = {} if user is None else {"Proxy-Authorization": _basic(user, password)}
            secure.set_tunnel(behind.hostname or "", behind.port or 443, headers=sent)
        return secure, True

    def _body(self, answer: _Answer, wanted: int | None, deadline: Deadline, *, renew: bool = False) -> bytes:
        """Return the body, up to ``wanted`` bytes; the connection is kept if nothing is left of it."""
        pieces, nbytes, response = [], 0, answer.response
        promised = response.length
        try:
            while wanted is None or nbytes < wanted:
                answer.sock.settimeout(deadline.left)
                piece = response.read1(_CHUNK_NBYTES if wanted is None else min(_CHUNK_NBYTES, wanted - nbytes))
                if not piece:
                    break
                pieces.append(piece)
                nbytes += len(piece)
                if renew:
                    deadline.renew()
        except Exception as error:
            answer.connection.close()
            raise self._fault(error) from None
        self._leave(answer)
        if wanted is None and promised is not None and nbytes < promised:
            raise PassingFault(f"{nbytes} of {promised} bytes came")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _leave(self, answer: _Answer) -> None:
        """Keep the connection if the answer was read to its end, or little of it is left; else close it."""
        response = answer.response
        try:
            if not response.isclosed() and response.length is not None and response.length <= _CHUNK_NBYTES:
                response.read()
            elif not response.isclosed() and response.chunked:
                response.read(1)  # the end of the chunks, if there is nothing more
            if response.isclosed() and answer.connection.sock is not None:
                with self._lock:
                    if self._idle is not None:
                        self._idle.setdefault(answer.key, []).append(answer.connection)
                        return
        except (OSError, http.client.HTTPException):
            pass
        response.close()
        answer.connection.close()

    # -- what went wrong ------------------------------------------------------------------------------------------

    def _fault(self, error: Exception) -> Exception:
        """Return what is raised of an error below."""
        if isinstance(error, TimeoutError):
            return error if str(error).startswith("nothing") else TimeoutError("the server did not answer in time")
        if isinstance(error, _FAULTS):
            return PassingFault(shown_error(error))
        if isinstance(error, OSError) and not isinstance(error, FitsIOError):
            return OpenFailed(error.errno or 0, shown_error(error), self.name)
        if isinstance(error, ValueError):  # of a host or a header that cannot be
            return FitsIOError(f"cannot read {self.name}: {type(error).__name__} in its URL or the headers")
        return error

    def _refused(self, answer: _Answer, deadline: Deadline) -> Exception:
        """Return the error of an answer that is none."""
        status, reason, headers = answer.response.status, answer.response.reason, answer.response.headers
        self._leave(answer)
        text = f"the server answers {status} {reason}"
        if status in _PASSING:
            return PassingFault(text, _pause(headers.get("Retry-After")))
        if status in _GONE:
            return FileMissing(2, text, self.name)
        return OpenFailed(0, text, self.name)


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _content_range(value: str | None) -> tuple[str, int] | None:
    """Return the first byte, as text, nothing if there is none, and the size, -1 if that is not told."""
    found = _CONTENT_RANGE.match((value or "").strip())
    return None if found is None else (found[1] or "", -1 if found[3] == "*" else int(found[3]))


def _bounds(value: str | None) -> tuple[int, int]:
    found = _CONTENT_RANGE.match((value or "").strip())
    return (int(found[1]), int(found[2])) if found is not None and found[1] else (0, -1)


def _pause(value: str | None) -> float | None:
    """Return the seconds that a Retry-After asks for."""
    with suppress(TypeError, ValueError):
        seconds = float(value or "")
        return seconds if math.isfinite(seconds) else None
    with suppress(TypeError, ValueError):
        return parsedate_to_datetime(value or "").timestamp() - time.time()
    return None
