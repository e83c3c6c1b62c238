"""Compare a rendered text with its golden file, and leave what was rendered beside it where they differ."""

from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def assert_golden(name, text):
    """Fail with the path of a ``.got`` file to look at, and to rename if it is what should be."""
    golden, got = FOLDER / name, FOLDER / f"{name}.got"
    if golden.is_file() and golden.read_text(encoding="utf-8") == text:
        got.unlink(missing_ok=True)
        return
    got.write_text(text, encoding="utf-8")
    raise AssertionError(f"{name} is not as it was: compare it with {got.name} beside it, rename that if it is right")
