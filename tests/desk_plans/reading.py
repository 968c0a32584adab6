"""What a request reads: its statements, run again as they were with EXPLAIN, and what is wrong with their plans."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction

from docqueue import store
from tests.desk_plans.filling import SMALL, WINDOW, tables

EXPLAIN = "explain (analyze, verbose, buffers, timing off, format json) "
BLOCKS = 3 * WINDOW
BOUNDED = {"docqueue_item_held", "ingestion_file_once", "ingestion_intake_pkey"}
"""Indexes whose rows may be counted: what workers have in their hands, and an upload's files, which have a limit."""


class Statements:
    """A wrapper of `execute` that keeps what is asked, each statement once."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, Any]] = []

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith(("SAVEPOINT", "RELEASE", "INSERT", "UPDATE", "DELETE")):
            self.kept.append((sql, params))
        return execute(sql, params, many, context)


class Reader:
    """Explains statements, none of them twice."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._big = tuple(sorted(set(tables()) - SMALL))
        with connection.cursor() as cursor:
            cursor.execute("select indexname, tablename from pg_indexes where schemaname = current_schema()")
            self._table_of = dict(cursor.fetchall())
            # weeks that other tests have made, and that hold nothing here
            cursor.execute(
                "select relid::regclass::text from pg_partition_tree('docqueue_history')"
                " where isleaf and pg_relation_size(relid) < 65536"
            )
            self._empty = {name for (name,) in cursor.fetchall()}

    def complaints(self, statements: Statements) -> Iterator[str]:
        """What is wrong with the plans of these statements, with the settings that each ran under."""
        for sql, params in statements.kept:
            key = f"{sql} {params}"
            if key in self._seen:
                continue
            self._seen.add(key)
            plan, text = self._explained(sql, params)
            wrong = sorted({*self._of_nodes(plan["Plan"]), *self._of_blocks(plan["Plan"])})
            if wrong:
                yield f"{'; '.join(wrong)}\n    in: {' '.join(text.split())[:1200]}\n    with: {str(params)[:300]}"

    def _explained(self, sql: str, params: Any) -> tuple[dict[str, Any], str]:
        before = f"{store.BY_INDEX_LOCALLY}; "
        with transaction.atomic(), connection.cursor() as cursor:
            if sql.startswith(before):
                cursor.execute(store.BY_INDEX_LOCALLY)
                sql = sql.removeprefix(before)
            cursor.execute(EXPLAIN + sql, params)
            [(found,)] = cursor.fetchall()
            transaction.set_rollback(True)
        return (json.loads(found) if isinstance(found, str) else found)[0], sql

    def _big_table(self, node: dict[str, Any]) -> str:
        table = node.get("Relation Name") or self._table_of.get(node.get("Index Name", ""), "")
        if table.startswith("docqueue_history"):
            return "docqueue_history"
        return table if table in self._big else ""

    def _of_nodes(self, node: dict[str, Any]) -> Iterator[str]:
        table, kind = self._big_table(node), node["Node Type"]
        loops = node["Actual Loops"]
        removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        looked = (node["Actual Rows"] + removed) * loops
        if table and kind == "Seq Scan" and loops and node["Relation Name"] not in self._empty:
            yield f"a sequential scan of {node['Relation Name']}"
        if table and looked > WINDOW + 1:
            yield f"{looked:,.0f} rows of {table} read by {kind} {node.get('Index Name', '')}"
        counts = kind == "Aggregate" and any("count(" in one for one in node.get("Output", ()))
        for child in node.get("Plans", []):
            if counts and not _bounded(child):
                yield from (f"a count of {name} without a bound" for name in self._unbounded(child))
            yield from self._of_nodes(child)

    def _unbounded(self, node: dict[str, Any]) -> Iterator[str]:
        """Big tables below that no LIMIT bounds."""
        if _bounded(node) or node.get("Index Name") in BOUNDED:
            return
        if table := self._big_table(node):
            yield table
        for child in node.get("Plans", []):
            yield from self._unbounded(child)

    def _of_blocks(self, node: dict[str, Any]) -> Iterator[str]:
        blocks = node["Shared Hit Blocks"] + node["Shared Read Blocks"]
        if blocks > BLOCKS:
            yield f"{blocks:,} pages touched"


def _bounded(node: dict[str, Any]) -> bool:
    return node["Node Type"] in ("Limit", "CTE Scan")
