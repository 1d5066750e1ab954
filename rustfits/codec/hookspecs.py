"""The four hooks of a plugin. Hooks choose, objects work: none is called in a loop over tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from rustfits.codec.codec import TileCodec
    from rustfits.codec.kernels import Kernels
    from rustfits.header.cards import Cards
    from rustfits.storage.base import Storage

hookspec = pluggy.HookspecMarker("rustfits")
hookimpl = pluggy.HookimplMarker("rustfits")


@hookspec
def rustfits_register_codec() -> type[TileCodec]:
    """Return the codec class that the entry point promises; called once per process.

    The entry point is of the group ``rustfits.codecs`` and is named after the ZCMPTYPE value.

    Returns
    -------
    type[TileCodec]
        The class; the core builds one instance per image, from the image's header.
    """
    raise NotImplementedError  # pluggy never runs a specification


@hookspec
def rustfits_kernels() -> Kernels:
    """Return faster forms of the work that is not a codec's; called once per process.

    The entry point is of the group ``rustfits.kernels`` and has any name.

    Returns
    -------
    Kernels
        An object of a subclass of `rustfits.plugin.Kernels`, giving the same bits.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def rustfits_open_storage(url: str, mode: str, options: Any) -> Storage | None:
    """Open what a URL names, or decline.

    The entry point is of the group ``rustfits.storage`` and is named after the URL's scheme.

    Parameters
    ----------
    url : str
        With its scheme.
    mode : {'r', 'r+', 'w+', 'x'}
    options : Remote or None
        What the caller passed as ``remote=``.

    Returns
    -------
    Storage or None
        None declines; the core then treats the URL as if there were no plugin.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def rustfits_hdu_type(cards: Cards) -> type | None:
    """Return the class for an HDU of a kind that the core does not know, or decline.

    The entry point is of the group ``rustfits.hdu_types`` and is named after the value of XTENSION. It is not asked
    about IMAGE, TABLE and BINTABLE, so that opening a file of those looks for no plugin.

    Parameters
    ----------
    cards : Cards
        The HDU's header.

    Returns
    -------
    type or None
        A subclass of `rustfits.HDU`; None leaves the HDU to the core, which shows its header alone.
    """
    raise NotImplementedError
