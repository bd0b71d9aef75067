"""The properties of the librdkafka that confluent-kafka ships, as librdkafka lists them itself."""

import ctypes
import re
import tempfile
from importlib.metadata import files

_ROW = re.compile(r"^([a-z.]+) +\|(?!.*see dedicated API)", re.MULTILINE)
"""A property that is text and whose name has no underscore: for another no variable can stand."""


def property_names() -> list[str]:
    """The names of all properties that a variable can stand for, sorted: ``acks``, ``sasl.password``.

    Raises:
        RuntimeError: no librdkafka was found in the installed package.
    """
    libraries = [file for file in files("confluent-kafka") or [] if re.match(r"librdkafka\b.*\.(so|dylib)", file.name)]
    if not libraries:
        raise RuntimeError("confluent-kafka is not installed with a librdkafka of its own")
    return sorted(set(_ROW.findall(_table(str(libraries[0].locate())))))


def _table(library: str) -> str:
    c = ctypes.CDLL(None)
    c.fopen.restype = ctypes.c_void_p
    with tempfile.NamedTemporaryFile() as file:
        stream = ctypes.c_void_p(c.fopen(file.name.encode(), b"w"))
        ctypes.CDLL(library).rd_kafka_conf_properties_show(stream)
        c.fclose(stream)
        return file.read().decode()
