"""Types of texts in documents: text that is not blank, printable names, and lists of texts."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from uderia_bench.documents.yaml.checking import wrong


def _not_blank(value: str) -> str:
    if not value.strip():
        raise wrong(((), "must not be empty"))
    return value


def _label(value: str) -> str:
    if not value.isprintable() or value != value.strip() or any(mark in value for mark in "[]"):
        raise wrong(((), "must be printable, without [ or ] and without space around it"))
    return value


def one_or_more(value: Any) -> Any:
    """Take a single text as a list of one."""
    return (value,) if isinstance(value, str) else value


Text: TypeAlias = Annotated[str, AfterValidator(_not_blank)]
"""Text that is not blank."""

Label: TypeAlias = Annotated[Text, AfterValidator(_label)]
"""A name, for ids, tables and file names."""

Texts: TypeAlias = Annotated[tuple[Text, ...], Field(min_length=1), BeforeValidator(one_or_more)]
"""One text or several."""
