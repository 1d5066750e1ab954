"""What is measured, against whom, and how fast it is meant to be: rows of tables. A new workload is a new row.

`operation` is a method of the adapters in `worker.py`; `pixels` is a function of `pixels.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Image:
    """What is in a file.

    Attributes
    ----------
    name : str
    pixels : {'sky', 'zeros', 'mask'}
    dtype : str
    codec : str
        ZCMPTYPE value; empty for an uncompressed image.
    tile_shape : tuple of int
        Numpy order.
    quantized : bool
        Whether floats become integers (SUBTRACTIVE_DITHER_2, 16 levels per noise) or are kept bit for bit.
    shape : tuple of int
        Numpy order.
    """

    name: str
    pixels: str
    dtype: str
    codec: str = ""
    tile_shape: tuple[int, ...] = (100, 100)
    quantized: bool = False
    shape: tuple[int, ...] = (4000, 4000)


@dataclass(frozen=True)
class Workload:
    """One line of the outcome.

    Attributes
    ----------
    operation : {'read', 'write', 'cutouts', 'open'}
    image : Image
    goals : (float, float) or None
        How many times as fast as the reference it is meant to be: with two threads, and with one.
    reference : str
        The contender that the goals speak of; empty for the fastest of the others.
    hdus : int
        HDUs of the file, for 'open'.
    """

    operation: str
    image: Image
    goals: tuple[float, float] | None = None
    reference: str = "rustfits 0.1.8"
    hdus: int = 1

    @property
    def name(self) -> str:
        """What the outcome is called."""
        return f"{self.operation} {self.image.name}"

    @property
    def vectorised(self) -> bool:
        """Whether its kernels have a form for AVX-512: Rice, and the quanta of floats."""
        return self.image.codec == "RICE_1"


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
    asked : bool
        Whether it takes part only if that is asked for.
    """

    name: str
    requirements: tuple[str, ...]
    adapter: str
    venv: str
    environment: dict[str, str] = field(default_factory=dict)
    asked: bool = False


PLUGINS = ("rice", "hcompress", "plio", "accel")
OURS = ("{root}", *(f"{{root}}/plugins/{plugin}" for plugin in PLUGINS))

CONTENDERS = (  # the first is the one the others are compared with; the writer of the input files is fitsio
    Contender("this, 2 threads", OURS, "Rustfits", "ours", {"RUSTFITS_NUM_THREADS": "2"}),
    Contender("this, 1 thread", OURS, "Rustfits", "ours", {"RUSTFITS_NUM_THREADS": "1"}),
    Contender("this, no accel", OURS, "Rustfits", "ours", {"RUSTFITS_NUM_THREADS": "1", "RUSTFITS_KERNELS": "numpy"}),
    Contender("rustfits 0.1.8", ("rustfits==0.1.8", "numpy>=2"), "Rustfits", "other-rustfits"),
    Contender("fitsio", ("fitsio",), "Fitsio", "fitsio"),
    Contender("astropy", ("astropy",), "Astropy", "astropy"),
    Contender("torchfits", ("torchfits",), "Torchfits", "torchfits", asked=True),  # brings 5 GB of PyTorch
)

RICE_I4 = Image("i4 RICE_1 100x100", "sky", "i4", "RICE_1")
RICE_I4_ROWS = Image("i4 RICE_1 rows", "sky", "i4", "RICE_1", (1, 4000))
RICE_I2 = Image("i2 RICE_1 100x100", "sky", "i2", "RICE_1")
RICE_I2_ROWS = Image("i2 RICE_1 rows", "sky", "i2", "RICE_1", (1, 4000))
RICE_F4 = Image("f4 quantised RICE_1 100x100", "sky", "f4", "RICE_1", quantized=True)
RICE_F4_ZEROS = Image("f4 5% zeros quantised RICE_1 100x100", "zeros", "f4", "RICE_1", quantized=True)
RICE_F4_ROWS = Image("f4 quantised RICE_1 rows", "sky", "f4", "RICE_1", (1, 4000), quantized=True)
HCOMPRESS = Image("i2 HCOMPRESS_1 100x100", "sky", "i2", "HCOMPRESS_1")
HCOMPRESS_16 = Image("i2 HCOMPRESS_1 16 rows", "sky", "i2", "HCOMPRESS_1", (16, 4000))
PLIO = Image("i4 mask PLIO_1 rows", "mask", "i4", "PLIO_1", (1, 4000))
GZIP_2 = Image("f4 GZIP_2 100x100", "sky", "f4", "GZIP_2")
GZIP_2_ROWS = Image("f4 GZIP_2 rows", "sky", "f4", "GZIP_2", (1, 4000))
GZIP_1 = Image("i4 GZIP_1 100x100", "sky", "i4", "GZIP_1")
PLAIN = Image("f4 uncompressed", "sky", "f4")
PLAIN_I2 = Image("i2 uncompressed", "sky", "i2")

READ_WRITE: tuple[tuple[Image, tuple[float, float], tuple[float, float]], ...] = (
    (RICE_I4, (8, 4.5), (14, 9)),
    (RICE_I4_ROWS, (8, 4.5), (14, 9)),
    (RICE_I2, (8, 4.5), (14, 9)),
    (RICE_I2_ROWS, (8, 4.5), (14, 9)),
    (RICE_F4, (7, 4), (9, 5)),
    (RICE_F4_ZEROS, (7, 4), (9, 5)),
    (RICE_F4_ROWS, (8, 4.5), (10, 6)),
    (HCOMPRESS, (10, 6), (9, 5)),
    (HCOMPRESS_16, (10, 6), (9, 5)),
    (PLIO, (4, 3), (4, 3)),
    (GZIP_2, (3, 1.6), (10, 6)),
    (GZIP_2_ROWS, (3, 1.6), (10, 6)),
    (GZIP_1, (3, 1.7), (10, 6)),
)

WORKLOADS = (
    *(
        Workload(operation, image, goals)
        for image, read, write in READ_WRITE
        for operation, goals in (("read", read), ("write", write))
    ),
    Workload("cutouts", RICE_I4, (2.5, 2.5)),
    Workload("cutouts", RICE_F4, (3.5, 3.5)),
    Workload("cutouts", RICE_I4_ROWS, (8, 8)),
    Workload("cutouts", PLAIN, (1, 1), ""),
    *(Workload(operation, image, (1, 1), "") for image in (PLAIN, PLAIN_I2) for operation in ("read", "write")),
    Workload("open", Image("a file of 1 HDU", "sky", "i2", shape=(8, 8)), (1, 1), "", hdus=1),
    Workload("open", Image("a file of 10000 HDUs", "sky", "i2", shape=(8, 8)), (1, 1), "", hdus=10000),
)
