"""The errors of this package as one tree. The end of a trial is not an error but an outcome.

::

    BenchError
    ├── UsageError            exit 2   the command line asks for something impossible
    │   └── DocumentError     exit 2   a corpus or experiment is wrong: every mistake at once
    ├── CannotRun             exit 3   the server cannot be used as the experiment wants
    │   ├── Unreachable                no server answers at the address
    │   ├── NotSignedIn                the server refuses the credentials
    │   │   └── NoCredentials          there are none
    │   └── UnknownProfile             an arm names a profile that the server does not have
    ├── CallFailed            exit 3   one REST call failed; inside a trial it becomes the outcome
    │   ├── NoAnswer                   the connection failed or broke; says whether the request may have arrived
    │   ├── Refused                    the server answered with an error
    │   ├── Throttled                  the server asked us to come back later
    │   └── Gone                       the server does not know the session or task (any more)
    ├── Interrupted           exit 4   stopped by a signal; ``resume`` goes on
    ├── InvalidContrast       exit 5   a planned comparison is not valid
    └── StoreError            exit 2   a run directory cannot be read or written
        ├── MetricFailed               a metric raised while deriving: names the metric and the trial
        ├── DetectorFailed             a detector raised while deriving: names the detector and the trial
        └── ExpectationFailed          an expectation's judgement raised while deriving: names the kind and the trial

Every message is one line: what happened, where, and what to do. ``DocumentError`` has one line per mistake.
"""

from __future__ import annotations

from dataclasses import dataclass

from uderia_bench.printable import plain


class BenchError(Exception):
    """Anything this package refuses to do, with its exit code (docs/reference/exit-codes.md)."""

    exit_code = 3


class UsageError(BenchError):
    """The command line asks for something impossible."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake in a document: where it is and what to do about it.

    ``line`` counts from 1. ``path`` is dotted, as in ``queries.3.prompt``. Both are None for the file as a whole.
    """

    file: str
    line: int | None
    path: str | None
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        where = plain(f"{place}: {self.path}" if self.path else place)  # a key may be any text
        return f"{where}: " + "\n".join(map(plain, self.message.split("\n")))  # a message may point into its text, below it


class DocumentError(UsageError):
    """A corpus or an experiment is wrong; carries every mistake found, not the first."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(str(mistake) for mistake in mistakes))


class CannotRun(BenchError):
    """The server cannot be used as the experiment wants."""

    exit_code = 3


class Unreachable(CannotRun):
    """The server's address does not answer."""


class NotSignedIn(CannotRun):
    """The server refuses the credentials, or there are none."""


class NoCredentials(NotSignedIn):
    """There are no credentials for a server that answers."""


class UnknownProfile(CannotRun):
    """An arm names a profile the server does not have."""


class CallFailed(BenchError):
    """One REST call failed."""


class NoAnswer(CallFailed):
    """The connection failed or broke. ``arrived`` is False only if the request certainly did not reach the server."""

    def __init__(self, message: str, *, arrived: bool) -> None:
        self.arrived = arrived
        super().__init__(message)


class Down(NoAnswer):
    """The server, or a proxy in front of it, answered with an HTTP status of 500 or above."""


class Refused(CallFailed):
    """The server answered with an error status."""

    def __init__(self, message: str, *, status: int) -> None:
        self.status = status
        super().__init__(message)


class Throttled(Refused):
    """The server asked for a pause of ``retry_after_s``, or of unknown length (None)."""

    def __init__(self, message: str, *, status: int, retry_after_s: float | None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, status=status)


class Gone(Refused):
    """The server does not know the session or task (any more)."""


class Interrupted(BenchError):
    """Stopped by a signal with trials left to do; the run can be resumed."""

    exit_code = 4


class InvalidContrast(BenchError):
    """A planned comparison is not valid, so it has no verdict."""

    exit_code = 5


class StoreError(BenchError):
    """A run directory, its ledger or its Parquet cannot be read or written."""

    exit_code = 2


class MetricFailed(StoreError):
    """A metric raised while a run was derived; the raw records are untouched."""


class DetectorFailed(StoreError):
    """A detector raised while a run was derived; the raw records are untouched."""


class ExpectationFailed(StoreError):
    """The judgement of an expectation raised while a run was derived; the raw records are untouched."""
