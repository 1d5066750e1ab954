"""Build the kernel; everything else stands in pyproject.toml."""

from setuptools import Extension, setup

C = "src/rustfits_plio/c"
HEADERS = [f"{C}/plio.h", f"{C}/pixels.h"]

setup(
    # The coder by itself, so that the binding, which does no work, can be compiled for size.
    libraries=[
        (
            "rustfits_plio",
            {
                "sources": [f"{C}/plio.c"],
                "obj_deps": {"": HEADERS},
                "cflags": ["-std=c11", "-O3", "-ffp-contract=off", "-g0", "-fPIC"],
            },
        )
    ],
    ext_modules=[
        Extension(
            "rustfits_plio._kernel",
            ["src/rustfits_plio/_kernel.pyx"],
            include_dirs=[C],
            depends=[f"{C}/plio.c", *HEADERS],
            extra_compile_args=["-std=c11", "-Os", "-g0"],
            extra_link_args=["-Wl,-s"],
        )
    ],
)
