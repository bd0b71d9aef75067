import json

import pytest

from records.alert import DEFAULT_COLUMNS, FIRST_RULE, encoder, identify
from records.customer import Customer
from records.enriched import NOBODY, Match
from records.rating import Rating

RATING = Rating(5313, -3, 1, 6975, 1519304105213, "web", "“meh”", 1528800546808, 2, 7)
CUSTOMER = Customer("Zoë", "Ñañez", "Zoë Ñañez", "zoe@example.com", "platinum", "EMEA")


def test_the_fields_of_an_alert_by_default() -> None:
    (alert,) = encoder(FIRST_RULE, DEFAULT_COLUMNS)([Match(RATING, CUSTOMER)])
    assert (alert.key, alert.value.decode()) == (
        "-3",
        '{"rating_id":5313,"user_id":-3,"full_name":"Zoë Ñañez","email":"zoe@example.com","club_status":"platinum",'
        '"stars":1,"channel":"web","message":"“meh”","rating_ts":1528800546808,"source_partition":2,"source_offset":7,'
        '"rule":"unhappy-platinum"}',
    )


@pytest.mark.parametrize("columns", [(), ("region",), ("stars", "region", "user_id")])
def test_the_fields_of_an_alert_are_those_of_its_rule(columns: tuple[str, ...]) -> None:
    (alert,) = encoder("x", columns)([Match(RATING, NOBODY)])
    wanted = ["rating_id", *columns, "rating_ts", "source_partition", "source_offset", "rule"]
    assert list(json.loads(alert.value)) == wanted


def test_alerts_of_two_rules_about_a_rating_are_different() -> None:
    alerts = [encoder(rule, ())([Match(RATING, CUSTOMER)])[0] for rule in (FIRST_RULE, "happy")]
    assert [identify(alert.value) for alert in alerts] == [
        (2, 7, 1528800546808, rule) for rule in (FIRST_RULE, "happy")
    ]
    assert [alert.document_id for alert in alerts] == ["5313", "5313-happy"]


def test_an_alert_that_names_no_rule_is_of_the_first() -> None:
    assert identify(b'{"source_partition":2,"source_offset":7,"rating_ts":3}') == (2, 7, 3, FIRST_RULE)
