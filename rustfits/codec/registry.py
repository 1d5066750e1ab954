"""Which plugins there are: found by name, loaded one by one, when they are first needed.

Every plugin is an entry point. Its group says which hook it implements, its name what it is for:

| group                | name             | hook                      |
|----------------------|------------------|---------------------------|
| `rustfits.codecs`    | value of ZCMPTYPE | `rustfits_register_codec` |
| `rustfits.kernels`   | any              | `rustfits_kernels`        |
| `rustfits.storage`   | scheme of a URL, or ``*`` | `rustfits_open_storage` |
| `rustfits.storage_objects` | package of a class | `rustfits_storage_of` |
| `rustfits.hdu_types` | class of headers, a dot, any | `rustfits_hdu_type` |
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from rustfits._version import __version__
from rustfits.codec import discovery
from rustfits.codec.codec import TileCodec
from rustfits.codec.discovery import Plugin
from rustfits.codec.installed import HDU_TYPES, Entry
from rustfits.errors import CodecNotInstalled, InvalidParameter, PluginError
from rustfits.storage.base import Storage

if TYPE_CHECKING:
    from rustfits.codec.builtin import BuiltinPlugin

CODECS = "rustfits.codecs"
STORAGE = "rustfits.storage"
STORAGE_OBJECTS = "rustfits.storage_objects"
DISPLAYS = "rustfits.displays"
ANY_SCHEME = "*"  # the name of who is asked for schemes that nobody offers by name

# Other spellings of ZCMPTYPE, in old files and in `compress=`; this is the one place that knows them.
ALIASES = {
    "GZIP": "GZIP_1",
    "RICE": "RICE_1",
    "RICE_ONE": "RICE_1",
    "HCOMPRESS": "HCOMPRESS_1",
    "PLIO": "PLIO_1",
}

# Where to get the codecs of the standard that are not part of the core.
PACKAGES = {"RICE_1": "rustfits-rice", "HCOMPRESS_1": "rustfits-hcompress", "PLIO_1": "rustfits-plio"}

# Under which name the package `rustfits` shows their classes.
CLASS_NAMES = {"Rice1": "RICE_1", "Hcompress1": "HCOMPRESS_1", "Plio1": "PLIO_1"}

# Codecs of the core.
OWN = ("GZIP_1", "GZIP_2", "NOCOMPRESS")

_codecs: dict[str, type[TileCodec]] = {}
_kinds: dict[str, tuple[Plugin, object]] = {}
_told: set[str] = set()  # plugins that cannot be loaded


class CodecSource(NamedTuple):
    """Who offers a codec; two distributions that offer the same one are both named, separated by ', '.

    Attributes
    ----------
    distribution, version : str
        Name and version of the installed distribution.
    value : str
        Object that the entry point names, as ``module`` or ``module:attribute``.
    """

    distribution: str
    version: str
    value: str


# -- codecs ---------------------------------------------------------------------------------------------------------


def codecs() -> Mapping[str, CodecSource]:
    """List the compression algorithms that are installed; no plugin is imported.

    Returns
    -------
    Mapping[str, CodecSource]
        ``(distribution, version, value)`` by ZCMPTYPE, the core's own first.

    Examples
    --------
    >>> codecs()["GZIP_1"].distribution
    'rustfits'
    """
    sources: dict[str, list[CodecSource]] = {}
    for name in OWN:
        codec = _own_plugin(name).codec
        sources[name] = [CodecSource("rustfits", __version__, f"{codec.__module__}:{codec.__name__}")]
    for entry in sorted(discovery.entry_points(CODECS, anew=True), key=lambda entry: discovery.key(entry.name)):
        sources.setdefault(discovery.key(entry.name), []).append(_source(entry))
    return {name: CodecSource(*map(", ".join, zip(*found, strict=True))) for name, found in sources.items()}


def codec_class(zcmptype: str) -> type[TileCodec]:
    """Return the class of a compression algorithm, loading its plugin if that was not done yet.

    Parameters
    ----------
    zcmptype : str
        Value of ZCMPTYPE, or one of its other spellings; case and surrounding blanks do not count.

    Raises
    ------
    CodecNotInstalled
        If no plugin offers the algorithm; it names the package to install, where that is known.
    PluginError
        If the plugin cannot be loaded, is outdated, or two distributions offer the algorithm.
    """
    name = algorithm_name(zcmptype)
    codec = _codecs.get(name)
    if codec is None:
        with discovery.lock:
            codec = _codecs.get(name) or _load_codec(name)
            _codecs[name] = codec
    return codec


def algorithm_name(zcmptype: str) -> str:
    """Return the standard's spelling of an algorithm's name."""
    name = zcmptype.strip().upper()
    return ALIASES.get(name, name)


def as_codec(compress: object) -> TileCodec | None:
    """Return the codec that an argument ``compress=`` stands for.

    Parameters
    ----------
    compress : TileCodec, str or None
        A codec is returned as it is; a name gives one with default parameters; None is no compression.

    Raises
    ------
    TypeError
        If it is of another kind.
    InvalidParameter
        If no algorithm has that name.
    CodecNotInstalled, PluginError
        As `codec_class`.
    """
    if compress is None or isinstance(compress, TileCodec):
        return compress
    if not isinstance(compress, str):
        raise TypeError(f"compress= must be None, a codec such as Gzip2() or the name of one, not {compress!r}")
    try:
        return codec_class(compress)()
    except CodecNotInstalled as error:
        if error.package is not None:
            raise
        allowed = f"is an unknown compression algorithm name (installed: {', '.join(error.installed)})"
        raise InvalidParameter("compress", compress, allowed) from None


def _own_plugin(name: str) -> BuiltinPlugin:
    from rustfits.codec.builtin import PLUGINS

    return PLUGINS[name]


def _load_codec(name: str) -> type[TileCodec]:
    entries = discovery.named(CODECS, name)
    own = _own_plugin(name) if name in OWN else None
    if own is None and not entries:
        entries = discovery.named(CODECS, name, anew=True)  # it may have been installed since
        if not entries:
            raise CodecNotInstalled(name, tuple(codecs()), PACKAGES.get(name))
    if own is None:
        plugin = discovery.load(CODECS, name, entries)
    elif entries:
        raise discovery.rivals(CODECS, name, [f"rustfits {__version__}", *map(discovery.origin_of, entries)])
    else:
        plugin = Plugin(own, f"rustfits {__version__}")
        discovery.register(CODECS, name, plugin)
    codec = discovery.offer("rustfits_register_codec", plugin)
    if not (isinstance(codec, type) and issubclass(codec, TileCodec)):
        raise PluginError(f"{plugin.origin} offers {codec!r} for ZCMPTYPE {name!r}; it must be a subclass of TileCodec")
    if getattr(codec, "zcmptype", None) != name:
        said = getattr(codec, "zcmptype", None)
        raise PluginError(
            f"{plugin.origin} offers ZCMPTYPE {name!r}, but its class {codec.__name__} says zcmptype = {said!r}"
        )
    return codec


# -- the other hooks ------------------------------------------------------------------------------------------------


def open_storage(url: str, mode: str, options: Any, near: int = 0) -> Storage | None:
    """Have the plugin for a URL's scheme open it.

    Parameters
    ----------
    url : str
        With its scheme.
    mode : {'r', 'r+', 'w+', 'x'}
    options : Remote or None
        What the caller passed as ``remote=``.
    near : int
        The byte at which reading begins.

    Returns
    -------
    Storage or None
        None if there is no such plugin, or if it declines.

    Raises
    ------
    PluginError
        If the plugin cannot be loaded, is outdated, or two distributions offer the scheme.
    Exception
        Whatever the plugin raises of the file.
    """
    scheme = url.partition("://")[0]
    plugin = _plugin_for(STORAGE, scheme) or _plugin_for(STORAGE, ANY_SCHEME)
    if plugin is None:
        return None
    storage = discovery.call("rustfits_open_storage", plugin, url=url, mode=mode, options=options, near=near)
    return _checked_storage(storage, plugin, f"a URL of the scheme {scheme}")


def storage_of(thing: object, path: str, mode: str, options: Any) -> Storage | None:
    """Have the plugin for the package of an object's class, or of one of its bases, make a storage of it.

    Parameters
    ----------
    thing : object
        That reaches files by their path, such as a file system.
    path, mode, options
        As for `rustfits_storage_of`.

    Returns
    -------
    Storage or None
        None if there is no such plugin, or if it declines.

    Raises
    ------
    PluginError, Exception
        As `open_storage`.
    """
    packages = dict.fromkeys(cls.__module__.partition(".")[0] for cls in type(thing).__mro__)
    for package in packages:
        plugin = _plugin_for(STORAGE_OBJECTS, package)
        if plugin is not None:
            arguments = {"thing": thing, "path": path, "mode": mode, "options": options}
            storage = discovery.call("rustfits_storage_of", plugin, **arguments)
            return _checked_storage(storage, plugin, f"a {type(thing).__name__}")
    return None


def html_of(thing: object) -> str | None:
    """Return what a notebook shows of a file or an HDU; None if there is no plugin that tells, or it declines."""
    from html import escape

    try:
        plugin = _plugin_for(DISPLAYS, "html")
        html = None if plugin is None else discovery.call("rustfits_html", plugin, thing=thing)
        if html is None or isinstance(html, str):
            return html
        raise PluginError(f"rustfits_html returned {html!r}; it must be a str or None")
    except PluginError as error:  # told below the text: what one looks at must not fail
        return f"<pre>{escape(repr(thing))}\n{escape(str(error))}</pre>"


def _checked_storage(storage: object, plugin: Plugin, what: str) -> Storage | None:
    if storage is None or isinstance(storage, Storage):
        return storage
    raise PluginError(f"{plugin.origin} opened {what} as {storage!r}; it must be a Storage or None")


def hdu_kinds(
    wanted: Callable[[str], bool], *, strict: bool = False, anew: bool = False
) -> list[tuple[Plugin, object]]:
    """Load the plugins that bring kinds of HDU, and return what they offer; unlike codecs, several may share a name.

    Parameters
    ----------
    wanted : callable
        Tells by the name of an entry point whether it is needed.
    strict : bool
        Whether a plugin that cannot be loaded is an error. Otherwise it is told of, once, and done without: the core
        reads what it can of any HDU.
    anew : bool
        Whether to look again what is installed.

    Raises
    ------
    PluginError
        Only with ``strict``.
    """
    plugins: dict[str, tuple[Plugin, object]] = {}
    for entry in discovery.entry_points(HDU_TYPES, anew=anew):
        if not wanted(entry.name) or entry.value in plugins:
            continue
        with discovery.lock:
            try:
                if entry.value not in _kinds:
                    plugin = discovery.load(HDU_TYPES, entry.value, [entry])
                    _kinds[entry.value] = plugin, discovery.offer("rustfits_hdu_type", plugin)
                plugins[entry.value] = _kinds[entry.value]
            except PluginError as error:
                if strict:
                    raise
                if entry.value not in _told:
                    _told.add(entry.value)
                    warnings.warn(f"{error}; HDUs are shown without it", RuntimeWarning, stacklevel=2)
    return list(plugins.values())


def _plugin_for(group: str, name: str) -> Plugin | None:
    """Return the plugin for a name; one that is known by several, such as schemes, is loaded once."""
    entries = discovery.named(group, name)
    if len(entries) > 1:
        raise discovery.rivals(group, name, map(discovery.origin_of, entries))
    return discovery.load("rustfits", entries[0].value, entries) if entries else None


def _source(entry: Entry) -> CodecSource:
    distribution = entry.dist
    if distribution is None:
        return CodecSource("an unknown distribution", "", entry.value)
    return CodecSource(distribution.name, distribution.version, entry.value)
