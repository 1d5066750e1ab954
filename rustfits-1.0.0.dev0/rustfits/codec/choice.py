"""Which kernels are in use: the core's, or those that a plugin offers, and which variant of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rustfits.errors import InvalidParameter, PluginError
from rustfits.storage import watch

if TYPE_CHECKING:
    from rustfits.codec.kernels import Kernels

GROUP = "rustfits.kernels"  # of the entry points

FEW_READS = 32  # that did without

_active: Kernels | None = None
_nreads = 0


def active() -> Kernels:
    """Return the kernels in use: those set, or those a plugin offers, or the core's.

    The environment variable ``RUSTFITS_KERNELS`` with the value ``numpy`` keeps to the core's; it is looked at when
    kernels are first needed, and so is what is installed.

    Raises
    ------
    InvalidParameter
        If that variable has another value than ``numpy`` or ``auto``.
    """
    global _active  # noqa: PLW0603 - one choice for the process, which is what the environment variable says
    if _active is None:
        from rustfits.codec.kernels import Kernels

        choice = os.environ.get("RUSTFITS_KERNELS", "").strip().lower() or "auto"
        if choice not in ("auto", "numpy"):
            raise InvalidParameter("RUSTFITS_KERNELS", choice, "must be 'numpy' or 'auto'")
        found = _of_plugin() if choice == "auto" else None
        _active = found or Kernels()
        watch.use(_active.unchanged)
    return _active


def in_time() -> Kernels | None:
    """Return the kernels in use, or None as long as they are not known and there was little to do for them.

    To look for them and to load them takes as long as some hundred small reads without them. Who can do without asks
    here, once for each read.
    """
    global _nreads  # noqa: PLW0603
    if _active is None and _nreads < FEW_READS:
        _nreads += 1
        return None
    return active()


def set_active(kernels: Kernels | None) -> None:
    """Use ``kernels`` from now on; None looks for them anew when they are next needed."""
    global _active  # noqa: PLW0603
    _active = kernels
    if kernels is not None:
        watch.use(kernels.unchanged)


def choose_variant(variable: str, names: Sequence[str], best: int) -> int:
    """Return the number of the variant to use: the best one, or the one that an environment variable names.

    Parameters
    ----------
    variable : str
        Name of the environment variable, such as ``RUSTFITS_RICE_KERNEL``; empty or not set means the best.
    names : sequence of str
        Of all variants, in lower case, from the plainest to the one that asks most of a machine.
    best : int
        Number of the last variant that this machine can run.

    Raises
    ------
    InvalidParameter
        If there is no variant of that name, or this machine cannot run it.
    """
    wanted = os.environ.get(variable)
    usable = list(names[: best + 1])
    if not wanted:
        return best
    if wanted.lower() not in usable:
        raise InvalidParameter(variable, wanted, f"must be one of {', '.join(usable)} on this machine")
    return usable.index(wanted.lower())


def _of_plugin() -> Kernels | None:
    """Return the kernels of the plugin, if there is one; no file needs it, so that a plugin that fails harms none."""
    from rustfits.codec import discovery
    from rustfits.codec.kernels import Kernels

    entries = discovery.entry_points(GROUP)
    if not entries:
        return None
    try:
        plugin = discovery.load(GROUP, "kernels", entries)
        found = discovery.offer("rustfits_kernels", plugin)
        if not isinstance(found, Kernels):
            raise PluginError(f"{plugin.origin} offers {found!r} as kernels; it must be a Kernels object")
    except PluginError as error:
        import warnings

        advice = "NumPy serves instead, more slowly; mend that, or set RUSTFITS_KERNELS=numpy"
        warnings.warn(f"{error}. {advice}", RuntimeWarning, stacklevel=2)
        return None
    return found
