"""Documents that are in the recovery store while a setting changes: what one run kept, the next one indexes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow, Stream
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, run_main
from elasticsearch import Elasticsearch as Client

from servers.elasticsearch import Elasticsearch
from servers.embedded.elasticsearch import EmbeddedElasticsearch
from sinks.elasticsearch import Cluster, Document, ElasticsearchSink, OpType, Sending, Template
from sinks.elasticsearch.state import LaneState
from sinks.state import decode
from tests.sinks.test_elasticsearch import QUICK, Rejects, contents, documents, expected, unanswered, wait_until

NOWHERE = Cluster(("http://127.0.0.1:9",))


@dataclass(frozen=True)
class Run:
    """A run of the sink, by its settings."""

    target: str = "old"
    op_type: OpType = "index"
    versioned: bool = False
    sending: Sending = field(default_factory=lambda: QUICK)

    def documents(self, ids: range) -> list[Document]:
        return [
            Document(self.target, str(one), b'{"@timestamp":%d,"number":1}' % one, one if self.versioned else None)
            for one in ids
        ]

    def template(self) -> Template:
        stream: dict[str, Any] = {"data_stream": {}} if self.op_type == "create" else {}
        return Template(self.target, {"index_patterns": [self.target], "version": 1, "priority": 400, **stream})


STREAM = Run(op_type="create")

CHANGES = {
    "nothing": (Run(), Run()),
    "name": (Run(), Run(target="new")),
    "to a data stream": (Run(), STREAM),
    "to a data stream of another name": (Run(), replace(STREAM, target="new")),
    "from a data stream to an index of another name": (STREAM, Run(target="new")),
    "versioned": (Run(), Run(versioned=True)),
    "not versioned": (Run(versioned=True), Run()),
    "from versioned to a data stream": (Run(versioned=True), STREAM),
    "more concurrency": (Run(), Run(sending=replace(QUICK, concurrency=4))),
    "less concurrency": (Run(sending=replace(QUICK, concurrency=4)), Run(sending=replace(QUICK, concurrency=1))),
    "smaller bulks and buffer": (Run(), Run(sending=replace(QUICK, bulk_bytes=1000, max_buffer_bytes=1000))),
}


@pytest.fixture
def client(elasticsearch: Elasticsearch) -> Iterator[Client]:
    with Client(elasticsearch.url, request_timeout=60) as client:
        yield client


@pytest.mark.parametrize("there", [False, True], ids=["no index yet", "the index is there"])
@pytest.mark.parametrize("change", CHANGES)
def test_what_was_kept_is_indexed_after_a_change(
    elasticsearch: Elasticsearch, client: Client, topics: Callable[[str], str], change: str, there: bool
) -> None:
    before, after = (replace(run, target=topics(run.target)) for run in CHANGES[change])
    rejects = Rejects()

    def sink(run: Run, cluster: Cluster) -> ElasticsearchSink:
        templates = (run.template(),)
        return ElasticsearchSink(
            cluster, rejects, templates, op_type=run.op_type, sending=run.sending, keep_unanswered=True
        )

    here = Cluster((elasticsearch.url,))
    if there:
        lane = sink(before, here).build_part("step", "0003", None)
        lane.write_batch([before.documents(range(5))])
        wait_until(lambda: unanswered(lane) == ())
        lane.close()
    lane = sink(before, NOWHERE).build_part("step", "0003", None)
    lane.write_batch([before.documents(range(5, 50))])
    state = lane.snapshot()
    assert decode(LaneState, state).chunks != ()
    lane.close()

    lane = sink(after, here).build_part("step", "0003", state)
    lane.write_batch([after.documents(range(50, 100))])
    wait_until(lambda: unanswered(lane) == ())
    lane.close()
    names = {before.target, after.target}
    indexed = {one for name in names for one in contents(client, name)}
    assert indexed == {str(one) for one in range(0 if there else 5, 100)}
    assert rejects.seen == []


def test_a_branch_that_was_off_for_a_while_sends_what_it_had_kept(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    init_db_dir(store, 1)
    inputs: list[Any] = []
    rejects = Rejects()

    def run(ids: range, cluster: Cluster | None) -> None:
        inputs.append(("key", documents("i", ids)))
        inputs.append(TestingSource.EOF())
        flow = Dataflow("flow")
        stream: Stream[Any] = op.input("in", flow, TestingSource(inputs))
        op.output("out", stream, TestingSink([]))
        if cluster:
            sink = ElasticsearchSink(cluster, rejects, sending=QUICK, keep_unanswered=cluster is NOWHERE)
            op.output("search", stream, sink)
        run_main(flow, epoch_interval=timedelta(0), recovery_config=RecoveryConfig(str(store)))

    run(range(100), NOWHERE)
    run(range(100, 200), None)
    with EmbeddedElasticsearch() as server, Client(server.url) as client:
        run(range(200, 300), Cluster((server.url,)))
        assert contents(client, "i") == {**expected(range(100)), **expected(range(200, 300))}
    assert rejects.seen == []
