"""Which class stands for an HDU: the core's own, or that of the most specific kind that a plugin brings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from rustfits.codec import installed
from rustfits.errors import FitsError, NotSupported, PluginError, how_to_install
from rustfits.hdu.base import HDU
from rustfits.hdu.image.image import ImageHDU
from rustfits.header.cards import Cards

if TYPE_CHECKING:
    from rustfits.codec.discovery import Plugin
    from rustfits.hdu.kind import HDUKind

# Names from before the standard extensions, which archives are full of (FITS 4.0, appendix F).
_OLDER = {"IUEIMAGE": "IMAGE", "A3DTABLE": "BINTABLE", "3DTABLE": "BINTABLE"}

# Which entry point has the class that `rustfits` shows by this name, and a header that it is for.
SHOWN: dict[str, tuple[str, tuple[tuple[str, object], ...]]] = {
    "TableHDU": ("BINTABLE.table", (("XTENSION", "BINTABLE"),)),
    "CompressedTableHDU": ("ZTABLE.table", (("XTENSION", "BINTABLE"), ("ZTABLE", True))),
    "AsciiTableHDU": ("TABLE.ascii", (("XTENSION", "TABLE"),)),
}
# Classes that such a class has as an attribute.
_BESIDE = {
    "AsciiColumnSubset": ("AsciiTableHDU", "_columns_class"),
    "AsciiSingleColumnSubset": ("AsciiTableHDU", "_column_class"),
    "CompressedColumnSubset": ("CompressedTableHDU", "_columns_class"),
    "CompressedSingleColumnSubset": ("CompressedTableHDU", "_column_class"),
}

_IMAGES = ("PRIMARY", "IMAGE", "ZIMAGE")  # what the core reads as the standard says

_offered: frozenset[str] | None = None  # classes of headers for which plugins are installed


def header_class(cards: Cards, primary: bool) -> str:
    """Return the class of headers that a header belongs to, which entry points of kinds begin with.

    Parameters
    ----------
    cards : Cards
    primary : bool
        Whether it is the first HDU of its file.

    Returns
    -------
    str
        PRIMARY, GROUPS (a primary one with random groups), IMAGE, TABLE, BINTABLE, ZIMAGE (BINTABLE with ZIMAGE = T),
        ZTABLE (BINTABLE with ZTABLE = T), or any other XTENSION; "" for one that is no text.
    """
    if primary:
        return "GROUPS" if cards.get("GROUPS") is True else "PRIMARY"
    value = cards.first_value()
    kind = value.strip() if isinstance(value, str) else ""
    kind = _OLDER.get(kind, kind)
    if kind == "BINTABLE":
        if cards.get("ZIMAGE") is True:
            return "ZIMAGE"
        return "ZTABLE" if cards.get("ZTABLE") is True else kind
    return kind


def hdu_class(cards: Cards, primary: bool) -> type[HDU]:
    """Choose the class for a header (FITS 4.0, sections 4.4.1, 7 and 10).

    Parameters
    ----------
    cards : Cards
    primary : bool
        Whether it is the first HDU of its file.

    Returns
    -------
    type[HDU]
        `HDU` itself for an extension that neither the core nor a plugin knows.

    Raises
    ------
    PluginError
        If two kinds match equally well, or one breaks the contract.
    """
    name = header_class(cards, primary)
    if name.upper() in (_look() if _offered is None else _offered):
        return _best_class(name, cards, primary)
    return _own_class(name)


def _own_class(name: str) -> type[HDU]:
    # Only what a file holds is loaded: for one image that takes as long as to read it.
    if name in ("PRIMARY", "IMAGE", "GROUPS"):
        return ImageHDU
    if name == "ZIMAGE":
        from rustfits.hdu.compressed.compressed import CompressedImageHDU

        return CompressedImageHDU
    if name in ("BINTABLE", "ZTABLE", "TABLE"):
        from rustfits.hdu import table

        if name == "TABLE":
            return table.ClosedAsciiTableHDU
        return table.ClosedTableHDU if name == "BINTABLE" else table.ClosedCompressedTableHDU
    return HDU


def _look(*, anew: bool = False) -> frozenset[str]:
    """Return the classes of headers for which kinds are installed; no plugin is loaded."""
    global _offered  # noqa: PLW0603 - what is installed is the same for all
    entries = installed.entries(anew=anew)
    _offered = frozenset(_class_of(entry.name) for entry in entries if entry.group == installed.HDU_TYPES)
    return _offered


def _class_of(entry: str) -> str:
    """Return the class of headers that the name of an entry point begins with."""
    return entry.partition(".")[0].strip().upper()


def _best_class(name: str, cards: Cards, primary: bool) -> type[HDU]:
    from rustfits._version import __version__
    from rustfits.codec import registry
    from rustfits.hdu.kind import HDUKind

    own = HDUKind.STANDARD if name in _IMAGES else HDUKind.GENERIC
    found: list[tuple[int, str, HDUKind | None]] = [(own, f"rustfits {__version__}", None)]
    for plugin, kind in registry.hdu_kinds(lambda entry: _class_of(entry) == name.upper()):
        asked = _checked(plugin, kind)
        match = _fit(plugin, "match", partial(asked.match, cards, primary))
        if match:
            found.append((match, plugin.origin, asked))
    best = _most_specific(found, f"a header of the class {name}")
    if best is None:
        return _own_class(name)
    chosen = _answer(type(best).__name__, "hdu_class", partial(best.hdu_class, cards))
    if not (isinstance(chosen, type) and issubclass(chosen, HDU)):
        raise PluginError(f"{type(best).__name__} chose {chosen!r} for an HDU; it must be a subclass of rustfits.HDU")
    return chosen


def _most_specific(found: list[tuple[int, str, HDUKind | None]], what: str) -> HDUKind | None:
    most = max(match for match, _, _ in found)
    best = [(origin, kind) for match, origin, kind in found if match == most]
    if len(best) > 1:
        names = " and ".join(origin for origin, _ in best)
        raise PluginError(f"{names} are equally fit for {what}; uninstall one of them")
    return best[0][1]


def _fit(plugin: Plugin, method: str, ask: Callable[[], object]) -> int:
    """Return how specifically a kind says that it fits."""
    fit = _answer(plugin.origin, method, ask)
    if not isinstance(fit, int):
        raise PluginError(f"{method} of a kind of HDU of {plugin.origin} returned {fit!r:.60}; it must return an int")
    return fit


def _answer(who: str, method: str, ask: Callable[[], object]) -> object:
    """Return what a method of a kind answers; whatever it raises that is none of ours is its fault."""
    try:
        return ask()
    except (FitsError, NotImplementedError, MemoryError):
        raise
    except Exception as error:
        raise PluginError(f"{method} of a kind of HDU of {who} failed ({type(error).__name__}: {error})") from error


def _checked(plugin: Plugin, kind: object) -> HDUKind:
    from rustfits.hdu.kind import HDUKind

    if not isinstance(kind, HDUKind):
        raise PluginError(f"{plugin.origin} offers {kind!r} as a kind of HDU; it must be an HDUKind object")
    return kind


# -- kinds that are asked for by what they do ----------------------------------------------------------------------


def kind_of(entry: str) -> HDUKind | None:
    """Return the kind of an entry point, such as ``BINTABLE.table``; None if nobody offers it.

    Raises
    ------
    PluginError
        If it cannot be loaded, or several distributions offer it.
    """
    from rustfits.codec import registry

    def is_it(name: str) -> bool:
        return name.strip().upper() == entry.upper()

    found = registry.hdu_kinds(is_it, strict=True)
    if not found:  # it may have been installed since
        _look(anew=True)
        found = registry.hdu_kinds(is_it, strict=True, anew=True)
    if len(found) > 1:
        names = " and ".join(plugin.origin for plugin, _ in found)
        raise PluginError(f"{names} both offer {entry} ({installed.HDU_TYPES}); uninstall one of them")
    return _checked(*found[0]) if found else None


def kind_that_takes(data: object) -> HDUKind | None:
    """Return the kind that is most specific for data to be written; None if there is none.

    Raises
    ------
    PluginError
        If two kinds are equally fit, or one breaks the contract.
    """
    from rustfits.codec import registry

    found: list[tuple[int, str, HDUKind | None]] = []
    for plugin, kind in registry.hdu_kinds(lambda _: True):
        asked = _checked(plugin, kind)
        fit = _fit(plugin, "takes", partial(asked.takes, data))
        if fit:
            found.append((fit, plugin.origin, asked))
    return _most_specific(found, f"writing a {type(data).__name__}") if found else None


def shown_class(name: str) -> Any:
    """Return the class of HDUs that `rustfits` shows by a name.

    Raises
    ------
    NotSupported
        If the package that has it is not installed.
    PluginError
        If it cannot be loaded.
    """
    if name in _BESIDE:
        owner, attribute = _BESIDE[name]
        return getattr(shown_class(owner), attribute)
    entry, cards = SHOWN[name]
    kind = kind_of(entry)
    if kind is None:
        from rustfits.hdu.table import PACKAGE

        raise NotSupported(f"no installed package offers it; try: {how_to_install(PACKAGE)}")
    return kind.hdu_class(Cards.build(cards))
