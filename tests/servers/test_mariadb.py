"""The real MariaDB: the table it begins with, and what it keeps."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pymysql
import pytest

from servers.mariadb import HOST, MariaDB
from servers.process import ROOT
from servers.seed import SEED_CUSTOMERS

NAMES = ("id", "first_name", "last_name", "email", "gender", "club_status", "region")
SEEDS = tuple(tuple(getattr(customer, name) for name in NAMES) for customer in SEED_CUSTOMERS)
CUSTOMERS = f"SELECT {', '.join(NAMES)} FROM CUSTOMERS ORDER BY id"  # noqa: S608


@pytest.fixture(scope="module")
def own_mariadb(mariadb_runs_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    with MariaDB(tmp_path_factory.mktemp("own-mariadb")) as mariadb:
        yield mariadb


def test_it_has_the_customers(own_mariadb: MariaDB) -> None:
    assert own_mariadb.execute(CUSTOMERS) == SEEDS
    own_mariadb.execute("DELETE FROM CUSTOMERS WHERE id < 10")
    own_mariadb.execute("INSERT INTO CUSTOMERS (id, first_name, email) VALUES (42, %s, %s)", "Zoë 😀", None)
    assert own_mariadb.execute("SELECT first_name, email FROM CUSTOMERS WHERE id = 42") == (("Zoë 😀", None),)
    own_mariadb.seed()
    assert own_mariadb.execute(CUSTOMERS) == SEEDS


def test_it_logs_whole_rows(own_mariadb: MariaDB) -> None:
    assert own_mariadb.execute("SELECT @@log_bin, @@binlog_format, @@binlog_row_image") == ((1, "ROW", "FULL"),)


def test_what_was_committed_survives_a_kill(own_mariadb: MariaDB) -> None:
    own_mariadb.execute("UPDATE CUSTOMERS SET comments = 'kept' WHERE id = 1")
    with closing(own_mariadb.connect()) as connection:
        connection.begin()
        connection.cursor().execute("UPDATE CUSTOMERS SET comments = 'never committed' WHERE id = 2")
        own_mariadb.kill()
    assert not own_mariadb.running()
    own_mariadb.start()
    assert own_mariadb.execute("SELECT comments FROM CUSTOMERS WHERE id < 3") == (("kept",), (None,))


def test_it_stops_and_starts_again(own_mariadb: MariaDB) -> None:
    own_mariadb.execute("UPDATE CUSTOMERS SET comments = 'stopped' WHERE id = 3")
    own_mariadb.stop()
    with pytest.raises(pymysql.MySQLError):
        own_mariadb.execute("SELECT 1")
    own_mariadb.start()
    assert own_mariadb.execute("SELECT comments FROM CUSTOMERS WHERE id = 3") == (("stopped",),)


@pytest.mark.parametrize(
    ("sql", "code", "printed"),
    [
        ("SELECT id, first_name FROM CUSTOMERS WHERE id < 3 ORDER BY id", 0, "1\tRica\n2\tRuthie\n"),
        ("UPDATE CUSTOMERS SET gender = NULL WHERE id = 5", 0, ""),
        ("nonsense", 1, ""),
    ],
)
def test_statements_of_a_person(own_mariadb: MariaDB, sql: str, code: int, printed: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "servers.mariadb", sql],
        cwd=ROOT,
        env={**os.environ, **own_mariadb.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (code, printed)
    assert len(run.stderr.splitlines()) == code


def test_a_failed_start_shows_the_log(mariadb_runs_here: None, tmp_path: Path) -> None:
    mariadb = MariaDB(tmp_path)
    with socket.socket() as taken:
        taken.bind((HOST, mariadb.port))
        with pytest.raises(
            RuntimeError, match=r"(?is)ended while starting.*mariadb.log ends with.*address already in use"
        ):
            mariadb.start()
    assert not mariadb.running()
