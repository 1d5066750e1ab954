"""The commands `header`, `set` and `checksum`: cards shown and changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from shutil import copymode
from typing import Any

import click

import rustfits
from rustfits_cli.files import Failures, each_file, expand, new_file, reading, sentence
from rustfits_cli.image import complete_file, hdus_option, pick_hdu
from rustfits_cli.rawcards import CHECKSUM_COMMENTS, RawHDU, fill_of, header_bytes, keyword, raw_hdu, with_checksums
from rustfits_cli.show import add_row, console, new_table, write_json
from rustfits_cli.verify import WORDS

lenient_option = click.option("--lenient/--strict", "lenient", default=None, help="As for info.")
files_argument = click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_file)

_CHANGE = re.compile(r"(?P<key>[A-Za-z0-9_-][A-Za-z0-9_ .-]*?)\s*(?:=(?P<rest>.*)|(?P<delete>-))", re.DOTALL)
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[EeDd][+-]?[0-9]+)?")
SUMS = ("CHECKSUM", "DATASUM")
CHECKSUMS = (*SUMS, "ZHECKSUM", "ZDATASUM")
COMMENTARY = {"COMMENT": "add_comment", "HISTORY": "add_history", "": "add_blank"}


def chosen(fits: rustfits.FITS, keys: Sequence[str]) -> list[rustfits.HDU]:
    """Return the HDUs that keys name; all of them if there is no key."""
    return [pick_hdu(fits, key) for key in keys] if keys else list(fits)


@click.command()
@files_argument
@click.option(
    "-k",
    "--keyword",
    "patterns",
    multiple=True,
    metavar="KEY",
    help="Only these; * and ? stand for others. Several -k are allowed.",
)
@hdus_option("Number, NAME or NAME,VERSION; several are allowed. All if not given.")
@click.option(
    "--table", "as_table", is_flag=True, help="One line for each HDU, a column for each KEY; so for several FILEs."
)
@click.option("--image", is_flag=True, help="Of compressed images the header of the image, as it is unpacked.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON list.")
@lenient_option
@click.pass_context
def header(
    ctx: click.Context,
    /,
    *,
    files: tuple[str, ...],
    patterns: tuple[str, ...],
    keys: tuple[str, ...],
    as_table: bool,
    image: bool,
    as_json: bool,
    lenient: bool | None,
) -> None:
    """Show the cards of each FILE, or some keywords of many FILEs as a table.

    The exit code is 1 if a FILE cannot be read, or no card has one of the keywords.
    """
    names, failures = expand(files), Failures()
    as_table = (as_table or len(names) > 1) and bool(patterns) and not as_json
    found: list[dict[str, Any]] = []
    for file in each_file(names, headings=not as_table and not as_json):
        with failures.kept(file), reading(file, lenient) as fits:
            for hdu in chosen(fits, keys):
                own = hdu.image_header if image and isinstance(hdu, rustfits.ImageHDU) else hdu.header
                lines = [line for line in own.cards if line != "END" and fits_pattern(keyword_of(line), patterns)]
                name = hdu.extname or ""
                entry = {"filename": file, "index": hdu.index, "name": name, "cards": entries(own, lines)}
                found.append(entry)
                if not as_table and not as_json and (lines or not patterns):
                    if len(fits) > 1 and not keys:
                        click.echo(f"# HDU {hdu.index} {rustfits.printable(name)}".rstrip())
                    click.echo("\n".join(map(rustfits.printable, lines)))
    if as_json:
        write_json(found)
    elif as_table:
        show_table(found)
    if patterns and not any(entry["cards"] for entry in found) and not failures.failed:
        raise click.ClickException(f"no card has a keyword {' or '.join(patterns)}")
    failures.exit(ctx)


def show_table(found: list[dict[str, Any]]) -> None:
    """Print a line for each HDU that has a keyword, one for each file that has none, and a column for each keyword."""
    having = {entry["filename"] for entry in found if entry["cards"]}
    told = []
    for entry in found:
        if entry["cards"]:
            told.append(entry)
        elif entry["filename"] not in having:
            having.add(entry["filename"])
            told.append(entry | {"index": ""})
    columns = list(dict.fromkeys(card["keyword"] for entry in told for card in entry["cards"]))
    if not columns:
        return
    table = new_table("file", "HDU", *columns)
    for entry in told:
        values: dict[str, list[str]] = {}
        for card in entry["cards"]:
            values.setdefault(card["keyword"], []).append(shown(card["value"]))
        cells = ("; ".join(values.get(column, [])) for column in columns)
        add_row(table, entry["filename"], str(entry["index"]), *cells)
    console().print(table)


def shown(value: Any) -> str:
    """Return a value as a table shows it: logical ones as FITS has them."""
    return {True: "T", False: "F", None: ""}.get(value, str(value)) if isinstance(value, bool | None) else str(value)


def entries(own: Any, lines: list[str]) -> list[dict[str, Any]]:
    """Return cards as keyword, value and comment; CONTINUE cards belong to the one before."""
    found, counts = [], dict.fromkeys(COMMENTARY, 0)
    for line in lines:
        key = keyword_of(line)
        if key == "CONTINUE":
            continue
        if key in COMMENTARY:
            counts[key] += 1
            found.append({"keyword": key, "value": line[8:].strip(), "comment": ""})
        elif key in own:
            try:
                found.append({"keyword": key, "value": own[key], "comment": own.comment_of(key)})
            except rustfits.FitsError:
                found.append({"keyword": key, "value": line[10:].strip(), "comment": "not a value of the standard"})
    return found


def keyword_of(line: str) -> str:
    """Return the keyword of a card; that of ESO's HIERARCH convention has several words."""
    if line.startswith("HIERARCH ") and "=" in line:
        return line[9 : line.index("=")].strip()
    return line[:8].strip()


def fits_pattern(key: str, patterns: Sequence[str]) -> bool:
    """Return whether a keyword is wanted; every one is if there is no pattern."""
    return not patterns or any(fnmatchcase(key.upper(), pattern.upper()) for pattern in patterns)


# -- set --------------------------------------------------------------------------------------------------------------


@click.command("set")
@click.argument("words", nargs=-1, required=True, metavar="FILE... KEY=VALUE...", shell_complete=complete_file)
@hdus_option("Number, NAME or NAME,VERSION; several are allowed. The first HDU if not given.")
@click.option("--dry-run", is_flag=True, help="Show the cards that would change; change nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show the cards that change.")
@lenient_option
@click.pass_context
def set_keywords(
    ctx: click.Context,
    /,
    *,
    words: tuple[str, ...],
    keys: tuple[str, ...],
    dry_run: bool,
    quiet: bool,
    lenient: bool | None,
) -> None:
    """Give keywords of each FILE new values; of one FILE all changes are made, or none.

    \b
    OBJECT=M13              text, a number, T or F, as the value looks
    "OBJECT='1'"            quotes make it text
    "EXPTIME=20.5 / seconds"  a comment after a slash; without, the old one stays
    "OBJECT='M13' / target"  the same of text, which stands in quotes then
    OBJECT-                 the card is removed
    "HISTORY=flat-fielded"  a line is added, so for COMMENT

    A CHECKSUM, or ZHECKSUM of a compressed HDU, that was right is renewed. The exit code is 1 if a FILE could not be
    changed.
    """  # noqa: D301  # click takes the backspace for: keep these lines
    first = next((number for number, word in enumerate(words) if is_change(word)), len(words))
    files, changes = expand(words[:first]), [parse_change(word) for word in words[first:]]
    if not files or not changes:
        raise click.UsageError("name a FILE and at least one KEY=VALUE or KEY-")
    failures = Failures()
    for file in each_file(files):
        with failures.kept(file):
            before_and_after = change_file(file, keys or ("0",), changes, dry_run=dry_run, lenient=lenient)
            for old, new in before_and_after if dry_run or not quiet else ():
                for sign, lines in (("-", old), ("+", new)):
                    for line in lines:
                        click.echo(f"{sign} {rustfits.printable(line)}")
    failures.exit(ctx)


def is_change(word: str) -> bool:
    """Return whether a word is a change rather than a file."""
    return not Path(word).exists() and "/" not in word.partition("=")[0] and bool(_CHANGE.fullmatch(word))


def parse_change(word: str) -> tuple[str, Any]:
    """Return keyword and value, ``(value, comment)``, or None for a card that goes.

    Raises
    ------
    click.UsageError
        If the word is no change.
    """
    found = _CHANGE.fullmatch(word)
    if found is None:
        raise click.UsageError(f"{word!r} is not understood; write KEY=VALUE or KEY-")
    key = found["key"].upper()
    if found["delete"]:
        return key, None
    rest = found["rest"].strip()
    if key in COMMENTARY:
        return key, rest
    quoted = re.fullmatch(r"'((?:[^']|'')*)'\s*(?:/(.*))?", rest, re.DOTALL)
    if quoted is not None:
        value, comment = quoted[1].replace("''", "'").rstrip(), quoted[2]
        return key, value if comment is None else (value, comment.strip())
    text, slash, comment = rest.partition(" /")
    plain = typed(text.strip())
    if slash and isinstance(plain, str) and plain:
        raise click.UsageError(
            f"{word!r} may be a text with a slash or a text and a comment; write \"{key}='{rest}'\" or "
            f"\"{key}='{plain}' / {comment.strip()}\""
        )
    return key, (plain, comment.strip()) if slash else plain


def typed(text: str) -> bool | int | float | str:
    """Return the value of text as FITS has types: logical, integer, real, or text."""
    if text in ("T", "F"):
        return text == "T"
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(text.upper().replace("D", "E"))
    return text


def change_file(
    file: str, keys: Sequence[str], changes: Sequence[tuple[str, Any]], *, dry_run: bool, lenient: bool | None = None
) -> list[tuple[list[str], list[str]]]:
    """Make changes in HDUs of a file, all or none, and return the cards that went and that came."""
    shown = []
    with rustfits.FITS(file, "r+", lenient=lenient) as fits:
        hdus = [pick_hdu(fits, key) for key in keys]
        sound = [hdu for hdu in hdus if hdu.verify_checksum() is True]  # of compressed HDUs, ZHECKSUM if it is alone
        try:
            with fits.transaction():
                for hdu in hdus:
                    before = hdu.header.cards
                    change_header(hdu.header, changes)
                    after = hdu.header.cards
                    shown.append(
                        ([line for line in before if line not in after], [line for line in after if line not in before])
                    )
                for hdu in sound:
                    hdu.add_checksum()
                if dry_run:
                    raise _Undo
        except _Undo:
            pass
    return shown


class _Undo(Exception):
    """Takes the changes of a dry run back."""


def change_header(own: rustfits.FITSHeader, changes: Sequence[tuple[str, Any]]) -> None:
    """Make changes, in their order."""
    with own.edit() as edit:
        for key, value in changes:
            if value is None:
                if key not in own and key not in edit:
                    raise rustfits.HeaderError(f"there is no card {key} that could be removed")
                del edit[key]
            elif key in COMMENTARY:
                getattr(edit, COMMENTARY[key])(value)
            else:
                edit[key] = value


# -- checksum ---------------------------------------------------------------------------------------------------------


@click.command()
@files_argument
@click.option("--write", is_flag=True, help="Write the checksums of every HDU anew.")
@click.option("--remove", is_flag=True, help="Take CHECKSUM and DATASUM out of every HDU; ZHECKSUM stays.")
@hdus_option("Number, NAME or NAME,VERSION; several are allowed. All if not given.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON list.")
@lenient_option
@click.pass_context
def checksum(
    ctx: click.Context,
    /,
    *,
    files: tuple[str, ...],
    write: bool,
    remove: bool,
    keys: tuple[str, ...],
    as_json: bool,
    lenient: bool | None,
) -> None:
    """Check the CHECKSUM and DATASUM of each FILE, or write or remove them.

    So of compressed HDUs ZHECKSUM and ZDATASUM, which are of what they unpack to; a dash says that such a sum tells
    nothing: it is of floats before they were rounded, or of other pixels, while DATASUM is right.

    The exit code is 0 if none is wrong, 1 if one is, or if a FILE cannot be read or changed, or an HDU needs a codec
    that is not installed; the others are done. `verify` says more.
    """
    if write and remove:
        raise click.UsageError("--write excludes --remove")
    failures, found, wrong = Failures(), [], False
    table = new_table("file", "HDU", "name", *CHECKSUMS)
    for file in expand(files):
        if remove:
            with failures.kept(file):
                remove_sums(file, keys, lenient)
            continue
        with failures.kept(file):
            if write:
                write_sums(file, keys, lenient)
        if file in failures.failed:
            continue
        with failures.kept(file), reading(file, lenient) as fits:
            hdus = chosen(fits, keys)
            missing = {hdu.index: codec_missing(hdu) for hdu in hdus}
            for hdu in hdus:
                entry = {"filename": file, "index": hdu.index, "name": hdu.extname or ""}
                if missing[hdu.index]:
                    failures.add(f"{file}, HDU {hdu.index}", missing[hdu.index])
                    found.append(entry | {"error": missing[hdu.index]})
                    add_row(table, file, str(hdu.index), hdu.extname or "", "unread", "unread", "", "")
                    continue
                verdicts = sums_of(hdu)
                wrong = wrong or WORDS["bad"] in verdicts.values()
                add_row(table, file, str(hdu.index), hdu.extname or "", *(verdicts.get(one, "") for one in CHECKSUMS))
                found.append(entry | {name.lower(): word for name, word in verdicts.items()})
    if as_json:
        write_json(found)
    elif found:
        console().print(table)
    failures.exit(ctx)
    if wrong:
        ctx.exit(1)


def sums_of(hdu: rustfits.HDU) -> dict[str, str]:
    """Return a word for each checksum: for CHECKSUM and DATASUM, and for others that a compressed HDU has."""
    others = [name for name in CHECKSUMS[2:] if name in hdu.header]
    report = hdu.verify(decode=bool(others))
    return {name: WORDS[report[name].status] for name in (*CHECKSUMS[:2], *others)}


def write_sums(file: str, keys: Sequence[str], lenient: bool | None) -> None:
    """Write every checksum of the HDUs that keys name, of those whose codec is there; errors as `remove_sums`."""
    with rustfits.FITS(file, "r+", lenient=lenient) as fits, fits.transaction():
        hdus = [hdu for hdu in chosen(fits, keys) if not codec_missing(hdu)]
        for hdu in hdus:
            hdu.add_checksum()
        lacking = [hdu.index for hdu in hdus if lacks_sums(hdu)]
    if lacking:
        complete_sums(file, lacking, lenient)


def lacks_sums(hdu: rustfits.HDU) -> bool:
    """Return whether a compressed HDU has no CHECKSUM or DATASUM, which are not what `add_checksum` adds to it."""
    compressed = hdu.header.get("ZIMAGE") is True or hdu.header.get("ZTABLE") is True
    return compressed and not all(name in hdu.header for name in SUMS)


def complete_sums(file: str, indices: Collection[int], lenient: bool | None) -> None:
    """Write a file anew with CHECKSUM and DATASUM in the compressed HDUs of some indices; errors as `remove_sums`."""
    from rustfits_cli.checking import sum_of

    rewrite(file, lambda raw: with_checksums(raw.cards, sum_of(raw), CHECKSUM_COMMENTS), indices, lenient)


def remove_sums(file: str, keys: Sequence[str], lenient: bool | None) -> None:
    """Write a file anew without CHECKSUM and DATASUM in the HDUs that keys name, in all if there is no key.

    Raises
    ------
    click.ClickException
        If the file is compressed as a whole, or something that is no HDU follows the last one.
    """
    with rustfits.FITS(file, lenient=lenient) as fits:
        picked = {hdu.index for hdu in chosen(fits, keys)}
    rewrite(file, lambda raw: [card for card in raw.cards if keyword(card) not in SUMS], picked, lenient)


def rewrite(file: str, change: Callable[[RawHDU], list[bytes]], indices: Collection[int], lenient: bool | None) -> None:
    """Write a file anew with other cards in the HDUs of some indices; errors as `remove_sums`."""
    with Path(file).open("rb") as opened:
        if opened.read(6) != b"SIMPLE":
            raise click.ClickException(
                f"{file}: headers become shorter or longer in plain files only; uncompress it first"
            )
    with rustfits.FITS(file, lenient=lenient) as fits:
        if fits.tail_nbytes:
            raise click.ClickException(f"{file}: {fits.tail_nbytes} bytes follow its HDUs; see: rustfits verify")
        with new_file(Path(file), flush=True) as made:
            with made.open("wb") as out:
                for hdu in fits:
                    raw = raw_hdu(hdu)
                    out.write(header_bytes(change(raw) if hdu.index in indices else raw.cards))
                    for piece in raw.pieces():
                        out.write(piece)
                    out.write(fill_of(raw))
            copymode(file, made)


def codec_missing(hdu: rustfits.HDU) -> str:
    """Return why the pixels of a compressed image, whose sums may be needed, cannot be decoded; empty if they can."""
    if isinstance(hdu, rustfits.CompressedImageHDU):
        try:
            hdu.compression  # noqa: B018  loading the codec is what is tried
        except rustfits.CodecError as error:
            return sentence(error)
    return ""
