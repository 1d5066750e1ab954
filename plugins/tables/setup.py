"""Build the kernels; everything else stands in pyproject.toml."""

import sys
from pathlib import Path

from setuptools import Extension, setup

HERE = "src/rustfits_tables"
SOURCES = [f"{HERE}/c/{name}.c" for name in ("decode", "encode", "fit", "move", "number", "text", "together")]
HEADERS = sorted(str(path) for path in Path(HERE, "c").glob("*.h"))

# Not c11, with which GCC computes floats in double precision for some machines (FLT_EVAL_METHOD). No fused
# multiply-add: scaled columns have the bits that NumPy gives.
GNU_FLAGS = ["-std=gnu11", "-O3", "-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno", "-g0"]
FLAGS = ["/std:c11", "/O2"] if sys.platform == "win32" else GNU_FLAGS
LINK_FLAGS = [] if sys.platform in ("win32", "darwin") else ["-Wl,-s"]

setup(
    ext_modules=[
        Extension(
            "rustfits_tables._kernel",
            [f"{HERE}/_kernel.pyx", *SOURCES],
            include_dirs=[f"{HERE}/c"],
            depends=HEADERS,
            extra_compile_args=FLAGS,
            extra_link_args=LINK_FLAGS,
            optional=True,  # where it cannot be compiled NumPy serves
        ),
        Extension(
            "rustfits_tables._arrow",
            [f"{HERE}/_arrow.pyx", f"{HERE}/c/arrow.c"],
            include_dirs=[f"{HERE}/c"],
            depends=HEADERS,
            extra_compile_args=FLAGS,
            extra_link_args=LINK_FLAGS,
            optional=True,  # tables without streams of Arrow are tables all the same
        ),
    ],
)
