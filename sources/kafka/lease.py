"""A lease on a consumer group: one cluster has it at a time, for as long as it lives.

The source assigns its partitions itself, and Kafka takes commits of any number of such consumers: a second cluster
would go unnoticed. So one process of each cluster is a member of a group made for that, ``GROUP-cluster``, and its
client id tells its cluster. The brokers drop a member that has sent no heartbeat for the session timeout.
"""

import logging
import math
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import datetime, timezone
from typing import Any, NamedTuple

from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from sources.kafka.topics import ClusterError

log = logging.getLogger(__name__)

_SESSION_MS = 6000
"""The shortest that brokers accept by default."""
_MARGIN_SECONDS = 6.0
"""The brokers drop a dead member a moment after its session, which may begin when a new group has agreed: after 3 s."""
_ANSWER_SECONDS = 30.0
_REQUEST_SECONDS = 10.0
_NEVER_SECONDS = 3600.0
"""The longest that librdkafka takes."""
_POLL_SECONDS = 0.2
_RELEASE_SECONDS = 3.0

_REFUSED = frozenset({KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError._UNSUPPORTED_FEATURE})


class Holder(NamedTuple):
    """A member of the group, as its client id describes it."""

    cluster: str
    since: int
    """Epoch seconds; 0: unknown."""
    host: str

    def to_client_id(self) -> str:
        """The client id."""
        return f"{self.cluster}.{self.since}.{self.host}"

    @classmethod
    def of(cls, client_id: str, host: str) -> "Holder":
        """Read a client id; one of a foreign form counts as a cluster of its own, on ``host``."""
        cluster, _, rest = client_id.partition(".")
        since, _, name = rest.partition(".")
        return cls(cluster, int(since), name) if since.isdecimal() and name else cls(client_id, 0, host)

    def __str__(self) -> str:
        since = f" since {datetime.fromtimestamp(self.since, timezone.utc):%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return f"{self.host}{since}"


class Group(NamedTuple):
    """The group, as the brokers describe it."""

    members: Mapping[str, Holder]
    """By the ids that the brokers gave them."""
    is_stable: bool
    """Its members have agreed, and their sessions run."""


class Lease:
    """A lease on a consumer group, for one cluster.

    Args:
        group: that the cluster commits its offsets to.
        topic: an existing one, since a member has to subscribe to something. It is not read.
        config: librdkafka's properties.
        cluster: identity of the cluster, without points. A cluster that starts again with its identity takes the place
            of its killed process at once.
        stopping: whether the process is asked to stop.
    """

    def __init__(
        self, group: str, topic: str, config: Mapping[str, Any], cluster: str, stopping: Callable[[], bool]
    ) -> None:
        self._subject, self._group, self._topic = f"consumer group {group}", f"{group}-cluster", topic
        self._own = Holder(cluster, int(time.time()), socket.gethostname())
        session_ms = int(config.get("session.timeout.ms", _SESSION_MS))
        self._patience = session_ms / 1000 + _MARGIN_SECONDS
        self._config: dict[str, Any] = {
            **config,
            "session.timeout.ms": session_ms,
            "heartbeat.interval.ms": session_ms // 3,
            "group.id": self._group,
            "group.protocol": "classic",
            "client.id": self._own.to_client_id(),
            "enable.auto.commit": False,
            "error_cb": self._on_error,
        }
        self._stopping = stopping
        self._admin_config = dict(config)
        self._admin = AdminClient(self._admin_config)
        self._consumer: Consumer | None = None
        self._trouble: KafkaError | None = None
        self._released = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self, on_lost: Callable[[str], None]) -> None:
        """Take the lease, and keep it until ``release`` or the end of the process.

        If the brokers cannot describe groups there is no lease, and the log says so.

        Args:
            on_lost: called in a thread, with the reason, if another cluster has the lease as well: it took it while
                this process was suspended for longer than the session timeout, for example.

        Raises:
            ClusterError: another cluster has it and lives, or the brokers refuse us.
            SystemExit: the process is asked to stop.
        """
        try:
            self._await_end_of_others(self._patience)
            predecessors = self._join()
            if others := self._others():
                # Two came together, and neither saw the other in time. The lower identity stays, unless the other one
                # came before and runs.
                is_first = self._own.cluster < min(other.cluster for other in others)
                self._await_end_of_others(self._patience if is_first else 0)
        except BaseException as error:
            self.release()
            if not isinstance(error, KafkaException):
                raise
            reason = error.args[0]
            if reason.code() != KafkaError._UNSUPPORTED_FEATURE:
                raise ClusterError(f"consumer group {self._group} cannot be used: {reason.str()}") from None
            log.info("the brokers do not describe consumer groups: a second cluster would not be noticed")
            return
        self._thread = threading.Thread(target=self._keep, args=(predecessors, on_lost), name="lease", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Leave the group, within 3 s, so that another cluster need not wait."""
        self._released.set()
        if self._thread is not None:
            self._thread.join(_RELEASE_SECONDS)
        elif self._consumer is not None:
            self._consumer.close()

    def _join(self) -> frozenset[str]:
        """Be a member; return the ids of those that killed processes of this cluster have left behind."""
        self._consumer = Consumer(self._config)
        self._consumer.subscribe([self._topic], on_assign=_assign_nothing)
        deadline = time.monotonic() + _ANSWER_SECONDS
        # The end of the rebalance is not waited for: a killed predecessor holds it up until its session ends.
        while (own := self._consumer.memberid()) not in (members := self._look().members):
            if self._trouble is not None and (self._trouble.code() in _REFUSED or time.monotonic() >= deadline):
                raise KafkaException(self._trouble)
            if time.monotonic() >= deadline:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"no member within {_ANSWER_SECONDS:.0f} s"))
            self._rest()
        return frozenset(
            name for name, member in members.items() if name != own and member.cluster == self._own.cluster
        )

    def _await_end_of_others(self, patience: float) -> None:
        deadline, has_told = time.monotonic() + patience, False
        while others := self._others():
            if time.monotonic() >= deadline:
                raise ClusterError(self._refusal(others[0]))
            if not has_told:
                log.info("%s was in use by another cluster, on %s: waiting for its end", self._subject, others[0])
                has_told = True
            self._rest()

    def _keep(self, predecessors: frozenset[str], on_lost: Callable[[str], None]) -> None:
        assert self._consumer is not None  # noqa: S101
        own, stable_since = self._consumer.memberid(), math.inf
        while not self._released.is_set():
            self._poll()
            rivals: list[Holder] = []
            try:
                if predecessors:
                    group, now = self._look(), time.monotonic()
                    left = [member for name, member in group.members.items() if name in predecessors]
                    if not left:
                        predecessors = frozenset()
                    elif not group.is_stable or self._consumer.memberid() not in group.members:
                        # A killed member stays until the group has agreed, and for its session after that.
                        stable_since = math.inf
                    elif stable_since == math.inf:
                        stable_since = now
                    elif now - stable_since > self._patience:
                        rivals = left  # it sends heartbeats: it is of a cluster on a copy of the recovery store
                elif (joined := self._consumer.memberid()) != own and joined in (members := self._look().members):
                    # The brokers had dropped this member, so others were free to come.
                    rivals = [member for name, member in members.items() if name not in {own, joined}]
                    own = joined
            except KafkaException as error:
                log.warning("%s cannot be watched: %s", self._subject, error.args[0].str())
            if rivals:
                on_lost(self._refusal(rivals[0]))
                break
        self._consumer.close()

    def _others(self) -> list[Holder]:
        return [member for member in self._look().members.values() if member.cluster != self._own.cluster]

    def _look(self) -> Group:
        deadline = time.monotonic() + _ANSWER_SECONDS
        while True:
            # librdkafka 2.16 aborts the process if a request to a coordinator has timed out, and the coordinator comes
            # back. So the request does not time out: it is given up together with its client.
            asked = self._admin.describe_consumer_groups([self._group], request_timeout=_NEVER_SECONDS)
            try:
                group = asked[self._group].result(_REQUEST_SECONDS)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                    return Group({}, is_stable=False)
                if error.args[0].code() in _REFUSED or time.monotonic() >= deadline:
                    raise
            except FutureTimeoutError:  # not the builtin one before Python 3.11
                self._admin = AdminClient(self._admin_config)
                if time.monotonic() >= deadline:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None
            else:
                members = {member.member_id: Holder.of(member.client_id, member.host) for member in group.members}
                return Group(members, is_stable=group.state is ConsumerGroupState.STABLE)
            self._rest()

    def _rest(self) -> None:
        if self._stopping():
            raise SystemExit(0)
        if self._consumer is None:
            time.sleep(_POLL_SECONDS)
        else:
            self._poll()

    def _poll(self) -> None:
        assert self._consumer is not None  # noqa: S101
        message = self._consumer.poll(_POLL_SECONDS)
        if message is not None and (error := message.error()) is not None:
            self._on_error(error)

    def _on_error(self, error: KafkaError) -> None:
        self._trouble = error

    def _refusal(self, other: Holder) -> str:
        return f"{self._subject} is in use by another cluster, on {other}: two clusters would write everything twice"


def _assign_nothing(consumer: Consumer, _partitions: list[TopicPartition]) -> None:
    """A member without partitions fetches nothing."""
    consumer.assign([])
