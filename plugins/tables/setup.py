"""Build the kernels; everything else stands in pyproject.toml."""

import sys
import sysconfig
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

# One binary for all Pythons with the stable ABI, of which 3.11 is the first that has what the binding needs: it costs
# less than 1 % of the instructions of any workload (docs/releasing.md). A Python without the GIL has no stable ABI yet.
STABLE = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
MACROS = [("Py_LIMITED_API", "0x030B0000")] if STABLE else []

setup(
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE else {},
    ext_modules=[
        Extension(
            "rustfits_tables._kernel",
            [f"{HERE}/_kernel.pyx", *SOURCES],
            define_macros=MACROS,
            py_limited_api=STABLE,
            include_dirs=[f"{HERE}/c"],
            depends=HEADERS,
            extra_compile_args=FLAGS,
            extra_link_args=LINK_FLAGS,
            optional=True,  # where it cannot be compiled NumPy serves
        ),
        Extension(
            "rustfits_tables._arrow",
            [f"{HERE}/_arrow.pyx", f"{HERE}/c/arrow.c"],
            define_macros=MACROS,
            py_limited_api=STABLE,
            include_dirs=[f"{HERE}/c"],
            depends=HEADERS,
            extra_compile_args=FLAGS,
            extra_link_args=LINK_FLAGS,
            optional=True,  # tables without streams of Arrow are tables all the same
        ),
    ],
)
