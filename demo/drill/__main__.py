"""``python -m demo.drill [FAULT...]``: cause each fault for real, and see its alerts fire and end.

The servers are a real Kafka and a real Prometheus, and stand-ins for the others. The rules count seconds in place of
minutes. The exit code is 0 only where every alert has fired and ended.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from demo.drill.faults import Fault, all_faults
from demo.drill.rules import MINUTE
from demo.drill.scene import Scene
from demo.topics import CUSTOMERS, PARTITIONS
from servers import kafka, prometheus
from servers.kafka import Kafka

SECONDS = 300.0
"""For an alert to fire, or to end."""


def main() -> int:
    """Run the command line; give the exit code."""
    folder = Path(tempfile.gettempdir(), f"drill-{os.getpid()}")
    broker = Kafka(folder / "kafka")
    faults = {fault.name: fault for fault in all_faults(broker)}
    parser = argparse.ArgumentParser(prog="python -m demo.drill", description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"by default all: {', '.join(faults)}")
    names = parser.parse_args().faults or [*faults]
    if unknown := {*names} - faults.keys():
        parser.error(f"there is no fault {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that an end by it, too, ends what was started
    if reason := kafka.unavailable() or prometheus.unavailable():
        print(f"drill: {reason}", file=sys.stderr)
        return 1
    with broker:
        for topic, partitions in PARTITIONS.items():
            broker.create_topic(topic, partitions, **({"cleanup_policy": "compact"} if topic == CUSTOMERS else {}))
        with Scene(broker.bootstrap, folder) as scene:
            print(f"a minute of the rules is {MINUTE} s; all files are in {folder}")
            wait(scene, set())
            results = [drill(faults[name], scene) for name in names]
    return 0 if all(results) else 1


def drill(fault: Fault, scene: Scene) -> bool:
    """Cause a fault; print a line about its alerts; return whether they have fired and ended."""
    began = time.monotonic()
    with fault.cause(scene):
        fired = wait(scene, fault.alerts)
        repaired = time.monotonic()
        told = {
            alert["labels"]["alertname"]: alert["annotations"]["description"] for alert in scene.prometheus.firing()
        }
    ended = wait(scene, set())
    how = f"fired after {repaired - began:.0f} s" if fired else "did NOT fire"
    end = f"ended {time.monotonic() - repaired:.0f} s after the repair" if ended else "did NOT end"
    print(f"{fault.name}: {', '.join(sorted(fault.alerts))} {how}, {end}")
    for name, description in told.items():
        print(f"  {name}: {description}", flush=True)
    return fired and ended


def wait(scene: Scene, wanted: set[str]) -> bool:
    """Wait until these alerts fire, or, if there are none, until no alert does and ratings flow.

    Returns:
        Whether it is so, within SECONDS.
    """
    deadline = time.monotonic() + SECONDS
    flows = 'sum(rate(kafka_sink_messages_total{topic="ratings-with-customer-data"}[5s])) > 0'
    while time.monotonic() < deadline:
        firing = {alert["labels"]["alertname"] for alert in scene.prometheus.firing()}
        if wanted <= firing if wanted else not firing and bool(scene.prometheus.query(flows)):
            return True
        time.sleep(0.2)
    return False


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("drill: stopped")
