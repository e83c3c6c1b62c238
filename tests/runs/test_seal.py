"""Seals of noted changes: their key belongs to one user on one machine."""

from __future__ import annotations

import os

import pytest

from uderia_bench.runs.changes import Change, ChangeState, Noted
from uderia_bench.runs.seal import Seal

NOTED = Noted(
    number=1,
    change=Change(server="s", kind="collection cases", about="2", before=None, after={"a": [1, 2.5]}),
    state=ChangeState.APPLIED,
    made="7",
)


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    """Two processes seal alike. Without a file, each has its own key."""
    file = tmp_path / "cache" / "changes.key"
    first = Seal.kept(file).of(NOTED)
    assert Seal.kept(file).of(NOTED) == first
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["changes.key"]
    assert len({first, Seal().of(NOTED), Seal().of(NOTED)}) == 3


def test_a_file_system_without_hard_links_keeps_the_key(tmp_path, monkeypatch):
    """As vfat and some network file systems."""

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    file = tmp_path / "changes.key"
    assert Seal.kept(file).of(NOTED) == Seal.kept(file).of(NOTED)
    assert [each.name for each in tmp_path.iterdir()] == ["changes.key"]


@pytest.mark.parametrize("spoil", ["readable", "link", "short", "folder"])
def test_a_key_that_somebody_else_may_know_is_not_used(tmp_path, spoil):
    """Such a file is left as it is, and the key lives as long as the process."""
    file = tmp_path / "changes.key"
    first = Seal.kept(file).of(NOTED)
    if spoil == "readable":
        file.chmod(0o640)
    elif spoil == "link":
        file.symlink_to(file.rename(tmp_path / "other.key"))
    elif spoil == "short":
        file.write_bytes(b"x")
    else:
        file.unlink()
        file.mkdir()
    assert Seal.kept(file).of(NOTED) not in (first, Seal.kept(file).of(NOTED))


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    """Then changes of this process can be undone by it, and by no other."""
    (tmp_path / "file").write_text("")
    seal = Seal.kept(tmp_path / "file" / "changes.key")
    assert seal.of(NOTED) == seal.of(NOTED)
