"""Find a run by its id, directory, baseline name or ``latest``, and scan the trials of several runs."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import polars as pl

from uderia_bench.errors import StoreError, UsageError
from uderia_bench.runs import baselines, files, mirror
from uderia_bench.runs.bucket import checked, is_url
from uderia_bench.runs.directory import MANIFEST, RunDirectory, readable, scan
from uderia_bench.runs.manifest import folder_of
from uderia_bench.trial import Trial

_CANDIDATES = 5  # trials that an error names


def directory(name: str, output: Path, *, beside: Path | None = None) -> RunDirectory:
    """Return the run of an id, a directory, a baseline's name, or ``latest`` (the one that started last).

    A baseline's name is looked up in the directory ``beside`` (an experiment's), then in the current
    directory, then beside the experiments of the runs in ``output``. Raises ``StoreError``, which lists
    where it looked, if there is no such run.
    """
    return _whole(_directory(name, output, beside))


def trial(wanted: str, plan: Sequence[Trial]) -> Trial:
    """Return the planned trial of an id, or of the beginning of one; raises ``UsageError`` where it is not the only one.

    Whole words come first, so ``users-OPTIM-r1`` is no beginning of ``users-OPTIM-r10-1f3e66a2`` where there is a first repeat.
    """
    found = [each for each in plan if each.trial_id.startswith(wanted)]
    exact = [each for each in found if each.trial_id == wanted]
    whole_words = [each for each in found if each.trial_id.startswith(f"{wanted}-")]
    for meant in (exact, whole_words, found):
        if len(meant) == 1:
            return meant[0]
    candidates = [each.trial_id for each in found or plan]
    shown = ", ".join(candidates[:_CANDIDATES]) + (", …" if len(candidates) > _CANDIDATES else "")
    if not found:
        raise UsageError(f"no trial {wanted!r} in this run (there are {shown})")
    raise UsageError(f"{len(found)} trials begin with {wanted!r}: {shown}")


def folder(said: str | Path) -> Path:
    """Return a directory of runs. Those of a store are mirrored into the user's cache."""
    name = checked(str(said))
    return mirror.folder(name) if is_url(name) else Path(said)


def _whole(found: RunDirectory) -> RunDirectory:
    """Return a run directory with its ledger, which the mirror of a store's runs lacks at first."""
    url = mirror.address(found.path)
    return found if url is None else RunDirectory(mirror.run(url))


def _directory(name: str, output: Path, beside: Path | None) -> RunDirectory:
    if is_url(checked(name)):
        return RunDirectory(mirror.listed(name))
    if name == baselines.RESERVED:
        found = [(at, each.run_id, each) for each in runs(output) if (at := _started_at(each)) is not None]
        if not found:
            where = mirror.origin(output) or output
            raise StoreError(f"no run in {where} yet: start one with 'uderia-bench run' or 'uderia-bench demo'")
        return max(found)[-1]
    if (itself := own(name, output)) is not None:
        return itself
    if (pinned := _pinned(name, output, beside)) is not None:
        return pinned
    newest = ", ".join(sorted(each.run_id for each in runs(output))[-5:])
    where = mirror.origin(output) or output
    there = f" (there are {newest})" if newest else ""
    raise StoreError(f"no run {name!r}: neither a run directory nor an id in {where}{there}")


def _started_at(run: RunDirectory) -> str | None:
    """Return when a run began; None for a broken manifest, which is an error only for the command that asks for that run."""
    with suppress(StoreError):
        return str(run.read_manifest().get("started_at", ""))
    return None


def own(name: str, output: Path) -> RunDirectory | None:
    """Return the run with that directory or id; it takes precedence over a baseline of the same name."""
    return next((RunDirectory(path.resolve()) for path in (Path(name), output / name) if files.is_file(path / MANIFEST)), None)


def _pinned(name: str, output: Path, beside: Path | None) -> RunDirectory | None:
    """Return the run that a baseline's name points at, None where no file has the name.

    Raises ``StoreError`` if the files of two experiments give the name to different runs.
    """
    near = entries = _entries(name, baselines.files([beside]))
    if not near:
        entries = _entries(name, baselines.files(experiment_folders(output)))
    found = [each for file, path in entries if (each := _at(file, path)) is not None]
    if not near and len({each.path for each in found}) > 1:
        places = " and ".join(f"{path} in {file}" for file, path in entries)
        raise StoreError(f"baseline {name} is {places}: name the run itself")
    if entries and not found:
        raise StoreError(f"baseline {name} points at {entries[0][1]}, where no run is: save it again")
    return found[0] if found else None


def _entries(name: str, places: Iterable[Path]) -> list[tuple[Path, str]]:
    """Return the files that have a name, each with the path it gives."""
    return [(file, path) for file in places if (path := baselines.load(file).get(name)) is not None]


def _at(file: Path, path: str) -> RunDirectory | None:
    """Return the run that a path in a file of baselines leads to, None where there is none."""
    return next((RunDirectory(at.resolve()) for at in baselines.leads_to(file, path) if files.is_file(at / MANIFEST)), None)


def experiment_folders(output: Path) -> list[Path]:
    """Return the directories of the experiments of the runs in ``output`` that still exist, sorted."""
    folders = set[Path | None]()
    for each in runs(output):
        with suppress(StoreError):  # a broken manifest is an error only for the command that asks for that run
            folders.add(folder_of(each.read_manifest().get("experiment_file")))
    return sorted(folder for folder in folders if folder is not None)


def scan_table(
    names: str | Path | Sequence[str | Path], output: str | Path = Path("output"), *, table: str = "trials"
) -> pl.LazyFrame:
    """Scan a table of one run, several runs, a glob, or all runs of a directory, also across runs of different versions.

    A column that only some of the runs have is null in the others. ``output`` may be the address of a store.
    """
    each = [str(names)] if isinstance(names, str | Path) else [str(name) for name in names]
    return scan([part for name in each for part in _parts(name, checked(str(output)), table)], what=str(names))


def load_table(
    names: str | Path | Sequence[str | Path], output: str | Path = Path("output"), *, table: str = "trials"
) -> pl.DataFrame:
    """Read what ``scan_table`` scans; raises ``StoreError`` where the Parquet is damaged."""
    found = scan_table(names, output, table=table)
    with readable(str(names)):
        return found.collect()


def runs(output: Path) -> Iterable[RunDirectory]:
    """Return every run directory in ``output``, in no particular order."""
    found = output.glob(f"*/{MANIFEST}") if os.path.isdir(output) else ()  # noqa: PTH112 - any name may be asked for
    return (RunDirectory(path.parent.resolve()) for path in found)


def _parts(name: str, output: str, table: str) -> list[Path]:
    if is_url(name):
        return _in_store(name, table)
    if glob.has_magic(name) and not files.exists(Path(name)) and not files.exists(Path(output) / name):
        inside = _in_store if is_url(output) else _matching
        return _matching(name, table) or inside(f"{output}/{name}", table)
    if name.endswith(".parquet") and files.is_file(name):
        return [Path(name)]
    if not files.is_file(Path(name) / MANIFEST) and any(runs(Path(name))):
        return _matching(f"{name}/*", table)
    return _of_run(_directory(name, folder(output), None), table)


def _in_store(url: str, table: str) -> list[Path]:
    """Fetch the parts of a run, of a store, or of those of its runs that a glob matches."""
    store, _, pattern = url.rpartition("/")
    if glob.has_magic(pattern) and pattern not in mirror.names(store):
        return mirror.tables(store, table, pattern)
    return _of_run(RunDirectory(mirror.listed(url)), table) if mirror.is_run(url) else mirror.tables(url, table)


def _of_run(run: RunDirectory, table: str) -> list[Path]:
    mirror.ready([run.path], table)
    return run.tables(table)


def _matching(pattern: str, table: str) -> list[Path]:
    """Return the Parquet parts that a glob of Parquet files or run directories matches.

    Folders at its beginning that exist are meant literally, as ``proj[1]`` in ``proj[1]/output/2026-*``.
    """
    literal, wild = Path(pattern), Path()
    while not files.exists(literal):
        literal, wild = literal.parent, literal.name / wild
    escaped = str(Path(glob.escape(str(literal))) / wild)
    found = [Path(match) for match in sorted(glob.glob(escaped))]  # noqa: PTH207 - the pattern may be absolute
    parts = [path for path in found if path.suffix == ".parquet"]
    directories = [path for path in found if path.is_dir()]
    mirror.ready(directories, table)
    return parts + [part for path in directories for part in RunDirectory(path).tables(table)]
