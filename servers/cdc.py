"""Change data capture for a person: the connector of `make servers`, in one form or another.

`python -m servers.cdc --form envelope-avro`
"""

import argparse
import shlex
import sys
from pathlib import Path

from servers import connectors
from servers.debezium import FORMS, PREFIX, TABLE, connector, topic
from servers.once import SERVERS


def variables(env: Path) -> dict[str, str]:
    """What the file that `make servers` writes sets.

    Raises:
        FileNotFoundError: there is none.
    """
    words = (word for word in shlex.split(env.read_text(), comments=True) if word != "export")
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def main() -> str | None:
    """Parse the command line and put the connector; the reason why not, if there is one, ends the process with 1."""
    parser = argparse.ArgumentParser(prog="python -m servers.cdc", description=__doc__)
    parser.add_argument("--form", choices=FORMS, default=FORMS[0], help="of keys and values (%(default)s)")
    parser.add_argument("--env", type=Path, default=SERVERS / "env", help="the file of `make servers` (%(default)s)")
    options = parser.parse_args()
    try:
        found = variables(options.env)
        worker = connectors.Endpoint(found["CONNECT_URL"])
        config = connector(
            options.form,
            prefix=PREFIX,
            mariadb_port=int(found["MYSQL_TCP_PORT"]),
            kafka=found["KAFKA_BOOTSTRAP_SERVERS"],
            registry_url=found["SCHEMA_REGISTRY_URL"],
        )
        worker.put(PREFIX, config)
        worker.wait(PREFIX)
    except FileNotFoundError:
        return f"no servers: there is no {options.env}; `make servers` in another shell starts them"
    except KeyError as missing:
        return f"{options.env} has no {missing.args[0]}: `make servers` writes it"
    except (OSError, RuntimeError) as error:
        return f"no connector: {error}"
    sys.stdout.write(f"{PREFIX} writes {TABLE} to {topic(PREFIX)}, {options.form}\n")
    return None


if __name__ == "__main__":
    sys.exit(main())
