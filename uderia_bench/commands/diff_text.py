"""A comparison of two runs in ten lines: what got worse, by how much, since when, and what changed in between."""

from __future__ import annotations

import re

from uderia_bench.analysis.contrast import PRIMARY
from uderia_bench.analysis.values import Comparison, Verdict
from uderia_bench.commands import history
from uderia_bench.commands.diff import apart
from uderia_bench.commands.history.changes import changes
from uderia_bench.printable import count_of, plain
from uderia_bench.report import content, figures
from uderia_bench.report.closing import closing
from uderia_bench.report.content import Report
from uderia_bench.report.formats.layout import wrapped
from uderia_bench.runs.mirror import typed
from uderia_bench.runs.run import Run

_ORDER = (Verdict.WORSE, Verdict.INVALID, Verdict.BETTER, Verdict.INCONCLUSIVE, Verdict.EQUIVALENT, Verdict.STRUCTURAL)
_WORDS = {Verdict.INCONCLUSIVE: "undecided", Verdict.EQUIVALENT: "same"}
_ROWS = 6  # comparisons shown
_CHANGES = 4  # differences named


def in_brief(made: Report, baseline: Run, run: Run, *, width: int) -> str:
    """Return the comparison in about ten lines of at most ``width`` columns."""
    lines = [_summary(made, baseline, run)]
    planned = _planned(made)
    lines += [f"  {_row(made, found)}" for found in planned[:_ROWS]]
    if len(planned) > _ROWS:
        lines.append(f"  and {len(planned) - _ROWS} more")
    worse = [found for found in planned if found.verdict is Verdict.WORSE]
    if worse:
        lines.append(f"Since: {_since(worse[0], baseline, run, made)}.")
    lines.append(f"Changed in between: {_listed(changes(baseline.manifest.to_json(), run.manifest.to_json()))}.")
    lines.append(_nights(made))
    lines.append(f"All metrics, percentiles and notes: uderia-bench diff {typed(baseline.path)} {typed(run.path)} --full")
    if last := closing(made, leaving=True):
        lines.append(last)
    return "\n".join(part for line in lines for part in _wrapped(line, width))


def _wrapped(line: str, width: int) -> list[str]:
    indent = line[: len(line) - len(line.lstrip())]
    return wrapped(line.lstrip(), width, first=indent, rest=f"{indent}  ")


def _planned(made: Report) -> list[Comparison]:
    found = [each for each in made.analysis.comparisons if each.stratum == content.OVERALL and each.family == PRIMARY]
    return sorted(found, key=lambda each: _ORDER.index(each.verdict))


def _summary(made: Report, baseline: Run, run: Run) -> str:
    planned = _planned(made)
    counts = {verdict: sum(each.verdict is verdict for each in planned) for verdict in _ORDER}
    said = ", ".join(f"{count} {_WORDS.get(verdict, verdict.value)}" for verdict, count in counts.items() if count)
    when = f"{plain(run.run_id)}, {apart(baseline, run)} {plain(baseline.run_id)}"
    level = f"{100 * made.analysis.confidence:.4g}%"
    return f"{when}: {said or 'no planned metric could be compared'} ({level} intervals in brackets)"


def _row(made: Report, found: Comparison) -> str:
    effect = figures.effect_forms(found.effect, content.definition(made, found.metric))[0]
    verdict = _WORDS.get(found.verdict, found.verdict.value)
    level = f" within {100 * found.margin:g}%" if found.verdict is Verdict.EQUIVALENT and found.margin else ""
    return f"{verdict:<9} {_arm(found)} {found.metric} {effect}{level}, p {figures.p_value(found.p_adjusted)}"


def _arm(found: Comparison) -> str:
    return plain(found.candidate.removesuffix(" (run)"))


def _since(worst: Comparison, baseline: Run, run: Run, made: Report) -> str:
    """Return when the worst metric changed, by the history of the runs in between."""
    name, arm = run.experiment.name, worst.candidate.removesuffix(" (run)")
    first, last = baseline.manifest.started_at, run.manifest.started_at
    found = history.gather(run.path.parent, made.metrics, experiment=name, arm=arm, names=[worst.metric])
    inside = [night for night in found.nights if first < night.started_at < last]
    for series in found.series:
        for shift in series.shifts:
            if shift.kind is not history.Kind.ODD and first < found.nights[shift.at].started_at <= last:
                night = found.nights[shift.at]
                return f"night {shift.at + 1} ({night.started_at:%Y-%m-%d}, run {plain(night.run_id)}), by a {shift.kind}"
    between = f"between {first:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M}"
    return f"{between}, with {count_of(len(inside), 'run')} in between" if inside else f"{between}, without a run in between"


def _listed(lines: tuple[str, ...]) -> str:
    if not lines:
        return "nothing that the manifests record"
    more = len(lines) - _CHANGES
    return "; ".join(plain(line) for line in lines[:_CHANGES]) + (f"; and {more} more" if more > 0 else "")


def _nights(made: Report) -> str:
    """Return the first part of the note on the variation between nights, which is the last warning."""
    said = re.split(r"; | \(", made.warnings[-1])[0]
    return f"{said[:1].upper()}{said[1:]}."
