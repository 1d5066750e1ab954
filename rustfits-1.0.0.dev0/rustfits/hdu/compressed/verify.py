"""The verdicts on the pixels of a compressed image: ZDATASUM, ZHECKSUM, and whether every tile can be decoded."""

from __future__ import annotations

from collections.abc import Callable

from rustfits.errors import CodecNotInstalled, FitsError, PluginError
from rustfits.hdu import sums
from rustfits.hdu.compressed.sums import data_sum, is_zhecksum
from rustfits.hdu.report import Status, Verdict
from rustfits.header.cards import Cards
from rustfits.tiles.damage import ForgivingDecoder, described, find
from rustfits.tiles.zimage import TileTable

_SHOWN_TILES = 3
NOT_ASKED = "the pixels were not decoded, as was asked"


def pixel_verdicts(
    cards: Cards, make_decoder: Callable[[], ForgivingDecoder], own: tuple[Verdict, Verdict], *, decode: bool
) -> tuple[tuple[Verdict, ...], str]:
    """Return the verdicts on ZDATASUM, ZHECKSUM and tiles, and why the pixels could not be looked at; inside `reading`.

    Parameters
    ----------
    cards : Cards
    make_decoder : callable
        Returns the decoder; raises a `FitsError` if the header describes no compressed image.
    own : (Verdict, Verdict)
        On DATASUM and CHECKSUM.
    decode : bool
        Whether to decode the pixels at all.
    """
    decoder, data, unread = None, None, ""
    if decode:
        try:
            decoder = make_decoder()
            decoder.look_at_table()
            if decoder.damage:
                find(decoder)  # there is no sum of pixels that are not there
            else:
                data = data_sum(decoder)
            tiles = _tiles(decoder)
            if decoder.damage:
                data = None
        except (CodecNotInstalled, PluginError) as error:
            unread = error._sentence()
            tiles = Verdict("tiles", "does not apply", unread)
        except MemoryError:
            unread = "a row of tiles does not fit in memory once it is decoded"
            tiles = Verdict("tiles", "does not apply", unread)
        except FitsError as error:
            tiles = Verdict("tiles", "bad", error._sentence())
    else:
        tiles = Verdict("tiles", "does not apply", NOT_ASKED)
    table = None if decoder is None or data is None else decoder.table
    why = "the pixels cannot be decoded" if tiles.status == "bad" else tiles.reason
    return (_zdatasum(cards, data, own[0], why), _zhecksum(cards, table, data, own, why), tiles), unread


def _tiles(decoder: ForgivingDecoder) -> Verdict:
    damaged, ntiles = described(decoder), decoder.table.grid.ntiles
    if not damaged:
        return Verdict("tiles", "ok", f"all {ntiles} tiles can be decoded")
    shown = "; ".join(map(str, damaged[:_SHOWN_TILES]))
    more = f"; and {len(damaged) - _SHOWN_TILES} more" if len(damaged) > _SHOWN_TILES else ""
    return Verdict("tiles", "bad", f"{len(damaged)} of {ntiles} tiles cannot be decoded: {shown}{more}")


def _zdatasum(cards: Cards, data: int | None, datasum: Verdict, why: str) -> Verdict:
    value = sums.stated(cards, "ZDATASUM")
    if value is None:
        return sums.absent(cards, "ZDATASUM")
    if data is None:
        return Verdict("ZDATASUM", "does not apply", f"it cannot be compared: {why}")
    if sums.is_datasum(value, data):
        return Verdict("ZDATASUM", "ok", "it is the sum of the pixels")
    status, reason = _weighed(datasum, "pixels before they were quantised, or in another form")
    return Verdict("ZDATASUM", status, f"it is {value!r}, but the pixels sum up to {data}: {reason}")


def _zhecksum(
    cards: Cards, table: TileTable | None, data: int | None, own: tuple[Verdict, Verdict], why: str
) -> Verdict:
    if sums.stated(cards, "ZHECKSUM") is None:
        return sums.absent(cards, "ZHECKSUM")
    if data is None or table is None:
        return Verdict("ZHECKSUM", "does not apply", f"it cannot be compared: {why}")
    if is_zhecksum(cards, table, data):
        return Verdict("ZHECKSUM", "ok", "it is the checksum of the image if it were not compressed")
    status, reason = _weighed(own[1], "a header or pixels that are not kept as they were")
    return Verdict("ZHECKSUM", status, f"it is not the checksum of this header and these pixels: {reason}")


def _weighed(own: Verdict, before: str) -> tuple[Status, str]:
    """Return what a sum means that is not the one of the pixels, by the verdict on the bytes themselves."""
    if own.status == "ok":
        return "does not apply", f"{own.check} is right, so it is of {before}, and tells nothing of damage"
    return "bad", f"{own.check} is {own.status}, so nothing shows that they are what they were"
