"""A run in a store: its plan, its journals and its files, and how a run directory is made from them.

Below the address of a store::

    .servers/SERVER/000000001      the lease of a server, which all runs of the store share
    RUN/plan.zst                   the manifest as the run began, the arms and all trials; never changed
    RUN/journal/SERVER/000000001   claims and results of one server (``protocol``)
    RUN/manifest.json, trials/…    the files of a run directory, written when the run is complete

SERVER is a hash of the server's address. An entry of a journal holds rows of a ledger, as its trials were claimed,
accepted and settled. When a holder ends its work, it adds the facts for the manifest: load generator, outages, hooks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson
import zstandard

from uderia_bench.documents.experiment import SIM
from uderia_bench.errors import StoreError
from uderia_bench.printable import plain
from uderia_bench.runs import files, ledger_rows, protocol
from uderia_bench.runs.bucket import AT_ONCE, Bucket, NotThere, parted, read_all, sure
from uderia_bench.runs.directory import LEDGER, LOCK, LOG, MANIFEST, RunDirectory, RunExists
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.ledger_rows import Entry, Row
from uderia_bench.runs.protocol import NoClearAnswer
from uderia_bench.trial import Serving, Trial, TrialRecord

PLAN = "plan.zst"
JOURNAL = "journal"
LOGS = "log"
_LISTS = ("generator", "outages", "hooks")  # of a manifest: one item or more a sitting
_LARGEST_PLAN = 2**31  # bytes, unpacked


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedRun:
    """A run of a store: where it is, and its plan."""

    bucket: Bucket
    run_id: str
    manifest: Mapping[str, Any]
    arms: Mapping[str, Serving]
    plan: tuple[Trial, ...]

    @property
    def url(self) -> str:
        """The run's address."""
        return f"{self.bucket.url}/{self.run_id}"

    @classmethod
    def begin(
        cls, bucket: Bucket, run_id: str, manifest: Mapping[str, Any], arms: Mapping[str, Serving], plan: Sequence[Trial]
    ) -> Self:
        """Write the plan of a new run; raises ``RunExists`` where there is one of that id."""
        body = zstandard.compress(orjson.dumps({"manifest": manifest, "arms": arms, "trials": plan}))
        run = cls(bucket=bucket, run_id=run_id, manifest=manifest, arms=arms, plan=tuple(plan))
        if not sure(lambda: bucket.create(f"{run_id}/{PLAN}", body) or bucket.read(f"{run_id}/{PLAN}") == body):
            raise RunExists(
                f"run {run_id} exists in {bucket.url}: go on with 'uderia-bench work {run.url}', or choose another --run-id"
            )
        sure(bucket.put, f"{run_id}/{MANIFEST}", orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
        return run

    @classmethod
    def open(cls, url: str) -> Self:
        """Read the plan of a run; raises ``StoreError`` where there is none."""
        folder, run_id = parted(url)
        bucket = Bucket(folder)
        try:
            body = sure(bucket.read, f"{run_id}/{PLAN}")
        except NotThere as error:
            raise NotThere(f"{url}: no run here; 'uderia-bench runs --output {bucket.url}' lists those there are") from error
        try:
            said = orjson.loads(_unpacked(body))
            arms = {name: ledger_rows.expected(orjson.dumps(arm)) for name, arm in said["arms"].items()}
            plan = tuple(ledger_rows.trial(orjson.dumps(trial)) for trial in said["trials"])
        except ledger_rows.READ_ERRORS as error:
            raise StoreError(f"{url}/{PLAN}: not the plan of a run: {error}") from error
        return cls(bucket=bucket, run_id=run_id, manifest=said["manifest"], arms=arms, plan=plan)

    def server_of(self, trial: Trial) -> str:
        """Return the name of the server that a trial is asked on."""
        return self.arms[trial.arm].on(trial.server).server

    @property
    def servers(self) -> tuple[str, ...]:
        """The servers of the plan, each once."""
        return tuple(dict.fromkeys(map(self.server_of, self.plan)))

    def lease(self, server: str) -> str:
        """Return the folder of a server's lease. An embedded server is one of its process, so each run has its own lease."""
        return f".servers/{_key(server if server != SIM else self.url)}"

    def journal(self, server: str) -> str:
        """Return the folder of a server's journal."""
        return f"{self.run_id}/{JOURNAL}/{_key(server)}"

    def ledger(self, path: Path, server: str, entries: Iterable[bytes]) -> Ledger:
        """Make a ledger of one server's trials from the entries of its journal."""
        ledger = Ledger.create(path, [trial for trial in self.plan if self.server_of(trial) == server], self.arms)
        ledger.replay(row for entry in entries for row in rows(entry))
        return ledger

    def into(self, directory: RunDirectory) -> int:
        """Write the run's ledger and manifest as of now into a directory; return how many trials are left to ask."""
        ledger_file = directory.path / LEDGER
        for name in (LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm"):
            (directory.path / name).unlink(missing_ok=True)
        sittings: list[Mapping[str, Any]] = []

        def said() -> Iterator[Row]:
            for entry in self._entries():
                if (fact := facts(entry)) is not None:
                    sittings.append(fact)
                yield from rows(entry)

        with Ledger.create(ledger_file, self.plan, self.arms) as ledger:
            ledger.replay(said())
            left = len(ledger.unsettled())
        directory.write_manifest(self._manifest(sittings, left))
        return left

    def _entries(self) -> Iterator[bytes]:
        """Yield the entries of the journals, server by server, a few of them in memory at a time."""
        for server in self.servers:
            names = list(sure(self.bucket.found, self.journal(server)))
            for start in range(0, len(names), AT_ONCE):
                yield from map(protocol.content, sure(read_all, self.bucket, names[start : start + AT_ONCE]))

    def _manifest(self, sittings: Sequence[Mapping[str, Any]], left: int) -> dict[str, Any]:
        """Return the manifest with what the holders wrote at the ends of their work."""
        said = dict(self.manifest)
        for name in _LISTS:
            said[name] = [*said.get(name, ()), *(item for sitting in sittings for item in sitting.get(name, ()))]
        ended = max((str(sitting["ended_at"]) for sitting in sittings), default=None)
        stopped = next((sitting["stopped"] for sitting in reversed(sittings) if sitting.get("stopped")), None)
        return {
            **said,
            "state": "interrupted" if left else "complete",
            "left": left,
            "ended_at": ended,
            "stopped": stopped if left else None,
        }

    def record(self, trial: Trial, row: Row) -> TrialRecord:
        """Return a trial's record from a row of a journal; raises one of ``READ_ERRORS`` where that is damaged."""
        _, *known, _ = row.columns
        planned, arm = ledger_rows.dump_values(trial), ledger_rows.dump_values(self.arms[trial.arm])
        payload = (None, None, None) if row.payload is None else row.payload[1:]
        return ledger_rows.record((planned, arm, *known, *payload), zstandard.ZstdDecompressor())

    def keep_log(self, worker: str, log: Path) -> None:
        """Write the log of a worker that ends into the store, if the store can be reached."""
        with suppress(StoreError, NoClearAnswer):
            self.bucket.put(f"{self.run_id}/{LOGS}/{worker}.jsonl", log)

    def concluded(self, directory: RunDirectory) -> bool:
        """Whether the store has the files of this concluded directory: it has the manifest, which is written last."""
        return sure(self.bucket.read, f"{self.run_id}/{MANIFEST}") == files.read(directory.path / MANIFEST)

    def conclude(self, directory: RunDirectory) -> None:
        """Write the files of a concluded run directory into the store, the manifest last."""
        elsewhere = (MANIFEST, LOG, LOCK)
        kept = [
            path
            for path in sorted(directory.path.rglob("*"))
            if path.is_file() and path.parent.name != LOGS and path.name not in elsewhere
            if not path.name.startswith((".", f"{LEDGER}-"))
        ]
        for path in [*kept, directory.path / MANIFEST]:
            sure(self.bucket.put, f"{self.run_id}/{path.relative_to(directory.path).as_posix()}", path)


def packed(entries: Sequence[Entry]) -> bytes:
    """Return an entry of a journal: the rows that a ledger makes of these entries."""
    pack = ledger_rows.compressor()
    said: list[tuple[Any, ...]] = []
    frames: list[bytes] = []
    for row in (entry.row(pack) for entry in entries):
        frames.append(b"" if row.payload is None else row.payload[-1])
        sizes = None if row.payload is None else (*row.payload[1:-1], len(frames[-1]))
        said.append((row.columns, sizes, row.children, row.account))
    return orjson.dumps(said) + b"\n" + b"".join(frames)


def rows(entry: bytes) -> list[Row]:
    """Return the rows in an entry of a journal; raises ``StoreError`` for a damaged one."""
    head, _, frames = entry.partition(b"\n")
    if not head.startswith(b"["):
        return []
    found: list[Row] = []
    with _readable():
        for columns, sizes, children, account in orjson.loads(head):
            payload = None
            if sizes is not None:
                payload = (columns[-1], *sizes[:-1], frames[: sizes[-1]])
                frames = frames[sizes[-1] :]
            found.append(Row(columns=tuple(columns), payload=payload, children=children, account=account))
    return found


def sitting(said: Mapping[str, Any], left: int) -> bytes:
    """Return an entry of a journal: the facts of a holder's work for the manifest, and how many trials it left."""
    kept = {name: said.get(name) for name in (*_LISTS, "ended_at", "stopped")}
    return orjson.dumps({**kept, "left": left}) + b"\n"


def facts(entry: bytes) -> dict[str, Any] | None:
    """Return what ``sitting`` wrote, None for an entry of another kind; raises ``StoreError`` for a damaged one."""
    if not entry.startswith(b"{"):
        return None
    with _readable():
        said: dict[str, Any] = orjson.loads(entry)
        return {**said, "left": ledger_rows.whole(said["left"])}


def done(entry: bytes | None) -> bool:
    """Whether the newest entry of a journal says that its server's trials all have results."""
    said = None if entry is None else facts(protocol.content(entry))
    return said is not None and said["left"] == 0


@contextmanager
def _readable() -> Iterator[None]:
    """Say in a line that an entry of a journal is damaged."""
    try:
        yield
    except ledger_rows.READ_ERRORS as error:
        raise StoreError(f"an entry of the run's journal cannot be read: {plain(str(error))}") from error


def _unpacked(plan: bytes) -> bytes:
    """Unpack a plan; raises one of ``READ_ERRORS`` for one that is damaged or larger than ``_LARGEST_PLAN``."""
    if zstandard.get_frame_parameters(plan).content_size > _LARGEST_PLAN:
        raise ValueError("larger than any plan")
    return zstandard.ZstdDecompressor().decompress(plan)


def _key(server: str) -> str:
    return hashlib.sha256(server.encode()).hexdigest()[:20]
