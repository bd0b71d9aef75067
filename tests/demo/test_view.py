import io

import pytest
from rich.console import Console

from demo.outputs import Alert
from demo.view import PlainView, Rates, TerminalView

ALERT = Alert(1, "Ruthie Brockherst", "rbrockherst1@ow.ly", "platinum", 2, "iOS", "[red]meh[/red]")


def test_rates_are_since_the_oldest_sample() -> None:
    clock = iter([10.0, 12.0, 14.0])
    rates = Rates(2, lambda: next(clock))
    assert rates.of({"ratings": 5}) == {}
    assert rates.of({"ratings": 105}) == {"ratings": 50.0}
    assert rates.of({"ratings": 105}) == {"ratings": 0.0}


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainView("127.0.0.1:9092") as view:
        view.page("http://127.0.0.1:8081/")
        view.alert(ALERT)
        view.notice("3 more")
        view.show({"ratings": 0}, 0)
        assert not view.due()
        view.show({"ratings": 10}, None)
    *headline, page, alert, notice, rates = capsys.readouterr().out.splitlines()
    assert "Kafka (127.0.0.1:9092)" in headline[0]
    assert "KAFKA_BOOTSTRAP_SERVERS" in headline[1]
    assert page == "page: http://127.0.0.1:8081/"
    assert alert == "alert: stars 2, Ruthie Brockherst <rbrockherst1@ow.ly>, iOS: [red]meh[/red]"
    assert notice == "slack: 3 more"
    assert rates.startswith("ratings ")
    assert rates.endswith("/s  held ?")


def test_a_terminal_shows_the_newest_alerts_as_they_were_written() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=120, height=24)
    with TerminalView("127.0.0.1:9092", screen) as view:
        view.page("http://127.0.0.1:8081/")
        for _ in range(100):
            view.alert(ALERT)
        view.notice("[red]3 more[/red]")
        view.show({"ratings": 1000, "alerts": 100}, 3)
        view.show({"ratings": 1100, "alerts": 100}, 3)
        view.status("ending")
    assert isinstance(screen.file, io.StringIO)
    last = screen.file.getvalue().rpartition("127.0.0.1:9092")[2]
    assert "The live page: http://127.0.0.1:8081/" in last
    assert "held 3" in last
    assert "in all: ratings 1,100  alerts 100" in last
    assert "ending" in last
    assert last.count("[red]meh[/red]") == 12
    assert last.count("[red]3 more[/red]") == 1
