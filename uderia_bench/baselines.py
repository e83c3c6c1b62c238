"""Names for runs: a small JSON file of pointers, to be committed beside the experiment. It holds no copy of any run."""

from __future__ import annotations

import json
import re
from pathlib import Path

from uderia_bench.errors import StoreError

FILE = Path("baselines.json")
"""Where names are kept unless said otherwise: in the directory the command runs in."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # as a run id, since both are given for RUN
_RESERVED = "latest"


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


def with_name(names: dict[str, str], name: str, run: Path) -> str:
    """Return the file's text with a name pointing at a run, in place of where it pointed before."""
    if not _NAME.fullmatch(name) or name == _RESERVED:
        raise StoreError(
            f"baseline {name!r}: use letters, digits, '.', '_' and '-', starting with a letter or digit, not 'latest'"
        )
    return json.dumps(dict(sorted({**names, name: run.as_posix()}.items())), indent=2) + "\n"
