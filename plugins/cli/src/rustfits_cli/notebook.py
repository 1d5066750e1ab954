"""What notebooks show of files and HDUs: a table of facts, a few rows, a small picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from numpy.typing import NDArray

import rustfits
from rustfits_cli.describe import describe
from rustfits_cli.preview import Look, draw

LONGEST = 256  # pixels of a picture
MOST_NPIXELS = 1 << 22  # of an image that is drawn whole; of a larger one the middle is, as decoding all takes long
MIDDLE = 1024  # pixels of each side of that
NROWS = 5  # of a table
NCOLUMNS = 12
LISTED = 100  # HDUs of a file
HEADINGS = ("", "name", "kind", "shape", "dtype", "codec", "tiles", "ratio")


def html_of(thing: Any) -> str | None:
    """Return HTML for a file or an HDU, or None for what it cannot be made of.

    Nothing that is wrong with a file is raised: it is what one looks at then, and it is told instead.

    Parameters
    ----------
    thing : FITS or HDU
    """
    if isinstance(thing, rustfits.FITS):
        return _file(thing)
    if isinstance(thing, rustfits.ImageHDU):
        return _image(thing)
    if isinstance(thing, rustfits.HDU) and hasattr(thing, "colnames"):
        return _table(thing)
    return None


def _file(fits: rustfits.FITS) -> str:
    title = f"<p><b>{_safe(fits.filename)}</b>"
    if fits.closed:
        return f"{title}, closed</p>"
    hdus = list(fits.hdus)
    title += f", {len(hdus)} HDU{'s' * (len(hdus) != 1)}"
    if len(hdus) > LISTED:
        title += f", of which the first {LISTED}"
    return f"{title}</p>{_facts(hdus[:LISTED])}{_note(fits.damage)}"


def _facts(hdus: Iterable[rustfits.HDU]) -> str:
    """Return a row for each HDU, without the columns that none of them has."""
    lines = [_line(hdu) for hdu in hdus]
    used = [column for column in range(len(HEADINGS)) if any(line[column] for line in lines)]
    return _rows([HEADINGS[column] for column in used], ([line[column] for column in used] for line in lines))


def _line(hdu: rustfits.HDU) -> Sequence[str]:
    try:
        line = describe(hdu)
    except rustfits.FitsError as error:  # a header that breaks the standard is listed all the same
        return (str(hdu.index), "", str(error), "", "", "", "", "")
    return (line.index, line.name, line.kind, line.shape, line.dtype, line.codec, line.tiles, line.ratio)


def _image(hdu: rustfits.ImageHDU) -> str:
    facts = _facts([hdu])
    if not hdu.has_data:
        return facts
    try:
        pixels, what = _pixels(hdu)
    except (rustfits.FitsError, ValueError, OSError) as error:
        return facts + _note(error)
    picture = io.BytesIO()
    draw(pixels, Look(), LONGEST).save(picture, format="PNG")
    coded = base64.b64encode(picture.getvalue()).decode()
    return f'{facts}<img alt="{what}" title="{what}" src="data:image/png;base64,{coded}">'


def _pixels(hdu: rustfits.ImageHDU) -> tuple[NDArray[Any], str]:
    """Return what is drawn: the image, or its middle, of a cube its first plane; and what that is."""
    first, shape = (0,) * max(hdu.ndim - 2, 0), hdu.shape[-2:]
    what = "the first plane" if first else "the image"
    if shape[0] * shape[-1] <= MOST_NPIXELS:
        pixels = hdu[(*first, ...)] if hdu.ndim else hdu.read()
    else:
        starts = [max(0, (length - MIDDLE) // 2) for length in shape]
        pixels = hdu[(*first, *(slice(start, start + MIDDLE) for start in starts))]
        what = f"{MIDDLE} x {MIDDLE} pixels in the middle of {what}"
    return pixels.reshape(-1, pixels.shape[-1]), what


def _table(hdu: Any) -> str:
    facts = _facts([hdu])
    names = list(hdu.colnames)[:NCOLUMNS]
    try:
        rows = hdu.read(columns=names, rows=slice(0, NROWS)) if names and hdu.nrows else ()
    except (rustfits.FitsError, NotImplementedError) as error:
        return facts + _note(error)
    more = [f"{hdu.nrows - NROWS} more rows"] if hdu.nrows > NROWS else []
    more += [f"{len(hdu.colnames) - NCOLUMNS} more columns"] if len(hdu.colnames) > NCOLUMNS else []
    return facts + _rows(names, ([_cell(row[name]) for name in names] for row in rows)) + _note(" and ".join(more))


def _cell(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"


def _rows(headings: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_safe(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{_safe(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _note(text: object) -> str:
    return f"<p>{_safe(text)}</p>" if text else ""


def _safe(text: object) -> str:
    return escape(rustfits.printable(str(text)))
