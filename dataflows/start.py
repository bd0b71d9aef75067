"""The start of a flow in its process: signals, settings, log, health, recovery store."""

import logging
import os
from collections.abc import Callable

from bytewax.dataflow import Dataflow

from dataflows import process, shape, store, traces
from dataflows.causes import log_causes
from dataflows.health.pages import serve
from dataflows.health.watch import Watch, bounds
from dataflows.wiring.errors import StartupError
from monitoring import log
from settings import Settings, SettingsError
from settings.log import Log


def start(name: str, make: Callable[[Settings], Dataflow]) -> Dataflow:
    """Make the flow of the module ``dataflows.NAME``.

    Raises:
        SystemExit: it cannot be made; the message is one line that says what to do.
    """
    process.take_signals()
    launch = process.launch()
    fields: dict[str, str | int] = {"flow": name, "process": launch.process}
    # Unusable settings are told in the wanted format, too.
    log.set_up(
        Log.model_validate({"LOG_FORMAT": "json" if os.environ.get("LOG_FORMAT") == "json" else "text"}), **fields
    )
    try:
        settings = Settings.load()
        process.set_up(settings.log, **fields)
        for line in settings.strangers:
            logging.getLogger(f"dataflows.{name}").warning("%s", line, extra={"event": "a variable is no setting"})
        shape.begin(name)
        traces.send(settings.traces, name)
        watch = Watch(bounds(settings, launch), launch)
        watch.start()
        serve(settings.health, watch.look, watch.bounds)
        store.claim(launch)
        flow = make(settings)
        if launch.processes > 1:
            log_causes(flow)
        watch.connecting()
        return flow
    except SettingsError as error:
        raise log.last_line(f"{name}: {error}") from None
    except StartupError as error:
        raise log.last_line(f"{name}: {settings.name_files(str(error))}") from None
