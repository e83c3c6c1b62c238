"""Names for runs: a small JSON file of pointers, to be committed beside the experiment. It holds no copy of any run.

Its paths lead from the directory it lies in, so that a name means the same run wherever a command is typed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from uderia_bench.errors import StoreError

FILE = Path("baselines.json")
"""What the file is called; from here it is the one of the directory that the command runs in."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # as a run id, since both are given for RUN
RESERVED = "latest"
"""What means the newest run, wherever a run is given: no name of one."""


def load(file: Path = FILE) -> dict[str, str]:
    """Return every name's run directory, none where there is no file; raises ``StoreError`` where it is not one of ours."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StoreError(f"{file}: not a file of baselines: {error}") from error
    if not isinstance(data, dict) or not all(isinstance(path, str) for path in data.values()):
        raise StoreError(f"{file}: not a file of baselines: it maps names to run directories")
    return data


def files(folders: Iterable[Path | None]) -> tuple[Path, ...]:
    """Return the files that may hold names: those of the directories first, then the current one's; each once."""
    found = {(folder / FILE).resolve(): folder / FILE for folder in folders if folder is not None}
    here = FILE.resolve()
    return (*(FILE if path == here else file for path, file in found.items()), *(() if here in found else (FILE,)))


def leads_to(file: Path, path: str) -> tuple[Path, Path]:
    """Return where a path in a file may lead: from the file or, as it was written before, from the current directory."""
    return file.parent / path, Path(path)


def path_from(folder: Path, run: Path) -> Path:
    """Return the way from a directory to a run; the whole path where they share no more than the root."""
    folder, run = folder.resolve(), run.resolve()
    apart = folder.drive != run.drive or Path(os.path.commonpath((folder, run))) == Path(run.anchor)
    return run if apart else Path(os.path.relpath(run, folder))


def with_name(names: dict[str, str], name: str, run: Path) -> str:
    """Return the file's text with a name pointing at a run, in place of where it pointed before."""
    if not _NAME.fullmatch(name) or name == RESERVED:
        raise StoreError(
            f"baseline {name!r}: use letters, digits, '.', '_' and '-', starting with a letter or digit, not 'latest'"
        )
    return json.dumps(dict(sorted({**names, name: run.as_posix()}.items())), indent=2) + "\n"
