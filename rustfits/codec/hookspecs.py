"""The six hooks of a plugin. Hooks choose, objects work: none is called in a loop over tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from rustfits.codec.codec import TileCodec
    from rustfits.codec.kernels import Kernels
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
def rustfits_open_storage(url: str, mode: str, options: Any, near: int) -> Storage | None:
    """Open what a URL names, or decline.

    The entry point is of the group ``rustfits.storage`` and is named after the URL's scheme. One named ``*`` is asked
    for the schemes that nobody offers by name. Several of one distribution may name the same module.

    Parameters
    ----------
    url : str
        With its scheme.
    mode : {'r', 'r+', 'w+', 'x'}
    options : Remote or None
        What the caller passed as ``remote=``.
    near : int
        The byte at which reading begins: 0, unless all headers are known already. A hint; an implementation may leave
        the argument out.

    Returns
    -------
    Storage or None
        None declines; the core then treats the URL as if there were no plugin. Its `name` is shown to users: it holds
        no credentials.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def rustfits_storage_of(thing: Any, path: str, mode: str, options: Any) -> Storage | None:
    """Return a storage of what an object reaches by a path, or decline.

    The entry point is of the group ``rustfits.storage_objects`` and is named after the package that the class of the
    object comes from, or one of its bases.

    Parameters
    ----------
    thing : object
        Such as a file system.
    path : str
        Of the file in it; nothing if the object knows that.
    mode : {'r', 'r+', 'w+', 'x'}
    options : Remote or None
        What the caller passed as ``remote=``.

    Returns
    -------
    Storage or None
        As of `rustfits_open_storage`.
    """
    raise NotImplementedError


@hookspec
def rustfits_hdu_type() -> Any:
    """Return a kind of HDU; called once per process, when the first HDU is met that may be of it.

    The entry point is of the group ``rustfits.hdu_types``. Its name begins with the class of headers about which the
    kind is asked: PRIMARY, GROUPS (a primary HDU of random groups), IMAGE, TABLE, BINTABLE, ZIMAGE and ZTABLE (a
    BINTABLE with that keyword = T), or any other value of XTENSION. After a dot any name follows, such as
    ``BINTABLE.table``. Several entry points of one distribution may name the same module. A file without headers of
    those classes loads nothing of it.

    Returns
    -------
    rustfits.plugin.HDUKind
        An object of a class that derives from it. It says how specifically it matches a header, and which class such
        an HDU has; the most specific one has the HDU.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def rustfits_html(thing: Any) -> str | None:
    """Return what a notebook shows of a file or an HDU, or decline.

    The entry point is of the group ``rustfits.displays`` and is named ``html``.

    Parameters
    ----------
    thing : FITS or HDU

    Returns
    -------
    str or None
        HTML, of which nothing that a file says is taken as such. None declines; the text is shown then.
    """
    raise NotImplementedError
