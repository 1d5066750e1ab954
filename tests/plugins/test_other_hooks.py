"""Kernels, storages and HDU kinds that come from plugins."""

import textwrap

import pytest

import rustfits

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
KIND = """
    import rustfits
    from rustfits.plugin import HDU, HDUKind, NewHDU, Cards, hookimpl

    class {name}HDU(HDU):
        label = "{name}"

    class {name}(HDUKind):
        def match(self, cards, primary):
            return {match}

        def hdu_class(self, cards):
            return {cls}

        def takes(self, data):
            return 30 if data == "{name}" else 40 if data == "both" else 0

        def write(self, data, *, extname, header):
            return NewHDU(Cards.build([("XTENSION", "FOREIGN"), ("BITPIX", 8), ("NAXIS", 1), ("NAXIS1", 4),
                                       ("PCOUNT", 0), ("GCOUNT", 1), ("EXTNAME", extname or "")]))

    @hookimpl
    def rustfits_hdu_type():
        return {name}()
"""


def kind(name, match="50", cls=None):
    return KIND.format(name=name, match=match, cls=cls or f"{name}HDU")


# A file with an HDU of each class of headers, and what each is shown as.
HDUS = """
    import warnings, rustfits
    from rustfits.plugin import Cards
    STRUCTURE = [("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 0), ("NAXIS2", 0), ("TFIELDS", 0)]
    def header(*entries):
        return Cards.build([*entries, *STRUCTURE]).encode()
    def shown(*more, primary=()):
        raw = header(("SIMPLE", True), *primary)
        for xtension, *cards in more:
            raw += header(("XTENSION", xtension), *cards)
        return [hdu.label for hdu in rustfits.FITS.from_bytes(raw)]
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


def test_a_star_is_asked_for_schemes_that_nobody_offers(site):
    named = STORAGE.replace('f"{url} {mode} {options}"', '"named"')
    site.install("swift", group="rustfits.storage", swift=named)
    site.install("others", group="rustfits.storage", anything=STORAGE)
    entries = site.folder / "others-1.0.dist-info" / "entry_points.txt"
    entries.write_text("[rustfits.storage]\n* = others_anything\ngopher = others_anything\nwais = others_anything\n")
    printed = site.run("""
        from rustfits.codec import discovery, registry
        found = discovery.entry_points(registry.STORAGE)
        discovery._found[registry.STORAGE] = tuple(entry for entry in found if "remote" not in entry.value)
        for scheme in ("swift", "gopher", "wais", "unheard"):
            print(registry.open_storage(f"{scheme}://a", "r", None).name)
        print(registry.open_storage("unheard://declined", "r", None))
    """)
    expected = ["named", *(f"{scheme}://a r None" for scheme in ("gopher", "wais", "unheard")), "None"]
    assert printed.splitlines() == expected


def test_an_object_goes_to_the_plugin_of_its_package_or_that_of_a_base(site):
    site.folder.joinpath("shelves.py").write_text("class Shelf:\n    pass\n")
    site.install(
        "boards",
        group="rustfits.storage_objects",
        shelves="""
            from rustfits.plugin import hookimpl
            from rustfits.storage.memory import MemoryStorage

            @hookimpl
            def rustfits_storage_of(thing, path, mode, options):
                return None if path == "none" else MemoryStorage(b"", name=f"{type(thing).__name__} {path} {mode}")
        """,
    )
    printed = site.run("""
        import rustfits, shelves
        from rustfits.codec import registry

        class Mine(shelves.Shelf):
            pass

        print(registry.storage_of(Mine(), "a", "r", None).name)
        print(registry.storage_of(Mine(), "none", "r", None))
        print(registry.storage_of([], "a", "r", None))
        try:
            rustfits.FITS.from_storage(Mine(), "a")
        except rustfits.NotAFitsFile as error:
            print(error)
    """)
    lines = printed.splitlines()
    assert lines[:3] == ["Mine a r", "None", "None"]
    assert "Mine a r is not a valid FITS file" in lines[3]


def on_hdus(code):
    return textwrap.dedent(HDUS) + textwrap.dedent(code)


@pytest.mark.parametrize(
    ("entry", "hdu"),
    [
        ("FOREIGN.any", "shown(['FOREIGN'])[1]"),
        ("FOREIGN", "shown(['FOREIGN'])[1]"),  # a name without a dot is that of the class alone
        ("BINTABLE.mine", "shown(['BINTABLE'])[1]"),
        ("BINTABLE.mine", "shown(['A3DTABLE'])[1]"),
        ("ZTABLE.mine", "shown(['BINTABLE', ('ZTABLE', True)])[1]"),
        ("ZIMAGE.mine", "shown(['BINTABLE', ('ZIMAGE', True)])[1]"),
        ("TABLE.mine", "shown(['TABLE'])[1]"),
        ("IMAGE.mine", "shown(['IMAGE'])[1]"),
        ("PRIMARY.mine", "shown()[0]"),
        ("GROUPS.mine", "shown(primary=[('GROUPS', True)])[0]"),
    ],
)
def test_a_header_goes_to_the_kind_of_its_class(site, entry, hdu):
    site.install("mine", group="rustfits.hdu_types", **{entry: kind("Mine")})
    assert site.run(on_hdus(f"print({hdu})")) == "Mine"


def test_headers_of_other_classes_load_nothing(site):
    site.install("mine", group="rustfits.hdu_types", **{"FOREIGN.mine": "raise RuntimeError('imported')"})
    printed = site.run(on_hdus("print(shown(['IMAGE'], ['BINTABLE', ('ZIMAGE', True)], ['DUMP']))"))
    assert printed == "['IMAGE_HDU', 'IMAGE_HDU', 'IMAGE_HDU', 'UNKNOWN_HDU']"


def test_the_most_specific_kind_has_the_hdu(site):
    site.install(
        "mine", group="rustfits.hdu_types", **{"BINTABLE.a": kind("Mine", "50 * (cards.get('KIND') == 'mine')")}
    )
    site.install("yours", group="rustfits.hdu_types", **{"BINTABLE.a": kind("Yours", "60 * ('YOURS' in cards)")})
    code = """
    print(shown(["BINTABLE"], ["BINTABLE", ("KIND", "mine")], ["BINTABLE", ("KIND", "mine"), ("YOURS", 1)]))
    """
    assert site.run(on_hdus(code)) == "['IMAGE_HDU', 'BINARY_TBL', 'Mine', 'Yours']"


@pytest.mark.parametrize(
    ("others", "named"),
    [({"yours": "50"}, "mine 1.0 and yours 1.0"), ({}, "rustfits {version} and mine 1.0")],
)
def test_two_that_match_equally_are_an_error_that_names_both(site, others, named):
    site.install("mine", group="rustfits.hdu_types", **{"IMAGE.a": kind("Mine", "50" if others else "self.STANDARD")})
    for name, match in others.items():
        site.install(name, group="rustfits.hdu_types", **{"IMAGE.b": kind(name.title(), match)})
    code = """
    try:
        shown(["IMAGE"])
    except rustfits.PluginError as error:
        print(error)
    """
    printed = site.run(on_hdus(code))
    for part in named.format(version=rustfits.__version__).split(" and "):
        assert part in printed
    assert "equally fit for a header of the class IMAGE" in printed


def test_a_kind_that_cannot_be_loaded_is_told_of_and_harms_no_hdu(site):
    site.install("mine", group="rustfits.hdu_types", **{"FOREIGN.mine": "raise ImportError('built elsewhere')"})
    code = """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        print(shown(["FOREIGN"], ["FOREIGN"]))
    print(len(caught), caught[0].category.__name__, caught[0].message)
    """
    shown, warning = site.run(on_hdus(code)).splitlines()
    assert shown == "['IMAGE_HDU', 'UNKNOWN_HDU', 'UNKNOWN_HDU']"
    assert warning.startswith("1 RuntimeWarning the plugin 'mine_foreign_mine' of mine 1.0 cannot be loaded")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (kind("Mine", cls="'Mine'"), "must be a subclass of rustfits.HDU"),
        (kind("Mine").replace("return Mine()", "return Mine"), "must be an HDUKind object"),
    ],
)
def test_a_kind_that_breaks_the_contract_is_refused(site, source, said):
    site.install("mine", group="rustfits.hdu_types", **{"FOREIGN.mine": source})
    code = """
    try:
        shown(["FOREIGN"])
    except rustfits.PluginError as error:
        print(error)
    """
    assert said in site.run(on_hdus(code))


def test_data_go_to_the_kind_that_takes_them(site, tmp_path):
    site.install("mine", group="rustfits.hdu_types", **{"FOREIGN.mine": kind("Mine")})
    site.install("yours", group="rustfits.hdu_types", **{"FOREIGN.yours": kind("Yours", "0")})
    code = f"""
    import rustfits
    with rustfits.FITS("mem://", "w+") as fits:
        print(fits.write("Yours", extname="A").label, len(fits), fits["A"].header["XTENSION"])
        try:
            fits.write("both")
        except rustfits.PluginError as error:
            print(error)
        try:
            fits.write(3)
        except rustfits.ImageError as error:
            print("ImageError")
        print(len(fits))
    rustfits.write({str(tmp_path / "x.fits")!r}, "Mine", extname="B")
    print(rustfits.FITS({str(tmp_path / "x.fits")!r})["B"].label)
    """
    printed = site.run(code).splitlines()
    assert printed[0] == "Mine 2 FOREIGN"
    assert "mine 1.0 and yours 1.0 are equally fit for writing a str" in printed[1]
    assert printed[2:] == ["ImageError", "2", "Mine"]


DISPLAY = """
    from rustfits.plugin import hookimpl

    @hookimpl
    def rustfits_html(thing):
        return {shown}
"""
SHOWN = """
    import rustfits
    from rustfits.codec import registry
    others = registry.discovery.entry_points
    registry.discovery.entry_points = lambda group, anew=False: [
        entry for entry in others(group, anew=anew) if entry.dist.name != "rustfits-cli"
    ]
    fits = rustfits.FITS("mem://", "w+")
    print(fits._repr_html_())
"""


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ("f'<b>{type(thing).__name__}</b>'", "<b>FITS</b>"),
        ("None", "None"),
        ("7", "rustfits_html returned 7; it must be a str or None"),
    ],
)
def test_notebooks_show_what_a_plugin_says(site, shown, told):
    site.install("show", group="rustfits.displays", html=DISPLAY.format(shown=shown))
    printed = site.run(SHOWN)
    assert told in printed
    assert ("mem://" in printed) == (shown == "7")  # the text, where the plugin fails


def test_of_two_plugins_for_notebooks_both_are_named_below_the_text(site):
    site.install("one", "1.1", group="rustfits.displays", html=DISPLAY.format(shown="None"))
    site.install("two", "2.2", group="rustfits.displays", html=DISPLAY.format(shown="None"))
    printed = site.run(SHOWN)
    assert "mem://" in printed
    assert "one 1.1" in printed
    assert "two 2.2" in printed


def test_a_plugin_for_notebooks_that_cannot_be_imported_is_told(site):
    site.install("bad", "0.3", group="rustfits.displays", html="import no_such_module")
    printed = site.run(SHOWN)
    assert "bad 0.3" in printed
    assert "no_such_module" in printed
