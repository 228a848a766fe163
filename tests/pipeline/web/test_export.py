"""Exports of tables: the same rows as pages show, in three formats, written while they are sent."""

import csv
import io
import json

import pytest
from pyarrow import parquet

from pipeline.web.api import export
from pipeline.web.api.export import WRITERS

CHOICES = [{"sort": "key"}, {"where": "n>=5", "sort": "-spent"}, {"partition": 2, "sort": "key"}, {"q": "no-such-key"}]


def read(form, data):
    """Rows of an export, all values as text or ``None``."""
    if form == "csv":
        return list(csv.DictReader(io.StringIO(data.decode())))
    if form == "ndjson":
        return [json.loads(line) for line in data.splitlines()]
    return parquet.read_table(io.BytesIO(data)).to_pylist()


def number(value):
    return None if value in (None, "") else float(value)


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("asked", CHOICES, ids=str)
def test_an_export_has_the_rows_of_all_pages(on_api, monkeypatch, form, asked):
    """Whatever the format, filter and order, an export of several batches has the rows that the pages have."""
    monkeypatch.setattr(export, "ROWS", 37)

    async def work(api):
        pages, cursor = [], None
        while True:
            page = await api.get("/tables/account_10m", **asked, **({"cursor": cursor} if cursor else {}))
            pages += page["rows"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        answer = await api.raw("/tables/account_10m/export", **asked, format=form)
        assert answer.headers["content-disposition"] == f'attachment; filename="account_10m.{form}"'
        rows = read(form, answer.content)
        assert [row["key"] for row in rows] == [row["key"] for row in pages]
        for row, shown in zip(rows, pages, strict=True):
            assert int(row["window_end_ms"]) == shown["window_end_ms"]
            assert {name: number(row[name]) for name in shown["values"]} == {
                name: number(value) for name, value in shown["values"].items()
            }

    on_api(work)


def test_parquet_has_types_and_row_groups(on_api, monkeypatch):
    """Whole numbers stay whole, and a batch is a row group, so that a reader can take a part."""
    monkeypatch.setattr(export, "ROWS", 100)

    async def work(api):
        answer = await api.raw("/tables/account_10m/export", format="parquet")
        file = parquet.ParquetFile(io.BytesIO(answer.content))
        total = (await api.get("/tables/account_10m"))["total"]
        assert file.num_row_groups == -(-total // 100)
        types = {field.name: str(field.type) for field in file.schema_arrow}
        assert (types["key"], types["n"], types["window_end_ms"]) == ("string", "int64", "int64")

    on_api(work)
