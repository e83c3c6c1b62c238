"""The embedded Uderia as a child process: start it, wait until it listens, and end it with this process."""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from uderia_bench.errors import CannotRun

START_LIMIT_S = 120.0  # it listens after about a second, and on a very busy machine after half a minute
END_LIMIT_S = 5.0
LAST_WORDS = 2_000  # bytes of its stderr that may explain why it did not start


@contextmanager
def serve(*, seed: int, speed: float, faults: Path | None = None) -> Iterator[str]:
    """Start the embedded server on a free port of the loopback interface and yield its address.

    It ends with the block. It also watches its standard input, so it ends when this process dies. Raises
    ``CannotRun`` with its last line of output when it does not start.
    """
    command = [sys.executable, "-m", "uderia_bench.sim", "--port", "0", "--seed", str(seed), "--speed", str(speed)]
    if faults is not None:
        command += ["--faults", str(faults)]
    with ExitStack() as stack:
        try:
            errors = stack.enter_context(tempfile.TemporaryFile())
            child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [*command, "--exit-with-parent"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C reaches only this process, which then ends the server
            )
        except OSError as error:  # out of processes, memory or file descriptors
            raise CannotRun(f"the embedded Uderia did not start: {error.strerror or error}") from error
        try:
            yield _address(child, errors)
        finally:
            child.terminate()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()
            try:
                child.wait(END_LIMIT_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _address(child: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    """Read the line that it prints when it listens."""
    assert child.stdout is not None, "its standard output is a pipe"
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        line = child.stdout.readline() if selector.select(START_LIMIT_S) else b""
    try:
        return str(json.loads(line)["url"])
    except (ValueError, KeyError, TypeError):
        errors.seek(0)
        words = errors.read()[-LAST_WORDS:].decode(errors="replace").strip().splitlines()
        raise CannotRun(f"the embedded Uderia did not start: {words[-1] if words else 'it printed nothing'}") from None
