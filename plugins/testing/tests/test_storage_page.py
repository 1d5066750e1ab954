"""The suite as docs/hooks.md shows it runs as it stands there."""

import re
from pathlib import Path

import pytest

from rustfits.storage.local import LocalStorage
from rustfits.testing import StorageConformance

PAGE = Path(__file__).resolve().parents[3] / "docs" / "hooks.md"
(SHOWN,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)

names = {
    "__name__": __name__,
    "pytest": pytest,
    "StorageConformance": StorageConformance,
    "MyStorage": lambda path: LocalStorage(str(path), "r+"),
}
exec(SHOWN, names)
TestMine = names["TestMine"]
