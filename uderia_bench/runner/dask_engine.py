"""The place where Dask runs tasks: processes that are started on this machine, or the workers of a scheduler."""

from __future__ import annotations

import logging
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import re
import signal
import sys
import warnings
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Self

import anyio

from uderia_bench.errors import CannotRun, UsageError
from uderia_bench.runner import dask_task, scratch

if TYPE_CHECKING:
    from distributed import Client

REACH_S = 10.0  # to reach a scheduler
PORT = 8786  # of a Dask scheduler
WORKER_S = 60.0  # the command ends after it had no Dask worker for so long
AGAIN_S = 1.0  # between two tries to start the workers of this machine
LOCAL = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.multiprocessing-method": "forkserver",  # of ``_start_forkserver``
}
_WORDS = re.compile(r"dask:local:(?P<number>[1-9]\d{0,2})|(?P<scheme>dask|tls)://(?P<host>[^\s/@]+?)(:(?P<port>\d+))?/?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Where the tasks run: ``number`` processes on this machine, or the workers of a scheduler."""

    name: str
    number: int | None = None
    address: str = ""

    @classmethod
    def of(cls, name: str) -> Self:
        """Read the value of ``--on``; raises ``UsageError`` for a wrong one, and where Dask is not installed."""
        found = _WORDS.fullmatch(name)
        if found is None:
            raise UsageError(f"--on {name}: use dask:local:N for N processes, dask://HOST:PORT or tls://HOST:PORT")
        try:
            import distributed  # noqa: F401, PLC0415 - of an extra, and half a second
        except ImportError as error:
            raise UsageError(f"--on {name}: needs the extra 'dask': pip install 'uderia-bench[dask]'") from error
        if found["number"]:
            return cls(name=name, number=int(found["number"]))
        protocol_of = {"dask": "tcp", "tls": "tls"}[found["scheme"]]
        return cls(name=name, address=f"{protocol_of}://{found['host']}:{found['port'] or PORT}")

    def reach(self) -> None:
        """Raise ``CannotRun`` if the scheduler cannot be reached or its workers cannot be used, before a run begins."""

        async def look() -> None:
            async with self.connected() as client:
                addresses = list(await client.nthreads())
                if not addresses:
                    start = f"dask worker {self.address} --nthreads 1 --nworkers 4"
                    raise CannotRun(f"{self.name}: the scheduler has no workers: start some with '{start}'")
                await fit(client, addresses)

        if self.number is None:
            anyio.run(look)

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[Client]:
        """Yield a client of the scheduler; one on this machine is started, with its workers, and ends with the block."""
        import dask  # noqa: PLC0415
        from distributed import Client, Security  # noqa: PLC0415

        async with _closed_whole() as stack:
            stack.enter_context(_quiet())
            where: Any = self.address
            if self.address.startswith("tls:") and Security().get_connection_args("client")["ssl_context"] is None:
                raise CannotRun(
                    f"{self.name}: needs Dask's settings for TLS: set DASK_DISTRIBUTED__COMM__TLS__CA_FILE and others"
                )
            if self.number is not None:
                folder = str(stack.enter_context(scratch.folder()))
                stack.enter_context(dask.config.set({**LOCAL, "temporary-directory": folder}))
                _start_forkserver()
                where = await self._start(stack, folder)
            try:
                client = await stack.enter_async_context(
                    Client(where, asynchronous=True, set_as_default=False, timeout=REACH_S)
                )
            except (OSError, ValueError, ImportError) as error:
                raise CannotRun(
                    f"{self.name}: no Dask scheduler answers ({' '.join(str(error).split())});"
                    " is the address right, and does the scheduler run?"
                ) from error
            yield client

    async def _start(self, stack: AsyncExitStack, folder: str) -> Any:
        """Start a scheduler and its workers, again where a worker dies while it starts; raises ``CannotRun``."""
        from distributed import LocalCluster  # noqa: PLC0415

        until_s = anyio.current_time() + WORKER_S
        while True:
            cluster = LocalCluster(
                n_workers=self.number,
                threads_per_worker=1,
                memory_limit=0,  # as for a run in this process
                host="127.0.0.1",
                security=True,  # TLS with a key of this process: other users of this machine stay out
                scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                local_directory=folder,
                silence_logs=logging.CRITICAL + 1,
                asynchronous=True,
            )
            try:
                return await stack.enter_async_context(cluster)
            except RuntimeError as error:
                if anyio.current_time() > until_s:
                    said = f"{self.name}: the Dask workers do not start ({error}): check the free memory of this machine"
                    raise CannotRun(said) from error
                await anyio.sleep(AGAIN_S)


def reached(name: str) -> Engine:
    """Return the engine that ``--on`` names, once its scheduler has answered; raises ``UsageError`` or ``CannotRun``."""
    engine = Engine.of(name)
    engine.reach()
    return engine


async def fit(client: Client, addresses: list[str]) -> None:
    """Raise ``CannotRun`` unless the workers have the version of this process."""
    ours = metadata.version("uderia-bench")
    # A function of the standard library: another version may lack any function of ours.
    found = await client.run(metadata.version, "uderia-bench", workers=addresses, on_error="return")
    for address, version in found.items():
        if isinstance(version, metadata.PackageNotFoundError):
            raise CannotRun(f"Dask worker {address} has no uderia-bench: install 'uderia-bench[dask]=={ours}' there")
        if version != ours and not isinstance(version, Exception):
            raise CannotRun(
                f"Dask worker {address} has uderia-bench {version}, and this machine {ours}: install the same version"
            )


@asynccontextmanager
async def _closed_whole() -> AsyncGenerator[AsyncExitStack]:
    """Yield a stack that is closed even where its user is cancelled: processes must end."""
    stack = AsyncExitStack()
    try:
        yield stack
    finally:
        with anyio.CancelScope(shield=True):
            await stack.aclose()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the messages of Dask's own log off the terminal. The command reports a lost worker or scheduler itself."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other versions of Python or Dask on the workers
            yield
    finally:
        logging.disable(before)


def _start_forkserver() -> None:
    """Start the process that worker processes are forked from, where it does not run.

    It blocks SIGINT and SIGHUP, which a terminal sends to all processes of a command, and its children inherit this. So
    Ctrl-C reaches the command alone.
    """
    from distributed.utils import get_mp_context  # noqa: PLC0415

    preload = [name for name in ("__main__", "distributed", dask_task.__name__) if name != "__main__" or _has_file()]
    get_mp_context().set_forkserver_preload(preload)
    multiprocessing.resource_tracker.ensure_running()  # its start, which a forkserver's includes, unblocks SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _has_file() -> bool:
    return getattr(sys.modules["__main__"], "__file__", None) is not None
