"""Files of the file systems of fsspec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fsspec import asyn

from rustfits.plugin import FileMissing, FitsIOError, Identity, OpenFailed
from rustfits_remote.names import shown_error, shown_url
from rustfits_remote.transport import Deadline, Opened, PassingFault, Transport

# What file systems call what tells a state from others; those of no meaning where there is one before.
_TAGS = ("ETag", "etag", "e_tag", "VersionId", "version_id", "generation", "md5Hash", "content_md5", "checksum")
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "modify", "created")

_PASSING = (408, 425, 429, 500, 502, 503, 504)

T = TypeVar("T")


class FileSystemFile(Transport):
    """A file of any file system: after each fetch it is asked whether the file is still in the same state.

    Parameters
    ----------
    file_system : fsspec.AbstractFileSystem
    path : str
        Without the scheme, as the file system has it.
    """

    def __init__(self, file_system: Any, path: str) -> None:
        self._fs, self._path = file_system, path
        self.name = shown_url(str(file_system.unstrip_protocol(path)))
        self._size, self._identity = -1, None  # type: tuple[int, Identity | None]

    def open(self, nbytes: int | None, deadline: Deadline, start: int = 0) -> Opened:
        """Ask for the state, then for bytes; as `Transport.open`."""
        state = self._state()
        size = state[0]
        if not isinstance(size, int):
            if nbytes is not None:
                raise FitsIOError(f"{self.name}: its size is not told; pass Remote(ranged=False) to download it")
            size = -1
        if nbytes is None:
            data = self._called(lambda: bytes(self._fs.cat_file(self._path)))
            if 0 <= size != len(data):
                raise PassingFault(f"{len(data)} of {size} bytes came")
        else:
            if size < start:
                raise self.changed()
            data = self._range(start, min(start + nbytes, size)) if size > start else b""
        if self._state() != state:
            raise self.changed()
        self._size, self._identity = len(data) if nbytes is None else size, state if len(state) > 1 else None
        self._known = state
        return Opened(data, self._size, self._identity, start)

    def fetch(self, start: int, stop: int, deadline: Deadline) -> bytes:
        """Bring a range, and make sure that the state is the same after that; as `Transport.fetch`."""
        data = self._range(start, stop)
        if self._state() != self._known:
            raise self.changed()
        return data

    def _range(self, start: int, stop: int) -> bytes:
        # By name: others than the base class have other parameters before these.
        data = self._called(lambda: bytes(self._fs.cat_file(self._path, start=start, end=stop)))
        return self._checked(data, stop - start)

    def _checked(self, data: bytes, wanted: int) -> bytes:
        if len(data) < wanted:
            raise PassingFault(f"{len(data)} of {wanted} bytes came")
        if len(data) > wanted:
            raise FitsIOError(
                f"{self.name}: {len(data)} bytes came instead of {wanted}; pass Remote(ranged=False) to download it"
            )
        return data

    def _state(self) -> Identity:
        """Return the size, None if it is not told, and what there is of an ETag or a time."""

        def asked() -> dict[str, Any]:
            self._fs.invalidate_cache(self._fs._parent(self._path))
            found: dict[str, Any] = self._fs.info(self._path)
            return found

        info = self._called(asked)
        if info.get("type") == "directory":
            raise OpenFailed(21, "it is a folder", self.name)
        tags = [str(info[name]) for name in _TAGS if info.get(name) not in (None, "", "null")]
        times = [str(info[name]) for name in _TIMES if info.get(name)]
        state: Any = (info.get("size"), *(tags or times)[:1])
        return state  # type: ignore[no-any-return]

    def _called(self, call: Callable[[], T]) -> T:
        """Return what a call of the file system returns, with its errors as ours."""
        try:
            return call()
        except FitsIOError:
            raise
        except FileNotFoundError as error:
            raise FileMissing(2, shown_error(error), self.name) from None
        except (PermissionError, IsADirectoryError) as error:
            raise OpenFailed(error.errno or 0, shown_error(error), self.name) from None
        except (TimeoutError, asyn.FSTimeoutError):
            raise TimeoutError("the server did not answer in time") from None
        except ConnectionError as error:
            raise PassingFault(shown_error(error)) from None
        except ImportError as error:
            raise OpenFailed(0, shown_error(error), self.name) from None
        except Exception as error:
            status = getattr(error, "status", None)
            if status in (404, 410):
                raise FileMissing(2, shown_error(error), self.name) from None
            if status in _PASSING or (status is None and type(error).__module__.startswith("aiohttp")):
                raise PassingFault(shown_error(error)) from None
            raise OpenFailed(getattr(error, "errno", 0) or 0, shown_error(error), self.name) from None


class S3File(FileSystemFile):
    """A file of the file system of s3fs: the server is told which state is wanted."""

    def open(self, nbytes: int | None, deadline: Deadline, start: int = 0) -> Opened:
        """Bring some bytes, or all, by one request; as `Transport.open`."""
        sent = {} if nbytes is None else {"Range": f"bytes={start}-{start + nbytes - 1}"}
        try:
            answer, data = self._get(deadline, sent)
        except _EmptyFileError:
            if start:
                raise self.changed() from None
            return Opened(b"", 0, None)
        total = str(answer.get("ContentRange", "")).rpartition("/")[2]
        self._size = int(total) if total.isdigit() else len(data)
        self._etag = str(answer.get("ETag", ""))
        self._checked(data, self._size if nbytes is None else min(nbytes, self._size - start))
        return Opened(data, self._size, (self._size, self._etag) if self._etag else None, start)

    def fetch(self, start: int, stop: int, deadline: Deadline) -> bytes:
        """Bring a range of that state; as `Transport.fetch`."""
        condition = {"IfMatch": self._etag} if self._etag else {}
        answer, data = self._get(deadline, {"Range": f"bytes={start}-{stop - 1}", **condition})
        if str(answer.get("ETag", "")) != self._etag:
            raise self.changed()
        return self._checked(data, stop - start)

    def _get(self, deadline: Deadline, sent: dict[str, str]) -> tuple[dict[str, Any], bytes]:
        bucket, key, version = self._fs.split_path(self._path)
        which = {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {}), **sent}

        async def got() -> tuple[dict[str, Any], bytes]:
            answer = await self._fs._call_s3("get_object", **which)
            async with answer["Body"] as body:
                return answer, await body.read()

        def called() -> tuple[dict[str, Any], bytes]:
            try:
                return asyn.sync(self._fs.loop, got, timeout=deadline.left)  # type: ignore[no-any-return]
            except Exception as error:
                code = _code_of(error)
                if code in ("PreconditionFailed", "412"):
                    raise self.changed() from None
                if code in ("InvalidRange", "416"):
                    raise (self.changed() if self._size >= 0 else _EmptyFileError()) from None
                if code in ("SlowDown", "InternalError", "ServiceUnavailable", "503", "500"):
                    raise ConnectionError(code) from None
                raise

        return self._called(called)


class _EmptyFileError(FitsIOError):
    """There is no first byte."""


def _code_of(error: BaseException | None) -> str:
    """Return the code that S3 gives for an error; nothing if there is none."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
        error = error.__cause__ or error.__context__
    return ""
