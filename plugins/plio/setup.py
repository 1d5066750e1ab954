"""Build the kernel; everything else stands in pyproject.toml."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "rustfits_plio._kernel",
            ["src/rustfits_plio/_kernel.pyx", "src/rustfits_plio/c/plio.c"],
            include_dirs=["src/rustfits_plio/c"],
            depends=["src/rustfits_plio/c/plio.h"],
            extra_compile_args=["-std=c11", "-O3", "-g0"],
            extra_link_args=["-Wl,-s"],
        )
    ]
)
