"""What the intake takes is what the flow reads: bodies, and their ratings or the reason of their refusal."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.rating import decode
from servers.embedded.messages import message
from tests.web.intake import ONE
from web.intake.answers import Refusal
from web.intake.body import Posted, read
from web.intake.duplicates import duplicate

MINIMAL = b'{"rating_id":1,"user_id":2}'
DEEP = 5_000


def rating(rest: bytes) -> bytes:
    """A rating with further fields."""
    return b'{"rating_id":1,"user_id":2,%s}' % rest


@pytest.mark.parametrize(
    ("body", "written"),
    [
        (MINIMAL, [MINIMAL]),
        (b"[%s]" % MINIMAL, [MINIMAL]),
        (b' [ { "rating_id" : 1,\n "user_id" : 2 } , %s ]\r\n' % ONE, [MINIMAL, ONE]),
        (rating(b'"message":" a  b "'), [rating(b'"message":" a  b "')]),
        (rating(b'"message":"\\"\\u0000\\u00e9\xc3\xa9"'), [rating(b'"message":"\\"\\u0000\\u00e9\xc3\xa9"')]),
        (rating(b'"stars":null'), [rating(b'"stars":null')]),
        (rating(b'"stars":3.0'), [rating(b'"stars":3.0')]),
        (rating(b'"seat":[1, {"row": "a"}]'), [rating(b'"seat":[1,{"row":"a"}]')]),
        (rating(b'"seat":%s' % (b"9" * 5000)), [rating(b'"seat":%s' % (b"9" * 5000))]),
        (rating(b'"rating_ts":5,"source_offset":3'), [rating(b'"rating_ts":5,"source_offset":3')]),
        (b'{"RATING_ID":"1","User_Id":2}', [b'{"RATING_ID":"1","User_Id":2}']),
        (b'{"rating_id":{"int":1},"user_id":2}', [b'{"rating_id":{"int":1},"user_id":2}']),
        (b'{"payload":%s}' % MINIMAL, [b'{"payload":%s}' % MINIMAL]),
        (b'{"rating_id":-9223372036854775808,"user_id":2}', [b'{"rating_id":-9223372036854775808,"user_id":2}']),
    ],
)
def test_ratings_are_written_as_they_were_sent(body: bytes, written: list[bytes]) -> None:
    posted = read(body, 2)
    assert [one.value for one in posted] == written
    assert [one.key for one in posted] == [b"%d" % decode(message(value)).rating_id for value in written]


NOT_JSON = "the body is not JSON: "
REFUSED: list[tuple[bytes, str, str, int | None, str | None]] = [
    (b"", "not_json", NOT_JSON, None, None),
    (b"  ", "not_json", NOT_JSON, None, None),
    (b"not json", "not_json", NOT_JSON, None, None),
    (b"\x00\x00\x00\x00\x01" + MINIMAL, "not_json", NOT_JSON, None, None),
    (b"\xef\xbb\xbf" + MINIMAL, "not_json", NOT_JSON + "UTF-8 byte order mark", None, None),
    (MINIMAL.decode().encode("utf-16"), "not_json", "the body is not UTF-8: ", None, None),
    (rating(b'"message":"\xff"'), "not_json", "the body is not UTF-8: invalid start byte at byte 38", None, None),
    (rating(b'"seat":"\xff"'), "not_json", "the body is not UTF-8: ", None, None),
    (rating(b'"message":"\\ud800"'), "not_json", NOT_JSON, None, None),
    (rating(b'"message":"a\nb"'), "not_json", NOT_JSON, None, None),
    (MINIMAL[:-1], "not_json", NOT_JSON, None, None),
    (b"[%s,]" % MINIMAL, "not_json", NOT_JSON, None, None),
    (b"%s\n%s" % (MINIMAL, MINIMAL), "not_json", NOT_JSON, None, None),
    (b"{'rating_id':1,'user_id':2}", "not_json", NOT_JSON, None, None),
    (rating(b'"stars":NaN'), "not_json", NOT_JSON, None, None),
    (rating(b'"seat":Infinity'), "not_json", NOT_JSON, None, None),
    (b"[" * DEEP + b"]" * DEEP, "not_json", "the body is nested too deeply", None, None),
    (b"[" * 100_000, "not_json", "the body is nested too deeply", None, None),
    (rating(b'"seat":%s1%s' % (b'{"a":' * DEEP, b"}" * DEEP)), "not_json", "the body is nested too deeply", None, None),
    (b"[]", "empty_list", "the list holds no rating", None, None),
    (b"[%s,%s,%s]" % (ONE, ONE, ONE), "too_many_ratings", "the list holds 3 ratings, more than the limit", None, None),
    (b"null", "invalid_rating", "the value is JSON null", 0, None),
    (b"[%s,null]" % ONE, "invalid_rating", "the value is JSON null", 1, None),
    (b"3", "invalid_rating", "the record must be an object, not a number", 0, None),
    (b'"text"', "invalid_rating", "the record must be an object, not text", 0, None),
    (b"[[]]", "invalid_rating", "the record must be an object, not a list", 0, None),
    (json.dumps(MINIMAL.decode()).encode(), "invalid_rating", "the record must be an object, not text that", 0, None),
    (b"{}", "invalid_rating", "field rating_id is missing", 0, "rating_id"),
    (b'[%s,{"rating_id":1}]' % ONE, "invalid_rating", "field user_id is missing", 1, "user_id"),
    (b'{"rating_id":1,"user_id":null}', "invalid_rating", "field user_id must be a whole number", 0, "user_id"),
    (b'{"rating_id":true,"user_id":2}', "invalid_rating", "field rating_id must be a whole number", 0, "rating_id"),
    (b'{"rating_id":"x","user_id":2}', "invalid_rating", "field rating_id must be a whole number", 0, "rating_id"),
    (b'{"rating_id":9223372036854775808,"user_id":2}', "invalid_rating", "field rating_id must fit", 0, "rating_id"),
    (b'{"rating_id":1e30,"user_id":2}', "invalid_rating", "field rating_id must fit into 64 bits", 0, "rating_id"),
    (rating(b'"stars":%s' % (b"9" * 5000)), "invalid_rating", "", 0, None),
    (rating(b'"stars":1e999'), "invalid_rating", "a number is out of range", 0, None),
    (rating(b'"stars":"3"'), "invalid_rating", "field stars must be a whole number or null, not text", 0, "stars"),
    (rating(b'"stars":2.5'), "invalid_rating", "field stars must be a whole number or null", 0, "stars"),
    (rating(b'"route_id":[]'), "invalid_rating", "field route_id must be a whole number or null", 0, "route_id"),
    (rating(b'"rating_time":{}'), "invalid_rating", "field rating_time must be ", 0, "rating_time"),
    (rating(b'"message":3'), "invalid_rating", "field message must be text or null", 0, "message"),
    (rating(b'"channel":false'), "invalid_rating", "field channel must be text or null", 0, "channel"),
    (rating(b'"USER_ID":3'), "invalid_rating", "fields user_id and USER_ID differ in case alone", 0, None),
    (rating(b'"user_id":2'), "duplicate_name", "the rating has the name 'user_id' twice", 0, "user_id"),
    (rating(b'"stars":1,"stars":2'), "duplicate_name", "the rating has the name 'stars' twice", 0, "stars"),
    (rating(b'"message":"\\"","stars":1,"stars":2'), "duplicate_name", "", 0, "stars"),
    (rating(b'"\\u0075ser_id":3'), "duplicate_name", "the rating has the name 'user_id' twice", 0, "user_id"),
    (rating(b'"seat":{"row":1,"row":2}'), "duplicate_name", "the rating has the name 'row' twice", 0, "row"),
    (rating(b",".join(b'"n%d":1' % number for number in range(50_000)) + b',"n1":2'), "duplicate_name", "", 0, "n1"),
    (b"[%s,%s]" % (ONE, rating(b'"stars":1,"stars":1')), "duplicate_name", "", 1, "stars"),
    (rating(b'"message":"%s"' % (b"x" * 900_000)), "rating_too_large", "the rating has 900,0", 0, None),
]


@pytest.mark.parametrize(("body", "error", "reason", "index", "field"), REFUSED, ids=lambda value: str(value)[:40])
def test_bodies_that_are_refused(body: bytes, error: str, reason: str, index: int | None, field: str | None) -> None:
    with pytest.raises(Refusal) as caught:
        read(body, 2)
    refused = caught.value.refused
    assert (refused.error, refused.index, refused.field) == (error, index, field), refused
    assert refused.reason.startswith(reason)
    assert "\n" not in refused.reason
    assert refused.accepted is None


NAMES = ["rating_id", "user_id", "stars", "channel", "message", "Stars", "seat", "payload"]
VALUES = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(-9, 9), st.text('ab"\\é ', max_size=4))
NESTED = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner)
)
PAIRS = st.lists(st.tuples(st.sampled_from(NAMES), NESTED), max_size=6)


def written(pairs: list[tuple[str, Any]]) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs) + "}"


@given(st.lists(PAIRS, min_size=1, max_size=3))
def test_what_is_taken_is_what_the_flow_reads(drawn: list[list[tuple[str, Any]]]) -> None:
    drawn = [[("rating_id", 1), ("user_id", 2), *pairs] for pairs in drawn]
    twice = any(len({name for name, _ in pairs}) < len(pairs) for pairs in drawn)
    values = [written(pairs).encode() for pairs in drawn]
    try:
        posted: list[Posted] | None = read(b"[%s]" % b",".join(values), 3)
    except Refusal:
        posted = None
    if posted is None:
        assert twice or not all(map(reads, values))
    else:
        assert not twice
        assert [json.loads(one.value) for one in posted] == [json.loads(value) for value in values]
        assert all(reads(one.value) for one in posted)


def reads(value: bytes) -> bool:
    try:
        decode(message(value))
    except ValueError:
        return False
    return True


@given(PAIRS)
def test_a_name_that_stands_twice_is_found(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    twice = {name for name in names if names.count(name) > 1}
    found = duplicate(f"[{written(pairs)}]".encode())
    assert (found in twice) if twice else (found is None)
