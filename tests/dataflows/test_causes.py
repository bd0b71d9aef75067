"""What makes a cluster end is in its log: the exception of a step, and the line of an error at the start."""

import json
from pathlib import Path

import pytest

from servers.job import Job

SECONDS = 60.0


@pytest.mark.parametrize("step", ["map", "branch", "stateful"])
@pytest.mark.parametrize("processes", [1, 2])
def test_an_exception_of_a_step_is_logged_with_its_traceback(tmp_path: Path, step: str, processes: int) -> None:
    job = Job(
        tmp_path,
        {"RAISES": step, "LOG_FORMAT": "json", "HEALTH_PORT": "0"},
        module=("bytewax.run", "tests.dataflows.raising"),
        processes=processes,
        recovery=0,
    )
    with job:
        assert all(job.wait(SECONDS)), job.tail()
    objects = [json.loads(line) for line in job.log.read_text().splitlines() if line.startswith("{")]
    told = [each for each in objects if any(one["message"] == "the cause" for one in each.get("exceptions", ()))]
    assert len(told) == 1
    (line,) = told
    assert (line["flow"], line["process"]) == ("raising", processes - 1)
    causes = [one for one in line["exceptions"] if one["message"] == "the cause"]
    assert causes[0]["type"] == "ValueError"
    assert causes[0]["frames"][-1].endswith(" _raise")
    if processes == 2:
        assert line["event"] == "step %s fails, and the cluster ends"
        assert line["values"][0].startswith(f"raising.{step}")


def test_an_unusable_setting_is_told_in_the_wanted_format(tmp_path: Path) -> None:
    job = Job(tmp_path, {"UNMATCHED": "maybe", "LOG_FORMAT": "json"}, recovery=0)
    with job:
        assert job.wait(SECONDS) == [1]
    (line,) = (json.loads(line) for line in job.log.read_text().splitlines())
    assert (line["event"], line["level"], line["flow"]) == ("the process ends: %s", "critical", "ratings")
    assert line["message"].startswith("the process ends: ratings: UNMATCHED is 'maybe', but ")
