"""Says at the end how often a process was killed, or a system call made to fail."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from crash_points import COUNTED


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # a process of xdist, whose own terminal nobody sees
        session.config.workeroutput["crash points"] = dict(COUNTED)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    COUNTED.update(getattr(node, "workeroutput", {}).get("crash points", {}))


def pytest_terminal_summary(terminalreporter):
    if COUNTED:
        counted = ", ".join(f"{number} {what}" for what, number in COUNTED.items())
        terminalreporter.write_line(f"crash points: {COUNTED.total()} ({counted})")
