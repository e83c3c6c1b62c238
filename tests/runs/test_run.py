"""A run is a value: its manifest is read once, and its experiment is validated once in a command."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from experiments import built, queries
from rich.console import Console
from runs import manifest_of

from uderia_bench import plugins
from uderia_bench.commands.conclude import conclude
from uderia_bench.commands.run import resume, start
from uderia_bench.documents.experiment import Experiment
from uderia_bench.errors import DocumentError, StoreError, UsageError
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs.directory import RunDirectory
from uderia_bench.runs.run import Run, every, opened

PACKAGE = Path(__file__).resolve().parents[2] / "uderia_bench"


@pytest.fixture
def saved(tmp_path):
    """Return a run of which only the manifest exists."""
    made = manifest_of("r", state="interrupted")
    (tmp_path / "r").mkdir()
    return Run(directory=RunDirectory(tmp_path / "r"), manifest=made).written(made)


@pytest.fixture
def validations(monkeypatch):
    """Return a list that grows by one with every validation of an experiment."""
    seen: list[object] = []
    validate = Experiment.model_validate

    def counted(data, **options):
        seen.append(data)
        return validate(data, **options)

    monkeypatch.setattr(Experiment, "model_validate", counted)
    return seen


def test_a_manifest_comes_back_as_it_was_written(saved):
    """Every field, the experiment included."""
    again = Run.open(saved.directory)
    assert again.manifest.to_json() == saved.manifest.to_json()
    assert again.experiment.model_dump() == saved.experiment.model_dump()


def test_a_note_is_written_at_once_and_leaves_the_old_value_alone(saved):
    """The run before the note keeps what it knew."""
    noted = saved.noted(stopped="out of budget")
    assert (saved.manifest.stopped, noted.manifest.stopped) == (None, "out of budget")
    assert Run.open(saved.directory).manifest.stopped == "out of budget"


def test_keys_of_another_version_are_kept(saved):
    """A run that a newer version began is not robbed of what only that version reads."""
    saved.directory.write_manifest({**saved.manifest.to_json(), "of_another_version": {"a": [1]}})
    Run.open(saved.directory).noted(left=3)
    assert saved.directory.read_manifest()["of_another_version"] == {"a": [1]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda said: said.pop("plan"), "plan: Field required"),
        (lambda said: said.update(arms={"A": {"server": "s"}}), "arms.A.profile_id: Field required"),
        (lambda said: said.update(started_at="yesterday"), "started_at: Input should be a valid datetime"),
        (lambda said: said["experiment"].update(repeats="many"), "experiment.repeats"),
        (lambda said: said.update(generator=7), "generator: Input should be a valid tuple"),
        (lambda said: said.update(run_id="\x1b[2J"), "run_id: Value error, must be printable"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_one_line_with_its_place(saved, change, said):
    """The file, the key and a likely cause."""
    broken = saved.manifest.to_json()
    change(broken)
    saved.directory.write_manifest(broken)
    with pytest.raises(StoreError, match=re.escape(said)) as raised:
        Run.open(saved.directory)
    assert "manifest.json" in str(raised.value)


def test_only_what_ends_a_run_may_be_changed(saved):
    """A budget may; a margin would change what the run was planned to answer."""
    assert Run.open(saved.directory, ["budget.trials=5"]).experiment.budget.trials == 5
    with pytest.raises(UsageError, match="not margins"):
        Run.open(saved.directory, ["margins.latency_s=20%"])
    with pytest.raises(DocumentError, match=r"budget\.trials"):
        Run.open(saved.directory, ["budget.trials=many"])


def test_one_command_validates_its_experiment_at_most_once(tmp_path, validations):
    """From the plan to the report of a run, and from the directory to the report of a resumed one."""
    around = Surroundings(environ={}, console=Console(quiet=True))
    experiment = built(queries(2), arms=("IDEAT", "OPTIM"), sim={"speed": 200}, repeats=1, name="small")
    validations.clear()  # the document itself was validated when it was read
    run = start(experiment, output=tmp_path, run_id="r", around=around)
    conclude(run, plugins.load())
    assert validations == []
    run, _ = conclude(resume(RunDirectory(tmp_path / "r"), around), plugins.load())
    assert len(validations) == 1
    validations.clear()
    assert replace(opened("r", tmp_path).manifest, metrics={}) == replace(run.manifest, metrics={})
    assert len(validations) == 1


def test_a_broken_run_is_left_out_where_all_are_opened(saved, tmp_path):
    """The others can still be compared and have their history."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/manifest.json").write_text("{")
    assert [run.path for run in every(tmp_path)] == [saved.path]


def test_the_manifest_is_a_mapping_in_runs_only():
    """Elsewhere its fields have types."""
    loose = re.compile(r"manifest: (dict|Mapping)\[str, Any\]|manifest\.experiment_of\(|read_manifest\(\)\[")
    found = [
        f"{file.relative_to(PACKAGE)}: {match[0]}"
        for file in PACKAGE.rglob("*.py")
        if file.parent.name != "runs"
        for match in loose.finditer(file.read_text(encoding="utf-8"))
    ]
    assert [each for each in found if "html/kept.py" not in each] == []


def test_no_module_imports_itself_in_a_circle():
    """Every import leads down, inside a room as between rooms, imports inside functions included."""
    import grimp

    graph = grimp.build_graph("uderia_bench")
    left = {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}
    while free := [module for module, imported in left.items() if not imported & left.keys()]:
        for module in free:
            del left[module]
    assert left == {}
