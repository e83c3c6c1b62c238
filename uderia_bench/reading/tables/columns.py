"""A column of a Parquet table, with the description that the file's metadata and the reference show."""

from __future__ import annotations

import pyarrow as pa

DOC = "doc"
"""The metadata key of a column's description."""

TEXT, COUNT, NUMBER, TRUTH = pa.string(), pa.int64(), pa.float64(), pa.bool_()
TEXTS = pa.list_(pa.string())
TIME = pa.timestamp("us", tz="UTC")


def column(name: str, kind: pa.DataType, doc: str) -> pa.Field:
    """Return a column with its description."""
    return pa.field(name, kind, metadata={DOC: doc})
