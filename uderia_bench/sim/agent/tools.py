"""Data tools of the server and their results: a small Teradata-like system.

Each tool is a function from arguments and the date to rows. ``answer`` and ``failure`` wrap the
rows as the tool server does. The agent's script decides which calls fail. The engines implement Uderia's
``TDA_*`` tools.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

Row = dict[str, Any]
Arguments = dict[str, Any]

DATA_TOOLS = (
    "base_columnDescription",
    "base_databaseList",
    "base_readQuery",
    "base_tableAffinity",
    "base_tableDDL",
    "base_tableList",
    "base_tablePreview",
    "base_tableUsage",
    "qlty_columnSummary",
    "qlty_distinctCategories",
    "qlty_missingValues",
    "dba_databaseSpace",
    "dba_databaseVersion",
    "dba_featureUsage",
    "dba_flowControl",
    "dba_resusageSummary",
    "dba_sessionInfo",
    "dba_systemSpace",
    "dba_tableSpace",
    "dba_tableSqlList",
    "dba_userDelay",
    "dba_userSqlList",
    "sec_rolePermissions",
    "sec_userDbPermissions",
    "sec_userRoles",
)
COMPONENT_TOOLS = ("TDA_Charting", "TDA_Canvas", "TDA_KnowledgeGraph", "TDA_Scheduler")

TABLES = {
    "fitness_db": {"customers": 42, "products": 18, "orders": 310, "service_tickets": 57},
    "sales_db": {"leads": 128, "deals": 36},
    "hr_db": {"employees": 25},
}
COLUMNS = {
    "customers": ("CustomerID", "Name", "Email", "JoinDate"),
    "products": ("ProductID", "Name", "Category", "Price"),
    "orders": ("OrderID", "CustomerID", "ProductID", "OrderDate"),
    "service_tickets": ("TicketID", "CustomerID", "Subject", "Status"),
    "leads": ("LeadID", "Company", "Score"),
    "deals": ("DealID", "LeadID", "Amount"),
    "employees": ("EmployeeID", "Name", "Department"),
}
VERSION = "20.00.00.01"
_DAYS_A_WEEK, _MOST_DAYS = 7, 31
_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d")
USERS = ("admin", "analyst", "etl_load", "report_svc", "trainer")


def database_of(table: str) -> str:
    """Return the database of a table, the first database for an unknown table."""
    return next((database for database, tables in TABLES.items() if table in tables), "fitness_db")


def _level(*parts: object, lo: float, hi: float) -> float:
    """Return a number between ``lo`` and ``hi`` that depends only on ``parts``."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=4).digest()
    return round(lo + (hi - lo) * int.from_bytes(digest, "big") / 0xFFFFFFFF, 2)


def _table(arguments: Arguments) -> str:
    return str(arguments.get("table_name", "customers"))


def _database_list(_: Arguments, __: date) -> list[Row]:
    return [{"DataBaseName": name} for name in TABLES]


def _table_list(arguments: Arguments, _: date) -> list[Row]:
    return [{"TableName": name} for name in TABLES.get(str(arguments.get("database_name", "fitness_db")), {})]


def _columns(arguments: Arguments, _: date) -> list[Row]:
    return [{"ColumnName": name, "ColumnType": "VARCHAR"} for name in COLUMNS.get(_table(arguments), ())]


def _ddl(arguments: Arguments, _: date) -> list[Row]:
    table = _table(arguments)
    columns = ", ".join(f"{name} VARCHAR(100)" for name in COLUMNS.get(table, ()))
    return [{"Request Text": f"CREATE MULTISET TABLE {database_of(table)}.{table} ({columns});"}]


def _preview(arguments: Arguments, _: date) -> list[Row]:
    names = COLUMNS.get(_table(arguments), ())
    return [{name: f"{name}-{row}" for name in names} for row in range(1, 6)]


def _row_count(arguments: Arguments, _: date) -> list[Row]:
    """Answer the forms of SQL that the agent writes: counts, recent tables, users, whole tables."""
    sql = str(arguments.get("sql", ""))
    if "CreateTimeStamp" in sql:
        return [{"TableName": name, "DataBaseName": database_of(name)} for name in ("service_tickets", "deals")]
    if "UsersV" in sql:
        return [{"UserName": name} for name in USERS]
    found = re.search(r"FROM\s+(\w+)\.(\w+)", sql)
    if found is None:
        return [{"value": _level(sql, lo=1, hi=100)}]
    if "*" in sql.split("FROM", maxsplit=1)[0].replace("COUNT(*)", ""):
        names = COLUMNS.get(found[2], ())
        return [{name: f"{name}-{row}" for name in names} for row in range(1, TABLES.get(found[1], {}).get(found[2], 0) + 1)]
    return [{"cnt": TABLES.get(found[1], {}).get(found[2], 0)}]


def days(phrase: str, today: date) -> list[date]:
    """Return the days of a phrase, oldest first. A range ends with yesterday."""
    if "today" in phrase:
        return [today]
    number = re.search(r"(\d+) (day|week)", phrase)
    count = int(number[1]) if number else 1
    if "week" in phrase:
        count *= _DAYS_A_WEEK
    return [today - timedelta(days=back) for back in range(min(max(count, 1), _MOST_DAYS), 0, -1)]


def _usage(arguments: Arguments, today: date) -> list[Row]:
    """Return the usage of one day, or of every day of a phrase."""
    asked = str(arguments.get("date", "yesterday"))
    dates = [asked] if _ISO_DAY.fullmatch(asked) else [day.isoformat() for day in days(asked, today)]
    return [{"LogDate": day, "cpu": _level("cpu", day, lo=2, hi=80)} for day in dates]


def _space(arguments: Arguments, _: date) -> list[Row]:
    names = [str(arguments["database_name"])] if "database_name" in arguments else list(TABLES)
    return [{"DatabaseName": n, "CurrentPermGB": _level("perm", n, lo=1, hi=40), "MaxPermGB": 50.0} for n in names]


def _table_space(arguments: Arguments, _: date) -> list[Row]:
    tables = TABLES.get(str(arguments.get("database_name", "fitness_db")), {})
    return [{"TableName": name, "CurrentPermMB": _level("table", name, lo=1, hi=900)} for name in tables]


def _sessions(_: Arguments, __: date) -> list[Row]:
    return [{"UserName": name, "SessionNo": 1000 + number, "State": "IDLE"} for number, name in enumerate(USERS[:4])]


def _named(column: str, names: tuple[str, ...], figure: str) -> Callable[[Arguments, date], list[Row]]:
    """Return a tool that lists ``names`` with one made-up number each."""

    def rows(arguments: Arguments, _: date) -> list[Row]:
        about = str(sorted(arguments.items()))
        return [{column: name, figure: int(_level(figure, name, about, lo=1, hi=500))} for name in names]

    return rows


def _column_summary(arguments: Arguments, _: date) -> list[Row]:
    """Return the summary of one column."""
    column = str(arguments.get("column_name", "CustomerID"))
    return [{"ColumnName": column, "DistinctValues": int(_level(column, _table(arguments), lo=1, hi=500))}]


_ROWS: dict[str, Callable[[Arguments, date], list[Row]]] = {
    "base_columnDescription": _columns,
    "base_databaseList": _database_list,
    "base_readQuery": _row_count,
    "base_tableAffinity": _named("TableName", ("orders", "products"), "JoinCount"),
    "base_tableDDL": _ddl,
    "base_tableList": _table_list,
    "base_tablePreview": _preview,
    "base_tableUsage": _named("TableName", ("orders", "customers", "products"), "QueryCount"),
    "qlty_columnSummary": _column_summary,
    "qlty_distinctCategories": _named("Category", ("bikes", "rowers", "treadmills"), "Rows"),
    "qlty_missingValues": _named("ColumnName", ("Email", "JoinDate"), "NullCount"),
    "dba_databaseSpace": _space,
    "dba_databaseVersion": lambda _, __: [{"InfoKey": "VERSION", "InfoData": VERSION}],
    "dba_featureUsage": _named("FeatureName", ("Columnar", "Temporal", "QueryBanding"), "UseCount"),
    "dba_flowControl": _named("Vproc", ("0", "1"), "FlowCtlCount"),
    "dba_resusageSummary": _usage,
    "dba_sessionInfo": _sessions,
    "dba_systemSpace": _space,
    "dba_tableSpace": _table_space,
    "dba_tableSqlList": _named("SqlText", ("SELECT * FROM orders", "SELECT COUNT(*) FROM customers"), "Executions"),
    "dba_userDelay": _named("UserName", USERS[:2], "DelayMs"),
    "dba_userSqlList": _named("SqlText", ("SELECT TOP 10 * FROM orders", "HELP SESSION"), "Executions"),
    "sec_rolePermissions": _named("AccessRight", ("R", "U", "I"), "ObjectCount"),
    "sec_userDbPermissions": _named("DatabaseName", tuple(TABLES), "Rights"),
    "sec_userRoles": _named("RoleName", ("analyst_role", "loader_role"), "Members"),
}

_SHOWN_SQL = {"base_databaseList": "SELECT DatabaseName FROM DBC.DatabasesV"}
TOOL_SECONDS = {"base_readQuery": 0.9, "dba_resusageSummary": 0.8}
USUAL_TOOL_SECONDS = 0.5


def failure(name: str, text: str) -> dict[str, Any]:
    """Return the tool server's result of a failed call."""
    return {"status": "error", "metadata": {"tool_name": name}, "error": text, "error_message": text, "data": text}


def answer(name: str, arguments: Arguments, today: date) -> dict[str, Any]:
    """Return the tool server's result of a call. An unknown tool gives a failure."""
    if name not in _ROWS:
        return failure(name, f"Unknown tool: {name}")
    rows = _ROWS[name](arguments, today)
    columns = [{"name": key, "type": "str"} for key in rows[0]] if rows else []
    metadata: dict[str, Any] = {"tool_name": name, "row_count": len(rows), "columns": columns}
    if name in _SHOWN_SQL:
        metadata["sql"] = _SHOWN_SQL[name]
    metadata.update({key: value for key, value in arguments.items() if isinstance(value, str)})
    return {"status": "success", "metadata": metadata, "results": rows}
