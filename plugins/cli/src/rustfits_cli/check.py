"""Whether an HDU is what its writer left."""

from __future__ import annotations

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
    """Compare both checksums of ``hdu`` and, if asked, decode its image; faults are told, not raised."""
    image = isinstance(hdu, rustfits.ImageHDU)
    pixels, bad = "", False
    if image and hdu.has_data and decode:
        try:
            hdu.read()
            pixels = "ok"
        except (rustfits.FitsError, OSError) as error:
            pixels, bad = " ".join(str(error).split()), True
    datasum, checksum = (_verify(hdu, which) if image else None for which in ("verify_datasum", "verify_checksum"))
    return Check(
        index=str(hdu.index),
        name=hdu.extname or "",
        datasum=WORDS[datasum] if image else "",
        checksum=WORDS[checksum] if image else "",
        pixels=pixels,
        bad=bad or datasum is False or checksum is False,
    )


def _verify(hdu: rustfits.HDU, which: str) -> bool | None:
    try:
        verdict: bool | None = getattr(hdu, which)()
    except (rustfits.FitsError, OSError):
        return False  # the bytes cannot be had, which `pixels` explains
    return verdict
