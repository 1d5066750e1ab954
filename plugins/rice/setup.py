"""Build the kernel; everything else stands in pyproject.toml."""

import sys
import sysconfig

from setuptools import Extension, setup

C = "src/rustfits_rice/c"
SOURCES = [
    f"{C}/{name}.c" for name in ("decode", "encode", "encode_avx2", "lanes", "lanes_pixels", "pixels", "symbols")
]
HEADERS = [f"{C}/{name}.h" for name in ("bits", "lanes", "rice", "rustfits", "sink", "stream")]

MSVC = sys.platform == "win32"
CODER_FLAGS = ["/std:c11", "/O2"] if MSVC else ["-std=c11", "-O3", "-ffp-contract=off", "-g0", "-fPIC"]
BINDING_FLAGS = ["/std:c11", "/O1"] if MSVC else ["-std=c11", "-Os", "-g0"]
LINK_FLAGS = [] if sys.platform in ("win32", "darwin") else ["-Wl,-s"]

# One binary for all Pythons with the stable ABI, of which 3.11 is the first that has what the binding needs: it costs
# less than 1 % of the instructions of any workload (docs/releasing.md). A Python without the GIL has no stable ABI yet.
STABLE = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
MACROS = [("Py_LIMITED_API", "0x030B0000")] if STABLE else []

setup(
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE else {},
    # The coders by themselves, so that the binding, which does no work, can be compiled for size.
    libraries=[
        (
            "rustfits_rice",
            {
                "sources": SOURCES,
                "obj_deps": {"": HEADERS},
                "cflags": CODER_FLAGS,
            },
        )
    ],
    ext_modules=[
        Extension(
            "rustfits_rice._kernel",
            ["src/rustfits_rice/_kernel.pyx"],
            define_macros=MACROS,
            py_limited_api=STABLE,
            include_dirs=[C],
            depends=[*SOURCES, *HEADERS],
            extra_compile_args=BINDING_FLAGS,
            extra_link_args=LINK_FLAGS,
        )
    ],
)
