"""What each message of Debezium tells of the table of customers, by configuration and case."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from dataflows.decoders import of_customers
from messages.cache import Schemas
from messages.decoder import ALONE, Decoder
from messages.errors import InvalidRecord
from messages.log_position import Source, log_position
from messages.registry import Registry
from messages.version import Version, is_stale
from records.customer import FIELDS, Customer, CustomerChange, decode
from servers.embedded.debezium import SCHEMAS, SENT, Sent
from servers.embedded.registry import RegistryDouble

ADA = Customer("Ada", "Lind", "Ada Lind", "ada@example.com", "gold", None)
BO = Customer("Bo", "Wei", "Bo Wei", None, "silver", None)
ZOE = Customer("Zoë", "Ñandú", "Zoë Ñandú", "zoe@example.com", "platinum", None)
DANA = Customer("Dana", "Okoro", "Dana Okoro", "dana@example.com", "bronze", None)
DANA_GOLD = Customer("Dana", "Okoro", "Dana Okoro", "dana@example.com", "gold", None)
DANA_NULL = Customer("Dana", "Okoro", "Dana Okoro", None, "gold", None)
NOBODY = Customer(None, None, None, None, None, None)
EVE = Customer("Eve", None, "Eve", None, "silver", None)
EVE_GOLD = Customer("Eve", None, "Eve", None, "gold", None)
EVE_2 = Customer("Eve2", None, "Eve2", None, "platinum", None)
EVE_2_SILVER = Customer("Eve2", None, "Eve2", None, "silver", None)
BRIEF = Customer("Brief", None, "Brief", None, None, None)
HANA = Customer("Hana", None, "Hana", None, None, None)
HANA_2 = Customer("Hana2", None, "Hana2", None, None, None)
IDA = Customer("Ida", None, "Ida", None, "gold", None)
TZ = Customer("tz", None, "tz", None, None, None)

Told = tuple[int | None, Customer | None] | str | None
"""An id and what becomes of it, None: it is deleted. Without an id: all are. No tuple: it is ignored, or refused."""
OTHER_TABLE: Told = "there is no row of a customer"
TRUNCATED: Told = (None, None)
IGNORED: Told = None
Cases = dict[str, list[Told]]

FLAT: Cases = {
    "snapshot": [(1, ADA), (2, BO), (3, ZOE)],
    "insert": [(4, DANA)],
    "insert_nulls": [(5, NOBODY)],
    "update": [(4, DANA_GOLD)],
    "update_to_null": [(4, DANA_NULL)],
    "delete": [(2, None)],
    "pk_change": [(4, None), (40, DANA_NULL)],
    "transaction_2_rows": [(6, EVE), (6, EVE_GOLD)],
    "insert_then_delete_in_transaction": [(8, BRIEF), (8, None)],
    "replace_into": [(6, EVE_2)],
    "upsert": [(6, EVE_2_SILVER)],
    "add_column": [(9, HANA)],
    "drop_column": [(9, HANA_2)],
    "insert_after_truncate": [(1, ADA)],
}
WITH_TOMBSTONES: Cases = {
    **FLAT,
    "delete": [(2, None), (2, None)],
    "pk_change": [(4, None), (40, DANA_NULL), (4, None)],
    "insert_then_delete_in_transaction": [(8, BRIEF), (8, None), (8, None)],
}
ENVELOPES: Cases = {**WITH_TOMBSTONES, "truncate": [TRUNCATED]}
# Of two partitions, in the order in which they happened to be read.
ENVELOPES_2: Cases = {**ENVELOPES, "pk_change": [(4, None), (4, None), (40, DANA_NULL)]}
SHORT: Cases = {
    "snapshot": [(1, ADA)],
    "insert": [(10, IDA)],
    "delete": [(10, None)],
    "pk_change": [(1, None), (11, ADA)],
}
TWO_TABLES: Cases = {
    # The second table's rows have an id and no other column of a customer.
    "snapshot": [(1, TZ), OTHER_TABLE],
    "insert": [(2, TZ), OTHER_TABLE],
}

EXPECTED: dict[str, Cases] = {
    "flat": FLAT,
    "flatschema": FLAT,
    "flatmeta": WITH_TOMBSTONES,
    "raw": ENVELOPES,
    "rawschema": ENVELOPES_2,
    "mdtt": SHORT,
    "mnohdr": SHORT,
    "mnotomb": SHORT,
    "mrewrite": SHORT,
    "mtombstone": SHORT,
    "mtrunc": SHORT,
    "mdrop": {"snapshot": [(1, ADA)], "insert": [(10, IDA)], "pk_change": [(11, ADA)]},
    "mrwt": {**SHORT, "delete": [(10, None), (10, None)], "pk_change": [(1, None), (1, None), (11, ADA)]},
    "mschemach": {**SHORT, "snapshot": [*[IGNORED] * 6, (1, ADA)], "alter": [IGNORED, IGNORED]},
    "types": TWO_TABLES,
    "typesdec": TWO_TABLES,
}

JSON = [sent for sent in SENT if sent.encoding == "json"]


def changes(config: str, case: str | None = None) -> list[CustomerChange | None]:
    return [decode(sent.message()) for sent in JSON if sent.config == config and case in (sent.case, None)]


@pytest.mark.parametrize(("config", "case"), [(config, case) for config, cases in EXPECTED.items() for case in cases])
def test_what_a_message_tells(config: str, case: str) -> None:
    assert [told(sent) for sent in JSON if (sent.config, sent.case) == (config, case)] == EXPECTED[config][case]


def told(sent: Sent) -> Told:
    try:
        change = decode(sent.message())
    except InvalidRecord as error:
        return str(error).partition(":")[0]
    return (change.id, change.customer) if change else IGNORED


def test_every_message_is_expected() -> None:
    assert len(SENT) == 228
    assert len(JSON) == sum(len(told) for cases in EXPECTED.values() for told in cases.values())


# Where a change stands in the log.

STARTED = 1_795_374_814


def at(seconds: int, pos: int) -> bytes | None:
    server = 1 if seconds else 0  # none is told of what is read for a snapshot
    return log_position(Source((STARTED + seconds) * 1000, server, "binlog.000002", pos, 0))


@pytest.mark.parametrize(
    ("config", "case", "expected"),
    [
        ("raw", "snapshot", [at(0, 2313)] * 3),
        ("raw", "update", [at(50, 3196)]),
        ("raw", "delete", [at(60, 3920), None]),
        ("raw", "pk_change", [at(64, 4190), at(64, 4190), None]),
        ("raw", "transaction_2_rows", [at(68, 4566), at(68, 4773)]),
        ("raw", "truncate", [at(95, 7058)]),
        ("rawschema", "snapshot", [at(0, 2313)] * 3),
        ("rawschema", "delete", [at(60, 3920), None]),
        ("rawschema", "truncate", [at(95, 7058)]),
        ("flatmeta", "delete", [None, None]),
    ],
)
def test_where_a_change_stands(config: str, case: str, expected: list[bytes | None]) -> None:
    assert [change and position(change) for change in changes(config, case)] == expected


def position(change: CustomerChange) -> bytes | None:
    return None if isinstance(change.version, int) else change.version[8:]


@pytest.mark.parametrize("config", sorted(EXPECTED.keys() - {"raw", "rawschema", "types", "typesdec"}))
def test_without_metadata_a_change_stands_nowhere(config: str) -> None:
    assert {position(change) for change in changes(config) if change} == {None}


@pytest.mark.parametrize("config", sorted(EXPECTED.keys() - {"types", "typesdec"}))
def test_what_is_sent_once_is_never_stale(config: str) -> None:
    known: dict[int | None, Version] = {}
    for change in changes(config):
        if change:
            assert change.id not in known or not is_stale(known[change.id], change.version)
            known[change.id] = change.version
    assert known


# The same in Avro.

AVRO: dict[str, Cases] = {"avroflat": FLAT, "avroflatdef": FLAT, "avroraw": ENVELOPES_2}


@pytest.fixture(scope="module")
def avro() -> Iterator[Decoder[CustomerChange]]:
    """Decodes with a registry that has Debezium's schemas, under their ids."""
    with RegistryDouble() as double:
        for number in range(1, max(SCHEMAS) + 1):
            double.add("AVRO", SCHEMAS.get(number, '"null"'))
        yield of_customers("auto", Schemas(Registry(double.url), FIELDS))


@pytest.mark.parametrize("config", AVRO)
def test_avro_tells_the_same_one_by_one_and_at_once(avro: Decoder[CustomerChange], config: str) -> None:
    sent = [one for one in SENT if one.config == config]
    messages = [one.message() for one in sent]
    told: dict[str, list[Told]] = {}
    alone = [avro.one(message) for message in messages]
    for one, change in zip(sent, alone, strict=True):
        told.setdefault(one.case, []).append((change.id, change.customer) if change else None)
    assert told == AVRO[config]
    many = avro.many(messages)
    assert many is not None
    # Tombstones have no schema.
    assert [found is ALONE for found in many] == [one.value is None for one in sent]
    assert [found for found in many if found is not ALONE] == [
        change for change, one in zip(alone, sent, strict=True) if one.value is not None
    ]


def test_avro_tells_where_a_change_stands(avro: Decoder[CustomerChange]) -> None:
    changes = [avro.one(one.message()) for one in SENT if one.config == "avroraw"]
    positions = [change.version for change in changes if change and position(change)]
    assert len(positions) > 15
    assert all(not is_stale(known, new) for known, new in pairwise(positions))
    assert any(is_stale(new, known) for known, new in pairwise(positions))


def test_a_message_has_its_headers() -> None:
    deleted, created = (sent for sent in SENT if sent.config == "flat" and sent.case == "pk_change")
    assert ("__debezium.newkey", b'{"id":40}') in (deleted.message().headers() or ())
    assert ("__debezium.oldkey", b'{"id":4}') in created.headers
