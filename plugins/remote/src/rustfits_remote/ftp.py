"""Files behind ftp and ftps, downloaded as a whole."""

from __future__ import annotations

import ftplib
from urllib.parse import unquote

from rustfits.plugin import FileMissing, FitsIOError, Identity, OpenFailed
from rustfits_remote.names import shown_error, shown_url, user_of
from rustfits_remote.transport import Deadline, Opened, PassingFault, Transport


class FTPFile(Transport):
    """A file behind an ftp URL, or an ftps one, whose connection is made secure by AUTH TLS.

    Parameters
    ----------
    url : str
        Without a user the login is anonymous.
    """

    timed = True

    def __init__(self, url: str) -> None:
        self.name, self._url = shown_url(url), url

    def open(self, nbytes: int | None, deadline: Deadline, start: int = 0) -> Opened:
        """Bring the whole file; as `Transport.open`."""
        try:
            return self._download(deadline)
        except (ConnectionError, EOFError, ftplib.error_temp) as error:
            raise PassingFault(shown_error(error)) from None
        except ftplib.error_perm as error:
            if str(error).startswith("550"):
                raise FileMissing(2, shown_error(error), self.name) from None
            raise OpenFailed(0, shown_error(error), self.name) from None
        except TimeoutError:
            raise TimeoutError("the server did not answer in time") from None
        except OSError as error:
            if isinstance(error, FitsIOError):
                raise
            raise OpenFailed(error.errno or 0, shown_error(error), self.name) from None
        except ftplib.Error as error:
            raise OpenFailed(0, shown_error(error), self.name) from None
        except ValueError:  # of a port that is none, and may be a part of a password
            raise FitsIOError(f"cannot read {self.name}: ValueError in its URL") from None

    def _download(self, deadline: Deadline) -> Opened:
        parts, user, password = user_of(self._url)
        path = unquote(parts.path)
        if not path.strip("/") or "\r" in path or "\n" in path:
            raise FitsIOError(f"{self.name} names no file")
        with _secure() if parts.scheme == "ftps" else ftplib.FTP() as ftp:
            if deadline.left is not None:
                ftp.timeout = deadline.left
            ftp.connect(parts.hostname or "", parts.port or 21)
            ftp.login(user or "", password)
            if isinstance(ftp, ftplib.FTP_TLS):
                ftp.prot_p()
            ftp.voidcmd("TYPE I")
            before = _state(ftp, path)
            data = bytearray()
            ftp.retrbinary(f"RETR {path}", data.extend)
            after = _state(ftp, path)
        if before != after:
            raise self.changed()
        if before is not None and before[0] != len(data):
            raise PassingFault(f"{len(data)} of {before[0]} bytes came")
        return Opened(bytes(data), len(data), before)

    def fetch(self, start: int, stop: int, deadline: Deadline) -> bytes:
        """Not called: these files are downloaded."""
        raise AssertionError("ranges over ftp are refused before")


def _secure() -> ftplib.FTP_TLS:
    """Return a connection that sends a password only to a server whose certificate is right: ftplib looks at none."""
    import ssl

    return ftplib.FTP_TLS(context=ssl.create_default_context())


def _state(ftp: ftplib.FTP, path: str) -> Identity | None:
    """Return size and time of a file; None if the server does not tell."""
    try:
        size, time = ftp.size(path), ftp.voidcmd(f"MDTM {path}").partition(" ")[2].strip()
    except ftplib.error_perm:
        return None
    return None if size is None else (size, time)
