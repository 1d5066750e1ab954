"""What is installed: entry points as the files of distributions name them; nothing of a plugin is imported."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib_metadata import Distribution

PREFIX = "rustfits."  # of the groups of our hooks
HDU_TYPES = "rustfits.hdu_types"

# Finders of distributions that look where `_listed` does.
_USUAL_FINDERS = ("_frozen_importlib_external", "importlib_metadata")

_known: tuple[object, list[Entry]] | None = None


class Entry:
    """An entry point of a distribution.

    Attributes
    ----------
    group, name, value : str
        As they are written.
    """

    __slots__ = ("_where", "group", "name", "value")

    def __init__(self, group: str, name: str, value: str, where: str | Distribution | None) -> None:
        self.group, self.name, self.value, self._where = group, name, value, where

    @property
    def dist(self) -> Distribution | None:
        """The distribution, as importlib_metadata has it; slow, since it reads all that the distribution says."""
        if not isinstance(self._where, str):
            return self._where
        from pathlib import Path

        from importlib_metadata import PathDistribution

        return PathDistribution(Path(self._where))

    def load(self) -> Any:
        """Import what the entry point names; errors are those of the import."""
        module, colon, attribute = (part.strip() for part in self.value.partition(":"))
        path = attribute.split(".") if colon else []
        if not all(map(str.isidentifier, module.split(".") + path)):  # extras in brackets, or a mistake
            from importlib_metadata import EntryPoint

            return EntryPoint(self.name, self.value, self.group).load()
        found = import_module(module)
        for each in path:
            found = getattr(found, each)
        return found


def entries(*, anew: bool) -> list[Entry]:
    """Return the entry points of all groups that are ours.

    Of several distributions of one name the first on the path counts, as it does for an import.

    Parameters
    ----------
    anew : bool
        Whether to look even if no folder of the path has changed since.
    """
    global _known  # noqa: PLW0603 - what is installed is the same for all
    state = _state()
    if anew or _known is None or _known[0] != state:
        found = _listed()
        _known = state, _listed_by_metadata() if found is None else found
    return _known[1]


def _state() -> object:
    """Return something that changes when distributions come or go."""
    changed: list[tuple[str, int]] = []
    for root in sys.path:
        try:
            changed.append((root, os.stat(root or ".").st_mtime_ns))
        except (OSError, TypeError, ValueError):
            changed.append((root, -1))
    return changed


def _listed() -> list[Entry] | None:
    """Read the entry points of distributions in the folders of the path; None if they may lie elsewhere too.

    importlib_metadata finds the same, but to load it and to have it look takes longer than to read a small image.
    """
    for finder in sys.meta_path:
        if hasattr(finder, "find_distributions") and getattr(finder, "__module__", "") not in _USUAL_FINDERS:
            return None
    found: list[Entry] = []
    names: set[str] = set()
    for root in sys.path:
        if not isinstance(root, str) or root.lower().endswith(".egg"):
            return None
        try:
            children = os.listdir(root or ".")
        except NotADirectoryError:  # a zip file
            return None
        except OSError:
            continue
        for child in children:
            low = child.lower()
            if low.endswith((".dist-info", ".egg-info")):
                name = _normalized(low.rpartition(".")[0].partition("-")[0])
                if name not in names:
                    names.add(name)
                    found += _of_distribution(os.path.join(root, child))
    return found


def _normalized(name: str) -> str:
    """Return the form in which names of distributions are compared; ``name`` is in lower case."""
    return "_".join(filter(None, name.replace("-", "_").replace(".", "_").split("_")))


def _of_distribution(folder: str) -> list[Entry]:
    """Return our entry points of the distribution whose metadata lie in a folder."""
    try:
        with open(os.path.join(folder, "entry_points.txt"), "rb", 0) as file:
            content = file.read()
    except OSError:  # most have none
        return []
    if PREFIX.encode() not in content:
        return []
    found, group = [], ""
    for line in map(str.strip, content.decode("utf-8", "replace").splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line.strip("[]")
        elif group.startswith(PREFIX) and line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.append(Entry(group, name.strip(), value.strip(), folder))
    return found


def _listed_by_metadata() -> list[Entry]:
    """Return what importlib_metadata finds: in zip files, and by finders that others have brought."""
    from importlib_metadata import entry_points

    return [
        Entry(entry.group, entry.name, entry.value, entry.dist)
        for entry in entry_points()
        if entry.group.startswith(PREFIX)
    ]
