"""Build the kernel; everything else stands in pyproject.toml."""

from setuptools import Extension, setup

C = "src/rustfits_rice/c"
SOURCES = [
    f"{C}/{name}.c" for name in ("decode", "encode", "encode_avx2", "lanes", "lanes_pixels", "pixels", "symbols")
]
HEADERS = [f"{C}/{name}.h" for name in ("bits", "lanes", "rice", "rustfits", "sink", "stream")]

setup(
    # The coders by themselves, so that the binding, which does no work, can be compiled for size.
    libraries=[
        (
            "rustfits_rice",
            {
                "sources": SOURCES,
                "obj_deps": {"": HEADERS},
                "cflags": ["-std=c11", "-O3", "-ffp-contract=off", "-g0", "-fPIC"],
            },
        )
    ],
    ext_modules=[
        Extension(
            "rustfits_rice._kernel",
            ["src/rustfits_rice/_kernel.pyx"],
            include_dirs=[C],
            depends=[*SOURCES, *HEADERS],
            extra_compile_args=["-std=c11", "-Os", "-g0"],
            extra_link_args=["-Wl,-s"],
        )
    ],
)
