"""Generated ratings in Avro: what any reader with the schema reads."""

import json
from io import BytesIO
from itertools import islice
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_reader

from demo.generate import avro
from demo.generate.ratings import GeneratedRating, Ratings

SCHEMA = parse_schema(json.loads(avro.SCHEMA))
ID = 258


def ratings(count: int, **options: Any) -> list[GeneratedRating]:
    return list(islice(Ratings(7, lambda: 1_528_800_546.808, **options), count))


def read(value: bytes) -> Any:
    assert value[:5] == b"\x00\x00\x00\x01\x02"
    rest = BytesIO(value[5:])
    found = schemaless_reader(rest, SCHEMA, None)
    assert rest.read() == b""
    return found


def test_avro_says_what_json_says() -> None:
    plain, binary = ratings(5000, malformed_every=None), ratings(5000, malformed_every=None, form=avro.form(ID))
    assert [read(rating.value) for rating in binary] == [json.loads(rating.value) for rating in plain]
    assert [rating.key for rating in binary] == [rating.key for rating in plain]


@pytest.mark.parametrize("users", [range(-(2**31), -(2**31) + 1), range(2**31 - 1, 2**31)])
def test_ids_at_the_ends_of_their_types(users: range) -> None:
    (rating,) = ratings(1, users=users, first_id=2**53, malformed_every=None, form=avro.form(ID))
    assert read(rating.value)["user_id"] == users[0]
    assert read(rating.value)["rating_id"] == 2**53


def test_malformed_ones_cannot_be_read() -> None:
    errors = []
    for rating in ratings(4000, malformed_every=100, form=avro.form(ID)):
        try:
            read(rating.value)
        except (AssertionError, EOFError, UnicodeDecodeError) as error:
            errors.append(type(error))
            assert not rating.well_formed
        else:
            assert rating.well_formed
    assert len(errors) == 40
    assert len(set(errors)) > 1
