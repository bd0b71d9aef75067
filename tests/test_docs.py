"""The examples of docs/ that need no service run, and say what is there."""

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from dataflows.archive import FORMATS, SCHEMA
from operators.rules.functions import NAMES
from records.columns import COLUMNS
from records.enriched import EnrichedRating
from servers.process import ROOT

PAGE = (ROOT / "docs" / "archive.md").read_text()
WHEN = 1528800546808


def rating(number: int, stars: int | None, status: str | None) -> EnrichedRating:
    return EnrichedRating(
        number, 7, stars, 2777, 1, "web", None, WHEN + number, None, None, "Rica", None, status, None, 0, number
    )


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[EnrichedRating]:
    """A folder as the sink lays it out, in the current directory."""
    monkeypatch.chdir(tmp_path)
    ratings = [rating(1, 1, "platinum"), rating(2, 3, "platinum"), rating(3, None, None), rating(4, 2, None)]
    for name, form in FORMATS.items():
        folder = tmp_path / ("archive" if name == "parquet" else "lines") / "dt=2018-06-12" / "hr=10"
        folder.mkdir(parents=True)
        content, memo = form.assemble([form.block(ratings)], 0)
        (folder / f"0000-5f3a9c1e-00000001.{form.extension}").write_bytes(content + form.close([memo] if memo else []))
    return ratings


def query(sql: str) -> list[Any]:
    found = duckdb.sql(sql)
    assert found is not None
    return found.fetchall()


def example(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_duckdb(archive: list[EnrichedRating]) -> None:
    rows = query(example("sql"))
    assert [(status, count, stars) for _, status, count, stars in rows] == [("platinum", 2, 2.0), (None, 2, 2.0)]
    times = query("SELECT typeof(rating_ts), epoch_ms(min(rating_ts)) FROM 'archive/*/*/*.parquet' GROUP BY 1")
    assert times == [("TIMESTAMP WITH TIME ZONE", WHEN + 1)]
    lines = query(
        "SELECT count(*), count(stars) FROM "
        "read_json('lines/*/*/*.jsonl.gz', format = 'newline_delimited', hive_partitioning = true)"
    )
    assert lines == [(4, 3)]


def test_pyarrow(archive: list[EnrichedRating]) -> None:
    names: dict[str, Any] = {}
    exec(example("python"), names)  # noqa: S102
    when = [datetime.fromtimestamp((WHEN + number) / 1000, timezone.utc) for number in (1, 4)]
    assert [row["rating_ts"] for row in names["rows"]] == when
    assert [row["stars"] for row in names["rows"]] == [1, 2]


def test_the_columns_are_those_of_the_page(archive: list[EnrichedRating]) -> None:
    (path,) = Path("archive").rglob("*.parquet")
    schema = pq.read_schema(path)
    assert schema.equals(SCHEMA)
    table = PAGE[PAGE.index("## Columns") : PAGE.index("## DuckDB")].replace("[ms, UTC]", "[ms, tz=UTC]")
    documented = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", table, re.MULTILINE)
    assert documented == [(column.name, str(schema.field(column.name).type), column.doc) for column in COLUMNS]


def test_the_rules_that_the_page_shows_are_those_of_the_job() -> None:
    page = (ROOT / "docs" / "alerts.md").read_text()
    (shown,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    shipped = (ROOT / "dataflows" / "rules.toml").read_text()
    assert shipped.partition("\n\n")[2] == shown


def test_every_function_of_the_rules_is_on_their_page() -> None:
    page = (ROOT / "docs" / "alerts.md").read_text()
    assert [name for name in NAMES if f"`{name}" not in page] == []
