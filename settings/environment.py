"""Settings in an environment: a variable, the file that a variable names, and variables that only look like a setting.

Knows the names of variables, but not what they mean; every function is given the environment.
"""

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from typing import NamedTuple

_FILE = "_FILE"
_LARGEST_FILE = 1 << 20

# Kubernetes puts S3_SERVICE_HOST, S3_PORT_9000_TCP and the like into every pod beside a service named s3; the others
# are of the scripts that start Kafka, a schema registry or Elasticsearch.
_OF_OTHERS = re.compile(
    r"[A-Z0-9_]+_(SERVICE_(HOST|PORT)|PORT)(_\w+)?"
    r"|[A-Z0-9_]+_(\w*OPTS|HOME|\w*DIR|VERSION|LOG4J\w*|JMX\w*|DEBUG|CLUSTER_ID)"
)


class SettingsError(ValueError):
    """A setting is not usable; the message is one line that names its variable."""


class Given(NamedTuple):
    """The value of a setting."""

    variable: str
    """The variable that was set: the setting's name, or that with ``_FILE``."""
    value: str


class Variables(NamedTuple):
    """The variables that settings were read from, for messages about them."""

    by_name: Mapping[str, str]
    hidden: Sequence[str]
    """Contents of files that librdkafka may quote."""

    @classmethod
    def of(cls, settings: Mapping[str, Given], *, librdkafka: Collection[str]) -> "Variables":
        """Those of settings, of which some are properties of librdkafka."""
        contents = [settings[name].value for name in librdkafka if settings[name].variable != name]
        return cls(
            {name: setting.variable for name, setting in settings.items()},
            [content for content in contents if len(content) > 3],
        )

    def name_files(self, message: str) -> str:
        """The message with the variables that were set: ``S3_BUCKET_FILE``, where the bucket is read from a file.

        librdkafka quotes what it refuses: what a file holds is not shown.
        """
        for content in self.hidden:
            message = message.replace(content, "(not shown)")
        return re.sub(r"\b[A-Z][A-Z0-9_]+\b", lambda word: self.by_name.get(word[0], word[0]), message)


def given(names: Iterable[str], environ: Mapping[str, str]) -> dict[str, Given]:
    """The settings of ``names`` that are set. An empty ``_FILE`` counts as not set.

    Raises:
        SettingsError: a file cannot be read, or a variable and its ``_FILE`` are both set.
    """
    found = {}
    for name in names:
        if path := environ.get(name + _FILE):
            if environ.get(name):
                raise SettingsError(f"{name} and {name}{_FILE} are both set: only one can count")
            found[name] = Given(name + _FILE, _content(name + _FILE, path))
        elif name in environ:
            found[name] = Given(name, environ[name])
    return found


def beginning_with(prefix: str, environ: Mapping[str, str], *, ending_with_file: Collection[str] = ()) -> set[str]:
    """The names of settings that begin with ``prefix``, whether set by a variable or by a file.

    Args:
        prefix: ``KAFKA_``, for instance.
        environ: The environment.
        ending_with_file: Settings whose own name ends with ``_FILE``.
    """
    ours = {variable for variable in environ if variable.startswith(prefix) and not _OF_OTHERS.fullmatch(variable)}
    by_file = {name for name in ours if name.endswith(_FILE) and len(name) > len(prefix + _FILE)} - {*ending_with_file}
    return ours - by_file | {name.removesuffix(_FILE) for name in by_file if environ[name]}


def strangers(names: Collection[str], prefixes: Collection[str], environ: Iterable[str]) -> list[str]:
    """A line for each variable that looks like a setting and is none.

    Args:
        names: Every setting.
        prefixes: Prefixes under which there are no variables but settings: one that is none is told in any case. Any
            other variable is told if it is nearly a setting.
        environ: The variables that are set.
    """
    known = {*names, *(name + _FILE for name in names)}
    lines = []
    for variable in sorted(environ):
        if variable in known or _OF_OTHERS.fullmatch(variable):
            continue
        name, by_file = variable.upper(), ""
        if name.endswith(_FILE):
            name, by_file = name.removesuffix(_FILE), _FILE
        prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
        if near := _nearest(name, names, prefix):
            lines.append(f"{variable} is no setting: did you mean {near}{by_file}?")
        elif prefix:
            lines.append(f"{variable} is no setting")
    return lines


def _nearest(name: str, names: Iterable[str], prefix: str) -> str:
    """The setting that ``name`` is probably meant to be; empty if it is none."""
    if prefix:
        # What all have in common says nothing of how near they are.
        rests = [other.removeprefix(prefix) for other in names if other.startswith(prefix)]
        near = get_close_matches(name.removeprefix(prefix), rests, n=1, cutoff=0.6)
    else:
        alike = [other for other in names if _alike(name.partition("_")[0], other.partition("_")[0])]
        near = get_close_matches(name, alike, n=1, cutoff=0.77)
    return prefix + near[0] if near else ""


def _alike(word: str, other: str) -> bool:
    return SequenceMatcher(None, word, other).ratio() >= 0.8


def _content(variable: str, path: str) -> str:
    # What is not a path is perhaps the secret itself.
    shown = f"{variable} names {path if Path(path).is_absolute() else 'a file'}"
    try:
        if not Path(path).is_file():
            raise SettingsError(f"{shown}, but there is no such file")
        with open(path, "rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise SettingsError(f"{shown}, but it cannot be read: {os.strerror(error.errno or 0)}") from None
    if len(content) > _LARGEST_FILE:
        raise SettingsError(f"{shown}, but that file is larger than 1 MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsError(f"{shown}, but that file is not UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r")
