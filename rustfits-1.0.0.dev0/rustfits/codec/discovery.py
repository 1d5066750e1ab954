"""Plugins as entry points: listed by name, loaded one by one, registered with pluggy."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from rustfits._version import __version__
from rustfits.codec import hookspecs, installed
from rustfits.codec.codec import API_VERSION
from rustfits.codec.installed import Entry
from rustfits.errors import PluginError

if TYPE_CHECKING:
    from pluggy import PluginManager

lock = threading.RLock()  # held while plugins are found and loaded
_found: dict[str, tuple[Entry, ...]] = {}
_plugins: dict[tuple[str, str], Plugin] = {}


class Plugin:
    """A plugin that was loaded.

    Parameters
    ----------
    implementation : object
        What the entry point names: a module, or any object whose attributes implement hooks.
    source : Entry or str
        The entry point, or what `origin` is to say.
    """

    __slots__ = ("_source", "implementation")

    def __init__(self, implementation: object, source: Entry | str) -> None:
        self.implementation, self._source = implementation, source

    @property
    def origin(self) -> str:
        """Name and version of its distribution, for errors: found out when there is one."""
        return self._source if isinstance(self._source, str) else origin_of(self._source)


# -- entry points ---------------------------------------------------------------------------------------------------


def entry_points(group: str, *, anew: bool = False) -> Sequence[Entry]:
    """Return what is installed for a group; nothing of it is imported.

    Parameters
    ----------
    group : str
    anew : bool
        Whether to look again, and not only the first time.
    """
    if anew or group not in _found:
        _found[group] = tuple(entry for entry in installed.entries(anew=anew) if entry.group == group)
    return _found[group]


def named(group: str, name: str, *, anew: bool = False) -> Sequence[Entry]:
    """Return the entry points of a group for one name; case does not count."""
    return [entry for entry in entry_points(group, anew=anew) if key(entry.name) == key(name)]


def key(name: str) -> str:
    """Return the form in which names are compared."""
    return name.strip().upper()


def origin_of(entry: Entry) -> str:
    """Return name and version of the distribution that an entry point belongs to."""
    distribution = entry.dist
    return "an unknown distribution" if distribution is None else f"{distribution.name} {distribution.version}"


# -- loading --------------------------------------------------------------------------------------------------------


def load(group: str, name: str, entries: Sequence[Entry]) -> Plugin:
    """Load and register the one entry point that there is for a name.

    Raises
    ------
    PluginError
        If there are several, or it cannot be loaded, or its hooks are not those that the core calls.
    """
    if len(entries) > 1:
        raise rivals(group, name, map(origin_of, entries))
    with lock:
        plugin = _plugins.get((group, name))
        if plugin is None:
            plugin = Plugin(_imported(entries[0]), entries[0])
            register(group, name, plugin)
            _plugins[group, name] = plugin
    return plugin


def register(group: str, name: str, plugin: Plugin) -> None:
    """Give a plugin to pluggy, which checks its hooks.

    Raises
    ------
    PluginError
        If it has a hook that the core does not know, which is misspelt, or one with other arguments.
    """
    from pluggy import PluginValidationError

    manager = _manager()
    implementation = plugin.implementation
    if manager.is_registered(implementation):
        raise PluginError(
            f"{plugin.origin} offers {name} by the object that {manager.get_name(implementation)} names too; "
            "each entry point must name an object of its own"
        )
    try:
        manager.register(implementation, f"{group}:{name}")
        manager.check_pending()
    except PluginValidationError as error:
        if manager.is_registered(implementation):
            manager.unregister(implementation)
        raise PluginError(f"the plugin of {plugin.origin} breaks the contract of the hooks: {error}") from error


def call(hook: str, plugin: Plugin, **arguments: Any) -> Any:
    """Call one hook of one plugin; return what it gives, None included.

    Raises
    ------
    PluginError
        If the plugin lacks the hook, or gives what was written for another version of the contract.
    Exception
        Whatever the hook raises.
    """
    manager = _manager()
    others = [other for other in manager.get_plugins() if other is not plugin.implementation]
    caller = manager.subset_hook_caller(hook, others)
    if not caller.get_hookimpls():
        raise PluginError(f"the plugin of {plugin.origin} does not implement {hook}, which its entry point promises")
    result = caller(**arguments)
    if isinstance(result, list):  # of a hook that is not `firstresult`, without what was None
        result = result[0] if result else None
    _check_version(result, plugin)
    return result


def offer(hook: str, plugin: Plugin) -> Any:
    """Call a hook without arguments; as `call`, but whatever goes wrong is a `PluginError`."""
    try:
        return call(hook, plugin)
    except PluginError:
        raise
    except Exception as error:
        raise PluginError(f"{hook} of {plugin.origin} failed ({type(error).__name__}: {error})") from error


def rivals(group: str, name: str, origins: Iterable[str]) -> PluginError:
    """Return the error of several distributions that offer one name."""
    return PluginError(
        f"more than one distribution offers {name} in the group {group!r}: {' and '.join(origins)}; "
        "uninstall all but one"
    )


@cache
def _manager() -> PluginManager:
    from pluggy import PluginManager

    manager = PluginManager("rustfits")
    manager.add_hookspecs(hookspecs)
    return manager


def _imported(entry: Entry) -> object:
    try:
        return entry.load()
    except Exception as error:  # whatever its modules raise when they are imported
        raise PluginError(
            f"the plugin {entry.value!r} of {origin_of(entry)} cannot be loaded ({type(error).__name__}: {error}); "
            "reinstall or upgrade that distribution"
        ) from error


def _check_version(offered: object, plugin: Plugin) -> None:
    version = getattr(offered, "api_version", API_VERSION)
    if version != API_VERSION:
        origin = plugin.origin
        outdated = origin.split(maxsplit=1)[0] if isinstance(version, int) and version < API_VERSION else "rustfits"
        raise PluginError(
            f"{origin} was written for version {version} of the plugin contract, rustfits {__version__} has "
            f"version {API_VERSION}; upgrade {outdated}"
        )
