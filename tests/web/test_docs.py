"""The examples of docs/intake.md, run as they stand there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from servers.embedded.kafka import EmbeddedKafka
from servers.process import ROOT
from settings import Intake as Settings
from tests.web.intake import Intake
from web.intake.answers import KINDS

PAGE = (ROOT / "docs" / "intake.md").read_text()
EXAMPLES = "".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL))
COMMAND = re.compile(r"\$ ((?:.*\\\n)*.*)\n((?:[^$].*\n)*)")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_examples_print_what_the_page_says(own_cluster: EmbeddedKafka, tmp_path: Path) -> None:
    examples = COMMAND.findall(EXAMPLES)
    assert len(examples) == EXAMPLES.count("curl ") == 4
    with Intake(tmp_path, own_cluster.bootstrap) as intake:
        intake.await_health()
        for command, output in examples:
            here = command.replace("127.0.0.1:8080", f"127.0.0.1:{intake.port}")
            run = subprocess.run(["bash", "-c", here], capture_output=True, text=True, timeout=60, check=True)
            assert run.stdout == output, command


def test_every_answer_and_every_setting_is_on_the_page() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (`[^|]*) \|", PAGE, re.MULTILINE)
    told = {name: int(status) for status, names in rows for name in re.findall(r"`(\w+)`", names)}
    assert told == {name: kind.status for name, kind in KINDS.items()} | {"too_many_connections": 503}
    for field in Settings.model_fields.values():
        assert f"`{field.alias}`" in PAGE or field.alias == "INTAKE_PORT"
