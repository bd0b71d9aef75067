"""The rival of the official client, which every plain consumer would use: `helpers.parallel_bulk`.

Encoded by the standard library, as it is by default, or with the option `orjson` by that.
"""

import sys
from collections import deque

from elasticsearch import Elasticsearch
from elasticsearch.helpers import parallel_bulk
from elasticsearch.serializer import JsonSerializer, OrjsonSerializer

from benchmarks.elasticsearch.work import Work
from benchmarks.harness.data import document
from benchmarks.harness.work import timed

THREADS = 2
CHUNK = 2_000


def main() -> None:
    work = Work.from_command_line()
    serializer = OrjsonSerializer() if "orjson" in sys.argv[2:] else JsonSerializer()
    actions = [{"_id": str(rating["rating_id"]), "_source": document(rating)} for rating in work.ratings()]
    with Elasticsearch(work.url, request_timeout=60, serializer=serializer) as client:
        client.info()

        def index_all() -> None:
            # What is not indexed raises.
            deque(parallel_bulk(client, actions, thread_count=THREADS, chunk_size=CHUNK, index=work.index), maxlen=0)

        timed(index_all)


if __name__ == "__main__":
    main()
