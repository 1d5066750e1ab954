"""Whether an HDU is what its writer left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import rustfits

WORDS = {True: "ok", False: "BAD", None: "absent"}


@dataclass(frozen=True, slots=True)
class Check:
    """What `rustfits verify` shows of one HDU; `bad` if anything does not match or cannot be decoded."""

    index: str
    name: str
    datasum: str
    checksum: str
    pixels: str
    bad: bool


def check(hdu: rustfits.HDU, *, decode: bool) -> Check:
    """Compare both checksums of an image and, if asked, decode it; faults are told, not raised."""
    if not isinstance(hdu, rustfits.ImageHDU):
        return Check(str(hdu.index), hdu.extname or "", "", "", "", bad=False)
    datasum, checksum = _word(hdu.verify_datasum), _word(hdu.verify_checksum)
    pixels = ""
    if hdu.has_data and decode:
        try:
            hdu.read()
            pixels = "ok"
        except rustfits.FitsError as error:
            pixels = " ".join(str(error).split())
    bad = pixels not in ("", "ok") or not {datasum, checksum} <= {"ok", "absent"}
    return Check(str(hdu.index), hdu.extname or "", datasum, checksum, pixels, bad)


def _word(verify: Callable[[], bool | None]) -> str:
    try:
        return WORDS[verify()]
    except rustfits.FitsError:
        return "unreadable"  # the sum is of the decoded pixels, and `pixels` says why there are none
