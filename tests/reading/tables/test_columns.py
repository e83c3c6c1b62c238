"""Every column of every table is described in the schema, which the Parquet files carry."""

from __future__ import annotations

from uderia_bench.reading.derive import Reading
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.reading.tables.columns import DOC


def test_every_column_has_a_description():
    """Metrics bring their own."""
    schemas = Reading(run_id="", metrics=BUILT_IN, types=()).schemas
    missing = [
        f"{table}.{field.name}"
        for table, schema in schemas.items()
        for field in schema
        if not (field.metadata or {}).get(DOC.encode())
    ]
    assert len(schemas) == 5
    assert missing == []
