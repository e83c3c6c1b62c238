"""The tables in addition to ``trials``. Each module has the schema and the rows of one table."""
