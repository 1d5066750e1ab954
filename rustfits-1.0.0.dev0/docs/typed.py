"""Hold the examples of the README and the manual against two type checkers, as scripts that a user might have written.

    python docs/typed.py

Needs mypy and basedpyright, which is pyright with its own Node. The exit code is 1 if one of them finds fault.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROMPT = re.compile(r"^(?:>>>|\.\.\.)(?: (.*))?$", re.MULTILINE)


def script(page: Path) -> str:
    """Return all that is typed at the prompts of a page, one line after the other; nothing if it has no prompt."""
    blocks = "".join(re.findall(r"```pycon\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
    return "".join(f"{line}\n" for line in PROMPT.findall(blocks))


def main() -> int:
    """Write the scripts and check them; return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        for page in PAGES:
            if text := script(page):
                Path(folder, f"{page.stem.replace('-', '_')}.py").write_text(text, encoding="utf-8")
        scripts = sorted(map(str, Path(folder).glob("*.py")))
        settings = {
            "extraPaths": [str(ROOT)],
            "typeCheckingMode": "standard",
            "reportUnusedExpression": False,
            "reportMissingImports": False,  # astropy and fitsio need not be here; mypy says if rustfits is not
            "useLibraryCodeForTypes": False,  # what astropy and fitsio return, whose types nobody has declared
        }
        Path(folder, "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
        commands = [
            [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(Path(folder, "cache")), *scripts],
            [sys.executable, "-m", "basedpyright", "-p", folder, "--pythonpath", sys.executable],
        ]
        environment = {**os.environ, "MYPYPATH": str(ROOT)}
        print(f"{len(scripts)} pages with examples", flush=True)
        codes = [subprocess.run(each, env=environment, check=False).returncode for each in commands]
        return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
