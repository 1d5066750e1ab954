"""Talk to `crash_worker`: one process that forks off those that are killed."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

COUNTED = Counter()
"""What was killed, and how often."""


class Worker:
    """A process that edits and opens files on request."""

    def __init__(self):
        program = Path(__file__).with_name("crash_worker.py")
        self._process = subprocess.Popen(
            [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, do, path, **request):
        self._process.stdin.write(json.dumps({"do": do, "path": str(path), **request}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, (do, request, answer)
        return answer

    def edit(self, path, name, durability="process", **request):
        return self.ask("edit", path, name=name, durability=durability, **request)

    def create(self, path, mode, durability="process", **request):
        return self.ask("create", path, mode=mode, durability=durability, **request)

    def open(self, path, mode="r", **request):
        return self.ask("open", path, mode=mode, **request)

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
