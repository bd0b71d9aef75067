import json

import msgspec
import pytest

from records.customer import Customer
from records.enriched import NOBODY, Encoded, Match, encode_matches, enrich, locate
from records.rating import Rating

RATING = Rating(5313, -3, 1, 6975, 1519304105213, "web", "“meh”", 1528800546808, 2, 7)
CUSTOMER = Customer("Zoë", "Ñañez", "Zoë Ñañez", "zoe@example.com", "platinum", "EMEA")


WRITTEN = (
    '{"rating_id":5313,"user_id":-3,"stars":1,"route_id":6975,"rating_time":1519304105213,"channel":"web",'
    '"message":"“meh”","rating_ts":1528800546808,"source_partition":2,"source_offset":7,%s}'
)


@pytest.mark.parametrize(
    ("customer", "expected"),
    [
        (
            CUSTOMER,
            '"first_name":"Zoë","last_name":"Ñañez","full_name":"Zoë Ñañez","email":"zoe@example.com",'
            '"club_status":"platinum","region":"EMEA"',
        ),
        (
            None,
            '"first_name":null,"last_name":null,"full_name":null,"email":null,"club_status":null,"region":null',
        ),
    ],
)
def test_enriched(customer: Customer | None, expected: str) -> None:
    (encoded,) = encode_matches([Match(RATING, customer or NOBODY)])
    assert encoded == Encoded("-3", (WRITTEN % expected).encode(), None, 2, 7, 1528800546808, 5313)
    assert locate(encoded.value) == (2, 7, 1528800546808)


def test_a_changed_customer_is_encoded_anew() -> None:
    before = Match(RATING, Customer("Zoë", None, "Zoë", None, "gold", None))
    after = Match(RATING, Customer("Zoë", None, "Zoë", None, "platinum", None))
    encoded = encode_matches([before, after, before, after])
    statuses = [json.loads(one.value)["club_status"] for one in encoded]
    assert statuses == ["gold", "platinum", "gold", "platinum"]


def test_an_enriched_rating_is_the_same_in_rows_and_in_json() -> None:
    for customer in (CUSTOMER, None):
        (encoded,) = encode_matches([Match(RATING, customer or NOBODY)])
        assert json.loads(encoded.value) == msgspec.structs.asdict(enrich(Match(RATING, customer or NOBODY)))
