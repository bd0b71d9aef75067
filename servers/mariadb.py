"""MariaDB: the database of the customers, with the binary log that change data capture reads, on a port of 127.0.0.1.

`python -m servers.mariadb SQL` runs a statement where the variables MYSQL_HOST and MYSQL_TCP_PORT point to.
"""

import argparse
import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pymysql
from pymysql.converters import escape_item
from pymysql.cursors import Cursor

from servers import debian
from servers.process import Server, free_ports
from servers.seed import SEED_CUSTOMERS

PACKAGE = "mariadb-server-core"
HOST = "127.0.0.1"
USER = "root"
"""Who may do everything, without a password: only this machine reaches the server."""
CAPTURE_USER = "dbz"
CAPTURE_PASSWORD = "dbz"  # noqa: S105  # of a server that only this machine reaches
"""And who reads the tables and the binary log."""
CONNECT_SECONDS = 5
ANSWER_SECONDS = 60

SYSTEM_TABLES = (
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
    "maria_add_gis_sp_bootstrap.sql",
)

COLUMNS = ("id", "first_name", "last_name", "email", "gender", "club_status", "comments", "region")

SETTINGS = (
    "--server-id=1",
    "--binlog-format=ROW",
    "--binlog-row-image=FULL",
    "--character-set-server=utf8mb4",
    "--default-time-zone=+00:00",
    "--skip-name-resolve",
    # Small: memory, and the files of an empty server.
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=8M",
    "--aria-pagecache-buffer-size=8M",
    "--key-buffer-size=1M",
)


def _values(rows: Iterable[object]) -> str:
    return ", ".join(
        f"({', '.join(escape_item(getattr(row, column), 'utf8mb4') for column in COLUMNS)})" for row in rows
    )


SEED = f"INSERT INTO demo.CUSTOMERS ({', '.join(COLUMNS)}) VALUES {_values(SEED_CUSTOMERS)}"  # noqa: S608

_BEFORE_SYSTEM_TABLES = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;"

DATABASE = Path(__file__).with_name("customers.sql").read_text()
"""The user of Debezium, and the article's table with the optional region of ours as the last column."""


def unavailable() -> str | None:
    """The reason why a real MariaDB cannot run here; None where it can."""
    return debian.unavailable(PACKAGE, "mariadbd")


def connect(host: str, port: int) -> "pymysql.Connection[Cursor]":
    """A new connection to the database `demo`, of which each statement commits by itself; the caller closes it.

    Raises:
        pymysql.MySQLError: the server is away.
    """
    return pymysql.connect(
        host=host,
        port=port,
        user=USER,
        database="demo",
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=CONNECT_SECONDS,
        read_timeout=ANSWER_SECONDS,
        write_timeout=ANSWER_SECONDS,
    )


class MariaDB(Server):
    """A real MariaDB that keeps everything in `folder`: data, binary log and `mariadb.log`.

    It begins with the table `demo.CUSTOMERS` of 20 customers. It can be stopped, killed and started again: on the same
    data, the same port.

    Args:
        folder: is made when it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__("MariaDB", folder)
        (self.port,) = free_ports(1)

    @property
    def environment(self) -> dict[str, str]:
        """Where it is and who may do everything there, by the names of MariaDB's own client and MYSQL_USER."""
        return {"MYSQL_HOST": HOST, "MYSQL_TCP_PORT": str(self.port), "MYSQL_USER": USER, "MYSQL_PWD": ""}

    def start(self) -> None:
        """Start the server, on the data it finds; return when it answers.

        Raises:
            RuntimeError: it runs already, or it does not start; the message has the end of its log.
        """
        data = self.folder / "data"
        if not data.exists():
            self._create(data)
        # Files named without a folder are in that of the data: the path of a socket must be short.
        files = ["--log-bin=binlog", "--socket=mariadb.sock", "--pid-file=mariadb.pid"]
        self._process.start([*_mariadbd(data), *files, f"--bind-address={HOST}", f"--port={self.port}"], self._ready)
        if self.execute("SELECT @@gtid_binlog_pos") == (("",),):
            self.seed()  # Debezium cannot begin on a binary log without a transaction

    def connect(self) -> "pymysql.Connection[Cursor]":
        """A new connection to the database `demo`, of which each statement commits by itself; the caller closes it."""
        return connect(HOST, self.port)

    def execute(self, sql: str, *values: object) -> Sequence[tuple[Any, ...]]:
        """Run one statement on a connection of its own, committed when this returns.

        Args:
            sql: with a `%s` for each of `values`.
            values: numbers, texts, None.

        Returns:
            The rows of a query; none of other statements.

        Raises:
            pymysql.MySQLError: the server refuses it, or is away.
        """
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return cursor.fetchall()

    def seed(self) -> None:
        """Give the table the 20 customers that it began with, in one transaction: others are deleted, row by row."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            connection.begin()
            cursor.execute("DELETE FROM CUSTOMERS")
            cursor.execute(SEED)
            connection.commit()

    def _create(self, data: Path) -> None:
        unfinished = data.with_name("data.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        run = subprocess.run(
            # The system tables are made for this engine and that one.
            [*_mariadbd(unfinished), "--bootstrap", "--enforce-storage-engine="],
            input="\n".join((_BEFORE_SYSTEM_TABLES, _system_tables(), "FLUSH PRIVILEGES;", DATABASE)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if run.returncode:
            raise RuntimeError(f"MariaDB's data could not be created:\n{run.stdout}")
        unfinished.rename(data)

    def _ready(self) -> bool:
        try:
            self.connect().close()
        except pymysql.MySQLError:
            return False
        return True


def _mariadbd(data: Path) -> list[str]:
    server = debian.program(PACKAGE, "mariadbd")
    owner = [f"--user={getpass.getuser()}"] if os.geteuid() == 0 else []  # it must be told to run as root
    return [*server, "--no-defaults", f"--basedir={_base(server)}", f"--datadir={data}", *owner, *SETTINGS]


def _base(server: list[str]) -> Path:
    return Path(server[-1]).parents[1]  # of usr/sbin/mariadbd


def _system_tables() -> str:
    folder = _base(debian.program(PACKAGE, "mariadbd")) / "share" / "mysql"
    return "\n".join((folder / name).read_text() for name in SYSTEM_TABLES)


def main() -> str | None:
    """Run the statement of the command line, print its rows; the reason why not ends the process with 1."""
    parser = argparse.ArgumentParser(prog="python -m servers.mariadb", description=__doc__)
    parser.add_argument("sql")
    sql = parser.parse_args().sql
    try:
        host, port = os.environ["MYSQL_HOST"], int(os.environ["MYSQL_TCP_PORT"])
        with closing(connect(host, port)) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            for row in cursor.fetchall():
                print(*row, sep="\t")
    except KeyError as unset:
        return f"{unset.args[0]} is not set: source .servers/env, which `make servers` writes"
    except pymysql.MySQLError as error:
        return f"MariaDB: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main())
