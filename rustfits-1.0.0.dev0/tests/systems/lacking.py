"""Takes away from this process what another system lacks, before `rustfits` is imported: `windows` or `pyodide`.

Loaded as a plugin of pytest, with the name of the system in the environment variable LACKING, or called by hand.
"""

import mmap
import os
import subprocess  # noqa: F401 - it keeps what it needs of POSIX
import sys
import tempfile  # noqa: F401 - likewise
import threading
from importlib.util import find_spec, module_from_spec
from pathlib import Path

COMMON = ("preadv", "pwritev", "getegid", "geteuid", "getgrouplist", "sched_getaffinity", "link", "SEEK_HOLE")
WINDOWS = (
    *("pread", "pwrite", "fchmod", "fchown", "uname", "register_at_fork", "fork", "listxattr", "getuid"),
    *("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_DIRECTORY"),
)
MAPS = ("MADV_FREE", "MADV_HUGEPAGE", "MAP_PRIVATE", "MAP_ANONYMOUS")


def remove(module, names):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)


def is_open(path):
    """Return whether a process that can be looked at has the file open."""
    try:
        wanted = os.stat(path)
    except OSError:
        return False
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.path.samestat(os.stat(entry), wanted):
                return True
        except OSError:
            continue
    return False


def guarded(really):
    """Refuse as Windows does to remove, rename or replace a file that somebody has open."""

    def call(path, *others, **keywords):
        for each in (path, *others):
            if is_open(each):
                raise PermissionError(13, "The process cannot access the file because it is being used", str(path))
        if really is os_rename and others[0] != path and os.path.lexists(others[0]):
            raise FileExistsError(17, "Cannot create a file when that file already exists", str(path))
        return really(path, *others, **keywords)

    return call


os_rename = os.rename
fork = os.fork  # for the tests alone


def system_of(module, name, value):
    """Load `rustfits.system` on a system of another name."""
    spec = find_spec("rustfits.system")
    found = sys.modules["rustfits.system"] = module_from_spec(spec)
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        spec.loader.exec_module(found)
    finally:
        setattr(module, name, before)
    sys.modules["rustfits"].system = found
    return found


def windows():
    """Take away what Windows lacks."""
    remove(os, (*COMMON, *WINDOWS))
    remove(mmap, MAPS)
    sys.modules["fcntl"] = sys.modules["pwd"] = None
    for name in ("unlink", "remove", "rename", "replace"):
        setattr(os, name, guarded(getattr(os, name)))
    open_, utime = os.open, os.utime

    def opened(path, flags, *arguments, **keywords):
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        return open_(path, flags, *arguments, **keywords)

    def set_times(path, *arguments, **keywords):
        if isinstance(path, int):
            raise TypeError("utime: path should be string, bytes or os.PathLike, not int")
        return utime(path, *arguments, **keywords)

    os.open, os.utime = opened, set_times
    os.supports_fd = {call for call in os.supports_fd if call is not utime}
    assert not system_of(os, "name", "nt").CAN_REMOVE_OPEN


def pyodide():
    """Take away what Python 3.14 under Pyodide lacks, as its Node build says."""
    remove(os, COMMON)
    sys.modules["pwd"] = None

    def start(self):
        raise RuntimeError("can't start new thread")

    import fcntl

    fcntl.flock = lambda *_: None
    threading.Thread.start = start
    assert not system_of(sys, "platform", "emscripten").CAN_START_THREADS


if os.environ.get("LACKING"):
    {"windows": windows, "pyodide": pyodide}[os.environ["LACKING"]]()
