"""Build the kernel; everything else stands in pyproject.toml."""

from setuptools import Extension, setup

SOURCE = "src/rustfits_hcompress"

setup(
    ext_modules=[
        Extension(
            "rustfits_hcompress._kernel",
            [f"{SOURCE}/_kernel.pyx", f"{SOURCE}/c/hcompress.c"],
            include_dirs=[f"{SOURCE}/c"],
            depends=[f"{SOURCE}/c/{name}.h" for name in ("hcompress", "bits", "nybbles", "transform", "quadtree")],
            # Damaged streams overflow sums; they must wrap, not be undefined.
            extra_compile_args=["-std=c11", "-O3", "-fwrapv", "-g0"],
            extra_link_args=["-Wl,-s"],
        )
    ]
)
