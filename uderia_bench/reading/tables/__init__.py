"""The tables beside ``trials``: one module a table, with its schema and its rows."""
