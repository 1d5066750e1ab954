"""Whether files are what their writers left: one outcome for each, and what a shell is told of them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import rustfits
from rustfits_cli.files import reading

CHECKS = ("structure", "DATASUM", "CHECKSUM", "ZDATASUM", "ZHECKSUM", "tiles")
WORDS = {"ok": "ok", "bad": "BAD", "absent": "absent", "does not apply": "-"}
GOOD, BAD, UNREAD = 0, 1, 2  # exit codes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `rustfits verify` found out about one file.

    Attributes
    ----------
    filename : str
    report : FileReport or None
        None if the file cannot be read.
    error : str
        Why it cannot; empty if it can.
    """

    filename: str
    report: rustfits.FileReport | None
    error: str = ""

    @property
    def code(self) -> int:
        """The exit code, if this were the only file."""
        if self.report is None or any(hdu.unread for hdu in self.report):
            return UNREAD
        return GOOD if self.report.ok else BAD

    @property
    def summary(self) -> str:
        """One line."""
        if self.report is None:
            return f"{self.filename}: cannot be read: {self.error}"
        unread = ", ".join(str(hdu.index) for hdu in self.report if hdu.unread)
        if self.report.ok:
            return f"{self.filename}: ok{f' as far as it could be read: HDU {unread} could not' if unread else ''}"
        bad = [str(hdu.index) for hdu in self.report if not hdu.ok]
        found = [f"bad HDUs: {', '.join(bad)}"] if bad else []
        return f"{self.filename}: {'; '.join([*found, *(['bad tail'] if self.report.tail.status == 'bad' else [])])}"

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield a line for each HDU: index, name, and a word for each of `CHECKS`."""
        for hdu in self.report or ():
            yield (str(hdu.index), hdu.name or "", *(WORDS[hdu[check].status] for check in CHECKS))

    def remarks(self) -> Iterator[str]:
        """Yield what a word does not say: what is bad, what could not be looked at, what follows the last HDU."""
        for hdu in self.report or ():
            yield from (f"HDU {hdu.index}: {verdict.check}: {verdict.reason}" for verdict in hdu.bad)
            if hdu.unread:
                data = "pixels" if "IMAGE" in hdu.kind.upper() else "rows"
                yield f"HDU {hdu.index}: the {data} cannot be read here: {hdu.unread}"
        if self.report is not None and self.report.tail_nbytes:
            yield f"tail: {self.report.tail.reason}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        if self.report is None:
            return {"filename": self.filename, "ok": False, "error": self.error}
        return self.report.to_dict()


def verify(filename: str, *, decode: bool, lenient: bool | None = None) -> Outcome:
    """Verify a file; what goes wrong is told, not raised, so that others can follow.

    Stray bytes and a damaged end are read past, since they are what is looked for, unless ``lenient`` is False.
    """
    try:
        with reading(filename, lenient=lenient is not False) as fits:
            return Outcome(filename, fits.verify(decode=decode))
    except (rustfits.FitsError, OSError) as error:
        return Outcome(filename, None, " ".join(str(error).split()))


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """Return 0 if all is well, 1 if something is bad, 2 if something could not be read, bad or not."""
    return max((outcome.code for outcome in outcomes), default=GOOD)
