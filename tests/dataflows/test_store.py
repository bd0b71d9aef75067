"""The recovery store before Bytewax opens it: who may share it, who is refused, and what it holds."""

import errno
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, run_main
from confluent_kafka import Consumer, TopicPartition

from dataflows import store
from dataflows.process import Launch, launch
from dataflows.wiring.errors import StartupError
from servers.embedded.kafka import EmbeddedKafka
from servers.job import Job
from servers.kafka import Kafka
from servers.process import ROOT
from servers.topics import Reader, write
from tests.dataflows.test_start import inputs, read, wait_for
from tests.dataflows.world import Names, settings

CLAIM = """
import sys, time
from pathlib import Path
from dataflows.process import Launch
from dataflows.store import claim
claim(Launch(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])), float(sys.argv[4]))
print("claimed", flush=True)
time.sleep(float(sys.argv[5]))
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """A function that starts a process which claims a store, and waits until it has it or was refused."""
    processes: list[subprocess.Popen[str]] = []

    def start(
        folder: Path | str, process: int = 0, of: int = 1, *, patience: float = 0.3, cwd: Path = ROOT, stays: float = 60
    ) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", CLAIM, str(folder), str(process), str(of), str(patience), str(stays)]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, cwd=cwd, env=environ, stdout=pipe, stderr=pipe, text=True))
        assert processes[-1].stdout is not None
        processes[-1].stdout.readline()
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def refusal(process: subprocess.Popen[str]) -> str:
    """The last line of a process that was refused; empty if it was not."""
    assert process.stderr is not None
    try:
        return process.stderr.read().splitlines()[-1] if process.wait(1) else ""
    except subprocess.TimeoutExpired:
        return ""


@pytest.mark.parametrize(
    ("words", "environ", "expected"),
    [
        ([], {}, (None, 0, 1)),
        (["-r", "a"], {}, ("a", 0, 1)),
        (["-ra"], {}, ("a", 0, 1)),
        (["--recovery-directory", "a"], {}, ("a", 0, 1)),
        (["--recovery-directory=a"], {}, ("a", 0, 1)),
        (["--recovery-dir", "a"], {}, ("a", 0, 1)),
        (["dataflows.ratings", "-s", "1", "-b", "0", "-w", "2", "-r", "a"], {}, ("a", 0, 1)),
        ([], {"BYTEWAX_RECOVERY_DIRECTORY": "a"}, ("a", 0, 1)),
        ([], {"BYTEWAX_RECOVERY_DIRECTORY": ""}, (".", 0, 1)),  # so Bytewax takes it
        (["-r", "a"], {"BYTEWAX_RECOVERY_DIRECTORY": "b"}, ("a", 0, 1)),
        (["-r", "a", "-i", "1", "-a", "x:1;y:2;z:3"], {}, ("a", 1, 3)),
        (["-ra", "-i1", "-ax:1;y:2"], {}, ("a", 1, 2)),
        (["--process-id=1", "--addresses=x:1;y:2"], {}, (None, 1, 2)),
        (["-r", "a"], {"BYTEWAX_PROCESS_ID": "1", "BYTEWAX_ADDRESSES": "x:1;y:2"}, ("a", 1, 2)),
        (["-i", "0"], {"BYTEWAX_PROCESS_ID": "1", "BYTEWAX_ADDRESSES": "x:1;y:2"}, (None, 0, 2)),
        (["-r", "a"], {"BYTEWAX_ADDRESSES": "x:1;y:2"}, ("a", 0, 1)),
        ([], {"BYTEWAX_POD_NAME": "ratings-2", "BYTEWAX_STATEFULSET_NAME": "ratings"}, (None, 2, 3)),
        (["-i", "1"], {"BYTEWAX_POD_NAME": "ratings-2", "BYTEWAX_STATEFULSET_NAME": "ratings"}, (None, 1, 3)),
        ([], {"BYTEWAX_POD_NAME": "ratings-2"}, (None, 0, 1)),
    ],
)
def test_how_bytewax_was_told_to_run(
    tmp_path: Path, words: list[str], environ: dict[str, str], expected: tuple[str | None, int, int]
) -> None:
    (tmp_path / "hosts").write_text("a:9999\nb:9999\n\nc:9999\n")
    folder, *processes = expected
    found = launch(words, {**environ, "BYTEWAX_HOSTFILE_PATH": str(tmp_path / "hosts")})
    assert found[:3] == (folder and Path(folder), *processes)


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ((0, 1), (0, 1), False),
        ((0, 2), (1, 2), True),
        ((1, 2), (0, 2), True),
        ((0, 2), (0, 2), False),
        ((1, 2), (1, 2), False),
        ((0, 1), (0, 2), False),
        ((0, 1), (1, 2), False),
        ((1, 2), (0, 1), False),
        ((2, 3), (1, 2), False),
    ],
)
def test_processes_of_one_job_share_a_store(
    tmp_path: Path, start: Start, first: tuple[int, int], second: tuple[int, int], together: bool
) -> None:
    holder = start(tmp_path, *first)
    line = refusal(start(tmp_path, *second))
    who = f"process {holder.pid} on {socket.gethostname()}"
    assert line == (
        ""
        if together
        else f"dataflows.wiring.errors.StartupError: recovery store {tmp_path} is in use by {who}: "
        "two jobs on one store write everything twice"
    )
    assert holder.poll() is None


def test_a_store_is_known_by_any_of_its_paths(tmp_path: Path, start: Start) -> None:
    folder, elsewhere = tmp_path / "recovery", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "link").symlink_to(folder)
    start(folder)
    for path, cwd in (("recovery", tmp_path), ("../recovery/", elsewhere), ("link", elsewhere), (".", folder)):
        assert "is in use by process" in refusal(start(path, cwd=cwd)), path
    assert refusal(start(elsewhere)) == ""


def test_a_killed_process_leaves_nothing_to_tidy_up(tmp_path: Path, start: Start) -> None:
    for _ in range(3):
        holder = start(tmp_path, patience=5)
        assert refusal(holder) == ""
        holder.kill()


def test_a_process_that_is_about_to_end_is_waited_for(tmp_path: Path, start: Start) -> None:
    start(tmp_path, stays=1.5)
    began = time.monotonic()
    assert refusal(start(tmp_path, patience=20)) == ""
    assert time.monotonic() - began < 10


def test_a_store_copied_with_its_lock_is_free(tmp_path: Path, start: Start) -> None:
    content = {"host": "elsewhere", "pid": 1, "processes": 2}
    (tmp_path / "process-0.lock").write_text(json.dumps(content))
    assert refusal(start(tmp_path)) == ""


def test_claiming_again_changes_nothing(tmp_path: Path, start: Start) -> None:
    for _ in range(2):
        store.claim(Launch(tmp_path), 0)
    assert "is in use by process" in refusal(start(tmp_path))


def test_without_a_store_nothing_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store.claim(Launch(None))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_is_left_to_bytewax(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    for name in ("missing", "file"):
        store.claim(Launch(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert caplog.messages == []


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    def flock(_file: int, _kind: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    store.claim(Launch(tmp_path))
    assert caplog.messages == [
        f"recovery store {tmp_path} cannot be locked against a second job: {os.strerror(number)}"
    ]


def test_the_holder_is_told_also_while_its_name_is_written(tmp_path: Path) -> None:
    with (tmp_path / "process-0.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(StartupError, match="is in use by another process: "):
            store.claim(Launch(tmp_path), 0)
    store.claim(Launch(tmp_path), 0)


def test_a_second_job_on_the_store_or_on_the_group_ends_before_it_reads_or_writes(
    kafka: Kafka, names: Names, tmp_path: Path
) -> None:
    others = {name: f"other-{topic}" for name, topic in names.items()}
    inputs(kafka, names)
    write(kafka.bootstrap, names["ratings"], [("1", b'{"rating_id":1,"user_id":1}')])
    with Job(tmp_path / "a", settings(names, kafka.bootstrap)) as job:
        wait_for("created topic", job)
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "recovery").symlink_to(tmp_path / "a" / "recovery")
        for topics_of_second in (names, others):
            with Job(tmp_path / "b", settings(topics_of_second, kafka.bootstrap), workers=2) as second:
                assert second.wait(30) == [1]
                last = second.tail().strip().splitlines()[-1]
                assert last.startswith(f"ratings: recovery store {tmp_path / 'a' / 'recovery'} is in use by process ")
                assert "Traceback" not in second.tail()
        with Job(tmp_path / "c", settings(names, kafka.bootstrap, KAFKA_SESSION_TIMEOUT_MS="1000")) as other:
            assert other.wait(60) == [1]
            last = other.tail().strip().splitlines()[-1]
            who = f"consumer group {names['ratings']} is in use by another cluster, on {socket.gethostname()} since "
            assert last.startswith(f"ratings: {who}")
            assert "Traceback" not in other.tail()
        assert len(read(kafka.bootstrap, names["enriched"], 2, seconds=4)) == 1
        job.kill()
    with Job(tmp_path / "b", settings(names, kafka.bootstrap)) as job:  # at once
        write(kafka.bootstrap, names["ratings"], [("2", b'{"rating_id":2,"user_id":1}')])
        assert [record["rating_id"] for record in read(kafka.bootstrap, names["enriched"], 2)][-1] == 2
        assert job.stop() == [0], job.tail()


def test_the_identity_of_a_store_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    of_a, of_b = store.identity(tmp_path / "a"), store.identity(tmp_path / "b")
    assert of_a == store.identity(tmp_path / "a") != of_b
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["cluster-id"]
    assert store.identity(None) != store.identity(None)
    assert caplog.messages == []
    assert store.identity(tmp_path / "missing") != store.identity(tmp_path / "missing")
    assert len(caplog.messages) == 2


def test_what_waits_is_lost_with_the_store_unless_offsets_are_set_back(names: Names, tmp_path: Path) -> None:
    """As docs/runbook.md says."""

    def enriched(count: int) -> list[object]:
        return [record["rating_id"] for record in read(kafka.bootstrap, names["enriched"], count)]

    with EmbeddedKafka() as kafka, Reader(kafka.bootstrap, names["ratings"], group_id=names["ratings"]) as group:
        for name, topic in names.items():
            kafka.create_topic(topic, partitions=2 if name in ("ratings", "customers") else 1)
        write(kafka.bootstrap, names["customers"], [('{"id":1}', b'{"id":1,"email":"e"}')])
        job = Job(tmp_path, settings(names, kafka.bootstrap, UNMATCHED_GRACE_SECONDS="600"))
        with job:
            ratings = [b'{"rating_id":1,"user_id":1}', b'{"rating_id":2,"user_id":2}']
            write(kafka.bootstrap, names["ratings"], [("1", value) for value in ratings])
            assert enriched(1) == [1]
            deadline = time.monotonic() + 30
            while group.committed() != group.ends():
                assert time.monotonic() < deadline, job.tail()
                time.sleep(0.1)
            job.kill()
        shutil.rmtree(tmp_path / "recovery")
        write(kafka.bootstrap, names["customers"], [('{"id":2}', b'{"id":2,"email":"e"}')])
        write(kafka.bootstrap, names["ratings"], [("3", b'{"rating_id":3,"user_id":1}')])
        with Job(tmp_path, settings(names, kafka.bootstrap)) as job:
            assert enriched(2) == [1, 3]
            assert job.stop() == [0], job.tail()
        shutil.rmtree(tmp_path / "recovery")
        consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": names["ratings"]})
        consumer.commit(offsets=[TopicPartition(names["ratings"], part, 0) for part in (0, 1)], asynchronous=False)
        consumer.close()
        with Job(tmp_path, settings(names, kafka.bootstrap)) as job:
            assert sorted(map(str, enriched(5))) == ["1", "1", "2", "3", "3"]
            assert job.stop() == [0], job.tail()


def test_the_keys_of_a_step(tmp_path: Path) -> None:
    assert store.keys(None, "flow.in") == []
    assert store.keys(tmp_path, "flow.in") == []
    init_db_dir(tmp_path, 3)
    assert store.keys(tmp_path, "flow.in") == []
    flow = Dataflow("flow")
    op.output("out", op.input("in", flow, TestingSource([1, 2, 3])), TestingSink([]))
    run_main(flow, recovery_config=RecoveryConfig(str(tmp_path)))
    assert store.keys(tmp_path, "flow.in") == ["iterable"]
    assert store.keys(tmp_path, "flow.other") == []


@pytest.mark.parametrize(
    ("words", "environ", "workers"),
    [
        ([], {}, 1),
        ([], {"BYTEWAX_WORKERS_PER_PROCESS": "3"}, 3),
        (["flow", "-w", "2"], {"BYTEWAX_WORKERS_PER_PROCESS": "3"}, 2),
        (["-w2", "-i", "1", "-a", "x:1;y:2"], {}, 2),
        (["--workers-per-process=2"], {}, 2),
        (["-w", "many"], {}, 1),  # Bytewax refuses it
    ],
)
def test_how_many_workers_a_process_has(words: list[str], environ: dict[str, str], workers: int) -> None:
    assert launch(words, environ).workers == workers


@pytest.mark.parametrize(
    ("words", "environ", "seconds"),
    [
        ([], {}, 10),
        ([], {"BYTEWAX_SNAPSHOT_INTERVAL": "3"}, 3),
        (["flow", "-s", "1"], {"BYTEWAX_SNAPSHOT_INTERVAL": "3"}, 1),
        (["--snapshot-interval=0", "-i", "1", "-a", "x:1;y:2"], {}, 0),
        (["-s", "1.5"], {}, 10),  # Bytewax refuses it
    ],
)
def test_how_long_an_epoch_is(words: list[str], environ: dict[str, str], seconds: int) -> None:
    assert launch(words, environ).epoch.total_seconds() == seconds
