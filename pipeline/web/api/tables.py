"""``/api/tables``: windowed tables, their rows, and what they know of a key."""

import dataclasses
import hashlib
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query

from pipeline.errors import UsageError
from pipeline.readmodel.columns import columns_of
from pipeline.readmodel.query import MAX_LIMIT, Page, Row, TableQuery, parse_condition, parse_sort
from pipeline.readmodel.questions import Answers
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.api.cursors import decode_cursor, encode_cursor, page
from pipeline.web.schemas.common import ListAsked
from pipeline.web.schemas.tables import (
    ChosenAsked,
    ColumnOut,
    FreshnessOut,
    HistoryOut,
    KeyOut,
    PageAsked,
    RowOut,
    RowsAsked,
    RowsOut,
    TableOut,
    TablesOut,
    WindowOut,
)

TableName = Annotated[str, Path(description="Name of a table, as /api/tables lists them")]


def add_tables(router: APIRouter, model: ReadModel, answers: Answers) -> None:
    """The endpoints that read tables."""
    read = _Reading(model, answers)

    @router.get("/tables", tags=["tables"])
    async def list_tables(asked: Annotated[ListAsked, Query()]) -> TablesOut:
        """Every windowed table, health tables included."""
        names, following = page(
            sorted(model.specs), lambda name: [name], of="tables", cursor=asked.cursor, limit=asked.limit
        )
        return TablesOut(tables=[await read.table(name) for name in names], next_cursor=following)

    @router.get("/tables/{name}", tags=["tables"])
    async def read_table(name: TableName, asked: Annotated[RowsAsked, Query()]) -> RowsOut:
        """A page of a table's rows over all its partitions."""
        table_or_404(model, name)
        return await read.rows(name, chosen(asked), asked)

    @router.get("/tables/{name}/keys/{key:path}", tags=["tables"])
    async def read_key(name: TableName, key: Annotated[str, Path(description="The key, exactly")]) -> KeyOut:
        """What a table knows of a key: its row in each open window, and how its measures went."""
        table_or_404(model, name)
        return await read.key(name, key)

    @router.get("/health/{table}", tags=["tables"])
    async def read_health(table: TableName, asked: Annotated[PageAsked, Query()]) -> RowsOut:
        """Open windows of a health table: `health_1s`, `health_10s` or `health_1m`."""
        names = [name for name in sorted(model.specs) if name.startswith("health_")]
        if table not in names:
            raise HTTPException(404, f"there is no health table '{table}'; there are: {', '.join(names) or 'none'}")
        return await read.rows(table, TableQuery(sort="key"), asked)


def chosen(asked: ChosenAsked) -> TableQuery:
    """The rows that are asked for, as a question to the store.

    Raises:
        UsageError: If a comparison can't be read.
    """
    column, descending = parse_sort(asked.sort)
    return TableQuery(
        words=tuple(asked.q.split()),
        where=tuple(parse_condition(text) for text in asked.where),
        partition=asked.partition,
        sort=column,
        descending=descending,
    )


def table_or_404(model: ReadModel, name: str) -> None:
    """Make sure that there is such a table.

    Raises:
        HTTPException: If there is none.
    """
    if name not in model.specs:
        raise HTTPException(404, f"there is no table '{name}'; there are: {', '.join(sorted(model.specs)) or 'none'}")


class _Reading:
    """Answers about tables from the store, with their freshness."""

    def __init__(self, model: ReadModel, answers: Answers) -> None:
        self._model = model
        self._answers = answers

    async def table(self, name: str) -> TableOut:
        spec = self._model.specs[name]
        found = await self._answers.rows(name, TableQuery(limit=1))
        columns = [
            ColumnOut(name=info.name, kind=info.kind, meaning=info.meaning) for info in self._model.columns(name)
        ]
        return TableOut(
            name=name,
            stream=spec.stream,
            by=spec.by,
            window=WindowOut(**dataclasses.asdict(spec.window)),
            keys=found.total,
            columns=columns,
            freshness=self._freshness(name),
        )

    async def rows(self, name: str, query: TableQuery, asked: PageAsked) -> RowsOut:
        of = f"rows {hashlib.blake2b(repr((name, query)).encode(), digest_size=8).hexdigest()}"
        offset = asked.offset
        if asked.cursor is not None:
            if offset:
                raise UsageError("give a cursor or an offset, not both")
            offset, *more = decode_cursor(of, asked.cursor)
            if more or type(offset) is not int or not 0 <= offset <= 1 << 40:
                raise UsageError("the cursor was not given out for this list; begin again without a cursor")
        found = await self._answers.rows(name, dataclasses.replace(query, offset=offset, limit=asked.limit))
        after = offset + len(found.rows)
        goes_on = bool(found.rows) and after < found.matching
        return RowsOut(
            table=name,
            total=found.total,
            matching=found.matching,
            offset=offset,
            limit=asked.limit,
            next_offset=after if goes_on else None,
            next_cursor=encode_cursor(of, [after]) if goes_on else None,
            rows=self._rows(name, found),
            freshness=self._freshness(name),
        )

    async def key(self, name: str, key: str) -> KeyOut:
        found = await self._answers.rows(name, TableQuery(key=key, sort="window_start_ms", limit=MAX_LIMIT))
        history = await self._answers.key_history(name, key)
        if not found.rows and not history.times_ms:
            raise HTTPException(404, f"there is no key '{key}' in {name}; /api/tables/{name}?q=… finds keys by a part")
        return KeyOut(
            table=name,
            key=key,
            rows=self._rows(name, found),
            history=HistoryOut(times_ms=history.times_ms, values=history.values),
            freshness=self._freshness(name),
        )

    def _rows(self, name: str, found: Page) -> list[RowOut]:
        names = [info.name for info in columns_of(self._model.specs[name])]
        return [_row(row, names) for row in found.rows]

    def _freshness(self, name: str) -> list[FreshnessOut]:
        return [
            FreshnessOut(
                partition=part.partition,
                applied=part.applied,
                end=part.end,
                behind=max(part.end - part.applied, 0),
                watermark_ms=part.watermark_ms,
                committed_ms=part.committed_ms,
            )
            for part in self._model.store.freshness(name)
        ]


def _row(row: Row, names: list[str]) -> RowOut:
    return RowOut(
        key=row.key,
        partition=row.partition,
        window_start_ms=row.window_start_ms,
        window_end_ms=row.window_end_ms,
        values=dict(zip(names, row.values, strict=True)),
    )
