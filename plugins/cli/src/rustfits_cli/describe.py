"""One line about each HDU, from its header alone: no codec is needed, though a missing one is told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import rustfits


@dataclass(frozen=True, slots=True)
class Description:
    """What `rustfits info` shows of one HDU; every field is text, empty where it means nothing.

    Attributes
    ----------
    index, name, kind, shape, dtype, codec, tiles, ratio : str
        The columns of the table; shapes in numpy order.
    remark : str
        Why the pixels cannot be read here, and what to do; empty if they can.
    """

    index: str
    name: str
    kind: str
    shape: str = ""
    dtype: str = ""
    codec: str = ""
    tiles: str = ""
    ratio: str = ""
    remark: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; what means nothing is left out."""
        found: dict[str, Any] = {key: value for key, value in asdict(self).items() if value}
        return found | {"index": int(self.index)}


def describe(hdu: rustfits.HDU) -> Description:
    """Return the line of ``hdu``.

    Raises
    ------
    HeaderError
        If a keyword that the line needs breaks the standard.
    """
    name = hdu.extname or ""
    if name and hdu.extver != 1:
        name = f"{name},{hdu.extver}"
    kind = _kind(hdu)
    if isinstance(hdu, rustfits.CompressedImageHDU):
        return _compressed_image(hdu, name)
    if isinstance(hdu, rustfits.ImageHDU):
        if not hdu.ndim:
            return Description(str(hdu.index), name, kind)
        if not hdu.index and hdu.header.get("GROUPS") is True and not hdu.shape[-1]:  # FITS 4.0, section 6
            shape = f"{_number(hdu.header.get('GCOUNT', 1), 'group')} of {_by(hdu.shape[:-1])}"
            return Description(str(hdu.index), name, "random groups", shape, str(hdu.dtype))
        return Description(str(hdu.index), name, kind, _by(hdu.shape), str(hdu.dtype))
    if kind != "other":
        return _table(hdu, name, kind)
    return Description(str(hdu.index), name, kind, codec=str(hdu.header.get("XTENSION", "")))


def _kind(hdu: rustfits.HDU) -> str:
    """Return what to call an HDU; tables are told by their headers: what reads their rows may not be installed."""
    if isinstance(hdu, rustfits.ImageHDU):
        return "compressed image" if isinstance(hdu, rustfits.CompressedImageHDU) else "image"
    extension = str(hdu.header.get("XTENSION", "")).strip()
    if extension in ("BINTABLE", "A3DTABLE", "3DTABLE"):
        return "compressed table" if hdu.header.get("ZTABLE") is True else "table"
    return "ASCII table" if extension == "TABLE" else "other"


def _compressed_image(hdu: rustfits.CompressedImageHDU, name: str) -> Description:
    header = hdu.header
    row = prod(hdu.shape[-1:])
    tile = tuple(header.get(f"ZTILE{axis}", row if axis == 1 else 1) for axis in range(hdu.ndim, 0, -1))
    packed = int(header["NAXIS1"]) * int(header["NAXIS2"]) + int(header.get("PCOUNT", 0))
    nbytes = hdu.size * hdu.stored_dtype.itemsize
    remark = ""
    try:
        hdu.compression  # noqa: B018  loading the codec is what is tried
    except rustfits.CodecError as error:
        remark = " ".join(str(error).split())
    return Description(
        index=str(hdu.index),
        name=name,
        kind="image",  # that it is compressed, the codec says
        shape=_by(hdu.shape),
        dtype=str(hdu.dtype),
        codec=str(header.get("ZCMPTYPE", "?")),
        tiles=f"{hdu.n_tiles} of {_by(tile)}" if hdu.ndim else "",
        ratio=f"{nbytes / packed:.2f}" if packed and nbytes else "",
        remark=remark,
    )


def _table(hdu: rustfits.HDU, name: str, kind: str) -> Description:
    header = hdu.header
    compressed = kind == "compressed table"
    nrows = header.get("ZNAXIS2" if compressed else "NAXIS2", 0)
    ncolumns = header.get("TFIELDS", 0)
    codecs = {str(header[key]) for key in header if key.startswith("ZCTYP")} if compressed else set()
    tiles = f"{header.get('NAXIS2', 0)} of {header['ZTILELEN']} rows" if compressed and "ZTILELEN" in header else ""
    return Description(
        index=str(hdu.index),
        name=name,
        kind=kind.removeprefix("compressed "),
        shape=_number(nrows, "row"),
        dtype=_number(ncolumns, "column"),
        codec=" ".join(sorted(codecs)),
        tiles=tiles,
    )


def _number(count: Any, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(str(axis) for axis in shape)
