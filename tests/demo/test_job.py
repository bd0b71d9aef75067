import time
from pathlib import Path

import pytest

from demo import job
from demo.job import Job
from servers.job import JobError

JOBS = "tests.demo.jobs"


def start(folder: Path, name: str, processes: int = 1) -> Job:
    return Job("127.0.0.1:1", folder, module=("bytewax.run", f"{JOBS}:{name}()"), processes=processes)


def test_answers_and_ends_cleanly(tmp_path: Path) -> None:
    with start(tmp_path, "good") as running:
        running.check()
        assert running.held() == 7
        running.end()
        with pytest.raises(JobError, match="the job ended with exit code 0"):
            running.check()


def test_what_several_processes_hold_is_summed(tmp_path: Path) -> None:
    with start(tmp_path, "good", processes=2) as running:
        assert running.held() == 2 * 7
        assert len(set(running.metrics_urls)) == 2


def test_the_recovery_store_is_one_partition(tmp_path: Path) -> None:
    with start(tmp_path, "good") as running:
        running.end()
    assert [file.name for file in (tmp_path / "recovery").iterdir()] == ["part-0.sqlite3"]


def test_settings_of_the_shell_are_not_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SSL")
    monkeypatch.setenv("RATINGS_TOPIC", "production")
    with start(tmp_path, "telling_its_environment") as running:
        running.end()
    told = running.log.read_text()
    assert "KAFKA_BOOTSTRAP_SERVERS" in told
    assert "KAFKA_SECURITY_PROTOCOL" not in told
    assert "RATINGS_TOPIC" not in told


def test_a_job_that_dies_at_the_start_shows_its_log(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"exit code 1; the end of its log:\n(.*\n)*.*there is no such customer"):
        start(tmp_path, "dying").start()


def test_a_job_that_does_not_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_START_SECONDS", 3.0)
    with pytest.raises(JobError, match="did not come up within 3 s"), start(tmp_path, "silent"):
        pass


def test_a_job_without_the_metric_is_an_error(tmp_path: Path) -> None:
    with start(tmp_path, "without_metric") as running:
        with pytest.raises(JobError, match="no join_held"):
            running.held()
        running.end()


def test_a_job_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    with start(tmp_path, "deaf") as running:
        with pytest.raises(JobError, match="did not end within 1 s and was killed"):
            running.end(1)
        with pytest.raises(JobError, match="exit code -3"):  # by SIGQUIT, at which a flow shows its stacks
            running.check()


def test_a_job_that_sigterm_kills_has_not_ended_well(tmp_path: Path) -> None:
    with start(tmp_path, "killed_by_sigterm") as running, pytest.raises(JobError, match="exit code -15 on SIGTERM"):
        running.end()


def test_leaving_the_context_kills(tmp_path: Path) -> None:
    began = time.monotonic()
    with start(tmp_path, "deaf") as running:
        pass
    with pytest.raises(JobError, match="exit code -9"):
        running.check()
    with pytest.raises(JobError, match="metrics cannot be read"):
        running.held()
    assert time.monotonic() - began < 60
