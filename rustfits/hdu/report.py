"""What a verification says: a verdict for each check of an HDU, and of the file; plain values that go into JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from rustfits.errors import printable

Status = Literal["ok", "bad", "absent", "does not apply"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one check.

    Attributes
    ----------
    check : str
        What was checked: 'structure', 'DATASUM', 'CHECKSUM', 'ZDATASUM', 'ZHECKSUM' or 'tiles' of an HDU; 'tail' of a
        file.
    status : {'ok', 'bad', 'absent', 'does not apply'}
        'absent': the header states no such sum. 'does not apply': there is nothing of that kind, or what is stated
        tells nothing of damage, or it could not be checked here.
    reason : str
        A sentence; never empty.
    """

    check: str
    status: Status
    reason: str

    def to_dict(self) -> dict[str, str]:
        """Return the fields by their names."""
        return {"check": self.check, "status": self.status, "reason": self.reason}

    def __str__(self) -> str:
        return f"{self.check:<9}  {self.status:<14}  {printable(self.reason)}"


@dataclass(frozen=True, slots=True)
class HDUReport:
    """What `HDU.verify` found; ``report["DATASUM"]`` is the verdict of that check.

    Attributes
    ----------
    index : int
        Position of the HDU in its file, from 0.
    name : str or None
        EXTNAME.
    version : int
        EXTVER.
    kind : str
        Such as IMAGE_HDU, COMPRESSED_IMAGE_HDU, BINARY_TBL or UNKNOWN_HDU.
    verdicts : tuple of Verdict
        Of 'structure', 'DATASUM', 'CHECKSUM', 'ZDATASUM', 'ZHECKSUM' and 'tiles', in this order.
    unread : str
        Why pixels could not be looked at here although nothing is known to be wrong with them, such as the name of a
        package that is missing; empty if they could.
    """

    index: int
    name: str | None
    version: int
    kind: str
    verdicts: tuple[Verdict, ...]
    unread: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is bad."""
        return not self.bad

    @property
    def bad(self) -> tuple[Verdict, ...]:
        """The verdicts that are bad."""
        return tuple(verdict for verdict in self.verdicts if verdict.status == "bad")

    def __getitem__(self, check: str) -> Verdict:
        for verdict in self.verdicts:
            if verdict.check == check:
                return verdict
        raise KeyError(f"no check {check!r}; there are: {', '.join(verdict.check for verdict in self.verdicts)}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {
            "index": self.index,
            "name": self.name,
            "version": self.version,
            "kind": self.kind,
            "ok": self.ok,
            "unread": self.unread,
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
        }

    def __str__(self) -> str:
        name = "" if self.name is None else f" {self.name!r}"
        head = f"HDU {self.index}{name} ({self.kind}): {'ok' if self.ok else 'BAD'}"
        return "\n".join([head, *(f"  {verdict}" for verdict in self.verdicts)])


@dataclass(frozen=True, slots=True)
class FileReport:
    """What `FITS.verify` found; iterating gives the reports of the HDUs.

    Attributes
    ----------
    filename : str
    hdus : tuple of HDUReport
    tail : Verdict
        Of the bytes after the last HDU.
    tail_nbytes : int
        How many they are.
    """

    filename: str
    hdus: tuple[HDUReport, ...]
    tail: Verdict
    tail_nbytes: int

    @property
    def ok(self) -> bool:
        """Whether nothing is bad."""
        return self.tail.status != "bad" and all(hdu.ok for hdu in self.hdus)

    def __iter__(self) -> Iterator[HDUReport]:
        return iter(self.hdus)

    def __len__(self) -> int:
        return len(self.hdus)

    def __getitem__(self, index: int) -> HDUReport:
        return self.hdus[index]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {
            "filename": self.filename,
            "ok": self.ok,
            "hdus": [hdu.to_dict() for hdu in self.hdus],
            "tail": {**self.tail.to_dict(), "nbytes": self.tail_nbytes},
        }

    def __str__(self) -> str:
        head = f"{printable(self.filename)}: {'ok' if self.ok else 'BAD'}"
        return "\n".join([head, *map(str, self.hdus), str(self.tail)])
