"""Build the kernel; everything else stands in pyproject.toml."""

from pathlib import Path

from setuptools import Extension, setup

C = "src/rustfits_hcompress/c"
HEADERS = sorted(str(path) for path in Path(C).glob("*.h"))
SOURCES = [f"{C}/{name}.c" for name in ("hcompress", "tables", "portable", "avx2", "wide")]

setup(
    # The coders by themselves, so that the binding, which does no work, can be compiled for size.
    libraries=[
        (
            "rustfits_hcompress",
            {
                "sources": SOURCES,
                "obj_deps": {"": HEADERS},
                # Damaged streams overflow sums; they must wrap, not be undefined.
                "cflags": ["-std=c11", "-O3", "-fwrapv", "-ffp-contract=off", "-g0", "-fPIC"],
            },
        )
    ],
    ext_modules=[
        Extension(
            "rustfits_hcompress._kernel",
            ["src/rustfits_hcompress/_kernel.pyx"],
            include_dirs=[C],
            depends=SOURCES + HEADERS,
            extra_compile_args=["-std=c11", "-Os", "-g0"],
            extra_link_args=["-Wl,-s"],
        )
    ],
)
