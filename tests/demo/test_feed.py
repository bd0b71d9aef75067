import pytest
from confluent_kafka import KafkaException

from demo import feed
from demo.feed import Feed, Pace
from servers.embedded.kafka import EmbeddedKafka


@pytest.mark.parametrize(
    ("rate", "times", "due"),
    [
        (50, [0.0, 0.5, 1.0], [0, 25, 25]),
        (50, [0.0, 0.01, 0.02, 0.03], [0, 0, 1, 0]),
        (0.5, [1.0, 2.0, 3.0, 4.0], [0, 1, 0, 1]),
        (5000, [0.02, 0.04, 0.14], [100, 100, 500]),
        (50, [0.0, 60.0, 60.5], [0, 50, 25]),  # what was missed in a minute does not come as a flood
    ],
)
def test_pace(rate: float, times: list[float], due: list[int]) -> None:
    clock = iter([0.0, *times])
    pace = Pace(rate, lambda: next(clock))
    assert [pace.due() for _ in times] == due


def test_what_cannot_be_delivered_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedKafka() as kafka:
        kafka.create_topic("ratings", 1)
        with Feed(kafka.bootstrap) as sender:
            sender.send("ratings", b"1", b"{}")
            sender.flush()
        kafka.broker_down()
        monkeypatch.setattr(feed, "_DELIVERY_SECONDS", 1.0)
        with Feed(kafka.bootstrap) as sender:
            sender.send("ratings", b"2", b"{}")
            with pytest.raises(KafkaException, match="_MSG_TIMED_OUT"):
                sender.flush()
            with pytest.raises(KafkaException, match="_MSG_TIMED_OUT"):
                sender.poll()
