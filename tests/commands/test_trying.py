"""A whole test of changes on an embedded server, with a recording of every request."""

from __future__ import annotations

import json
import math
import signal
from dataclasses import dataclass, field, replace

import httpx
import pytest
import zygote
from embedded import READS
from experiments import built, query
from rich.console import Console

from uderia_bench import plugins
from uderia_bench.analysis import conditions
from uderia_bench.cli import try_changes
from uderia_bench.commands import conclude
from uderia_bench.commands.ask import ask
from uderia_bench.commands.run import start
from uderia_bench.commands.trying import declared, stages
from uderia_bench.documents.corpus import Query
from uderia_bench.errors import CannotRun, Interrupted, UsageError
from uderia_bench.gateway import embedded
from uderia_bench.gateway.connect import connect
from uderia_bench.gateway.credentials import EMBEDDED
from uderia_bench.gateway.wire import fast_transport
from uderia_bench.plugins import Candidate, Lever
from uderia_bench.report import trying
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs import adoptions, mirror
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.run import opened

OPTIM = "profile-1764006444002-z0hdduce9"
WISHES = stages.Wishes(levers=("two",), texts={"brief": "Plan in two phases."}, traffic=1000.0, repeats=1)
EFFICIENT = Candidate(name="context-token-efficient", changes={"fields": {"contextWindowTypeId": "cwt-token-efficient"}})
TWO = Lever(
    name="two",
    doc="Two changes: one field, one text.",
    answers=(),
    propose=lambda setting: (EFFICIENT, Candidate(name="text-brief", changes={"skills": dict(setting.texts)})),
)
INSTALLED = replace(plugins.load(), levers=(TWO,))
PLANTED = """
effects: [{when: {contextWindowTypeId: cwt-token-efficient}, factor: 0.6, on: input_tokens}]
server: {login_limit: 0, tasks_per_s: 0, chance: false}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded(Surroundings):
    """Surroundings that record every request. ``before`` is called with each one."""

    asked: list[tuple[str, str]] = field(default_factory=list)
    before: list[object] = field(default_factory=list)

    def connect(self, server, address=None):
        """Connect through a transport that records."""
        inner = fast_transport()

        class Transport(httpx.AsyncBaseTransport):
            async def handle_async_request(_, request):  # noqa: N805 - self is the surroundings
                self.asked.append((request.method, request.url.path))
                for call in self.before:
                    call(request)
                return await inner.handle_async_request(request)

            async def aclose(_):  # noqa: N805
                await inner.aclose()

        return connect(address or server, EMBEDDED, transport=Transport())

    @property
    def changes(self):
        """What was asked that is neither a read nor a trial."""
        return [(method, path) for method, path in self.asked if method != "GET" and not path.endswith(READS)]


def around():
    """Return surroundings with an empty recording."""
    return Recorded(environ={}, console=Console(quiet=True))


@pytest.fixture(scope="module", autouse=True)
def _a_busy_machine_is_no_fault():
    """Let no run be invalid because other processes slow this one down."""
    with pytest.MonkeyPatch.context() as patch:
        for limit in zygote.BUSY:
            patch.setattr(conditions, limit, math.inf)
        yield


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Return the folder of a run of OPTIM on a server on which one context-window type saves tokens."""
    folder = tmp_path_factory.mktemp("try")
    (folder / "effects.yaml").write_text(PLANTED)
    asked = [query(f"q{number}", prompt=f"list the tables of database sales_db, part {number}") for number in range(24)]
    with embedded.serve(seed=3, speed=2_000, faults=folder / "effects.yaml") as url:
        experiment = built(
            [Query(**{**vars_of(each), "turns": (each.prompt,)}) for each in asked],
            arms=({"name": "OPTIM", "profile": "OPTIM"},),
            server=url,
            repeats=1,
            warmup=0,
            name="base",
        )
        run = start(experiment, output=folder / "out", run_id="base", around=around())
        conclude.conclude(run, INSTALLED)
        yield folder / "out"


def vars_of(each):
    """Return the fields of a query."""
    return {"id": each.id, "prompt": each.prompt, "expect": each.expect}


def profile_ids(made, output):
    """Return the ids of the profiles that the server of a run has."""

    async def read(uderia):
        return sorted(each["id"] for each in (await uderia.profiles())["profiles"])

    return ask(opened("base", output).experiment.server, made, read)


def test_a_test_changes_nothing_without_permission(found):
    """Proposing reads only. Without the permission no stage begins, and no request changes the server."""
    made, before = around(), set(found.iterdir())
    proposed = stages.proposal(opened("base", found), WISHES, INSTALLED, made, found)
    assert set(proposed.lock.candidates) == {"context-token-efficient", "text-brief"}
    with pytest.raises(CannotRun, match="needs 2 copies of the profile of OPTIM"):
        stages.forward(opened("base", found), WISHES, INSTALLED, made, found, allowed=False)
    assert made.changes == []
    assert set(found.iterdir()) == before


def test_one_change_is_screened_without_a_race(found):
    """It is compared with the profile as it is on each half of the 24 queries."""
    one = replace(INSTALLED, levers=(replace(TWO, propose=lambda _: (EFFICIENT,)),))
    proposed = stages.proposal(opened("base", found), WISHES, one, around(), found)
    assert list(proposed.lock.candidates) == ["context-token-efficient"]
    assert not proposed.screening.race
    repeats = proposed.screening.repeats
    assert proposed.trials == 2 * (12 * repeats + 12)


def test_the_number_of_a_test_is_the_one_that_has_its_level(found, tmp_path, monkeypatch):
    """Another test of the directory began while this one read from the server."""
    begun = []
    monkeypatch.setattr(stages, "start", lambda *_, lock, **__: begun.append(lock) or pytest.fail("enough"))
    monkeypatch.setattr(adoptions, "count", lambda _: 0)
    adoptions.begin(tmp_path, "other")
    with pytest.raises(pytest.fail.Exception, match="enough"):
        stages.forward(opened("base", found), WISHES, INSTALLED, around(), tmp_path, allowed=True)
    assert (begun[0].test, round(begun[0].level, 4)) == (2, 0.0076)


def test_a_test_in_a_store_is_refused_before_it_counts(found, tmp_path, monkeypatch):
    """One process makes and deletes the copies; a test that is refused uses up no share of alpha."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    output = mirror.made_for("s3://bucket/runs")
    with pytest.raises(UsageError, match="give --output a directory"):
        stages.forward(opened("base", found), WISHES, INSTALLED, around(), output, allowed=True)
    assert adoptions.count(output) == 0


def test_texts_are_tried_beside_the_named_levers(tmp_path):
    """A file of texts is never left out silently."""
    (tmp_path / "t.yaml").write_text("texts: {brief: Plan in two phases.}")
    wishes = try_changes._wishes(None, "skill", None, tmp_path / "t.yaml", None, None, None)
    assert wishes.levers == ("skill", "text")


def test_a_test_finds_the_change_that_saves_and_leaves_the_server_as_it_was(found):
    """It is interrupted and goes on. Both runs have the declaration, and every copy and text is gone in the end."""
    made = around()
    before = profile_ids(made, found)
    stopping = [3]

    def stop(request):
        if request.method == "POST" and request.url.path.endswith("/query"):
            stopping[0] -= 1
            if stopping[0] == 0:
                signal.raise_signal(signal.SIGINT)

    made.before.append(stop)
    with pytest.raises(Interrupted, match="resume"):
        stages.forward(opened("base", found), WISHES, INSTALLED, made, found, allowed=True)
    made.before.clear()
    (screen,) = (path for path in found.iterdir() if path.name.endswith("-screen"))
    run, tried = stages.forward(opened(screen.name, found), WISHES, INSTALLED, made, found, allowed=True)
    assert tried.adopted == ("context-token-efficient",), trying.to_text(tried, INSTALLED.metrics)
    lock = run.manifest.lock
    assert lock == opened(screen.name, found).manifest.lock.after(screen.name)
    assert set(lock.screen).isdisjoint(lock.confirm)
    with Ledger.open(run.directory.ledger) as ledger:
        asked = {trial.query_id for trial in ledger.plan()}
    assert asked == set(lock.confirm)

    assert profile_ids(made, found) == before
    methods = [(method, path.rsplit("/", 1)[0]) for method, path in made.changes]
    assert methods.count(("POST", "/api/v1")) == methods.count(("DELETE", "/api/v1/profiles"))
    assert methods.count(("PUT", "/api/v1/skills")) == methods.count(("DELETE", "/api/v1/skills"))
    kinds = {("POST", "/api/v1"), ("DELETE", "/api/v1/profiles"), ("PUT", "/api/v1/skills"), ("DELETE", "/api/v1/skills")}
    assert set(methods) == kinds
    assert not any(OPTIM in path for _, path in made.changes)

    text = trying.to_text(tried, INSTALLED.metrics)
    assert text.startswith("1 of 2 changes of OPTIM is confirmed: context-token-efficient.")
    assert f'/api/v1/profiles/{OPTIM}" -H "Authorization: Bearer $UDERIA_TOKEN"' in text
    assert "Expected saving: $" in text
    assert max(len(line) for line in text.splitlines() if "curl" not in line) <= 80
    said = json.loads((run.path / "try.json").read_bytes())
    assert (said["schema"], said["adopted"]) == ("uderia-bench/try/1", ["context-token-efficient"])


def test_halves_keep_groups_together_and_the_mix_of_classes():
    """Each half has about as many queries of each class, and a group is in one half."""
    asked = [query(f"q{n}", complexity=("simple", "complex")[n % 2], group="g" if n < 4 else None) for n in range(40)]
    parts = declared.halves(asked, seed=1)
    assert {query.id for query in (*parts.screen, *parts.confirm)} == {query.id for query in asked}
    assert abs(len(parts.screen) - len(parts.confirm)) <= 4
    assert sum(query.complexity == "simple" for query in parts.screen) in range(7, 14)
    assert len({query in parts.screen for query in asked[:4]}) == 1
    with pytest.raises(UsageError, match="has 11 queries, and 'try' needs 12"):
        declared.halves(asked[:11], seed=1)
