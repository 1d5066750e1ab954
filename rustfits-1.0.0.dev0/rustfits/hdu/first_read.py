"""Checksums that are verified before anything of an HDU is read or changed: `FITS` with ``checksum=True``."""

from __future__ import annotations

from collections.abc import Callable

from rustfits.errors import ChecksumError, FitsError
from rustfits.hdu.report import HDUReport
from rustfits.storage.openfile import Reading

SUMS = ("DATASUM", "CHECKSUM", "ZDATASUM", "ZHECKSUM")


class CheckedReading(Reading):
    """The context of reading an HDU whose checksums are verified first."""

    __slots__ = ()

    def __enter__(self) -> None:
        try:
            self._extent.check()
        except FitsError as error:
            error.locate(str(self._where))
            raise
        super().__enter__()


def require(verify: Callable[..., HDUReport]) -> None:
    """Refuse an HDU with a wrong checksum.

    Parameters
    ----------
    verify : callable
        As `HDU.verify`.

    Raises
    ------
    ChecksumError
        If a sum is wrong.
    """
    report = verify(decode=False)
    own = {report["DATASUM"].status, report["CHECKSUM"].status}
    if own == {"absent"} and report["ZDATASUM"].status != "absent":
        report = verify(decode=True)  # nothing but the pixels can tell
    for keyword in SUMS:
        verdict = report[keyword]
        if verdict.status == "bad":
            raise ChecksumError(keyword, verdict.reason)
