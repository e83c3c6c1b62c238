"""A run as a value: its directory and its manifest, read once and passed down."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import polars as pl

from uderia_bench.documents.experiment import Experiment
from uderia_bench.documents.yaml.document import Override
from uderia_bench.errors import StoreError
from uderia_bench.runs import find, manifest
from uderia_bench.runs.directory import MANIFEST, RunDirectory
from uderia_bench.runs.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """One run. A change of its manifest is written at once and gives a new value (``noted``)."""

    directory: RunDirectory
    manifest: Manifest

    @classmethod
    def open(cls, directory: RunDirectory, overrides: Iterable[str | Override] = ()) -> Self:
        """Read the manifest of a run; ``overrides`` change what ends it early.

        Raises ``StoreError`` if the manifest is missing or broken, ``UsageError`` for an override of another field.
        """
        said = directory.read_manifest()
        return cls(directory=directory, manifest=manifest.from_json(said, overrides, file=str(directory.path / MANIFEST)))

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.manifest.run_id

    @property
    def path(self) -> Path:
        """The run's directory."""
        return self.directory.path

    @property
    def experiment(self) -> Experiment:
        """The experiment as it was run; one that was read from a manifest has no corpora."""
        return self.manifest.experiment

    def trials(self) -> pl.DataFrame:
        """Read the derived trials, one row per trial."""
        return self.directory.trials()

    def columns(self, names: Iterable[str]) -> pl.DataFrame:
        """Read some columns of the derived trials, those that the run has."""
        return self.directory.trials(names)

    def derived(self, kind: str, columns: Iterable[str] | None = None) -> pl.DataFrame | None:
        """Read another derived table (``steps``, ``issues``, ``checks``), or some columns; None where the run has none."""
        return self.directory.derived(kind, columns)

    def noted(self, **changes: Any) -> Self:
        """Write these fields of the manifest and return the run with them."""
        return self.written(replace(self.manifest, **changes))

    def written(self, made: Manifest) -> Self:
        """Write a manifest and return the run with it."""
        self.directory.write_manifest(made.to_json())
        return replace(self, manifest=made)


def opened(name: str, output: Path, *, beside: Path | None = None) -> Run:
    """Open the run of an id, a directory, a baseline's name or ``latest``; raises as ``find.directory`` and ``Run.open``."""
    return Run.open(find.directory(name, output, beside=beside))


def every(output: Path) -> list[Run]:
    """Open the runs of a directory, oldest first. A broken one is an error only for the command that asks for that run."""
    found = []
    for each in find.runs(output):
        with suppress(StoreError):
            found.append(Run.open(each))
    return sorted(found, key=lambda run: run.manifest.started_at)
