"""What is measured, against whom: rows of two tables. A new workload is a new row.

`operation` is a function of `worker.py`; `pixels` is a function of `pixels.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Workload:
    """One line of the outcome.

    Attributes
    ----------
    name : str
    operation : {'read', 'write', 'cutouts'}
    pixels : {'sky', 'mask'}
    dtype : str
    shape, tile_shape : tuple of int
        Numpy order.
    codec : str
        ZCMPTYPE value.
    """

    name: str
    operation: str
    pixels: str
    dtype: str
    shape: tuple[int, ...]
    codec: str
    tile_shape: tuple[int, ...]


@dataclass(frozen=True)
class Contender:
    """A library in an environment of its own.

    Attributes
    ----------
    name : str
    requirements : tuple of str
        For pip; ``{root}`` is this repository.
    adapter : str
        A class of `worker.py`.
    environment : dict
        Variables set for its process.
    venv : str
        Contenders of one name share a virtual environment.
    """

    name: str
    requirements: tuple[str, ...]
    adapter: str
    venv: str
    environment: dict[str, str] = field(default_factory=dict)


OURS = ("{root}", "{root}/plugins/rice", "{root}/plugins/accel")

CONTENDERS = (  # the first is the one the others are compared with; the writer of the input files is fitsio
    Contender("this rustfits", OURS, "Rustfits", "ours"),
    Contender("this, 1 thread", OURS, "Rustfits", "ours", {"RUSTFITS_NUM_THREADS": "1"}),
    Contender("rustfits 0.1.8", ("rustfits==0.1.8", "numpy>=2"), "Rustfits", "other-rustfits"),
    Contender("fitsio", ("fitsio",), "Fitsio", "fitsio"),
    Contender("astropy", ("astropy",), "Astropy", "astropy"),
)

WORKLOADS = (
    Workload("read i4 RICE_1 100x100", "read", "sky", "i4", (4000, 4000), "RICE_1", (100, 100)),
    Workload("read i4 RICE_1 rows", "read", "sky", "i4", (4000, 4000), "RICE_1", (1, 4000)),
    Workload("write i4 RICE_1 100x100", "write", "sky", "i4", (4000, 4000), "RICE_1", (100, 100)),
    Workload("cutouts i4 RICE_1 100x100", "cutouts", "sky", "i4", (4000, 4000), "RICE_1", (100, 100)),
)
