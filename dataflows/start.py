"""The start of a flow in its process: signals, settings, log, health, recovery store."""

import logging
from collections.abc import Callable

from bytewax.dataflow import Dataflow

from dataflows import process, shape, store
from dataflows.health.pages import serve
from dataflows.health.watch import Watch, bounds
from dataflows.wiring.errors import StartupError
from settings import Settings, SettingsError


def start(name: str, make: Callable[[Settings], Dataflow]) -> Dataflow:
    """Make the flow of the module ``dataflows.NAME``.

    Raises:
        SystemExit: it cannot be made; the message is one line that says what to do.
    """
    process.take_signals()
    try:
        settings = Settings.load()
        process.set_up(settings.log.level)
        for line in settings.strangers:
            logging.getLogger(f"dataflows.{name}").warning(line)
        launch = process.launch()
        shape.begin(name)
        watch = Watch(bounds(settings, launch), launch)
        watch.start()
        serve(settings.health, watch.look, watch.bounds)
        store.claim(launch)
        flow = make(settings)
        watch.connecting()
        return flow
    except SettingsError as error:
        raise SystemExit(f"{name}: {error}") from None
    except StartupError as error:
        raise SystemExit(f"{name}: {settings.name_files(str(error))}") from None
