"""Kernels, storages and HDU kinds that come from plugins."""

KERNELS = """
    from rustfits.plugin import Kernels, hookimpl

    class Swift(Kernels):
        name = "swift"

    @hookimpl
    def rustfits_kernels():
        return Swift()
"""
STORAGE = """
    from rustfits.plugin import hookimpl
    from rustfits.storage.memory import MemoryStorage

    @hookimpl
    def rustfits_open_storage(url, mode, options):
        if url.endswith("missing"):
            raise FileNotFoundError(url)
        return None if url.endswith("declined") else MemoryStorage(b"x" * 2880, name=f"{url} {mode} {options}")
"""
HDU_TYPE = """
    import rustfits
    from rustfits.plugin import hookimpl

    class Foreign(rustfits.HDU):
        pass

    @hookimpl
    def rustfits_hdu_type(cards):
        return Foreign if cards.get("KIND") == "ours" else None
"""
LOOK_AT_KERNELS = """
    import warnings
    from rustfits.codec import choice
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        print(choice.active().name)
    print(*(f"{type(w.message).__name__}: {w.message}" for w in caught))
"""


def alone(code):
    """Return code that sees the made-up distributions only, not those that happen to be installed."""
    return f"""
    from rustfits.codec import discovery
    real = discovery.entry_points
    discovery.entry_points = lambda group, **how: [
        entry for entry in real(group, **how) if not entry.dist.name.startswith("rustfits")
    ]
    {code}
    """


def test_kernels_of_a_plugin_are_used(site):
    site.install("swift", group="rustfits.kernels", any=KERNELS)
    assert site.run(alone(LOOK_AT_KERNELS)) == "swift"


def test_kernels_of_a_plugin_are_found_by_whoever_needs_them_first(site):
    """Nothing but a codec of the core was imported when it encodes: no file was opened, no plugin asked for."""
    site.install("swift", group="rustfits.kernels", any=KERNELS)
    encode = """
    import numpy as np
    from rustfits import Gzip1
    from rustfits.codec.batch import PixelBatch
    Gzip1().encode(PixelBatch(np.zeros(6, "i2"), np.array([[2, 3]]), np.zeros(1, "i8")))
    from rustfits.codec import choice
    print(choice.active().name)
    """
    assert site.run(alone(encode)) == "swift"


def test_many_reads_of_a_plain_image_find_the_kernels_of_a_plugin(site):
    site.install("swift", group="rustfits.kernels", any=KERNELS)
    read = """
    import numpy as np, rustfits
    from rustfits.codec import choice
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.write_image(np.zeros((4, 5)))
        hdu._file.storage.descriptor = 99  # as if it were a file's
        hdu[1:3]
        print(choice._active)
        for _ in range(choice.FEW_READS):
            hdu[1:3]
        print(choice._active.name)
    """
    assert site.run(alone(read)).split() == ["None", "swift"]


def test_the_environment_keeps_to_the_kernels_of_the_core(site):
    site.install("swift", group="rustfits.kernels", any="raise RuntimeError('imported')")
    assert site.run(alone(LOOK_AT_KERNELS), RUSTFITS_KERNELS="numpy") == "numpy"


def test_kernels_that_fail_are_told_of_and_those_of_the_core_serve(site):
    site.install("swift", group="rustfits.kernels", any="raise ImportError('built for another machine')")
    name, warning = site.run(alone(LOOK_AT_KERNELS)).splitlines()
    assert name == "numpy"
    assert warning.startswith(
        "RuntimeWarning: the plugin 'swift_any' of swift 1.0 cannot be loaded (ImportError: built"
    )
    assert "RUSTFITS_KERNELS=numpy" in warning


def test_kernels_of_two_distributions_are_told_of_and_those_of_the_core_serve(site):
    site.install("swift", group="rustfits.kernels", any=KERNELS)
    site.install("swifter", group="rustfits.kernels", other=KERNELS)
    name, warning = site.run(alone(LOOK_AT_KERNELS)).splitlines()
    assert name == "numpy"
    assert "more than one distribution offers kernels" in warning


def test_kernels_of_another_kind_are_refused(site):
    site.install("swift", group="rustfits.kernels", any=KERNELS.replace("return Swift()", "return Swift"))
    name, warning = site.run(alone(LOOK_AT_KERNELS)).splitlines()
    assert name == "numpy"
    assert "it must be a Kernels object" in warning


def test_a_url_goes_to_the_plugin_of_its_scheme(site):
    site.install("other", group="rustfits.storage", gopher="raise RuntimeError('imported')")
    site.install("swift", group="rustfits.storage", swift=STORAGE)
    printed = site.run("""
        from rustfits.codec import registry
        print(registry.open_storage("swift://host/a.fits", "r", None).name)
        print(registry.open_storage("swift://host/declined", "r", None))
        print(registry.open_storage("unheard://host/a.fits", "r", None))
        try:
            registry.open_storage("swift://host/missing", "r", None)
        except FileNotFoundError as error:
            print("passed on", error)
    """)
    assert printed.splitlines() == ["swift://host/a.fits r None", "None", "None", "passed on swift://host/missing"]


def test_a_storage_of_another_kind_is_refused(site):
    site.install("swift", group="rustfits.storage", swift=STORAGE.replace("return None if", "return url if"))
    assert "it must be a Storage or None" in site.error("registry.open_storage('swift://declined', 'r', None)")


def test_an_unknown_extension_goes_to_the_plugin_of_its_name(site):
    site.install("foreign", group="rustfits.hdu_types", FOREIGN=HDU_TYPE)
    printed = site.run("""
        from rustfits.codec import registry
        from rustfits.header.cards import Cards
        def kind(*entries):
            found = registry.hdu_type(Cards.build(entries))
            return found and found.__name__
        foreign = ("XTENSION", "FOREIGN")
        print(kind(foreign, ("KIND", "ours")), kind(foreign), kind(("XTENSION", "DUMP")))
    """)
    assert printed == "Foreign None None"


def test_an_hdu_type_that_is_no_class_is_refused(site):
    site.install("foreign", group="rustfits.hdu_types", FOREIGN=HDU_TYPE.replace("Foreign if", "'Foreign' if"))
    error = site.error(
        "from rustfits.header.cards import Cards; "
        "registry.hdu_type(Cards.build([('XTENSION', 'FOREIGN'), ('KIND', 'ours')]))"
    )
    assert "it must be a class or None" in error
