#!/bin/bash -eu
# Build every target, as OSS-Fuzz asks. From it come CC, CFLAGS, LIB_FUZZING_ENGINE, SRC, OUT and compile_python_fuzzer.
cd "$SRC/rustfits"

# The kernels, each as a program of its own.
python3 tests/sanitize/guided.py --build "$OUT"

# The container, with kernels that are built with the same flags.
names="rice hcompress plio accel tables"
pip3 install . $(printf './plugins/%s ' $names)
# Plugins are found by their metadata, which PyInstaller leaves out unless it is told; the peers are for other tests.
packages="--collect-all rustfits --copy-metadata rustfits $(printf -- '--collect-all rustfits_%s --copy-metadata rustfits-%s ' \
    $(for name in $names; do echo $name $name; done))"
compile_python_fuzzer tests/fuzz/fuzz_container.py $packages --exclude-module astropy --exclude-module fitsio
