"""``/api/tables/{name}/export``: the chosen rows of a table as a file, written while it is sent."""

import io
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final

import numpy as np
import orjson
import pyarrow as pa
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from pyarrow import csv, parquet
from starlette.responses import StreamingResponse

from pipeline.readmodel.columns import ColumnInfo, columns_of, values_of
from pipeline.readmodel.query import order
from pipeline.readmodel.read_model import ReadModel
from pipeline.views import TableView
from pipeline.web.api.permissions import LOOK, needs
from pipeline.web.api.tables import TableName, chosen, table_or_404
from pipeline.web.problems import described
from pipeline.web.schemas.tables import ExportAsked

ROWS: Final = 20_000
MEDIA: Final = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
Batches = Iterator[pa.RecordBatch]


def add_export(api: APIRouter, model: ReadModel) -> None:
    """The endpoint that exports a table."""
    content = {media.partition(";")[0]: {"schema": {"type": "string"}} for media in MEDIA.values()}
    answer: dict[int | str, dict[str, Any]] = {200: {"description": "The rows", "content": content}}

    @api.get(
        "/tables/{name}/export",
        tags=["tables"],
        dependencies=[needs(LOOK)],
        responses=answer | described(404, 422, 503),
        response_class=StreamingResponse,
    )
    async def export_table(name: TableName, asked: Annotated[ExportAsked, Query()]) -> StreamingResponse:
        """The chosen rows of a table as CSV, NDJSON or Parquet: one moment's state, whole, without paging."""
        table_or_404(model, name)
        view = model.view(name)
        rows = order(view, chosen(asked))
        headers = {"content-disposition": f'attachment; filename="{name}.{asked.format}"'}
        written = WRITERS[asked.format](_schema(view), _batches(view, rows))
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


def _schema(view: TableView) -> pa.Schema:
    fixed = [("key", pa.string()), ("partition", pa.int32())]
    fixed += [(name, pa.int64()) for name in ("window_start_ms", "window_end_ms")]
    return pa.schema([*fixed, *((info.name, _type(view, info)) for info in columns_of(view.spec))])


def _type(view: TableView, info: ColumnInfo) -> pa.DataType:
    return pa.int64() if values_of(view, info, rows=np.empty(0, np.int64)).dtype.kind == "i" else pa.float64()


def _batches(view: TableView, rows: NDArray[np.int64]) -> Batches:
    """The rows, ``ROWS`` at a time."""
    schema = _schema(view)
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS]
        arrays = [pa.array([view.keys[index] for index in part.tolist()], pa.string())]
        arrays.append(pa.array(view.partition[part], pa.int32()))
        arrays += [pa.array(column[part], pa.int64()) for column in (view.window_start_ms, view.window_end_ms)]
        for info in columns_of(view.spec):
            arrays.append(pa.array(values_of(view, info, rows=part), from_pandas=True))  # NaN is no value
        yield pa.record_batch(arrays, schema=schema)
