"""The command `diff`: how two files differ, as images and headers, however they are stored."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

import rustfits
from rustfits_cli.copying import without_cover
from rustfits_cli.files import reading, sentence
from rustfits_cli.headers import entries, lenient_option, shown
from rustfits_cli.image import complete_file, hdus_option, pick_hdu
from rustfits_cli.parts import parts
from rustfits_cli.show import one_line, write_json
from rustfits_cli.unpacking import own_cards

SAME, DIFFERENT, TROUBLE = 0, 1, 2  # exit codes
MOST = 10  # keywords of an HDU that are told one by one
PIECE_NBYTES = 4 << 20  # of rows that are compared at a time
CELL_LENGTH = 60  # characters of a cell that is told
OBJECT_NROWS = 1000  # the same of rows with cells of any length
_OF_COMPRESSED_TABLE = (
    "ZTABLE",
    "ZTILELEN",
    "ZNAXIS?",
    "ZPCOUNT",
    "ZTHEAP",
    "ZFORM*",
    "ZCTYP*",
    "ZDATASUM",
    "ZHECKSUM",
)
_OF_FPACK = ("FZALGOR", "FZTILE", "FZQVALUE", "FZQMETHD", "FZDTHRSD", "FZHSCALE", "FZINT2F")  # how to pack it
_STRUCTURE = ("SIMPLE", "XTENSION", "BITPIX", "NAXIS*", "PCOUNT", "GCOUNT", "EXTEND", "TFIELDS", "TFORM*", "THEAP")
_SKIPPED = (*_STRUCTURE, *_OF_FPACK)


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts as a difference.

    Attributes
    ----------
    atol, rtol : float
        Pixels a and b are equal if ``abs(a - b) <= atol + rtol * abs(b)``.
    ignored : tuple of str
        Patterns of keywords that are not compared.
    comments : bool
        Whether comments of cards are.
    data : bool
        Whether pixels and rows are.
    tolerant_headers : bool
        Whether ``atol`` and ``rtol`` hold for floats in headers too.
    columns, hdus : tuple of str
        Patterns of columns, and of names of HDUs, that are not compared.
    nshown : int
        Most pixels, and most cells, of an HDU that are told one by one.
    """

    atol: float
    rtol: float
    ignored: tuple[str, ...]
    comments: bool
    data: bool
    tolerant_headers: bool = False
    columns: tuple[str, ...] = ()
    hdus: tuple[str, ...] = ()
    nshown: int = 0


@click.command()
@click.argument("file", metavar="A", shell_complete=complete_file)
@click.argument("other", metavar="B", shell_complete=complete_file)
@hdus_option("Compare only this HDU of both; several are allowed.")
@click.option(
    "--atol",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Difference of pixels and cells that does not count.",
)
@click.option(
    "--rtol",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="The same, in parts of the number in B.",
)
@click.option("--tolerant-headers", is_flag=True, help="Of floats in headers these differences do not count either.")
@click.option(
    "--ignore",
    "ignored",
    multiple=True,
    metavar="KEY",
    help="Keyword that is not compared; * and ? stand for others; several are allowed.",
)
@click.option("--ignore-comments", is_flag=True, help="Do not compare comments of cards.")
@click.option(
    "--ignore-column", "columns", multiple=True, metavar="NAME", help="Column of tables that is not compared; so too."
)
@click.option("--ignore-hdu", "hdus", multiple=True, metavar="NAME", help="EXTNAME that is not compared; so too.")
@click.option(
    "--show",
    "nshown",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Tell of each HDU the first N pixels or cells that differ.",
)
@click.option("--headers-only", is_flag=True, help="Do not compare pixels and rows.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="Only the exit code.")
@lenient_option
@click.pass_context
def diff(
    ctx: click.Context,
    /,
    *,
    file: str,
    other: str,
    keys: tuple[str, ...],
    atol: float,
    rtol: float,
    tolerant_headers: bool,
    ignored: tuple[str, ...],
    ignore_comments: bool,
    columns: tuple[str, ...],
    hdus: tuple[str, ...],
    nshown: int,
    headers_only: bool,
    as_json: bool,
    quiet: bool,
    lenient: bool | None,
) -> None:
    """Compare headers, pixels and tables of A and B, HDU by HDU.

    Images are compared as images, tables as tables: a compressed one and the same uncompressed are equal. CHECKSUM and
    DATASUM are not compared, nor what says how an HDU is stored or is to be packed. The exit code is 0 if A and B are
    equal, 1 if not, 2 if one cannot be read.
    """
    rules = Rules(
        atol,
        rtol,
        (*ignored, "CHECKSUM", "DATASUM"),
        comments=not ignore_comments,
        data=not headers_only,
        tolerant_headers=tolerant_headers,
        columns=columns,
        hdus=hdus,
        nshown=nshown,
    )
    try:
        with reading(file, lenient) as a, reading(other, lenient) as b:
            found = list(compare_files(a, b, keys, rules))
    except (rustfits.FitsError, OSError, MemoryError) as error:
        fault = click.ClickException(sentence(error))
        click.echo(f"Error: {one_line(fault.message)}", err=True)
        ctx.exit(TROUBLE)
    if as_json:
        write_json({"a": file, "b": other, "equal": not found, "differences": found})
    elif not quiet:
        for one in found:
            click.echo(rustfits.printable(f"{one['where']}: {one['what']}"))
        click.echo(
            f"{rustfits.printable(file)} and {rustfits.printable(other)} are {'not equal' if found else 'equal'}"
        )
    ctx.exit(DIFFERENT if found else SAME)


def compare_files(a: rustfits.FITS, b: rustfits.FITS, keys: Sequence[str], rules: Rules) -> Iterator[dict[str, Any]]:
    """Yield what differs: where, and what."""
    if keys:
        pairs = [(pick_hdu(a, key), pick_hdu(b, key)) for key in keys]
    else:
        kept_a, kept_b = ([hdu for hdu in side if not _fits(hdu.extname or "", rules.hdus)] for side in (a, b))
        of_a, of_b = aligned(kept_a, kept_b)
        if len(of_a) != len(of_b):
            yield {"where": "file", "what": f"{len(of_a)} HDUs in A, {len(of_b)} in B"}
        yield from _lone_keywords("A", kept_a, of_a, rules)
        yield from _lone_keywords("B", kept_b, of_b, rules)
        pairs = list(zip(of_a, of_b, strict=False))
    for one, other in pairs:
        name = one.extname or ""
        where = f"HDU {one.index} {name}".rstrip()
        for what in compare_hdus(one, other, rules):
            yield {"where": where, "what": what}


def _fits(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a name fits one of the patterns; case does not count."""
    return any(fnmatchcase(name.upper(), pattern.upper()) for pattern in patterns)


def aligned(a: list[rustfits.HDU], b: list[rustfits.HDU]) -> tuple[list[rustfits.HDU], list[rustfits.HDU]]:
    """Return the HDUs of two files without an empty first one that a compressed image alone made necessary."""
    if len(a) != len(b) or (a and b and a[0].has_data != b[0].has_data):
        a, b = without_cover(a), without_cover(b)
    if _is_wrapped(a, b):
        return a[1:], b
    return (a, b[1:]) if _is_wrapped(b, a) else (a, b)


def _lone_keywords(
    side: str, every: list[rustfits.HDU], compared: list[rustfits.HDU], rules: Rules
) -> Iterator[dict[str, Any]]:
    """Yield the keywords of an empty first HDU that has nothing beside it to be compared with."""
    if len(compared) == len(every):
        return
    own = {line[:8].rstrip() for line in own_cards(every[0])}
    names = [key for key in _cards(every[0], rules) if key[:8].rstrip() in own or "HIERARCH" in own]
    if names:
        yield {"where": "HDU 0", "what": f"{', '.join(names)}: in {side} alone, whose first HDU is empty"}


def _is_wrapped(longer: list[rustfits.HDU], shorter: list[rustfits.HDU]) -> bool:
    """Return whether the first image of one file is the second HDU of the other because it is compressed there."""
    if not shorter or len(longer) != len(shorter) + 1 or not isinstance(longer[1], rustfits.CompressedImageHDU):
        return False
    return not longer[0].has_data and shorter[0].has_data


def compare_hdus(a: rustfits.HDU, b: rustfits.HDU, rules: Rules) -> Iterator[str]:
    """Yield what differs between two HDUs."""
    images = isinstance(a, rustfits.ImageHDU), isinstance(b, rustfits.ImageHDU)
    if images[0] != images[1] or (not images[0] and a.header.get("XTENSION") != b.header.get("XTENSION")):
        yield f"it is of kind {a.label} in A, {b.label} in B"
        return
    yield from compare_headers(a, b, rules)
    if not rules.data:
        return
    if isinstance(a, rustfits.ImageHDU) and isinstance(b, rustfits.ImageHDU):
        yield from compare_images(a, b, rules)
    elif hasattr(a, "colnames") and hasattr(b, "colnames"):
        yield from _compare_rows(a, b, rules)
    elif _data_of(a) != _data_of(b):
        yield "bytes of its data differ"


def _data_of(hdu: rustfits.HDU) -> bytes:
    """Return the data of an HDU that nothing installed can read."""
    if not hdu.has_data:
        return b""
    extent = hdu.extent
    return bytes(hdu.read_bytes(extent.header_nbytes, extent.data_nbytes))


def compare_headers(a: rustfits.HDU, b: rustfits.HDU, rules: Rules) -> Iterator[str]:
    """Yield keywords that differ."""
    of_a, of_b = (_cards(hdu, rules) for hdu in (a, b))
    told = 0
    for key in dict.fromkeys([*of_a, *of_b]):
        values = of_a.get(key), of_b.get(key)
        if values[0] == values[1] or (rules.tolerant_headers and _near(*values, rules)):
            continue
        told += 1
        if told <= MOST:
            yield f"{key}: {_said(values[0])} in A, {_said(values[1])} in B"
    if told > MOST:
        yield f"and {told - MOST} more keywords"


def _near(one: list[tuple[Any, str]] | None, two: list[tuple[Any, str]] | None, rules: Rules) -> bool:
    """Return whether the cards of a keyword differ in floats alone, and by no more than is allowed."""
    if one is None or two is None or len(one) != len(two):
        return False
    for (value, comment), (other, other_comment) in zip(one, two, strict=True):
        floats = float in (type(value), type(other)) and {type(value), type(other)} <= {int, float}
        same = not unequal(np.asarray(float(value)), np.asarray(float(other)), rules) if floats else value == other
        if not same or comment != other_comment:
            return False
    return True


def _said(values: list[tuple[Any, str]] | None) -> str:
    if values is None:
        return "absent"
    return "; ".join(f"{shown(value)}{f' / {comment}' if comment else ''}" for value, comment in values)


def _cards(hdu: rustfits.HDU, rules: Rules) -> dict[str, list[tuple[Any, str]]]:
    own = hdu.image_header if isinstance(hdu, rustfits.ImageHDU) else hdu.header
    skipped = (*rules.ignored, *_SKIPPED)
    if isinstance(hdu, rustfits.ImageHDU):
        skipped = (*skipped, "BSCALE", "BZERO", "BLANK")  # what they mean is compared as pixels
    elif own.get("ZTABLE") is True:
        skipped = (*skipped, *_OF_COMPRESSED_TABLE)
    found: dict[str, list[tuple[Any, str]]] = {}
    for card in entries(own, [line for line in own.cards if line != "END"]):
        key = card["keyword"]
        if key and not _fits(key, skipped):
            found.setdefault(key, []).append((card["value"], card["comment"] if rules.comments else ""))
    return found


def compare_images(a: rustfits.ImageHDU, b: rustfits.ImageHDU, rules: Rules) -> Iterator[str]:
    """Yield how pixels differ."""
    if a.shape != b.shape or a.has_data != b.has_data:
        yield f"shape {a.shape} in A, {b.shape} in B"
        return
    if a.dtype != b.dtype:
        yield f"dtype {a.dtype} in A, {b.dtype} in B"
    if not a.has_data:
        return
    count, largest = 0, 0.0
    first: tuple[int, ...] = ()
    shown_pixels: list[str] = []
    for key in parts(a):
        pixels, others = a[key], b[key]
        nulls, other_nulls = _nulls(a, key), _nulls(b, key)
        different = (unequal(pixels, others, rules) & ~(nulls | other_nulls)) | (nulls ^ other_nulls)
        if not different.any():
            continue
        corner = [part.start or 0 for part in key] + [0] * (a.ndim - len(key))
        for place in np.argwhere(different)[: max(rules.nshown - len(shown_pixels), 0 if first else 1)]:
            at = tuple((place + corner).tolist())
            first = first or at
            values = (
                "no value" if null[tuple(place)] else f"{some[tuple(place)]}"
                for some, null in (
                    (pixels, np.broadcast_to(nulls, different.shape)),
                    (others, np.broadcast_to(other_nulls, different.shape)),
                )
            )
            shown_pixels.append(f"pixel {list(at)}: {' in A, '.join(values)} in B")
        count += int(different.sum())
        away = _distances(pixels[different], others[different]).astype(np.float64)
        away[np.broadcast_to(nulls | other_nulls, different.shape)[different]] = np.nan
        largest = max(largest, float(np.nanmax(away)) if not np.isnan(away).all() else float("inf"))
    if count:
        yield f"{count} of {a.size} pixels differ, by up to {largest:g}; the first is {list(first)}"
        yield from shown_pixels[: rules.nshown]


def unequal(a: NDArray[Any], b: NDArray[Any], rules: Rules) -> NDArray[np.bool_]:
    """Return which numbers differ by more than is allowed; NaN equals NaN."""
    if a.dtype.kind not in "iufc" or b.dtype.kind not in "iufc":
        different: NDArray[np.bool_] = np.asarray(a != b)
        return different
    different = np.asarray(a != b)
    if a.dtype.kind in "fc" or b.dtype.kind in "fc":
        different &= ~(np.isnan(a) & np.isnan(b))
    if different.any() and (rules.atol or rules.rtol):
        one, other = a[different], b[different]
        with np.errstate(invalid="ignore"):
            allowed = rules.atol + rules.rtol * np.abs(_wide(other))
            different[different] = ~(_distances(one, other) <= allowed).astype(np.bool_)
    return different


def _distances(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return how far numbers are from each other, exactly if they are integers."""
    with np.errstate(invalid="ignore", over="ignore"):
        away: NDArray[Any] = np.abs(_wide(a) - _wide(b))
    return away


def _wide(values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as a type that holds their differences: 64-bit integers become Python's."""
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        return values.astype(object)
    return values.astype({"c": np.complex128, "f": np.float64}.get(values.dtype.kind, np.int64))


def _nulls(hdu: rustfits.ImageHDU, key: tuple[Any, ...]) -> NDArray[np.bool_]:
    """Return which pixels of a part have no value since BLANK stands there; NaN speaks for itself."""
    blank = hdu.header.get("ZBLANK", hdu.header.get("BLANK"))
    if not isinstance(blank, int) or hdu.stored_dtype.kind == "f":
        return np.zeros((1,) * hdu.ndim, np.bool_)
    (stored,) = hdu.read_many([key], scale=False)
    return np.asarray(stored == blank)


def _compare_rows(a: Any, b: Any, rules: Rules) -> Iterator[str]:
    """Yield how two tables differ; by their bytes, if they have columns that cannot be read."""
    try:
        found = list(compare_tables(a, b, rules))
    except (rustfits.TableError, rustfits.HeaderError) as error:
        if type(a) is not type(b):
            raise
        for number, name in enumerate(a.colnames, start=1):
            forms = [one.header.get(f"TFORM{number}") for one in (a, b)]
            if forms[0] != forms[1]:
                yield f"column {name}: TFORM{number} is {forms[0]!r} in A, {forms[1]!r} in B"
        if _data_of(a) != _data_of(b):
            yield f"bytes of its data differ, and columns cannot be compared: {error}"
        return
    yield from found


def compare_tables(a: Any, b: Any, rules: Rules) -> Iterator[str]:
    """Yield how two tables differ; their rows are compared where rustfits-tables can read them."""
    of_a, of_b = ([name for name in one.colnames if not _fits(name, rules.columns)] for one in (a, b))
    common = [name for name in of_a if name in of_b]
    for side, columns in (("A", of_a), ("B", of_b)):
        names = [name for name in columns if name not in common]
        if names:
            yield f"columns in {side} alone: {', '.join(names)}"
    if common != [name for name in of_b if name in common]:
        yield f"columns in another order: {', '.join(common)} in A"
    if a.nrows != b.nrows:
        yield f"{a.nrows} rows in A, {b.nrows} in B"
        return
    for one in (a, b):
        if not hasattr(one, "dtype"):
            one.read()  # names the package that reads rows
    alike = []
    for name in common:
        types = _type_of(a, name), _type_of(b, name)
        if types[0] != types[1]:
            yield f"column {name}: {types[0]} in A, {types[1]} in B"
        if a.dtype[name].shape == b.dtype[name].shape and a.dtype[name].kind == b.dtype[name].kind:
            alike.append(name)
    counts, cells = _counts(a, b, alike, rules)
    for name, count in counts.items():
        if count:
            yield f"column {name}: {count} of {a.nrows} rows differ"
    yield from cells


def _counts(a: Any, b: Any, names: list[str], rules: Rules) -> tuple[dict[str, int], list[str]]:
    """Return how many rows of each column differ, and the first cells; some rows are in memory at a time."""
    counts, cells = dict.fromkeys(names, 0), list[str]()
    width = sum(a.dtype[name].itemsize for name in names)
    step = OBJECT_NROWS if any(a.dtype[name].hasobject for name in names) else max(PIECE_NBYTES // max(width, 1), 1)
    for first in range(0, a.nrows if names else 0, step):
        which = slice(first, min(first + step, a.nrows))
        of_a, of_b = _rows(a, which, names, b), _rows(b, which, names, a)
        for name, different in _different_rows(of_a, of_b, rules):
            counts[name] += int(different.sum())
            for row in np.flatnonzero(different)[: rules.nshown - len(cells)].tolist():
                one, other = (_cell(columns[name][row]) for columns in (of_a, of_b))
                cells.append(f"column {name}, row {first + row}: {one} in A, {other} in B")
    return counts, cells


def _cell(value: Any) -> str:
    """Return a cell as text; of one without value, that it has none, and of a long one the beginning."""
    if value is np.ma.masked:
        return "no value"
    text = " ".join(str(value).split()) or "empty"
    return text if len(text) <= CELL_LENGTH else f"{text[:CELL_LENGTH]}..."


def _type_of(hdu: Any, name: str) -> str:
    """Return what a column holds; of arrays in the heap what those do."""
    number = list(hdu.colnames).index(name) + 1
    form = str(hdu.header.get(f"ZFORM{number}", hdu.header.get(f"TFORM{number}", "")))
    found = re.match(r"\s*\d*[PQ]\s*([A-Z])", form)
    dtype = hdu.dtype[name]
    shape = f" of shape {dtype.shape}" if dtype.shape else ""
    return f"arrays of type {found[1]}" if found and dtype.hasobject else f"{dtype.base}{shape}"


def _rows(hdu: Any, which: slice, names: list[str], other: Any) -> dict[str, NDArray[Any]]:
    """Return columns of some rows; logical ones are masked where they have no value, if both tables can say so."""
    found = hdu.read(rows=which, columns=names)
    columns = {name: np.asarray(found[name]) for name in names}
    flags = [name for name in names if hdu.dtype[name].base.kind == "b"]
    if flags and not any(isinstance(one, rustfits.CompressedTableHDU) for one in (hdu, other)):
        masked = hdu.read(rows=which, columns=flags, mask_null=True)
        columns |= {name: masked[name] for name in flags}
    return columns


def _different_rows(
    columns: dict[str, NDArray[Any]], others: dict[str, NDArray[Any]], rules: Rules
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield each column with which of its rows differ."""
    for name, column in columns.items():
        other = others[name]
        if column.dtype == object:
            same = [_same_cells(one, two, rules) for one, two in zip(column, other, strict=True)]
            yield name, ~np.array(same, bool)
            continue
        different = unequal(np.ma.getdata(column), np.ma.getdata(other), rules)
        different |= np.ma.getmaskarray(column) != np.ma.getmaskarray(other)
        yield name, np.any(different.reshape(len(column), -1), axis=1)


def _same_cells(one: Any, two: Any, rules: Rules) -> bool:
    one, two = np.asarray(one), np.asarray(two)
    return one.shape == two.shape and not unequal(one, two, rules).any()
