"""Build the kernel; everything else stands in pyproject.toml."""

from setuptools import Extension, setup

C = "src/rustfits_rice/c"

setup(
    # The coders by themselves, so that the binding, which does no work, can be compiled for size.
    libraries=[
        (
            "rustfits_rice",
            {
                "sources": [f"{C}/decode.c", f"{C}/encode.c"],
                "obj_deps": {"": [f"{C}/rice.h", f"{C}/bits.h"]},
                "cflags": ["-std=c11", "-O3", "-g0", "-fPIC"],
            },
        )
    ],
    ext_modules=[
        Extension(
            "rustfits_rice._kernel",
            ["src/rustfits_rice/_kernel.pyx"],
            include_dirs=[C],
            depends=[f"{C}/decode.c", f"{C}/encode.c", f"{C}/rice.h", f"{C}/bits.h"],
            extra_compile_args=["-std=c11", "-Os", "-g0"],
            extra_link_args=["-Wl,-s"],
        )
    ],
)
