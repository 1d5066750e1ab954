"""The suites are asked for by their names in rustfits, whoever has installed them."""

import subprocess
import sys

import pytest

import rustfits.testing
import rustfits_testing
from rustfits.errors import how_to_install


@pytest.mark.parametrize("name", rustfits.testing.__all__)
def test_a_suite_has_one_name_in_rustfits(name):
    assert getattr(rustfits.testing, name) is getattr(rustfits_testing, name)


def test_both_list_the_same_names():
    assert rustfits.testing.__all__ == rustfits_testing.__all__
    assert set(rustfits.testing.__all__) <= set(dir(rustfits.testing))


def test_a_name_that_is_none_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"rustfits\.testing"):
        rustfits.testing.Nothing  # noqa: B018


def test_without_the_package_the_error_says_what_to_install():
    code = """
import sys
sys.modules["rustfits_testing"] = None
import rustfits.testing
try:
    from rustfits.testing import CodecConformance
except ImportError as error:
    print(error.name, error)
"""
    # What is None there is not found: as if it were not installed.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "rustfits_testing rustfits.testing.CodecConformance needs the package rustfits-testing, which is not "
        f"installed; try: {how_to_install('rustfits-testing')}\n"
    )


def test_the_door_loads_no_suite_until_one_is_asked_for():
    code = "import sys, rustfits.testing; print('rustfits_testing' in sys.modules, 'pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == (
        "False False\n"
    )
