"""A new file beside another: whose it is, and when the disk has its name."""

from __future__ import annotations

import os
from contextlib import suppress

_CLOEXEC = getattr(os, "O_CLOEXEC", 0)


def adopt_owner(descriptor: int, status: os.stat_result) -> None:
    """Give an open file the owner and the group of another, as far as the system lets us."""
    with suppress(OSError):  # only root may give files away; some file systems know no owners
        if status.st_gid != os.getegid() or status.st_uid != os.geteuid():
            os.fchown(descriptor, status.st_uid if os.geteuid() == 0 else -1, status.st_gid)


def sync_folder(path: str) -> None:
    """Make the names in the folder of ``path`` reach the disk."""
    descriptor = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | _CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
