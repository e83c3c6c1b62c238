"""Write the files of a first experiment: a corpus, an experiment with gates, and a recipe for CI."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from uderia_bench.commands.run import slug
from uderia_bench.commands.shipped import shipped
from uderia_bench.documents.experiment import SIM
from uderia_bench.errors import StoreError, UsageError

CORPUS, EXPERIMENT = "corpus.yaml", "experiment.yaml"
RECIPES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "github": (("github-actions.yaml", ".github/workflows/uderia-bench.yaml"),),
    "gitlab": (("gitlab-ci.yaml", "uderia-bench.gitlab-ci.yml"),),
    "cron": (("nightly.sh", "nightly.sh"),),
    "systemd": (
        ("nightly.sh", "nightly.sh"),
        ("uderia-bench.service", "uderia-bench.service"),
        ("uderia-bench.timer", "uderia-bench.timer"),
    ),
    "airflow": (("airflow_dag.py", "uderia_bench_dag.py"),),
    "none": (),
}
"""The shipped recipe and the written file, for each place where a nightly run may start."""

_IGNORED = "# Raw answers may be confidential.\noutput/\n.venv/\n"
_SECRETS = "# secrets are never in this file: set UDERIA_TOKEN, or UDERIA_USERNAME and UDERIA_PASSWORD"
_EXPERIMENT = """\
# What to ask, which profiles to compare, how often, and what must hold.
#
#   uderia-bench check {experiment}           finds mistakes without a server
#   uderia-bench run {experiment} --dry-run   shows the plan and its cost, and asks nothing
#   uderia-bench run {experiment}
#
# 'uderia-bench schema experiment' has every key. Any key can be set for one run: --set repeats=10
version: 1
name: {name}
server: {server}
corpus: {corpus}
arms: # the profiles to compare. The first one is the baseline of the others.
{arms}
repeats: 5 # how often each question is asked on each arm
warmup: 1 # trials of each arm before measuring, which are not counted
seed: 7 # the same seed gives the same order of questions
load: {{concurrency: 4}} # trials in flight
timeout: 10m # a trial that takes longer is cancelled and counts as timed out
# budget: {{usd: 20, time: 2h}} # the run stops before it exceeds one of these
margins: # the smallest difference that you would act on. Decide it before the run.
  latency_s: 10%
  total_tokens: 5%
  cost_usd: 5%
# traffic: 20000/day # questions in production: the report then has the cost per month of each arm
gates: # what must hold. A missed gate makes the exit code 1.
{gates}
"""


def write(folder: Path, *, server: str, profiles: Sequence[str], recipe: str) -> tuple[list[Path], list[Path]]:
    """Write the files, and return those written and those that existed and were kept.

    Raises ``UsageError`` before anything is written where the corpus, the experiment or the recipe
    exists, and ``StoreError`` where a file cannot be written.
    """
    files = contents(folder, server=server, profiles=profiles, recipe=recipe)
    ignored = folder / ".gitignore"
    if existing := [str(path) for path in files if path != ignored and path.exists()]:
        raise UsageError(f"init never overwrites, and these exist: {', '.join(existing)}. Choose another directory")
    written: list[Path] = []
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="") as file:
                file.write(text)
            if text.startswith("#!"):
                path.chmod(0o755)
        except FileExistsError:
            continue
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error
        written.append(path)
    return written, [path for path in files if path not in written]


def contents(folder: Path, *, server: str, profiles: Sequence[str], recipe: str) -> dict[Path, str]:
    """Return the text of every file by its path."""
    if recipe not in RECIPES:
        raise UsageError(f"--ci {recipe}: use {', '.join(RECIPES)}")
    texts = {
        CORPUS: shipped("configs/init/corpus.yaml").read_text(encoding="utf-8"),
        EXPERIMENT: _experiment(folder, server, profiles),
    }
    texts |= {path: _recipe(name, server) for name, path in RECIPES[recipe]}
    return {folder / path: text for path, text in {**texts, ".gitignore": _IGNORED}.items()}


def arm_names(profiles: Sequence[str]) -> list[str]:
    """Return a name for the arm of each profile: its tag, with a number where a profile is named twice."""
    tags = [profile.strip().lstrip("@").upper() for profile in profiles]
    counts, seen = Counter(tags), Counter[str]()
    names = []
    for tag in tags:
        seen[tag] += 1
        names.append(f"{tag} ({seen[tag]})" if counts[tag] > 1 else tag)
    return names


def _experiment(folder: Path, server: str, profiles: Sequence[str]) -> str:
    names = arm_names(profiles)
    arms = [
        f"  - {{name: {_scalar(name)}, profile: {_scalar(profile.strip())}}}"
        for name, profile in zip(names, profiles, strict=True)
    ]
    first, last = names[0], names[-1]
    gates = [
        *(f"  - {_scalar(f'{name}.answered >= 90%')}" for name in names),
        f"  - {_scalar(f'{last}.latency_s.p95 < 5m')} # put in what your users accept",
        *([f"# - {_scalar(f'{last} vs {first}: latency_s not worse')}"] if len(names) > 1 else []),
        f"# - {_scalar('vs baseline: nothing worse')} # after 'uderia-bench baseline save main latest', with the next line",
        "# baseline: main",
    ]
    return _EXPERIMENT.format(
        name=_scalar(slug(folder.resolve().name)),
        server=f"{server}\nsim: {{speed: 50, seed: 7}} # agents 50 times as fast as real ones"
        if server == SIM
        else f"{_scalar(server)} {_SECRETS}",
        corpus=CORPUS,
        experiment=EXPERIMENT,
        arms="\n".join(arms),
        gates="\n".join(gates),
    )


def _scalar(text: str) -> str:
    """Return text as YAML, quoted where it needs it. JSON and YAML 1.2 share double-quoted text."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", text) and text.lower() not in ("true", "false", "null")
    return text if plain else json.dumps(text, ensure_ascii=False)


def _recipe(name: str, server: str) -> str:
    """Return a shipped recipe for a server. The embedded one needs neither a self-hosted runner nor secrets."""
    text = shipped(f"configs/recipes/{name}").read_text(encoding="utf-8")
    if name == "github-actions.yaml" and server == SIM:
        text = text.replace("runs-on: self-hosted # a runner that reaches your Uderia", "runs-on: ubuntu-latest")
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("      UDERIA_"))
    return text.replace("${{ vars.UDERIA_URL }}", server).replace("https://uderia.example", server)
