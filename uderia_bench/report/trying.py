"""Result of a test of changes: those confirmed on the held-out queries, and the commands that adopt them.

Only the effect of the confirmation counts. The effect of the screening is shown beside it, because the
best of several looks better than it is.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from uderia_bench.analysis.values import Comparison, Verdict
from uderia_bench.printable import count_of, plain
from uderia_bench.reading.metrics.metric import Direction, Metric
from uderia_bench.report import content, figures, monthly
from uderia_bench.report.changes import GUARDS
from uderia_bench.report.content import Report
from uderia_bench.report.formats.layout import lay_out, wrapped
from uderia_bench.report.table import Table, left
from uderia_bench.runs.lock import Lock
from uderia_bench.runs.run import Run
from uderia_bench.stats.estimate import Effect, Estimate

ALLOWED = 0.05
"""The largest loss on a guard, as a share of trials or of checks, that an adopted change may show."""

SCHEMA = "uderia-bench/try/1"

_ALONE = (
    "Each change was tested alone. Several together may have another effect: adopt one, run the experiment again, and try the "
    "others on the profile as it is then."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """One change. ``screened`` and ``confirmed`` are its effects on the metric, None where it has none.

    ``reason`` says why it is adopted or not. ``commands`` adopt it on the server of the test, where
    nothing was changed. ``month_usd`` is what it saves in a month of the declared traffic.
    """

    name: str
    changes: Mapping[str, Any]
    screened: Effect | None
    confirmed: Effect | None
    p_adjusted: float | None
    guards: Mapping[str, Effect]
    adopted: bool
    reason: str
    commands: tuple[str, ...] = ()
    month_usd: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """The result of a test. ``runs`` are the screening and, where there was one, the confirmation."""

    lock: Lock
    runs: tuple[str, ...]
    trials: int
    changes: tuple[Tested, ...]

    @property
    def adopted(self) -> tuple[str, ...]:
        """The names of the changes that are confirmed."""
        return tuple(each.name for each in self.changes if each.adopted)


def promising(lock: Lock, screened: Run, report: Report, *, keep: int) -> tuple[str, ...]:
    """Return the changes to confirm: the best ones that the screening did not drop and shows as better."""
    out = dropped(screened)
    seen = {name: _on(report, lock, name, lock.metric) for name in lock.candidates if name not in out}
    gains = {name: _gain(found, report, lock.metric) for name, found in seen.items() if found is not None}
    return tuple(sorted((name for name, gain in gains.items() if gain > 0), key=lambda name: -gains[name])[:keep])


def dropped(screened: Run) -> dict[str, int]:
    """Return the changes that the screening dropped, with the look that dropped each."""
    decided = screened.manifest.decided
    return dict(decided.at.dropped) if decided is not None else {}


def tried(lock: Lock, screened: Run, screening: Report, run: Run, confirmation: Report | None) -> Tried:
    """Return the result of a test from its runs; ``confirmation`` is None where no change was left to confirm."""
    reports = (screening,) if confirmation is None else (screening, confirmation)
    return Tried(
        lock=lock,
        runs=tuple(each.facts.run_id for each in reports),
        trials=sum(each.spending.spent.trials for each in reports if each.spending is not None),
        changes=tuple(_tested(name, lock, screened, screening, run, confirmation) for name in lock.candidates),
    )


def _tested(name: str, lock: Lock, screened: Run, screening: Report, run: Run, confirmation: Report | None) -> Tested:
    seen = _on(screening, lock, name, lock.metric)
    found = None if confirmation is None else _on(confirmation, lock, name, lock.metric)
    guards = {} if confirmation is None else {guard: _on(confirmation, lock, name, guard) for guard in GUARDS}
    known = {guard: comparison for guard, comparison in guards.items() if comparison is not None}
    adopted, reason = _decided(name, screened, found, known, gains=seen is not None and _gain(seen, screening, lock.metric) > 0)
    return Tested(
        name=name,
        changes=lock.candidates[name],
        screened=None if seen is None else seen.effect,
        confirmed=None if found is None else found.effect,
        p_adjusted=None if found is None else found.p_adjusted,
        guards={guard: comparison.effect for guard, comparison in known.items()},
        adopted=adopted,
        reason=reason,
        commands=tuple(_commands(lock, name, run)) if adopted else (),
        month_usd=monthly.saved(confirmation, run.trials(), name, lock.arm) if adopted and confirmation is not None else None,
    )


def _decided(
    name: str, screened: Run, found: Comparison | None, guards: Mapping[str, Comparison], *, gains: bool
) -> tuple[bool, str]:
    """Return whether a change is adopted, and why or why not."""
    if found is None:
        look = dropped(screened).get(name)
        return False, f"dropped at look {look}" if look else "not the best" if gains else "no gain"
    if found.verdict is not Verdict.BETTER:
        return False, {Verdict.WORSE: "worse", Verdict.EQUIVALENT: "within the margin"}.get(found.verdict, "not confirmed")
    for guard, comparison in guards.items():
        loss = comparison.effect.value
        if comparison.verdict is Verdict.WORSE or (loss is not None and loss < -ALLOWED):
            return False, f"{guard} is worse"
    return True, "adopt"


def _on(report: Report, lock: Lock, name: str, metric: str) -> Comparison | None:
    """Return the comparison of a change with the profile as it is, over all queries; None where it has no effect."""
    for found in report.analysis.comparisons:
        if (found.baseline, found.candidate, found.metric, found.stratum) == (lock.arm, name, metric, content.OVERALL):
            return None if found.effect.value is None else found
    return None


def _gain(found: Comparison, report: Report, metric: str) -> float:
    """Return how much better an effect is than none, on the scale of the effect."""
    value, definition = found.effect.value, content.definition(report, metric)
    assert value is not None
    gain = (1.0 if found.effect.kind == "ratio" else 0.0) - value
    return gain if definition is None or definition.direction is Direction.LOWER else -gain


def _commands(lock: Lock, name: str, run: Run) -> Iterator[str]:
    """Yield the commands that adopt a change: skills first, then the profile, then its prompts."""
    serving, changes = run.manifest.arms[lock.arm], lock.candidates[name]
    root = f"{serving.server if '://' in serving.server else '$UDERIA_URL'}/api/v1"
    fields = dict(changes.get("fields", {}))
    for skill, text in changes.get("skills", {}).items():
        yield _curl("PUT", f"{root}/skills/{skill}", {"content": text, "manifest": {"name": skill, "description": skill}})
        yield f"# then switch the skill {skill} on in the profile {serving.profile_tag}"
    if fields:
        yield _curl("PUT", f"{root}/profiles/{serving.profile_id}", fields)
    for place, prompt in changes.get("prompts", {}).items():
        category, _, part = place.partition("/")
        body = {"category": category, "subcategory": part, "prompt_name": prompt}
        yield _curl("POST", f"{root}/system-prompts/profiles/{serving.profile_id}/mappings", body)


def _curl(method: str, url: str, body: Mapping[str, Any]) -> str:
    said = shlex.quote(orjson.dumps(body).decode())
    return f'curl -X {method} "{url}" -H "Authorization: Bearer $UDERIA_TOKEN" -H "Content-Type: application/json" -d {said}'


def table(found: Tried, metrics: Sequence[Metric]) -> Table:
    """Return the changes with both effects."""
    metric = next((each for each in metrics if each.name == found.lock.metric), None)

    def shown(effect: Effect | None) -> str:
        return figures.MISSING if effect is None else figures.effect_forms(effect, metric)[0]

    rows = [
        (each.name, _point(each.screened, metric), shown(each.confirmed), each.reason)
        for each in sorted(found.changes, key=lambda each: (not each.adopted, each.confirmed is None))
    ]
    remark = (
        "Only the confirmation counts, because it asks other queries. The screening shows the changes that it kept as "
        "better than they are."
    )
    level = f"{100 * found.lock.level:.2g}%"
    guard = (
        f"A change is adopted if it is better on {found.lock.metric} and not worse on success and checks. The chance that one "
        f"without effect is adopted is at most {level}, as this is test {found.lock.test} of its directory."
    )
    title = f"Changes of {found.lock.arm}, by their effect on {found.lock.metric}"
    columns = (left("change"), "screening", "confirmation", left("result", wraps=True))
    return Table.of(title, columns, rows, remark, guard)


def _point(effect: Effect | None, metric: Metric | None) -> str:
    """Return an effect of the screening, which is shown without its interval."""
    if effect is None or effect.value is None:
        return figures.MISSING
    if effect.kind == "ratio":
        percent = round(100 * (effect.value - 1))
        return f"{percent:+d}%" if percent else "0%"
    return figures.effect_forms(Effect(**{**asdict(effect), "lo": None, "hi": None}), metric)[-1]


def to_text(found: Tried, metrics: Sequence[Metric], width: int = 80) -> str:
    """Return the result in lines of at most ``width`` columns; commands are not broken."""
    lines = [*wrapped(_headline(found), width), ""]
    shown = table(found, metrics)
    lines += [*wrapped(shown.title, width), *lay_out(shown, width), ""]
    for each in found.changes:
        if each.adopted:
            lines += [f"To adopt {each.name} (nothing was changed on the server):"]
            lines += [f"  {command}" for command in each.commands]
            lines += wrapped(_month(each), width, first="  ", rest="  ") if each.month_usd is not None else ()
            lines += [""]
    if len(found.adopted) > 1:
        lines += [*wrapped(_ALONE, width), ""]
    lines += wrapped(f"Runs: {', '.join(found.runs)} ({count_of(found.trials, 'trial')}).", width)
    return "\n".join(map(plain, lines))


def _headline(found: Tried) -> str:
    changes, names = f"{count_of(len(found.changes), 'change')} of {found.lock.arm}", found.adopted
    if not names:
        return f"None of {changes} is confirmed: leave the profile as it is."
    return f"{len(names)} of {changes} {'is' if len(names) == 1 else 'are'} confirmed: {', '.join(names)}."


def _month(each: Tested) -> str:
    assert each.month_usd is not None
    return f"Expected saving: {monthly.usd_words(each.month_usd)} a month, at the traffic of the experiment."


def to_json(found: Tried) -> bytes:
    """Return the result for programs."""
    return orjson.dumps({"schema": SCHEMA, **asdict(found), "adopted": found.adopted}, option=orjson.OPT_INDENT_2)
