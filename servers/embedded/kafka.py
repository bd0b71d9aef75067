"""A Kafka cluster inside this process: librdkafka's mock cluster, from the library that confluent-kafka brings."""

import ctypes
import os
from ctypes.util import find_library
from functools import cache
from pathlib import Path

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException
from typing_extensions import Self

_PRODUCER = 0
_LOG_ERRORS = b"3"
"""Syslog level. At the default the handle below warns that it has no brokers to connect to: it needs none."""


class LibraryNotFoundError(RuntimeError):
    """There is no librdkafka in, beside, or outside the confluent-kafka package."""


class EmbeddedKafka:
    """A Kafka cluster on free ports of 127.0.0.1, for clients in this and in other processes, until ``close``.

    It speaks enough of the protocol for librdkafka's clients: keys, headers, timestamps, groups, commits, the
    idempotent producer. It has no compaction, no admin requests, no offsets by time, no isolation of transactions,
    and it keeps all in memory: **the oldest records of a partition go once it holds more than 5 MiB or 100,000
    batches**. A producer to a topic that ``create_topic`` has not made gets one of 4 partitions.
    """

    def __init__(self, brokers: int = 1) -> None:
        """Start ``brokers`` brokers, numbered from 1.

        Raises:
            LibraryNotFoundError: no librdkafka could be found.
            RuntimeError: librdkafka could not start the cluster.
        """
        self._brokers = brokers
        self._rdkafka = _library()
        self._cluster: int | None = None
        self._handle = _new_handle(self._rdkafka)
        self._cluster = self._rdkafka.rd_kafka_mock_cluster_new(self._handle, brokers)
        if not self._cluster:
            self.close()
            raise RuntimeError(f"librdkafka cannot start a cluster of {brokers} brokers")
        # Without a controller, admin requests would wait for one until their time is up; so they are refused at once.
        self._rdkafka.rd_kafka_mock_set_controller_id(self._cluster, 1)
        # Groups form at once; a broker would wait 3 s for further members.
        self._rdkafka.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)

    @property
    def bootstrap(self) -> str:
        """The cluster's ``bootstrap.servers``: host:port of each broker, with commas between."""
        servers: bytes = self._rdkafka.rd_kafka_mock_cluster_bootstraps(self._running())
        return servers.decode()

    def create_topic(self, name: str, partitions: int) -> None:
        """Make an empty topic, replicated to up to 3 brokers.

        Raises:
            KafkaException: the topic exists already, or the name or number is refused.
        """
        replicas = min(self._brokers, 3)
        _check(
            self._rdkafka.rd_kafka_mock_topic_create(self._running(), name.encode(), partitions, replicas),
        )

    def broker_down(self, broker: int = 1) -> None:
        """Close a broker's connections and refuse new ones; it keeps its data.

        Raises:
            KafkaException: there is no broker of that number.
        """
        _check(self._rdkafka.rd_kafka_mock_broker_set_down(self._running(), broker))

    def broker_up(self, broker: int = 1) -> None:
        """Let a broker take connections again, on the same port.

        Raises:
            KafkaException: there is no broker of that number.
        """
        _check(self._rdkafka.rd_kafka_mock_broker_set_up(self._running(), broker))

    def close(self) -> None:
        """Stop the cluster; all its data is gone. A second call does nothing."""
        if self._cluster:
            self._rdkafka.rd_kafka_mock_cluster_destroy(self._cluster)
            self._cluster = None
        if self._handle:
            self._rdkafka.rd_kafka_destroy(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _running(self) -> int:
        if not self._cluster:  # librdkafka would follow the freed pointer
            raise RuntimeError("the embedded Kafka is closed")
        return self._cluster


def _check(code: int) -> None:
    if code:
        raise KafkaException(KafkaError(code))


def _new_handle(rdkafka: ctypes.CDLL) -> int | None:
    """A client instance, which is what a mock cluster lives in."""
    reason = ctypes.create_string_buffer(512)
    conf = rdkafka.rd_kafka_conf_new()
    rdkafka.rd_kafka_conf_set(conf, b"log_level", _LOG_ERRORS, reason, len(reason))
    handle: int | None = rdkafka.rd_kafka_new(_PRODUCER, conf, reason, len(reason))
    if not handle:
        rdkafka.rd_kafka_conf_destroy(conf)
        raise RuntimeError(f"librdkafka cannot start: {reason.value.decode()}")
    return handle


@cache
def _library() -> ctypes.CDLL:
    """Load librdkafka and declare what is used of it; ctypes would cut a pointer down to an int."""
    path = _library_path()
    rdkafka = ctypes.CDLL(path)
    pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    integer, int32 = ctypes.c_int, ctypes.c_int32
    signatures = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (integer, [pointer, text, text, text, size]),
        "rd_kafka_conf_destroy": (None, [pointer]),
        "rd_kafka_new": (pointer, [integer, pointer, text, size]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, integer]),
        "rd_kafka_mock_cluster_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_set_controller_id": (integer, [pointer, int32]),
        "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [pointer, int32]),
        "rd_kafka_mock_topic_create": (integer, [pointer, text, integer, integer]),
        "rd_kafka_mock_broker_set_down": (integer, [pointer, int32]),
        "rd_kafka_mock_broker_set_up": (integer, [pointer, int32]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(rdkafka, name, None)
        if function is None:
            raise LibraryNotFoundError(f"the librdkafka at {path} is too old for the embedded Kafka: it has no {name}")
        function.restype = result
        function.argtypes = arguments
    return rdkafka


def _library_path() -> str:
    """Where librdkafka is: in the wheel (Linux, then macOS), else wherever the system has it."""
    package = Path(confluent_kafka.__file__).parent
    for folder in (package.with_name("confluent_kafka.libs"), package / ".dylibs"):
        for pattern in ("librdkafka*.so*", "librdkafka*.dylib"):
            for found in sorted(folder.glob(pattern)):
                return os.fspath(found)
    if found_elsewhere := find_library("rdkafka"):
        return found_elsewhere
    raise LibraryNotFoundError(
        f"the embedded Kafka needs librdkafka, which confluent-kafka's wheels bring: there is none in {package}, "
        f"nor in {package.name}.libs beside it, nor on the system. Install confluent-kafka from a wheel: "
        "pip install --only-binary :all: --force-reinstall confluent-kafka"
    )
