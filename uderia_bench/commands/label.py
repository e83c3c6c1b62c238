"""Human labels of a run's answers: draw a sample, read the labels back, and compare them with the judge."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from uderia_bench.analysis.labelled import Judgement, Labelled, labelled
from uderia_bench.commands.export import without_formulas
from uderia_bench.errors import DocumentError, Mistake, UsageError
from uderia_bench.json_text import repeated_keys
from uderia_bench.plugins import Plugins
from uderia_bench.printable import count_of
from uderia_bench.reading import expected as expectations
from uderia_bench.reading.expected import JUDGED
from uderia_bench.reading.judge import calibration, matches, scores
from uderia_bench.reading.labels import draw, kept
from uderia_bench.reading.labels.draw import ANSWERS, LABELS, PAIRS, Item
from uderia_bench.reading.labels.kept import Label
from uderia_bench.reading.tables import agreement
from uderia_bench.report.formats.html import label_form
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.run import Run

_MOST_FAULTS = 5  # rows of a file that an error names
METRICS = {PAIRS: "preference", ANSWERS: "checks_passed_ratio"}
"""The metric whose margin decides about each kind of label."""


def sample(run: Run, plugins: Plugins, *, n: int, seed: int | None, kind: str | None) -> list[Item]:
    """Draw the items to label and keep them beside the run. The same run, number and seed draw the same items."""
    expected = expectations.of(run.manifest, plugins.expectations, scores.read(run.path))
    with Ledger.open(run.directory.ledger) as ledger:
        found = matches.answers(ledger.records(), plugins.profile_types)
    seed = run.experiment.seed if seed is None else seed
    if (kind or _kind(run)) == PAIRS:
        items = draw.pairs(expected.matches(found), n, seed=seed)
    else:
        hidden = matches.blind(found, expected.arms)
        items = draw.answers(found, hidden, expected.rubrics_by_turn, n, seed=seed)
    if not items:
        raise UsageError(f"run {run.run_id} has no answers to label: pairs need two arms that answered the same query")
    kept.add_drawn(run.path, items)
    return items


def _kind(run: Run) -> str:
    judge = run.experiment.judge
    if judge is not None:
        return PAIRS if judge.mode == "pairwise" else ANSWERS
    return PAIRS if run.experiment.contrasts else ANSWERS


def _csv(items: Sequence[Item], _: str) -> str:
    width = max(len(item.answers) for item in items)
    answers = ["answer"] if width == 1 else [f"answer_{number}" for number in range(1, width + 1)]
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "question", "rubric", *answers, "label", "rater", "note"])
    for item in items:
        writer.writerow([item.id, *map(_harmless, (item.question, item.rubric, *item.answers)), "", "", ""])
    return file.getvalue()


def _harmless(text: str) -> str:
    """Return a cell that a spreadsheet does not run."""
    return pl.select(without_formulas(pl.lit(text))).item()  # type: ignore[no-any-return]


def _jsonl(items: Sequence[Item], _: str) -> str:
    return "".join(
        orjson.dumps(
            {"id": item.id, "question": item.question, "rubric": item.rubric, "answers": item.answers, "label": None}
        ).decode()
        + "\n"
        for item in items
    )


WRITERS: Mapping[str, Callable[[Sequence[Item], str], str]] = {"csv": _csv, "jsonl": _jsonl, "html": label_form.to_html}
"""Formats of a sample. Each takes the items and the start of the name of files made from it."""


def written(items: Sequence[Item], form: str, run_id: str) -> str:
    """Return the sample in a format, without whose answers it shows."""
    return WRITERS[form](items, f"labels-{run_id}")


def read(run: Run, files: Sequence[Path], *, rater: str | None) -> tuple[int, int]:
    """Keep the labels of files; return how many, and how many rows had none.

    Raises ``UsageError``, which names rows, for a row that was not drawn, a label that is not possible,
    or two labels of one item. Nothing is kept then.
    """
    drawn = kept.drawn(run.path)
    if not drawn:
        raise UsageError(f"no sample was drawn from run {run.run_id}: 'uderia-bench label draw {run.run_id} -o FILE' draws one")
    found: dict[tuple[str, str], Label] = {}
    faults: list[Mistake] = []
    empty = 0
    for file in files:
        for place, row in _rows(file):
            label = str(row.get("label") or "").strip().casefold()
            if not label:
                empty += 1
                continue
            identity = str(row.get("id") or "").strip()
            own = rater or str(row.get("rater") or "").strip() or file.stem
            made = Label(item=identity, rater=own, label=label, note=str(row.get("note") or "").strip())
            if fault := _fault(made, drawn, found):
                faults.append(Mistake(file=str(file), line=place, path=None, message=fault))
            found[identity, own] = made
    if faults:
        more = f" and {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
        end = Mistake(file="label import", line=None, path=None, message=f"nothing was imported: correct these rows{more}")
        raise DocumentError((*faults[:_MOST_FAULTS], end))
    kept.add_labels(run.path, found.values())
    return len(found), empty


def _fault(label: Label, drawn: Mapping[str, Item], found: Mapping[tuple[str, str], Label]) -> str | None:
    item = drawn.get(label.item)
    if item is None:
        return f"id {label.item or '(empty)'} was not drawn from this run; label the rows of 'label draw' only"
    if label.label not in LABELS[item.kind]:
        return f"label {label.label!r}: use {', '.join(LABELS[item.kind][:-1])} or {LABELS[item.kind][-1]}"
    other = found.get((label.item, label.rater))
    if other is not None and other.label != label.label:
        return f"{label.rater} labels this item {other.label!r} and {label.label!r}; keep one"
    return None


def _rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of a CSV or JSONL file with their line numbers."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if re.match(r"\s*\{", text):
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                row = orjson.loads(line) if line.strip() else {}
            except orjson.JSONDecodeError as error:
                raise UsageError(f"{file}:{number}: is not JSON: {error}") from error
            if repeated := repeated_keys(line):
                raise UsageError(f"{file}:{number}: {repeated[0]} is given twice; keep one")
            if not isinstance(row, dict):
                raise UsageError(f"{file}:{number}: should be an object with id and label")
            yield number, row
        return
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = {"id", "label"} - set(reader.fieldnames or ())
    if missing:
        raise UsageError(f"{file}: has no column {' and '.join(sorted(missing))}; use the file of 'label draw'")
    for row in reader:
        yield reader.line_num, row


def compared(run: Run) -> tuple[Labelled, ...]:
    """Return the results of the labels of a derived run, one per kind."""
    items, labels = list(kept.drawn(run.path).values()), kept.labels(run.path)
    if not labels:
        return ()
    experiment = run.experiment
    trials, measures = run.trials(), _measures(run)
    found = []
    for kind in (PAIRS, ANSWERS):
        own = [item for item in items if item.kind == kind]
        judgement = _of_pairs(run, own) if kind == PAIRS else _of_answers(run, own, trials)
        result = labelled(
            own,
            labels,
            judgement,
            contrasts=[(each.baseline, each.candidate) for each in experiment.contrasts],
            margin=experiment.margins.get(METRICS[kind]),
            confidence=experiment.confidence,
            seed=experiment.seed,
            measures=measures,
        )
        found += [result] if result is not None else []
    return tuple(found)


def _measures(run: Run) -> dict[str, dict[str, float]]:
    """Return what can be known of an answer without a judge, by name and trial."""
    found: dict[str, dict[str, float]] = {}
    stated, checks = run.derived("answers"), run.derived("checks")
    if stated is not None:
        agreed = agreement.measured(stated)
        for name, column in (("agreement with its repeats", "within"), ("agreement with the other arms", "across")):
            found[name] = dict(agreed.select("trial_id", column).drop_nulls().iter_rows())
    if checks is not None:
        passed = checks.filter(pl.col("kind") != JUDGED, pl.col("passed").is_not_null())
        found["checks without the judge"] = dict(passed.group_by("trial_id").agg(pl.col("passed").mean()).iter_rows())
    return found


def _of_pairs(run: Run, items: Sequence[Item]) -> Judgement:
    table = run.derived("preferences")
    if table is None:
        return Judgement(of_items={}, everywhere={})
    judged = table.filter(pl.col("preference").is_not_null())
    rows = judged.select("baseline_trial", "candidate_trial", "preference").iter_rows()
    by_trials = {(first, second): value for first, second, value in rows}
    of_items = {
        item.id: value
        for item in items
        for order in (item.trials, item.trials[::-1])
        if (value := by_trials.get((order[0], order[-1]))) is not None
    }
    units = judged.group_by("baseline", "candidate", unit=pl.coalesce("group", "query_id")).agg(
        difference=(2 * pl.col("preference") - 1).mean()
    )
    everywhere: dict[tuple[str, str], dict[str, float]] = {}
    for baseline, candidate, unit, difference in units.iter_rows():
        everywhere.setdefault((baseline, candidate), {})[unit] = difference
    return Judgement(of_items=of_items, everywhere=everywhere)


def _of_answers(run: Run, items: Sequence[Item], trials: pl.DataFrame) -> Judgement:
    """Return whether each answer meets all its rubrics by the judge."""
    checks = run.derived("checks")
    if checks is None:
        return Judgement(of_items={}, everywhere={})
    passed = (
        checks.filter(pl.col("kind") == JUDGED, pl.col("passed").is_not_null())
        .group_by("trial_id")
        .agg(pl.col("passed").all().cast(pl.Float64))
    )
    by_trial = dict(passed.iter_rows())
    of_items = {item.id: by_trial[item.trials[0]] for item in items if item.trials[0] in by_trial}
    of_arms: dict[str, dict[str, float]] = {}
    units = (
        trials.filter(pl.col("stage") == "measured")
        .join(passed, on="trial_id")
        .group_by("arm", unit=pl.coalesce("group", "query_id"))
        .agg(pl.col("passed").mean())
    )
    for arm, unit, share in units.iter_rows():
        of_arms.setdefault(arm, {})[unit] = share
    return Judgement(
        of_items=of_items,
        everywhere={
            (each.baseline, each.candidate): {
                unit: of_arms[each.candidate][unit] - share
                for unit, share in of_arms.get(each.baseline, {}).items()
                if unit in of_arms.get(each.candidate, {})
            }
            for each in run.experiment.contrasts
        },
    )


def calibrate(run: Run, found: Sequence[Labelled]) -> None:
    """Keep how far the judge agrees with the labels, under the judge's fingerprint."""
    judge = run.experiment.judge
    agreed = next((one for one in found if one.judge_kappa is not None), None)
    if judge is not None and agreed is not None and agreed.judge_kappa is not None:
        kept.keep_calibration(
            run.path,
            {
                "judge": judge.model,
                "fingerprint": calibration.fingerprint(run.manifest),
                "kind": agreed.kind,
                "items": agreed.items,
                "kappa": [agreed.judge_kappa.value, agreed.judge_kappa.lo, agreed.judge_kappa.hi],
            },
        )


def calibrated(run: Run) -> tuple[str, ...]:
    """Return whether labels of another run beside this one calibrate its judge, or a stale version of it."""
    judge = run.experiment.judge
    if judge is None or kept.labels(run.path):
        return ()
    wanted = calibration.fingerprint(run.manifest)
    stale = ""
    for folder in sorted(run.path.resolve().parent.iterdir(), reverse=True):
        found = kept.calibration(folder) if folder.is_dir() and folder != run.path.resolve() else None
        if found is None:
            continue
        if found.get("fingerprint") == wanted:
            value = (found.get("kappa") or [None])[0]
            return (
                f"Labels of run {folder.name} calibrate this judge: kappa {value:.2f} over {count_of(found['items'], 'item')}"
                if isinstance(value, float) and "items" in found
                else f"Labels of run {folder.name} calibrate this judge",
            )
        stale = stale or f"Stale: the judge's model, wording or rubric has changed since the labels of run {folder.name}"
    return (stale,) if stale else ()
