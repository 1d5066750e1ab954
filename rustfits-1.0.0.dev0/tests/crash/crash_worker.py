"""Change, or open, a file as told by lines of JSON, in a forked process that kills itself on the way.

Run by `crash_points`, never imported. Each request names a system call by its number, counted from 0 in the order in
which the work makes them, and how to die there: before it, or in the middle of it (half a write is done). The answer
tells whether the process died, and which calls there were.
"""

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import crash_edits

import rustfits
from rustfits import system
from rustfits.storage import base, undo

CALLS = {
    system: ("pwrite", "pwritev"),
    os: ("write", "ftruncate", "truncate", "unlink", "rename", "replace", "fsync", "fchmod"),
}


def torn(call, offset, nbytes):
    """How much of a write is done: half, to the end of a sector of the file. A journal may be torn anywhere."""
    half = max(nbytes // 2, 1)
    if call == "pwritev":
        return half
    to_sector = (offset + half) // 512 * 512 - offset
    return to_sector if to_sector > 0 else min(-offset % 512 or 512, nbytes)


class Killer:
    """Counts system calls that change the disk, and dies at one of them."""

    def __init__(self, number, how, short, anywhere):
        self.names, self.number, self.how, self.short = [], number, how, short
        # Only odd file systems tear writes in the middle of a sector.
        self.torn = (lambda _, __, nbytes: max(nbytes // 2, 1)) if anywhere else torn

    def install(self):
        for where, names in CALLS.items():
            for name in names:
                setattr(where, name, self.wrapped(name, getattr(where, name)))
        really = os.open

        def open_(path, flags, *arguments, **keywords):
            if flags & os.O_CREAT:
                self.meet("open")
            return really(path, flags, *arguments, **keywords)

        os.open = open_

    def wrapped(self, name, really):
        def call(*arguments, **keywords):
            if "write" in name:
                descriptor, data, *where = arguments
                many = name == "pwritev"
                whole = b"".join(data) if many else memoryview(data)
                half = whole[: self.torn(name, *where, len(whole))]
                self.meet(name, lambda: really(descriptor, [half] if many else half, *where))
                if self.short:
                    return really(descriptor, [half] if many else half, *where)
                return really(descriptor, data, *where)
            self.meet(name)
            return really(*arguments, **keywords)

        return call

    def meet(self, name, halfway=None):
        if len(self.names) == self.number:
            if self.how == "halfway" and halfway is not None:
                halfway()
            os.kill(os.getpid(), signal.SIGKILL)
        self.names.append(name)


def work(request):
    if request["do"] == "edit":
        with rustfits.FITS(request["path"], "r+", durability=request["durability"]) as fits:
            crash_edits.EDITS[request["name"]](fits)
    elif request["do"] == "create":
        with rustfits.FITS(request["path"], request["mode"], durability=request["durability"]) as fits:
            crash_edits.write_anew(fits)
    else:
        with rustfits.FITS(request["path"], request["mode"]) as fits:
            for hdu in fits:
                hdu.header.keys()


def serve(request):
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        send = os.write
        killer = Killer(
            request.get("number", -1), request.get("how", "before"), request.get("short"), request.get("anywhere")
        )
        base.MOVE_NBYTES = undo.SAVE_NBYTES = request.get("chunk", 1 << 22)
        try:
            killer.install()
            work(request)
            send(writer, json.dumps({"calls": killer.names}).encode())
        except BaseException as error:
            send(writer, json.dumps({"error": repr(error)}).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    return {"killed": os.WIFSIGNALED(status), **json.loads(text or "{}")}


def warm_up():
    """Make each edit once, so that no forked process has to find and load plugins and modules again."""
    with tempfile.TemporaryDirectory() as folder:
        for name, edit in crash_edits.EDITS.items():
            path = Path(folder, f"{name}.fits")
            if crash_edits.prepared(name, path):
                with rustfits.FITS(path, "r+") as fits:
                    edit(fits)


warm_up()
for line in sys.stdin:
    print(json.dumps(serve(json.loads(line))), flush=True)
