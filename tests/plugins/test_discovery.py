"""Plugins are found by name, loaded one by one, and each way in which one can be wrong has its own error."""

import shutil
import textwrap

from rustfits.errors import how_to_install

GOOD = """
    from rustfits.plugin import TileCodec, hookimpl

    class Toy1(TileCodec):
        zcmptype = "TOY_1"
        level: int = 3

        def decode_tile(self, data, out):
            out.reshape(-1).view("u1")[:] = data

        def encode_tile(self, pixels):
            return pixels.tobytes()

    @hookimpl
    def rustfits_register_codec():
        return Toy1
"""
EXPLOSIVE = "raise RuntimeError('imported')"


def changed(old, new):
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_codec_is_found_by_its_name_and_works(site):
    site.install("toy", "2.5", TOY_1=GOOD)
    printed = site.run("""
        import numpy as np, rustfits
        from rustfits.codec import registry
        print(rustfits.codecs()["TOY_1"])
        codec = registry.as_codec(" toy_1 ")
        print(codec, registry.codec_class("TOY_1") is type(codec))
    """)
    assert printed.splitlines() == [
        "CodecSource(distribution='toy', version='2.5', value='toy_toy_1')",
        "Toy1(tile_shape=None, heap_format='P', level=3) True",
    ]


def test_listing_imports_nothing(site):
    site.install("toy", TOY_1=EXPLOSIVE)
    printed = site.run("""
        import sys, rustfits
        print("TOY_1" in rustfits.codecs(), "toy_toy_1" in sys.modules, "pluggy._manager" in sys.modules)
    """)
    assert printed.startswith("True False")


def test_a_codec_loads_no_other_plugin(site):
    site.install("bad", BAD_1=EXPLOSIVE)
    site.install("toy", TOY_1=GOOD)
    assert site.run("from rustfits.codec import registry; print(registry.codec_class('TOY_1').zcmptype)") == "TOY_1"
    assert site.run("from rustfits.codec import registry; print(registry.codec_class('GZIP_2').zcmptype)") == "GZIP_2"


def test_a_class_of_a_third_party_is_not_a_name_of_the_package(site):
    site.install("toy", TOY_1=GOOD)
    assert site.run("import rustfits; print(hasattr(rustfits, 'Toy1'))") == "False"


def test_a_missing_codec_names_the_package_to_install(site):
    assert site.error("registry.codec_class('NEW_1')").startswith(
        "CodecNotInstalled: no codec for ZCMPTYPE 'NEW_1' (installed: GZIP_1, GZIP_2, NOCOMPRESS"
    )
    code = "from rustfits.codec import registry; registry.discovery.entry_points = lambda group, anew=False: ()"
    for name, package in [("RICE_ONE", "rice"), ("hcompress", "hcompress"), ("PLIO_1", "plio")]:
        printed = site.run(f"""
            {code}
            try:
                registry.as_codec({name!r})
            except LookupError as error:
                print(isinstance(error, ValueError), error)
        """)
        assert printed.startswith("True no codec for ZCMPTYPE")
        assert printed.endswith(f"try: {how_to_install(f'rustfits-{package}')}")


def test_a_codec_installed_meanwhile_is_found(site):
    site.install("other", OTHER_1=GOOD)
    code = f"""
        import sys, pathlib
        from rustfits.codec import registry
        try:
            registry.codec_class("TOY_1")
        except LookupError:
            print("missing")
        info = pathlib.Path({str(site.folder)!r}) / "toy-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: toy\\nVersion: 1.0\\n")
        (info / "entry_points.txt").write_text("[rustfits.codecs]\\nTOY_1 = other_other_1\\n")
        print(registry.codec_class("TOY_1").__name__)
    """
    assert site.run(code).split() == ["missing", "Toy1"]


def test_a_plugin_that_cannot_be_imported_is_named_with_the_cause(site):
    site.install("toy", "0.3", TOY_1="import no_such_module")
    assert site.error("registry.codec_class('TOY_1')") == (
        "PluginError: the plugin 'toy_toy_1' of toy 0.3 cannot be loaded (ModuleNotFoundError: No module named "
        "'no_such_module'); reinstall or upgrade that distribution"
    )
    site.run("""
        from rustfits.codec import registry
        for _ in range(2):
            try:
                registry.codec_class("TOY_1")
            except registry.PluginError as error:
                assert isinstance(error.__cause__, ModuleNotFoundError)
    """)


def test_two_distributions_that_offer_one_name_are_both_named_when_it_is_asked_for(site):
    site.install("one", "1.1", TOY_1=GOOD)
    site.install("two", "2.2", TOY_1=GOOD, OTHER_1=changed("TOY_1", "OTHER_1"))
    error = site.error("registry.codec_class('TOY_1')")
    assert error.startswith("PluginError: more than one distribution offers TOY_1")
    assert "one 1.1" in error
    assert "two 2.2" in error
    assert site.run("from rustfits.codec import registry; print(registry.codec_class('OTHER_1').__name__)") == "Toy1"
    listed = site.run("import rustfits; print(*rustfits.codecs()['TOY_1'], sep=';')").split(";")
    assert [sorted(field.split(", ")) for field in listed[:2]] == [["one", "two"], ["1.1", "2.2"]]


def test_a_distribution_that_offers_a_name_of_the_core_is_a_rival(site):
    site.install("faster-gzip", GZIP_1=changed("TOY_1", "GZIP_1"))
    error = site.error("registry.codec_class('GZIP_1')")
    assert "rustfits 1" in error
    assert "faster-gzip 1.0" in error


def test_an_outdated_codec_is_told_to_upgrade(site):
    site.install("old", TOY_1=changed("level: int = 3", "api_version = 0"))
    site.install("new", NEW_1=changed("level: int = 3", "api_version = 2").replace("TOY_1", "NEW_1"))
    error = site.error("registry.codec_class('TOY_1')")
    assert "old 1.0 was written for version 0 of the plugin contract" in error
    assert error.endswith("upgrade old")
    assert site.error("registry.codec_class('NEW_1')").endswith("upgrade rustfits")


def test_a_codec_that_says_no_version_was_written_for_the_first(site):
    site.install("toy", TOY_1=GOOD)
    printed = site.run("""
        from rustfits.codec import discovery, registry
        discovery.API_VERSION = 2
        try:
            registry.codec_class("TOY_1")
        except registry.PluginError as error:
            print(error)
    """)
    assert "toy 1.0 was written for version 1" in printed


def test_a_misspelt_hook_is_an_error(site):
    site.install("toy", TOY_1=changed("rustfits_register_codec", "rustfits_register_codecs"))
    error = site.error("registry.codec_class('TOY_1')")
    assert error.startswith("PluginError: the plugin of toy 1.0 breaks the contract of the hooks")
    assert "rustfits_register_codecs" in error


def test_a_misspelt_hook_harms_no_other_plugin(site):
    site.install("bad", BAD_1=changed("rustfits_register_codec", "rustfits_register_codecs"))
    site.install("toy", TOY_1=GOOD)
    printed = site.run("""
        from rustfits.codec import registry
        for name in ("BAD_1", "TOY_1", "GZIP_1"):
            try:
                print(registry.codec_class(name).zcmptype)
            except registry.PluginError:
                print("error")
    """)
    assert printed.split() == ["error", "TOY_1", "GZIP_1"]


def test_a_hook_with_other_arguments_is_an_error(site):
    site.install("toy", TOY_1=changed("rustfits_register_codec():", "rustfits_register_codec(name):"))
    assert "breaks the contract of the hooks" in site.error("registry.codec_class('TOY_1')")


def test_a_plugin_without_the_hook_is_an_error(site):
    site.install("toy", TOY_1=changed("@hookimpl", ""))
    assert site.error("registry.codec_class('TOY_1')") == (
        "PluginError: the plugin of toy 1.0 does not implement rustfits_register_codec, which its entry point promises"
    )


def test_a_hook_that_fails_is_named_with_the_cause(site):
    site.install("toy", TOY_1=changed("return Toy1", "return 1 / 0"))
    assert site.error("registry.codec_class('TOY_1')") == (
        "PluginError: rustfits_register_codec of toy 1.0 failed (ZeroDivisionError: division by zero)"
    )


def test_what_is_not_a_codec_class_is_refused(site):
    site.install("toy", TOY_1=changed("return Toy1", "return Toy1()"))
    assert "must be a subclass of TileCodec" in site.error("registry.codec_class('TOY_1')")


def test_a_codec_of_another_name_than_its_entry_point_is_refused(site):
    site.install("toy", TOY_2=GOOD)
    site.install("nameless", NAMELESS=changed('zcmptype = "TOY_1"', ""))
    assert "offers ZCMPTYPE 'TOY_2', but its class Toy1 says zcmptype = 'TOY_1'" in site.error(
        "registry.codec_class('TOY_2')"
    )
    assert "says zcmptype = None" in site.error("registry.codec_class('NAMELESS')")


def test_one_object_for_two_names_is_refused(site):
    site.install("toy", TOY_1=GOOD)
    info = next(site.folder.glob("toy-*.dist-info"))
    info.joinpath("entry_points.txt").write_text("[rustfits.codecs]\nTOY_1 = toy_toy_1\nTOY_2 = toy_toy_1\n")
    printed = site.run("""
        from rustfits.codec import registry
        registry.codec_class("TOY_1")
        try:
            registry.codec_class("TOY_2")
        except registry.PluginError as error:
            print(error)
    """)
    assert "each entry point must name an object of its own" in printed


def test_a_codec_is_loaded_once_by_many_threads(site):
    source = textwrap.dedent(changed("return Toy1", "calls.append(1); return Toy1")) + "\ncalls = []\n"
    site.install("toy", TOY_1=source)
    printed = site.run("""
        from concurrent.futures import ThreadPoolExecutor
        from rustfits.codec import registry
        with ThreadPoolExecutor(8) as pool:
            found = set(pool.map(registry.codec_class, ["TOY_1"] * 50))
        import toy_toy_1
        print(len(found), len(toy_toy_1.calls))
    """)
    assert printed == "1 1"


# -- where distributions are looked for -------------------------------------------------------------------------------


LISTED = """
    from rustfits.codec import discovery
    for entry in discovery.entry_points("rustfits.codecs"):
        if entry.name.startswith("TOY"):
            print(entry.name, discovery.origin_of(entry))
"""


def zipped(site, name):
    """Put all that is installed into a zip file, as the only place where it is."""
    archive = shutil.make_archive(str(site.folder.parent / name), "zip", site.folder)
    for each in site.folder.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    return archive


def test_what_is_found_is_what_importlib_metadata_finds(site):
    site.install("toy", TOY_1=GOOD)
    info = next(site.folder.glob("toy-*.dist-info"))
    text = "; no\n[rustfits.codecs]\n# [x]\n TOY_1 = toy_toy_1 \n\nTOY_2=a:b.c [x]\n[console_scripts]\nx = y\n"
    info.joinpath("entry_points.txt").write_text(text)
    site.folder.joinpath("old.egg-info").mkdir()
    site.folder.joinpath("old.egg-info", "entry_points.txt").write_text("[rustfits.storage]\ns3 = old\n")
    site.folder.joinpath("file.egg-info").write_text("Name: file\n")
    printed = site.run("""
        import importlib_metadata
        from rustfits.codec import installed
        found = installed._listed()
        assert found is not None
        expected = [entry for entry in importlib_metadata.entry_points() if entry.group.startswith("rustfits.")]
        facts = lambda entry: (entry.group, entry.name, entry.value, entry.dist.name, entry.dist.version)
        for entry in expected:
            if entry.value == "old":
                entry.dist._path.joinpath("PKG-INFO").write_text("Name: old\\nVersion: 3\\n")
        assert sorted(map(facts, found)) == sorted(map(facts, expected))
        print(len(found) >= 3)
    """)
    assert printed == "True"


def test_a_distribution_shadows_one_of_its_name_later_on_the_path(site, tmp_path_factory):
    other = type(site)(tmp_path_factory.mktemp("later"))
    site.install("Toy.box", "1.0", TOY_1=GOOD)
    other.install("toy_box", "2.0", TOY_1=GOOD, TOY_2=GOOD)
    assert site.run(LISTED, PYTHONPATH=f"{site.folder}:{other.folder}") == "TOY_1 Toy.box 1.0"
    assert site.run(LISTED, PYTHONPATH=f"{other.folder}:{site.folder}").splitlines() == [
        "TOY_1 toy_box 2.0",
        "TOY_2 toy_box 2.0",
    ]


def test_a_folder_of_sources_that_was_built_in_is_the_same_distribution(site, tmp_path_factory):
    """Setuptools leaves an .egg-info there, without a version in its name."""
    sources = type(site)(tmp_path_factory.mktemp("sources"))
    site.install("toy-box", "1.0", TOY_1=GOOD)
    sources.install("toy-box", "1.0", TOY_1=GOOD)
    info = sources.folder / "toy_box-1.0.dist-info"
    info.joinpath("METADATA").rename(info / "PKG-INFO")
    info.rename(sources.folder / "toy_box.egg-info")
    path = f"{site.folder}:{sources.folder}"
    assert site.run(LISTED, PYTHONPATH=path) == "TOY_1 toy-box 1.0"
    assert (
        site.run("from rustfits.codec import registry; print(registry.as_codec('TOY_1').level)", PYTHONPATH=path) == "3"
    )


def test_a_codec_in_a_zip_file_is_found(site):
    site.install("toy", "2.5", TOY_1=GOOD)
    archive = zipped(site, "toys")
    assert site.run(LISTED, PYTHONPATH=archive) == "TOY_1 toy 2.5"
    code = "from rustfits.codec import registry; print(registry.codec_class('TOY_1').__module__)"
    assert site.run(code, PYTHONPATH=archive) == "toy_toy_1"


def test_a_codec_that_somebody_elses_finder_knows_is_found(site):
    site.install("toy", "2.5", TOY_1=GOOD)
    finder = f"""
        import sys
        from importlib import metadata

        class Finder:
            @staticmethod
            def find_spec(*_):
                return None

            @staticmethod
            def find_distributions(context):
                here = metadata.DistributionFinder.Context(name=context.name, path=[{str(site.folder)!r}])
                return metadata.MetadataPathFinder.find_distributions(here)

        sys.meta_path.append(Finder)
    """
    printed = site.run(textwrap.dedent(finder) + textwrap.dedent(LISTED), PYTHONPATH="")
    assert printed == "TOY_1 toy 2.5"


def test_an_entry_point_may_name_an_attribute_and_extras(site):
    site.install("toy", TOY_1=textwrap.dedent(GOOD) + "\nimport sys\nplugin = sys.modules[__name__]\n")
    info = next(site.folder.glob("toy-*.dist-info"))
    for value in ("toy_toy_1:plugin", "toy_toy_1 : plugin", "toy_toy_1:plugin [fast, slow]"):
        info.joinpath("entry_points.txt").write_text(f"[rustfits.codecs]\nTOY_1 = {value}\n")
        assert site.run("from rustfits.codec import registry; print(registry.codec_class('TOY_1').zcmptype)") == "TOY_1"
    info.joinpath("entry_points.txt").write_text("[rustfits.codecs]\nTOY_1 = toy-toy:1\n")
    assert "cannot be loaded (ValueError" in site.error("registry.codec_class('TOY_1')")
