import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.errors import DecodeError
from records.customer import Customer
from records.enriched import NOBODY, Match, encode_matches, enrich, locate
from records.rating import Rating, decode, unmatched, with_source
from servers.embedded.messages import message, nested, to_json

PLAIN = {
    "rating_id": 5313,
    "user_id": 3,
    "stars": 4,
    "route_id": 6975,
    "rating_time": 1519304105213,
    "channel": "web",
    "message": "why is it so difficult to keep the bathrooms clean ? “ñ” 😀",
}
UNIONS = {
    "rating_id": {"long": 5313},
    "user_id": {"int": 3},
    "stars": {"int": 4},
    "route_id": {"int": 6975},
    "rating_time": {"long": 1519304105213},
    "channel": {"string": "web"},
    "message": {"string": PLAIN["message"]},
}
SCHEMA = {"type": "struct", "fields": [{"type": "int64", "optional": False, "field": "rating_id"}], "optional": False}
IDS = {"rating_id": 1, "user_id": 2}
LEAST, MOST = -(2**63), 2**63 - 1


def rating(fields: dict[str, Any]) -> Rating:
    return Rating(**fields, rating_ts=1_528_800_546_808, source_partition=2, source_offset=7)


def capitals(fields: dict[str, Any]) -> dict[str, Any]:
    return {name.upper(): field for name, field in fields.items()}


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        pytest.param(to_json(PLAIN), PLAIN, id="plain"),
        pytest.param(json.dumps(PLAIN, ensure_ascii=False, indent=2).encode(), PLAIN, id="UTF-8 over several lines"),
        pytest.param(to_json(dict(reversed(PLAIN.items()))), PLAIN, id="fields in another order"),
        pytest.param(to_json({**PLAIN, "a": [1, {"b": None}], "c": "d"}), PLAIN, id="unknown fields"),
        pytest.param(to_json({"schema": SCHEMA, "payload": PLAIN}), PLAIN, id="schema and payload"),
        pytest.param(to_json({"schema": None, "payload": PLAIN}), PLAIN, id="null schema"),
        pytest.param(to_json({"payload": PLAIN}), PLAIN, id="payload only"),
        pytest.param(to_json(UNIONS), PLAIN, id="Avro's unions"),
        pytest.param(to_json({**PLAIN, "stars": {"int": 4}}), PLAIN, id="one of Avro's unions"),
        pytest.param(to_json({"schema": SCHEMA, "payload": UNIONS}), PLAIN, id="unions in a payload"),
        pytest.param(to_json(capitals(PLAIN)), PLAIN, id="names in capitals"),
        pytest.param(to_json(capitals(UNIONS)), PLAIN, id="unions, names in capitals"),
        pytest.param(
            to_json({"schema": SCHEMA, "payload": capitals(UNIONS)}), PLAIN, id="unions in a payload, names in capitals"
        ),
        pytest.param(to_json({**PLAIN, "RATING_KEY": "x"}), PLAIN, id="an unknown field in capitals"),
        pytest.param(
            b'{"Rating_Id":1,"USER_ID":2,"Stars":3,"channel":"web"}',
            {**IDS, "stars": 3, "channel": "web"},
            id="names of mixed case",
        ),
        pytest.param(to_json({**IDS, "Stars": 1}), {**IDS, "stars": 1}, id="one name of mixed case"),
        pytest.param(to_json({**IDS, "Stars": 1, "ip": "::1"}), {**IDS, "stars": 1}, id="beside another field"),
        pytest.param(to_json({**IDS, "x": 1, "MESSAGE": "é"}), {**IDS, "message": "é"}, id="beside one, not ASCII"),
        pytest.param(to_json({"payload": {**IDS, "Stars": 1}}), {**IDS, "stars": 1}, id="in a payload"),
        pytest.param(to_json({"Schema": None, "Payload": IDS}), IDS, id="the wrapping's names in mixed case"),
        pytest.param(b'{"rating_id":1,"user_id":2,"Stars" : 3}', {**IDS, "stars": 3}, id="before a space"),
        pytest.param(
            to_json({**IDS, "x": {"stars": 1, "Stars": 2}}),
            IDS,
            id="in an unknown field names that differ in case alone",
        ),
        pytest.param(to_json({**IDS, "note": 1, "Note": 2}), IDS, id="unknown fields that differ in case alone"),
        pytest.param(to_json({"rating_id": 1.0, "user_id": 2.0, "stars": 2}), {**IDS, "stars": 2}, id="ids as floats"),
        pytest.param(to_json({**IDS, "stars": 3.0}), {**IDS, "stars": 3}, id="stars as a float"),
        pytest.param(
            b'{"rating_id":1e0,"user_id":2,"route_id":1e3,"stars":-0.0}',
            {**IDS, "route_id": 1000, "stars": 0},
            id="exponents",
        ),
        pytest.param(to_json({**IDS, "rating_time": 2.0**52}), {**IDS, "rating_time": 2**52}, id="a large float"),
        pytest.param(to_json({**IDS, "stars": {"double": 3.0}}), {**IDS, "stars": 3}, id="a float in a union"),
        pytest.param(to_json({"rating_id": "1", "user_id": "2"}), IDS, id="ids as text"),
        pytest.param(to_json({"rating_id": "1", "user_id": "-2"}), {**IDS, "user_id": -2}, id="a negative id as text"),
        pytest.param(to_json(IDS), IDS, id="only what is required"),
        pytest.param(to_json({**dict.fromkeys(PLAIN), **IDS}), IDS, id="nulls"),
        pytest.param(to_json({**IDS, "stars": {"int": 3}, "channel": None}), {**IDS, "stars": 3}, id="union and null"),
        pytest.param(to_json({**IDS, "stars": {"null": None}}), IDS, id="a null with its branch"),
        pytest.param(to_json({**IDS, "payload": {"rating_id": 9}}), IDS, id="an unknown field named payload"),
        pytest.param(to_json({**capitals(IDS), "payload": IDS, "else": 1}), IDS, id="the same, names in capitals"),
        pytest.param(to_json({**IDS, "rating_time": 13}), {**IDS, "rating_time": 13}, id="a count instead of a time"),
        pytest.param(to_json({**IDS, "stars": -1}), {**IDS, "stars": -1}, id="any number of stars"),
        pytest.param(to_json({**IDS, "message": ""}), {**IDS, "message": ""}, id="empty text"),
        pytest.param(
            to_json({**IDS, "message": "a\0b"}), {**IDS, "message": "a\0b"}, id="an escaped control character"
        ),
        pytest.param(
            to_json({"rating_id": MOST, "user_id": LEAST, "stars": MOST, "route_id": LEAST}),
            {"rating_id": MOST, "user_id": LEAST, "stars": MOST, "route_id": LEAST},
            id="the limits of 64 bits",
        ),
        pytest.param(
            to_json({**IDS, "user_id": {"long": LEAST}, "rating_time": {"long": MOST}}),
            {**IDS, "user_id": LEAST, "rating_time": MOST},
            id="the limits of 64 bits in unions",
        ),
        pytest.param(
            to_json({**IDS, "rating_ts": 1, "source_partition": 9, "source_offset": 9}), IDS, id="our names taken"
        ),
        pytest.param(to_json({**IDS, "rating_ts": "then", "source_key": []}), IDS, id="our names, of other types"),
        pytest.param(to_json({**IDS, "source_value": "AAAA", "source_key": "AAAA"}), IDS, id="our names, base64"),
        pytest.param(to_json({**UNIONS, "source_value": "AAAA"}), PLAIN, id="our names beside unions"),
        pytest.param(
            to_json({**IDS, "message": "x" * 999_900}), {**IDS, "message": "x" * 999_900}, id="just below the limit"
        ),
    ],
)
def test_every_encoding_of_a_rating(value: bytes, fields: dict[str, Any]) -> None:
    assert decode(message(value)) == rating(fields)


def of(**fields: Any) -> bytes:
    return to_json({**IDS, **fields})


@pytest.mark.parametrize(
    ("value", "error", "fragment"),
    [
        # There is no record.
        pytest.param(None, "EmptyValue", "the value is null", id="null value"),
        pytest.param(b"", "EmptyValue", "the value is empty", id="empty"),
        pytest.param(b"null", "InvalidRecord", "null: a rating cannot be deleted", id="text null"),
        pytest.param(to_json({"schema": {}, "payload": None}), "InvalidRecord", "null", id="null payload"),
        # There are other bytes than JSON.
        pytest.param(b" ", "NotJson", "not JSON", id="a space"),
        pytest.param(b"stars: 4", "NotJson", "not JSON", id="not JSON"),
        pytest.param(to_json(PLAIN)[:-20], "NotJson", "unexpected end", id="truncated"),
        pytest.param(to_json(IDS) + b"}", "NotJson", "char 30", id="trailing garbage"),
        pytest.param(to_json(IDS) + b"\n" + to_json(IDS), "NotJson", "line 2", id="two documents"),
        pytest.param(b"{'rating_id': 1}", "NotJson", "char 1", id="Python's quotes"),
        pytest.param(b'{"rating_id":1,"user_id":2,}', "NotJson", "char 2", id="a comma too many"),
        pytest.param(b'{"rating_id":01,"user_id":2}', "NotJson", "char 1", id="a leading zero"),
        pytest.param(b'{"rating_id":1,"user_id":2,"stars":NaN}', "NotJson", "char 35", id="NaN"),
        pytest.param(b'{"rating_id":1,"user_id":2,"else":NaN}', "NotJson", "char 34", id="NaN in an unused field"),
        pytest.param(b'{"rating_id":1,"user_id":-Infinity}', "NotJson", "not JSON", id="Infinity"),
        pytest.param(b'{"rating_id":1,"user_id":2,"message":"a\nb"}', "NotJson", "char 39", id="a raw line break"),
        pytest.param(b'{"rating_id":1,"user_id":2,"message":"\xff"}', "NotUtf8", "byte 38", id="not UTF-8"),
        pytest.param(b'{"rating_id":1,"user_id":2,"x":"\xff"}', "NotUtf8", "byte 32", id="an unused field not UTF-8"),
        pytest.param(b'{"rating_id":1,"user_id":2,"x":"\xed\xa0\x80"}', "NotUtf8", "byte 32", id="a raw surrogate"),
        pytest.param(b'{"rating_id":1,"user_id":2,"message":"\\ud800"}', "NotJson", "surrogate", id="lone surrogate"),
        pytest.param(b'{"rating_id":1,"user_id":2,"x":"\\ud800"}', "NotJson", "surrogate", id="lone, unused"),
        pytest.param(b"\x00\x00\x00\x00\x01\x02\x06", "UnsupportedFormat", "Avro", id="Avro with a registry's id"),
        pytest.param(
            of(message="x" * 1_000_000), "TooLarge", "1,000,045 bytes, more than the limit of 1,000,000", id="too large"
        ),
        # There is JSON, but no rating.
        pytest.param(b"[1]", "InvalidRecord", "must be an object, not a list", id="a list"),
        pytest.param(b'"text"', "InvalidRecord", "must be an object, not text", id="text"),
        pytest.param(b"3", "InvalidRecord", "must be an object, not a number", id="a number"),
        pytest.param(b"true", "InvalidRecord", "must be an object, not a boolean", id="a boolean"),
        pytest.param(b"{}", "InvalidRecord", "field rating_id is missing", id="an empty object"),
        pytest.param(b'{"rating_id":1}', "InvalidRecord", "field user_id is missing", id="no user_id"),
        pytest.param(b'{"user_id":1}', "InvalidRecord", "field rating_id is missing", id="no rating_id"),
        pytest.param(to_json({"schema": SCHEMA}), "InvalidRecord", "rating_id is missing", id="schema only"),
        pytest.param(to_json({"payload": [1]}), "InvalidRecord", "not a list", id="a list in a payload"),
        pytest.param(
            to_json({"payload": {"payload": IDS}}), "InvalidRecord", "rating_id is missing", id="a payload's payload"
        ),
        # A field is of another type.
        pytest.param(of(user_id=None), "InvalidRecord", "field user_id must be a whole number, not null", id="null id"),
        pytest.param(of(user_id="seven"), "InvalidRecord", "user_id must be a whole number, not 'seven'", id="text id"),
        pytest.param(of(user_id=7.5), "InvalidRecord", "user_id must be a whole number, not 7.5", id="a fraction"),
        pytest.param(of(stars=2.0**53), "InvalidRecord", "field stars is the floating-point number", id="2**53"),
        pytest.param(of(user_id=2.0**63), "InvalidRecord", "field user_id must fit into 64 bits", id="2**63, a float"),
        pytest.param(of(user_id=str(2**63)), "InvalidRecord", "user_id must fit into 64 bits", id="2**63, text"),
        pytest.param(of(user_id="7.0"), "InvalidRecord", "user_id must be a whole number, not '7.0'", id="7.0 as text"),
        pytest.param(of(user_id="Bw=="), "InvalidRecord", "decimal.handling.mode", id="a decimal in Base64"),
        pytest.param(
            of(user_id={"scale": 0, "value": "Bw=="}), "InvalidRecord", "a decimal of variable scale", id="of any scale"
        ),
        pytest.param(
            of(stars={"$numberLong": "4"}), "InvalidRecord", "field stars is MongoDB's extended JSON", id="MongoDB's"
        ),
        pytest.param(
            of(user_id=2, USER_ID=2), "InvalidRecord", "fields user_id and USER_ID differ in case alone", id="twins"
        ),
        pytest.param(
            to_json({**PLAIN, "Stars": 1}), "InvalidRecord", "fields stars and Stars differ in case alone", id="a twin"
        ),
        pytest.param(
            to_json({"payload": {**PLAIN, "x": 1, "Stars": None}}), "InvalidRecord", "stars and Stars", id="null twin"
        ),
        pytest.param(of(stars=4.5), "InvalidRecord", "a whole number or null, not a number with a fraction", id="4.5"),
        pytest.param(of(stars="4"), "InvalidRecord", "field stars must be a whole number or null", id="text for stars"),
        pytest.param(of(stars=True), "InvalidRecord", "field stars must be a whole number or null", id="a boolean"),
        pytest.param(of(stars={"a": 1}), "InvalidRecord", "field stars must be", id="an object for stars"),
        pytest.param(of(stars={"int": "4"}), "InvalidRecord", "field stars must be", id="text in a union"),
        pytest.param(of(stars={"int": 4, "long": 4}), "InvalidRecord", "not an object", id="two branches of a union"),
        pytest.param(of(channel=5), "InvalidRecord", "field channel must be text or null", id="a number for text"),
        pytest.param(of(message=["a"]), "InvalidRecord", "text or null, not a list", id="a list for text"),
        pytest.param(to_json({"payload": {**IDS, "stars": "x"}}), "InvalidRecord", "field stars", id="in a payload"),
        # A number is too large for a consumer.
        pytest.param(of(user_id=MOST + 1), "InvalidRecord", "user_id must fit into 64 bits", id="beyond 64 bits"),
        pytest.param(of(user_id=LEAST - 1), "InvalidRecord", "user_id must fit into 64 bits", id="below 64 bits"),
        pytest.param(of(user_id=2**64), "InvalidRecord", "user_id must fit into 64 bits", id="beyond unsigned 64 bits"),
        pytest.param(of(stars=10**30), "InvalidRecord", "stars must fit into 64 bits", id="far beyond 64 bits"),
        pytest.param(
            of(stars={"long": MOST + 1}), "InvalidRecord", "stars must fit into 64 bits", id="beyond, in a union"
        ),
        pytest.param(to_json(IDS).replace(b"2", b"2" * 5000), "InvalidRecord", "out of range", id="5,000 digits"),
        pytest.param(b'{"rating_id":1,"user_id":1e400}', "InvalidRecord", "a number is out of range", id="1e400"),
        # It is nested to break a parser.
        pytest.param(nested("[", "", "]", 100_000).encode(), "InvalidRecord", "nested too deeply", id="100,000 lists"),
        pytest.param(
            b'{"rating_id":1,"user_id":2,"x":' + nested("[", "", "]", 100_000).encode() + b"}",
            "InvalidRecord",
            "nested too deeply",
            id="100,000 lists in an unused field",
        ),
        pytest.param(
            b'{"rating_id":1,"user_id":2,"x":' + b"[" * 100_000, "InvalidRecord", "nested too deeply", id="never closed"
        ),
        pytest.param(
            b'{"rating_id":1,"user_id":2,"stars":' + nested('{"int":', "3", "}", 100_000).encode() + b"}",
            "InvalidRecord",
            "nested too deeply",
            id="100,000 unions",
        ),
        pytest.param(
            b'{"rating_id":1,"user_id":2,"stars":' + nested('{"int":', "3", "}", 1000).encode() + b"}",
            "InvalidRecord",
            "nested too deeply",
            id="1,000 unions",
        ),
    ],
)
def test_what_is_no_rating(value: bytes | None, error: str, fragment: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(message(value))
    assert (type(caught.value).__name__, fragment in str(caught.value)) == (error, True), str(caught.value)
    assert len(str(caught.value)) < 200


def decoded_or_refused(value: bytes) -> Rating | None:
    try:
        return decode(message(value))
    except DecodeError:
        return None


@pytest.mark.parametrize("depth", [10, 100, 300, 450, 500, 700, 900, 1000, 1023, 1100])
@pytest.mark.parametrize("brackets", [("[", "]"), ('{"int":', "}"), ('{"A":', "}")])
@pytest.mark.parametrize("name", ["x", "STARS", "message"])
def test_any_depth_is_decoded_or_refused(name: str, brackets: tuple[str, str], depth: int) -> None:
    inner = nested(brackets[0], "3", brackets[1], depth)
    decoded_or_refused(f'{{"rating_id":1,"user_id":2,"{name}":{inner}}}'.encode())


def test_the_source_is_kept_on_request() -> None:
    source = message(to_json(IDS), b"a key")
    kept = with_source(decode(source), source)
    assert (kept.source_key, kept.source_value) == (b"a key", to_json(IDS))
    letter = unmatched("ratings", kept)
    assert (letter.topic, letter.partition, letter.offset, letter.timestamp) == ("ratings", 2, 7, 1_528_800_546_808)
    assert (letter.key, letter.value) == ("YSBrZXk=", "eyJyYXRpbmdfaWQiOiAxLCAidXNlcl9pZCI6IDJ9")
    assert (letter.step, letter.error, letter.message) == ("join", "UnknownCustomer", "no customer has the id 2")


ANY_TEXT = st.text(st.characters())  # with lone surrogates, which JSON's escapes can write
ANY_NAME = st.sampled_from([*PLAIN, "payload", "schema", "int", "string", "x.y"]) | ANY_TEXT
ANY_SCALAR = st.none() | st.booleans() | st.integers() | st.integers(LEAST - 1, MOST + 1) | st.floats() | ANY_TEXT
ANY_JSON = st.recursive(
    ANY_SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_NAME, inner, max_size=3),
    max_leaves=6,
)
NUMBER = st.none() | st.integers(LEAST, MOST) | st.integers(LEAST, MOST).map(lambda number: {"long": number})
TEXT = st.none() | st.text() | st.text().map(lambda text: {"string": text})
# Each field most often as it should be, or nearly every example would be refused.
ANY_RATING = st.fixed_dictionaries(
    {"rating_id": st.integers(LEAST, MOST), "user_id": st.integers(LEAST, MOST) | NUMBER},
    optional={
        **dict.fromkeys(("stars", "route_id", "rating_time"), NUMBER | NUMBER | ANY_JSON),
        **dict.fromkeys(("channel", "message"), TEXT | TEXT | ANY_JSON),
        "rating_ts": ANY_JSON,
        "source_value": ANY_JSON,
    },
)
ANY_WRAPPING = st.sampled_from([lambda found: found, lambda found: {"schema": None, "payload": found}, capitals])
CUSTOMER = Customer("Rica", None, "Rica", "r@example.com", "gold", None)


def written_as_it_is(match: Match) -> None:
    (encoded,) = encode_matches([match])
    assert encoded.key == str(match.rating.user_id)
    assert json.loads(encoded.value) == msgspec.structs.asdict(enrich(match))
    assert locate(encoded.value) == (2, 7, 1_528_800_546_808)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300) | ANY_JSON.map(to_json))
def test_anything_decodes_or_is_refused(value: bytes) -> None:
    decoded_or_refused(value)


@settings(max_examples=500, deadline=None)
@given(ANY_RATING, ANY_WRAPPING, st.sampled_from([None, CUSTOMER]))
def test_what_decodes_can_be_written(fields: dict[str, Any], wrap: Any, customer: Customer | None) -> None:
    found = decoded_or_refused(to_json(wrap(fields)))
    if found is not None:
        written_as_it_is(Match(found, customer or NOBODY))


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries({"rating_id": st.integers(LEAST, MOST), "user_id": st.integers(LEAST, MOST)}), TEXT)
def test_a_good_rating_always_decodes(ids: dict[str, int], text: Any) -> None:
    expected = text["string"] if isinstance(text, dict) else text
    assert decode(message(to_json({**ids, "message": text}))) == rating({**ids, "message": expected})
