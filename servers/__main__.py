"""Real servers for a person, until Ctrl-C: `python -m servers`."""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from servers import connect, elasticsearch, kafka, mariadb, registry, s3
from servers.connect import Connect
from servers.debezium import FORMS, PREFIX, topic
from servers.elasticsearch import Elasticsearch
from servers.kafka import Kafka
from servers.mariadb import MariaDB
from servers.once import SERVERS
from servers.registry import Registry
from servers.s3 import S3

BUCKET = "ratings"

NEXT = """\
Kafka runs at {kafka.bootstrap} with the project's topics, all empty; its log: {kafka.log}
Elasticsearch runs at {elasticsearch.url}, empty; its log: {elasticsearch.log}
S3 runs at {s3.url} with the empty bucket {bucket}; its log: {s3.log}
MariaDB runs at 127.0.0.1:{mariadb.port} with 20 rows in demo.CUSTOMERS; its log: {mariadb.log}
The schema registry runs at {registry.url}, empty; its log: {registry.log}
Kafka Connect runs at {connect.url}, without a connector; its log: {connect.log}
In another shell: source {env} && .venv/bin/python -m bytewax.run dataflows.ratings
The customers come with: make servers-cdc FORM=..., one of {forms}
Change one, there: .venv/bin/python -m servers.mariadb "UPDATE CUSTOMERS SET club_status = 'gold' WHERE id = 4"
Ctrl-C here stops them and removes their data.
"""


def create_topics(kafka: Kafka) -> None:
    """Create the project's topics as its defaults name them."""
    kafka.create_topic("ratings")
    kafka.create_topic(topic(PREFIX), cleanup_policy="compact")
    kafka.create_topic("ratings-with-customer-data")
    kafka.create_topic("UNHAPPY_PLATINUM_CUSTOMERS")
    kafka.create_topic("ratings-dead-letters", partitions=1)


@contextmanager
def exported(file: Path, variables: dict[str, str]) -> Iterator[None]:
    """Keep `file` in place, for a shell to source; take it away at the end, unless it is another's by then."""
    text = "".join(f"export {name}={value}\n" for name, value in variables.items())
    unfinished = file.with_name(f"{file.name}.{os.getpid()}")
    unfinished.write_text(text)
    unfinished.replace(file)
    try:
        yield
    finally:
        if file.exists() and file.read_text() == text:
            file.unlink()


def serve(folder: Path) -> str | None:
    """Run the servers with everything in `folder` until SIGINT or SIGTERM.

    Returns:
        None, or the reason why the servers ended by themselves.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    runs = folder / "run"
    runs.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=runs, prefix="servers-") as data, ExitStack() as servers:
            kafka = servers.enter_context(Kafka(Path(data) / "kafka"))
            elasticsearch = servers.enter_context(Elasticsearch(Path(data) / "elasticsearch"))
            s3 = servers.enter_context(S3(Path(data) / "s3"))
            mariadb = servers.enter_context(MariaDB(Path(data) / "mariadb"))
            registry = servers.enter_context(Registry(Path(data) / "registry"))
            connect = servers.enter_context(Connect(Path(data) / "connect", kafka, mariadb, registry))
            create_topics(kafka)
            s3.create_bucket(BUCKET)
            variables = {
                "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
                "ELASTICSEARCH_URL": elasticsearch.url,
                "S3_BUCKET": BUCKET,
                **s3.environment,
                **mariadb.environment,
                "SCHEMA_REGISTRY_URL": registry.url,
                "CONNECT_URL": connect.url,
            }
            running = (kafka, elasticsearch, s3, mariadb, registry, connect)
            env = folder / "env"
            with exported(env, variables):
                sys.stdout.write(
                    NEXT.format(
                        kafka=kafka,
                        elasticsearch=elasticsearch,
                        s3=s3,
                        bucket=BUCKET,
                        mariadb=mariadb,
                        registry=registry,
                        connect=connect,
                        forms=", ".join(FORMS),
                        env=env,
                    )
                )
                sys.stdout.flush()
                while True:
                    for server in running:
                        if not server.running():
                            return f"{server.name} ended by itself; {server.tail()}"
                    time.sleep(0.5)
    except KeyboardInterrupt:
        return None


def main() -> str | None:
    """Parse the command line and serve; the reason why not, if there is one, ends the process with 1."""
    parser = argparse.ArgumentParser(prog="python -m servers", description=__doc__)
    parser.add_argument("--folder", type=Path, default=SERVERS, help="for data and the file `env` (%(default)s)")
    options = parser.parse_args()
    modules = (kafka, elasticsearch, s3, mariadb, registry, connect)
    reasons = (module.unavailable() for module in modules)
    return next(filter(None, reasons), None) or serve(options.folder.resolve())


if __name__ == "__main__":
    sys.exit(main())
