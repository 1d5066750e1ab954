"""Files of the stores of obstore."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rustfits.plugin import FileMissing, FitsIOError, Identity, OpenFailed
from rustfits_remote.names import shown_error, shown_url
from rustfits_remote.transport import Deadline, Opened, PassingFault, Transport

T = TypeVar("T")

SCHEMES = ("s3", "s3a", "gs")
_PREFIXES = ("aws_", "google_")
_OWN_OPTIONS = ("client_options", "config", "credential_provider", "region", "retry_config", "skip_signature")
_S3FS_OPTIONS = {
    "key": "access_key_id",
    "secret": "secret_access_key",
    "token": "session_token",
    "endpoint_url": "endpoint",
    "anon": "skip_signature",
}


class ObjectFile(Transport):
    """A file of a store: the store is told which state is wanted.

    Parameters
    ----------
    store : obstore store
    path : str
        In the store.
    name : str
        What messages call it.
    """

    def __init__(self, store: Any, path: str, name: str) -> None:
        self._store, self._path, self.name = store, path, name
        self._known: tuple[Any, ...] | None = None

    def open(self, nbytes: int | None, deadline: Deadline, start: int = 0) -> Opened:
        """Bring some bytes, or all, by one request; as `Transport.open`."""
        try:
            meta, data = self._get({} if nbytes is None else {"range": (start, start + nbytes)})
        except FileMissing:
            raise
        except OpenFailed:
            size = -1 if nbytes is None else int(self._head()["size"])
            if 0 <= size <= start and start:
                raise self.changed() from None
            if size:
                raise
            return Opened(b"", 0, None)  # a range of an empty file is an error
        size = int(meta["size"])
        self._check(data, size if nbytes is None else min(nbytes, size - start))
        self._known = _state(meta)
        tag = meta.get("e_tag") or meta.get("last_modified")
        identity: Identity | None = (size, str(tag)) if tag else None
        return Opened(data, size, identity, start)

    def fetch(self, start: int, stop: int, deadline: Deadline) -> bytes:
        """Bring a range; as `Transport.fetch`."""
        tag = self._known[1] if self._known else None
        condition = {"if_match": tag} if tag and not tag.startswith("W/") else {}
        meta, data = self._get({"range": (start, stop), **condition})
        if _state(meta) != self._known:
            raise self.changed()
        self._check(data, stop - start)
        return data

    def _check(self, data: bytes, wanted: int) -> None:
        if len(data) != wanted:
            raise PassingFault(f"{len(data)} of {wanted} bytes came")

    def _head(self) -> Mapping[str, Any]:
        import obstore

        found: Mapping[str, Any] = self._called(lambda: obstore.head(self._store, self._path))
        return found

    def _get(self, options: dict[str, Any]) -> tuple[Mapping[str, Any], bytes]:
        import obstore

        def get() -> tuple[Mapping[str, Any], bytes]:
            answer = obstore.get(self._store, self._path, options=options)
            return answer.meta, bytes(answer.bytes())

        return self._called(get)

    def _called(self, ask: Callable[[], T]) -> T:
        """Return what obstore answers; its exceptions are raised as ours, which tell no secrets."""
        from obstore import exceptions

        try:
            return ask()
        except (FileNotFoundError, exceptions.NotFoundError) as error:
            raise FileMissing(2, shown_error(error), self.name) from None
        except (exceptions.PreconditionError, exceptions.NotModifiedError):
            raise self.changed() from None
        except FitsIOError:
            raise
        except Exception as error:  # it has tried again by itself
            raise OpenFailed(0, shown_error(error), self.name) from None


def _state(meta: Mapping[str, Any]) -> tuple[Any, ...]:
    return meta["size"], meta.get("e_tag"), None if meta.get("e_tag") else meta.get("last_modified")


def store_options(scheme: str, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return options as obstore has them; None if there are some that it cannot know.

    Parameters
    ----------
    scheme : str
    options : mapping
        In the names of obstore, or of s3fs.
    """
    passed: dict[str, Any] = {}
    for name, value in options.items():
        if name in _OWN_OPTIONS or name.startswith(_PREFIXES):
            passed[name] = value
        elif scheme in ("s3", "s3a") and name in _S3FS_OPTIONS:
            if value is not None:
                passed[_S3FS_OPTIONS[name]] = value
        elif scheme in ("s3", "s3a") and name == "client_kwargs" and set(value) <= {"region_name", "endpoint_url"}:
            names = {"region_name": "region", "endpoint_url": "endpoint"}
            passed.update({names[key]: each for key, each in value.items()})
        else:
            return None
    if str(passed.get("endpoint", "")).startswith("http://"):
        passed.setdefault("client_options", {"allow_http": True})
    if "endpoint" in passed:
        passed.setdefault("region", "us-east-1")
    return passed


def opened_by_url(url: str, options: Mapping[str, Any]) -> ObjectFile:
    """Return a file of the bucket that a URL names; options are those of `store_options`."""
    from obstore.store import from_url

    scheme, _, rest = url.partition("://")
    bucket, _, path = rest.partition("/")
    try:
        store = from_url(f"{scheme}://{bucket}", **options)
    except Exception as error:
        raise OpenFailed(0, shown_error(error), shown_url(url)) from None
    return ObjectFile(store, path, shown_url(url))
