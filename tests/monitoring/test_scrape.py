"""A metrics endpoint is read whatever it answers, from a server of HTTP."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from monitoring.scrape import ScrapeError, scrape
from servers.process import free_ports

METRICS = b"""\
# HELP join_held Records that wait
# TYPE join_held gauge
join_held{step="join"} 3.0
join_held{step="other"} 4.0
# TYPE bytewax_partd_write_duration_seconds histogram
bytewax_partd_write_duration_seconds_bucket{le="1"} 1
bytewax_partd_write_duration_seconds_bucket{le="1"} 1
# TYPE decode_records counter
decode_records_total{step="a",outcome="decoded"} 5.0
decode_records_total{step="a",outcome="ignored"} 1.0
# TYPE cause gauge
cause{text="a \\"quoted\\" \\\\ cause, {of} 1"} 1.5
"""
PAGES = {
    "/metrics": METRICS,
    "/": b"not here",
    "/junk": b"\xff\xfe",
    "/page": b"<html>never metrics</html>",
    "/empty": b"",
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                self.wfile.write(b"#\n")
                time.sleep(0.1)
            return
        page = PAGES.get(self.path)
        self.send_response(200 if page is not None else 503)
        self.end_headers()
        self.wfile.write(page or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", ["", "/", "/metrics"])
def test_series_are_read_by_name_and_labels(url: str, path: str) -> None:
    process = scrape(url + path)
    assert process.url == url + path
    assert process.value("join_held") == 7
    assert process.value("decode_records_total", outcome="decoded") == 5
    assert process.value("decode_records_total", step="a") == 6
    assert process.value("unknown") == 0
    assert list(process.series("cause")) == [({"text": 'a "quoted" \\ cause, {of} 1'}, 1.5)]
    assert not [name for name in process.metrics if name.startswith("bytewax_")]


def test_no_proxy_of_the_environment_is_asked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert scrape(url).value("join_held") == 7


@pytest.mark.parametrize(
    ("path", "why"),
    [("/absent", "HTTP 503"), ("/junk", "'utf-8' codec"), ("/page", "."), ("/slow", "no end of the answer")],
)
def test_what_is_no_metrics_is_an_error_of_one_line(url: str, path: str, why: str) -> None:
    with pytest.raises(ScrapeError, match=why) as caught:
        scrape(url + path, seconds=0.5)
    assert str(caught.value).splitlines() == [str(caught.value)]


def test_a_page_without_series_is_a_process_without_metrics(url: str) -> None:
    assert scrape(f"{url}/empty").metrics == {}


def test_nobody_listens() -> None:
    (port,) = free_ports(1)
    with pytest.raises(ScrapeError, match="Connection refused"):
        scrape(f"http://127.0.0.1:{port}")
