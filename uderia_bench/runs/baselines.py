"""Names for runs, in a small JSON file that is committed beside the experiment.

Its paths are relative to its own directory, so a name means the same run from every current directory.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from uderia_bench.errors import StoreError
from uderia_bench.json_text import parse_json

FILE = Path("baselines.json")
"""Name of the file; as a path, the file of the current directory."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # as a run id, since both are given for RUN
_LARGEST = 1 << 24  # bytes that are read: a hundred thousand names
RESERVED = "latest"
"""Reserved: it always means the newest run."""


def load(file: Path = FILE) -> dict[str, str]:
    """Return the run directory of every name, empty without a file. Raises ``StoreError`` for another kind of file."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise StoreError(f"{file}: not a file of baselines")
        with file.open("rb") as source:
            data = parse_json(source.read(_LARGEST)).value
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StoreError(f"{file}: not a file of baselines: {error}") from error
    if not isinstance(data, dict) or not all(isinstance(path, str) for path in data.values()):
        raise StoreError(f"{file}: not a file of baselines: it maps names to run directories")
    return data


def files(folders: Iterable[Path | None]) -> tuple[Path, ...]:
    """Return the files that may hold names, each once: those of the directories, then that of the current one."""
    found = {(folder / FILE).resolve(): folder / FILE for folder in folders if folder is not None}
    here = FILE.resolve()
    return (*(FILE if path == here else file for path, file in found.items()), *(() if here in found else (FILE,)))


def leads_to(file: Path, path: str) -> tuple[Path, Path]:
    """Return where a path in a file may lead: from the file or, as it was written before, from the current directory."""
    return file.parent / path, Path(path)


def path_from(folder: Path, run: Path) -> Path:
    """Return the relative path from a directory to a run, or the absolute path where they share only the root."""
    folder, run = folder.resolve(), run.resolve()
    apart = folder.drive != run.drive or Path(os.path.commonpath((folder, run))) == Path(run.anchor)
    return run if apart else Path(os.path.relpath(run, folder))


def with_name(names: dict[str, str], name: str, run: Path) -> str:
    """Return the file's text with a name pointing at a run. It replaces what the name pointed at before."""
    if name == RESERVED:
        raise StoreError(f"baseline {name!r}: it always means the newest run; choose another name")
    if not _NAME.fullmatch(name):
        raise StoreError(f"baseline {name!r}: use letters, digits, '.', '_' and '-', starting with a letter or digit")
    return json.dumps(dict(sorted({**names, name: run.as_posix()}.items())), indent=2) + "\n"
