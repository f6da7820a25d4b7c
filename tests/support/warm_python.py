"""``python -m MODULE`` in a process of its own, without the seconds that importing torch takes.

One process per worker imports what is outside this project and large, once. For each command it
forks, and the copy takes over the folder, the environment and the files of the command. invbench,
pytest and the plugins are imported in the copy, as in a new process.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

LARGE = ("torch", "scipy.stats", "pandas", "sklearn.metrics")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # a fork keeps no other threads
SECONDS = 300


def run_module(
    folder: Path, *command: object, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """``python -m command``, run in ``folder``; its environment is ours and what is given."""
    arguments = list(map(str, command))
    with tempfile.TemporaryDirectory() as scratch:
        out, error = Path(scratch) / "out", Path(scratch) / "error"
        request = {
            "arguments": arguments,
            "folder": str(folder),
            "environment": {**os.environ, **(environment or {})},
            "files": [os.devnull, str(out), str(error)],
        }
        code = _answer(json.dumps(request))
        return subprocess.CompletedProcess(arguments, code, out.read_text(), error.read_text())


def _answer(request: str) -> int:
    server = _server()
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(f"{request}\n".encode())
    server.stdin.flush()
    if not select.select([server.stdout], [], [], SECONDS)[0]:
        _server.cache_clear()
        os.killpg(server.pid, 9)  # and its copy
        raise subprocess.TimeoutExpired(request, SECONDS)
    return int(server.stdout.readline())


@lru_cache(1)
def _server() -> subprocess.Popen[bytes]:
    server = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **ONE_THREAD},
        start_new_session=True,
    )
    atexit.register(server.communicate)  # closes its input, by which it ends
    return server


def serve() -> None:
    """One line in: a command. One line out: its exit code."""
    for name in LARGE:
        importlib.import_module(name)
    gc.freeze()  # no copy looks through what it shares with us
    own = set(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    path = [place for place in sys.path[1:] if place not in own]
    while line := sys.stdin.readline():
        if not (child := os.fork()):
            become(json.loads(line), path)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.write(1, f"{code}\n".encode())


def become(request: dict[str, object], path: list[str]) -> None:
    """This copy is the command from here on; it ends as a program does."""
    flags = (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT | os.O_TRUNC] * 2)
    for number, (name, flag) in enumerate(zip(request["files"], flags, strict=True)):
        os.dup2(os.open(name, flag), number)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    own = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:] = [request["folder"], *own, *path]
    sys.argv[:] = request["arguments"]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    serve()
