"""Asks the judge about the answers of a finished run, for every reply that is missing.

A judge that is down costs the run only its replies: after a few failures in a row no more calls are
made, and the report names what is missing. A judge that asks for a pause gets it. A call without a
reply is made again only where the judge certainly did not answer it, so nothing is paid for twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import anyio
import structlog

from uderia_bench.analysis import preference
from uderia_bench.documents.experiment_parts import Judge
from uderia_bench.errors import CallFailed, NoAnswer, NotSignedIn, Refused, Throttled
from uderia_bench.gateway.credentials import secret_of
from uderia_bench.gateway.judge import Endpoint, Transport, connect
from uderia_bench.gateway.trust import Trust
from uderia_bench.plugins import Plugins
from uderia_bench.printable import count_of
from uderia_bench.reading import expected as expectations
from uderia_bench.reading import profile_types as type_registry
from uderia_bench.reading.judge import asks, matches, pairs, probes, scores
from uderia_bench.reading.judge.asks import Ask, Case
from uderia_bench.reading.judge.cost import dollars
from uderia_bench.reading.judge.matches import Match
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.run import Run

KEY = "UDERIA_JUDGE_KEY"
"""The environment's name of the judge's key; an endpoint on this machine mostly needs none."""

GIVE_UP = 3  # failures in a row after which a judge counts as down: one may be chance, three cost three time limits
ROUNDS = 3  # how often calls that certainly had no reply are made
LONGEST_WAIT_S = 300.0  # of all pauses that a judge asks for, in one sitting
_ERROR = 500  # the first status of a failed server, which does not charge
FIRST_PAUSE_S = 2.0  # where the judge does not say how long; it doubles each time
log = structlog.get_logger(__name__)


async def ask(
    run: Run, plugins: Plugins, environ: Mapping[str, str], trust: Trust, *, transport: Transport | None = None
) -> None:
    """Ask the run's judge for every reply that is missing; without a judge, or without a rubric, nothing happens."""
    judge = run.experiment.judge
    if judge is None or scores.read(run.path).stopped is not None:
        return
    parts = _Parts(run, plugins, judge)
    if not any(map(parts.missing, range(len(parts.calls)))):
        return
    try:
        if key := secret_of(environ, KEY):
            trust.require(judge.url, environ, what=f"your {KEY}", judge=True)
        async with connect(judge.url, model=judge.model, key=key, transport=transport) as endpoint:
            asking = _Asking(run, judge, endpoint)
            for number in range(len(parts.calls)):
                missing = parts.missing(number)
                for _ in range(ROUNDS):
                    missing = await asking.all(missing)
                if asking.ended or parts.decided_at(number + 1):
                    break
    except NotSignedIn as refused:
        scores.note(run.path, str(refused))


class _Parts:
    """The calls of a run, in parts after each of which a pairwise judge looks whether the preference is decided.

    Probes come first, so that a budget that ends early leaves no judge unprobed.
    """

    def __init__(self, run: Run, plugins: Plugins, judge: Judge) -> None:
        self._run, self._judge = run, judge
        self._metrics = plugins.metrics
        self._expected = expectations.of(run.manifest, plugins.expectations)
        self._matches: list[Match] = []
        settings = self._expected.judge
        assert settings is not None, "a run with a judge has its settings"
        with Ledger.open(run.directory.ledger) as ledger:
            if not settings.pairwise:
                cases = list(self._cases(ledger, plugins))
                scored = [each for case in cases for each in asks.asks(case, settings)]
                self.calls = [[*scored, *probes.score_asks(cases, settings, seed=run.experiment.seed)]]
                return
            found = self._expected.matches(matches.answers(ledger.records(), plugins.profile_types))
        seed = run.experiment.seed
        self._matches = probes.shuffled(found, seed=seed)
        self.calls = [list(probes.asks(found, settings, seed=seed))]
        self.calls += [[] for _ in range(self._looks - 1)]
        for place, match in enumerate(self._matches):
            if not match.pair.same:
                self.calls[place * self._looks // len(self._matches)] += pairs.asks(match.pair, settings)

    @property
    def _looks(self) -> int:
        return self._judge.looks or 1

    def _cases(self, ledger: Ledger, plugins: Plugins) -> Iterator[Case]:
        for record in ledger.records():
            if self._expected.rubrics(record.trial):
                yield from self._expected.cases(record.trial, type_registry.read(record, plugins.profile_types))

    def missing(self, number: int) -> list[Ask]:
        """Return the calls of a part without a reply, each once."""
        kept = scores.read(self._run.path)
        return list({each.key: each for each in self.calls[number] if not kept.known(each.key)}.values())

    def decided_at(self, look: int) -> bool:
        """Return whether judging ends at a look, and store it then."""
        if look >= self._looks:
            return False
        kept, settings, experiment = scores.read(self._run.path), self._expected.judge, self._run.experiment
        assert settings is not None, "a run with a judge has its settings"
        seen = self._matches[: -(-look * len(self._matches) // self._looks)]
        decided = preference.is_decided(
            matches.preferred(seen, settings, kept.choices),
            next(metric for metric in self._metrics if metric.name == preference.METRIC),
            preference.looked(look, self._looks),
            self._expected.contrasts,
            margins=experiment.margins,
            confidence=experiment.confidence,
            seed=experiment.seed,
        )
        if decided:
            scores.note_stop(self._run.path, look)
        return decided


class _Asking:
    """The calls of one run, some at a time, until they are done, the budget is spent or the judge is down."""

    def __init__(self, run: Run, judge: Judge, endpoint: Endpoint) -> None:
        self._run, self._judge, self._endpoint = run, judge, endpoint
        kept = scores.read(run.path)
        self._calls = sum(1 for _ in kept.replies)
        self._tokens = kept.tokens
        self._in_flight = 0
        self._failures = 0  # in a row
        self.ended = False
        self._open_at = 0.0  # when calls may be made again after a pause
        self._waited_s = 0.0
        self._said: set[str] = set()

    async def all(self, missing: Iterable[Ask]) -> list[Ask]:
        """Make every call; return those to make again, which certainly had no reply."""
        slots = anyio.Semaphore(self._judge.concurrency)
        again: list[Ask] = []
        async with anyio.create_task_group() as group:
            for each in missing:
                await slots.acquire()
                if self.ended or self._spent():
                    break
                self._in_flight += 1
                if self._judge.budget.usd is not None and not self._calls:
                    await self._one(each, slots, again)  # alone, to learn what a call costs
                else:
                    group.start_soon(self._one, each, slots, again)
        return [] if self.ended else again

    def _spent(self) -> bool:
        """Whether one more call, of average cost, would exceed the judge's budget."""
        budget = self._judge.budget
        calls = self._calls + self._in_flight
        self.ended = budget.calls is not None and calls >= budget.calls
        if budget.usd is not None and self._calls:
            each = dollars(self._judge, self._tokens) / self._calls
            self.ended = self.ended or each * (calls + 1) > budget.usd
        if self.ended:
            self._tell(f"the budget of the judge is spent after {count_of(self._calls, 'call')}")
        return self.ended

    async def _one(self, each: Ask, slots: anyio.Semaphore, again: list[Ask]) -> None:
        try:
            reply = await self._reply(each)
        except TimeoutError:
            self._failed(f"judge {self._judge.url}: no reply in {self._judge.timeout:g} s")
        except CallFailed as error:
            if (isinstance(error, NoAnswer) and not error.arrived) or (isinstance(error, Refused) and error.status >= _ERROR):
                again.append(each)
            self._failed(str(error))
        else:
            self._failures = 0
            self._keep(each, reply)
        finally:
            self._in_flight -= 1
            slots.release()

    async def _reply(self, each: Ask) -> object:
        """Make one call, and again after every pause that the judge asks for."""
        pause_s = FIRST_PAUSE_S
        while True:
            await anyio.sleep_until(self._open_at)
            try:
                with anyio.fail_after(self._judge.timeout):
                    return await self._endpoint.complete(each.messages)
            except Throttled as error:
                wait_s = pause_s if error.retry_after_s is None else error.retry_after_s
                pause_s *= 2
                until = anyio.current_time() + wait_s
                self._waited_s += max(0.0, until - max(self._open_at, anyio.current_time()))
                if self.ended or self._waited_s > LONGEST_WAIT_S:
                    self.ended = True
                    raise
                self._open_at = max(self._open_at, until)

    def _keep(self, each: Ask, reply: object) -> None:
        """Store a reply, also one in the wrong form: it was paid for."""
        found: scores.Reply | None = pairs.read(each, reply) if self._judge.mode == "pairwise" else asks.read(each, reply)
        if found is None:
            self._warn("the judge gave no usable reply")
            found = scores.Unread(unread=str(reply)[: scores.MOST_KEPT], **asks.spent(reply))
        scores.keep(self._run.path, each.key, found)
        self._calls += 1
        self._tokens = (self._tokens[0] + found.input_tokens, self._tokens[1] + found.output_tokens)

    def _failed(self, said: str) -> None:
        self._failures += 1
        self.ended = self.ended or self._failures >= GIVE_UP
        self._tell(said)

    def _tell(self, said: str) -> None:
        """Log and store why the judge is not asked, once for each reason."""
        if self._warn(said):
            scores.note(self._run.path, said)

    def _warn(self, said: str) -> bool:
        if new := said not in self._said:
            self._said.add(said)
            log.warning("the judge did not answer", error=said)
        return new
