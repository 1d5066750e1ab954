"""Build the kernel; everything else stands in pyproject.toml."""

import os
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = "src/rustfits_accel"
NAMES = ("isa", "dequantize", "quantize_f32", "quantize_f64", "shuffle", "huffman", "planes", "read", "gather")
CUT_NAMES = ("cut", "isa", "dequantize", "read")
RASTER_NAMES = ("read", "gather", "shuffle")
HEADERS = sorted(str(path) for path in Path(HERE, "c").glob("*.h"))

GNU_FLAGS = [
    # Not c11, with which GCC computes floats in double precision for some machines (FLT_EVAL_METHOD).
    "-std=gnu11",
    *("-O2", "-g0"),
    # No fused multiply-add: the bits must be those of CFITSIO. Without "trapping" arithmetic, which nobody here looks
    # at, the compiler may turn the choice between null and number into vector code.
    *("-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno"),
]
# Vector code wherever a loop allows it, without the bulk that -O3 adds to the bindings. Clang makes it at -O2 anyhow,
# and does not know the second flag.
GCC_FLAGS = ["-ftree-vectorize", "-fvect-cost-model=dynamic"]
FLAGS = ["/std:c11", "/O2"] if sys.platform == "win32" else GNU_FLAGS
LINK_FLAGS = [] if sys.platform in ("win32", "darwin") else ["-Wl,-s"]


class BuildWithFlags(build_ext):
    """Gives GCC the flags that it alone knows."""

    def build_extensions(self) -> None:
        """Build all extensions."""
        if self.compiler.compiler_type == "unix" and is_gcc(self.compiler.compiler_so):
            for extension in self.extensions:
                extension.extra_compile_args = [*extension.extra_compile_args, *GCC_FLAGS]
        super().build_extensions()


def is_gcc(compiler: list[str]) -> bool:
    """Return whether a compiler is GCC, and not another that says so too."""
    command = [*compiler, "-dM", "-E", "-x", "c", os.devnull]
    macros = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return "__GNUC__" in macros and "__clang__" not in macros


setup(
    cmdclass={"build_ext": BuildWithFlags},
    ext_modules=[
        Extension(
            "rustfits_accel._kernel",
            [f"{HERE}/_kernel.pyx", *(f"{HERE}/c/{name}.c" for name in NAMES)],
            include_dirs=[f"{HERE}/c"],
            depends=[f"{HERE}/_kernel.pxd", *HEADERS],
            extra_link_args=LINK_FLAGS,
            extra_compile_args=FLAGS,
        ),
        Extension(
            "rustfits_accel._cut",
            [f"{HERE}/_cut.pyx", *(f"{HERE}/c/{name}.c" for name in CUT_NAMES)],
            include_dirs=[f"{HERE}/c"],
            depends=[*(f"{HERE}/{name}" for name in ("_kernel.pxd", "_key.pxd")), *HEADERS],
            extra_link_args=LINK_FLAGS,
            extra_compile_args=FLAGS,
        ),
        Extension(
            "rustfits_accel._raster",
            [f"{HERE}/_raster.pyx", *(f"{HERE}/c/{name}.c" for name in RASTER_NAMES)],
            include_dirs=[f"{HERE}/c"],
            depends=[*(f"{HERE}/{name}" for name in ("_kernel.pxd", "_key.pxd")), *HEADERS],
            extra_link_args=LINK_FLAGS,
            extra_compile_args=FLAGS,
        ),
    ],
)
