"""``/api/tables/{name}/export``: the chosen rows of a table as a file, written while it is sent."""

import io
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final

import orjson
import pyarrow as pa
from fastapi import APIRouter, Depends, Query
from pyarrow import csv, parquet
from starlette.responses import StreamingResponse

from pipeline.readmodel.columns import columns_of, is_whole
from pipeline.readmodel.query import Row
from pipeline.readmodel.questions import Answers
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.api.tables import TableName, chosen, table_or_404
from pipeline.web.auth import current_user
from pipeline.web.problems import described
from pipeline.web.schemas.tables import ExportAsked
from tables.spec import TableSpec

ROWS: Final = 20_000
MEDIA: Final = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
Batches = Iterator[pa.RecordBatch]


def add_export(api: APIRouter, model: ReadModel, answers: Answers) -> None:
    """The endpoint that exports a table."""
    content = {media.partition(";")[0]: {"schema": {"type": "string"}} for media in MEDIA.values()}
    answer: dict[int | str, dict[str, Any]] = {200: {"description": "The rows", "content": content}}

    @api.get(
        "/tables/{name}/export",
        tags=["tables"],
        dependencies=[Depends(current_user)],
        responses=answer | described(404, 422, 503),
        response_class=StreamingResponse,
    )
    async def export_table(name: TableName, asked: Annotated[ExportAsked, Query()]) -> StreamingResponse:
        """The chosen rows of a table as CSV, NDJSON or Parquet: one moment's state, whole, without paging."""
        table_or_404(model, name)
        schema = _schema(model.specs[name])
        parts = answers.stream(name, chosen(asked), ROWS)
        headers = {"content-disposition": f'attachment; filename="{name}.{asked.format}"'}
        written = WRITERS[asked.format](schema, _batches(schema, parts))
        return StreamingResponse(written, media_type=MEDIA[asked.format], headers=headers)


def as_csv(schema: pa.Schema, batches: Batches) -> Iterator[bytes]:
    """A line of names, then one for each row; empty where there is no value."""
    sink = io.BytesIO()
    with csv.CSVWriter(sink, schema) as writer:
        yield _taken(sink)
        for batch in batches:
            writer.write_batch(batch)
            yield _taken(sink)
    yield _taken(sink)


def as_ndjson(_: pa.Schema, batches: Batches) -> Iterator[bytes]:
    """A JSON object for each row; null where there is no value."""
    for batch in batches:
        yield b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in batch.to_pylist())


def as_parquet(schema: pa.Schema, batches: Batches) -> Iterator[bytes]:
    """A row group for each batch."""
    sink = _Sink()
    with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield sink.taken()
    yield sink.taken()


WRITERS: Final[dict[str, Callable[[pa.Schema, Batches], Iterator[bytes]]]] = {
    "csv": as_csv,
    "ndjson": as_ndjson,
    "parquet": as_parquet,
}


class _Sink(io.RawIOBase):
    """Takes what is written and gives it away; only its end is known, as a file that can't be sought."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._at += len(part)
        return len(part)

    def tell(self) -> int:
        return self._at

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _taken(sink: io.BytesIO) -> bytes:
    data = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return data


def _schema(spec: TableSpec) -> pa.Schema:
    fixed = [("key", pa.string()), ("partition", pa.int32())]
    fixed += [(name, pa.int64()) for name in ("window_start_ms", "window_end_ms")]
    measures = [(info.name, pa.int64() if is_whole(spec, info) else pa.float64()) for info in columns_of(spec)]
    return pa.schema([*fixed, *measures])


def _batches(schema: pa.Schema, parts: Iterator[list[Row]]) -> Batches:
    """Rows as columns."""
    for rows in parts:
        flat = ((row.key, row.partition, row.window_start_ms, row.window_end_ms, *row.values) for row in rows)
        columns = zip(*flat, strict=True)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        yield pa.record_batch(arrays, schema=schema)
