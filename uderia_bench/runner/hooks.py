"""Run the commands of ``prepare`` and ``cleanup`` before and after a run and each of its windows.

As hyperfine's ``--prepare``, they bring a server into the state that is to be measured. No trial is in flight on the
server while one runs, and none of their time is a trial's. A command that fails stops the run, which can be resumed. The
last clean-up comes after the trials, so its failure is only noted.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import anyio
import structlog
from anyio.abc import Process

from uderia_bench.documents.experiment import Experiment
from uderia_bench.errors import CannotRun
from uderia_bench.gateway.masking import Secrets
from uderia_bench.runner.stop import Stop
from uderia_bench.runs.hook import HookRecord

LONGEST_OUTPUT = 2_000
"""Bytes of a command's output that are kept, from its end."""
_MASKED = 1 << 20  # bytes of an output, from its end, in which secrets are looked for
NOT_STARTED = 126
"""Exit code of a command that could not be started, as a shell has it."""
SECRETS = ("UDERIA_TOKEN", "UDERIA_PASSWORD", "UDERIA_JUDGE_KEY")
"""Variables that a command receives and whose values are masked in its output."""
log = structlog.get_logger(__name__)


class HookFailed(CannotRun):
    """A command of the experiment failed; the rest of the run waits for ``resume``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The commands of an experiment, and in ``ran`` the records of those that were run."""

    experiment: Experiment
    directory: Path
    environ: Mapping[str, str]
    stop: Stop
    ran: list[HookRecord] = field(default_factory=list)

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Run ``prepare.run`` before the block and ``cleanup.run`` after it, however it ends; raises ``HookFailed``.

        A failed clean-up is noted and printed; its other commands still run.
        """
        try:
            for command in self.experiment.prepare.run:
                await self._run("prepare.run", command)
            yield
        finally:
            with anyio.CancelScope(shield=True):
                for command in self.experiment.cleanup.run:
                    try:
                        await self._run("cleanup.run", command)
                    except HookFailed as failure:
                        self.stop.tell(str(failure))

    @asynccontextmanager
    async def window(self, number: int, server: str, arms: set[str]) -> AsyncGenerator[None]:
        """Run ``prepare.window`` before the block and ``cleanup.window`` after it, however it ends; raises ``HookFailed``.

        A stop ends a preparation, and only a hard one a clean-up.
        """
        run = partial(self._run, server=server, window=number, arm=min(arms) if len(arms) == 1 else None)
        try:
            for command in self.experiment.prepare.window:
                await run("prepare.window", command, until=self.stop.soft)
            yield
        finally:
            with anyio.CancelScope(shield=True):
                for command in self.experiment.cleanup.window:
                    await run("cleanup.window", command, until=self.stop.hard)

    async def _run(
        self,
        key: str,
        command: str,
        *,
        until: anyio.Event | None = None,
        server: str | None = None,
        window: int | None = None,
        arm: str | None = None,
    ) -> None:
        if until is not None and until.is_set():
            return
        said = {"RUN": self.directory, "SERVER": server, "WINDOW": window, "ARM": arm}
        environ = {**self.environ, **{f"UDERIA_BENCH_{name}": str(it) for name, it in said.items() if it is not None}}
        began_at, began_s = datetime.now(UTC), anyio.current_time()
        try:
            exit_code, output = await _shell(command, environ, until)
        except (OSError, ValueError) as error:  # no process, descriptor or disk space is left, or the command has a NUL
            exit_code, output = NOT_STARTED, f"cannot be started: {error}".encode()
        record = HookRecord(
            key=key,
            command=command,
            began_at=began_at,
            seconds=round(anyio.current_time() - began_s, 3),
            exit_code=exit_code,
            output=_masked(output, self.environ),
            server=server,
            window=window,
            arm=arm,
        )
        self.ran.append(record)
        log.info("command ended", key=key, command=command, exit_code=exit_code, seconds=record.seconds, window=window, arm=arm)
        if exit_code and not (until is not None and until.is_set()):
            raise HookFailed(record.failure)


async def _shell(command: str, environ: Mapping[str, str], until: anyio.Event | None) -> tuple[int, bytes]:
    """Run a command in the shell; return its exit code and the end of its output. ``until`` kills it and its children."""
    with tempfile.TemporaryFile() as output:
        process = await anyio.open_process(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environ, start_new_session=True
        )

        async def killed_at(event: anyio.Event) -> None:
            await event.wait()
            _kill(process)

        try:
            async with anyio.create_task_group() as group:
                if until is not None:
                    group.start_soon(killed_at, until)
                exit_code = await process.wait()
                group.cancel_scope.cancel()
        except BaseException:
            _kill(process)
            raise
        output.seek(max(0, output.seek(0, os.SEEK_END) - _MASKED))
        return exit_code, output.read()


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _masked(output: bytes, environ: Mapping[str, str]) -> str:
    """Return the end of an output without secrets. They are masked first: half of one would not be found."""
    secrets = Secrets()
    for name in SECRETS:
        secrets.add(environ.get(name, ""))
    return secrets.mask(output, error=True)[-LONGEST_OUTPUT:].decode(errors="replace")
