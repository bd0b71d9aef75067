"""The structs and the documents have the columns of the table."""

import json
import re
from hashlib import sha256
from operator import attrgetter
from typing import get_type_hints

import msgspec
import pytest

from records.alert import DEFAULT_COLUMNS, IDENTITY, encoder
from records.columns import COLUMNS
from records.customer import Customer
from records.enriched import Encoded, EnrichedRating, Match, encode_matches, enrich
from records.index_names import IndexNames
from records.rating import Rating
from records.search import TEMPLATE_VERSION, template
from servers.process import ROOT

TYPES = {"text": str, "integer": int, "timestamp": int}
HIVE = {"text": "string", "integer": "bigint", "timestamp": "timestamp"}
MATCH = Match(Rating(1, 2, 3, 4, 5, "web", "meh", 6, 7, 8), Customer("a", "b", "c", "d", "e", "f"))


def test_the_structs_have_the_types_of_the_table() -> None:
    expected = [(column.name, TYPES[column.kind] | None if column.null else TYPES[column.kind]) for column in COLUMNS]
    assert list(get_type_hints(EnrichedRating).items()) == expected


def test_each_column_is_copied_from_its_source() -> None:
    enriched = enrich(MATCH)
    (alert,) = encoder("x", [column.name for column in COLUMNS if column.name not in IDENTITY])([MATCH])
    assert json.loads(alert.value) == {**msgspec.structs.asdict(enriched), "rule": "x"}
    for column in COLUMNS:
        value = attrgetter(column.source)(MATCH)
        assert getattr(enriched, column.name) == value


def test_a_change_of_the_template_raises_its_version() -> None:
    content = json.dumps(template(IndexNames("x"))["template"], sort_keys=True).encode()
    assert (TEMPLATE_VERSION, sha256(content).hexdigest()[:8]) == (3, "8521acf2")


@pytest.mark.parametrize(
    ("topic", "encoded"),
    [
        ("ratings-with-customer-data", encode_matches([MATCH])[0]),
        ("UNHAPPY_PLATINUM_CUSTOMERS", encoder("x", DEFAULT_COLUMNS)([MATCH])[0]),
    ],
)
def test_the_documents_have_the_fields_of_each_output(topic: str, encoded: Encoded) -> None:
    (fields,) = re.findall(rf"^\| `{topic}` \| (.*)$", (ROOT / "docs" / "kafka.md").read_text(), re.MULTILINE)
    assert re.findall(r"`(\w+)`", fields) == list(json.loads(encoded.value))


def test_athena_has_the_types_of_the_table() -> None:
    page = (ROOT / "docs" / "archive.md").read_text()
    (columns,) = re.findall(r"CREATE EXTERNAL TABLE ratings \(([^()]*)\)\nPARTITIONED", page)
    assert re.findall(r"(\w+) (\w+)", columns) == [(column.name, HIVE[column.kind]) for column in COLUMNS]
