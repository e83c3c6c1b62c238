"""Expectation ``json_schema``: the JSON of an answer has the required form.

Answers and schemas may be hostile. Patterns run with a time limit, ``uniqueItems`` takes linear
time, and no schema is fetched from the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any

import orjson
import regex

from uderia_bench.documents.expectation import as_json
from uderia_bench.json_text import parse_json
from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged, quoted
from uderia_bench.reading.expectations.structure import parsed

_MOST_SECONDS = 0.2  # of one pattern on one text
_MOST_QUOTED = 3


def _json_schema(answer: Answer, value: dict[str, Any]) -> Judged:
    try:
        data = parsed(answer.text)
    except ValueError:
        return Judged(passed=False, found=quoted(f"not JSON: {answer.text}"))
    validator = _validator(orjson.dumps(as_json(value)).decode())
    try:
        errors = list(islice(validator.iter_errors(data), _MOST_QUOTED))
    except TimeoutError:
        return Judged(passed=None, found=f"a pattern took more than {_MOST_SECONDS:g} s on this answer; make it simpler")
    except RecursionError:
        return Judged(passed=None, found="the schema or the answer is nested too deeply")
    except Exception as error:  # noqa: BLE001 - the library raises several types for a $ref that leads nowhere
        return Judged(passed=None, found=quoted(f"the schema cannot be applied: {error}"))
    if not errors:
        return Judged(passed=True, found="the form of the schema")
    return Judged(passed=False, found=quoted("; ".join(f"{error.json_path}: {error.message[:80]}" for error in errors)))


@lru_cache(maxsize=64)
def _validator(text: str) -> Any:
    """Return the validator of a schema. ``jsonschema`` costs start-up time, so only a corpus with schemas imports it."""
    from jsonschema import Draft202012Validator, ValidationError  # noqa: PLC0415
    from jsonschema.validators import extend  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415

    def pattern(_: Any, wanted: str, found: Any, _schema: Any) -> Iterator[ValidationError]:
        if isinstance(found, str) and not regex.search(wanted, found, timeout=_MOST_SECONDS):
            yield ValidationError(f"{found!r} does not match {wanted!r}")

    def pattern_properties(own: Any, wanted: dict[str, Any], found: Any, _schema: Any) -> Iterator[ValidationError]:
        for key, item in found.items() if isinstance(found, dict) else ():
            for each, schema in wanted.items():
                if regex.search(each, key, timeout=_MOST_SECONDS):
                    yield from own.descend(item, schema, path=key, schema_path=each)

    def unique_items(_: Any, wanted: bool, found: Any, _schema: Any) -> Iterator[ValidationError]:  # noqa: FBT001
        if wanted and isinstance(found, list) and len({_canonical(item) for item in found}) < len(found):
            yield ValidationError("has two equal items")

    safe: Any = extend(  # type: ignore[no-untyped-call]  # its stubs leave it open
        Draft202012Validator, {"pattern": pattern, "patternProperties": pattern_properties, "uniqueItems": unique_items}
    )
    return safe(parse_json(text).value, registry=Registry())


def _canonical(item: Any) -> str:
    """Return a text that two values share exactly where JSON Schema calls them equal: 1 and 1.0 are."""
    match item:
        case dict():
            return "{" + ",".join(sorted(f"{key!r}:{_canonical(each)}" for key, each in item.items())) + "}"
        case list():
            return "[" + ",".join(map(_canonical, item)) + "]"
        case float() if item.is_integer():
            return repr(int(item))
    return repr(item)


KINDS: tuple[ExpectationKind, ...] = (
    ExpectationKind(
        name="json_schema",
        doc="The answer is JSON, bare or in a code fence, that is valid under this JSON Schema (2020-12). References to other "
        "files are not followed.",
        judge=_json_schema,
    ),
)
