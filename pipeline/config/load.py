"""From a file and the environment to one configuration, or to all that is wrong with it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from agents.language.expression import closest, listed
from pipeline.config.deliver import read_deliver
from pipeline.config.detectors import read_detectors
from pipeline.config.document import Document
from pipeline.config.environment import Environment
from pipeline.config.incidents import read_incidents
from pipeline.config.kafka import read_kafka
from pipeline.config.model import AppConfig
from pipeline.config.patterns import check_lists, read_patterns
from pipeline.config.report import Report, show
from pipeline.config.rules import read_rules
from pipeline.config.scores import read_scores
from pipeline.config.section import Section, names_of
from pipeline.config.streams import read_streams, read_topic
from pipeline.config.tables import read_tables
from pipeline.config.web import read_web
from pipeline.errors import ConfigError

_SECTIONS: Final = {
    "app": False,
    "kafka": False,
    "web": False,
    "streams": True,
    "tables": True,
    "rules": True,
    "detectors": True,
    "incidents": False,
    "deliver": False,
    "scores": True,
    "patterns": True,
}
_RAISING: Final = {"rules": "rule", "patterns": "pattern", "detectors": "detector", "scores": "score"}
_APP_KEYS = ("name", "log", "alerts", "commit", "health")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def load_config(path: Path, environ: Mapping[str, str] | None = None) -> AppConfig:
    """The configuration of ``path``, with overrides and secrets from the environment.

    Args:
        path: A TOML file.
        environ: Environment variables; ``None`` takes the process's own.

    Raises:
        ConfigError: With every mistake, if there is any.
    """
    config, problems = _read(path, environ)
    if problems or config is None:
        raise ConfigError(problems)
    return config


def check_config(path: Path, environ: Mapping[str, str] | None = None) -> list[str]:
    """Every mistake in ``path`` and the environment, each as ``FILE:LINE:COLUMN: what was found; what is allowed``.

    Args:
        path: A TOML file.
        environ: Environment variables; ``None`` takes the process's own.
    """
    return _read(path, environ)[1]


def _read(path: Path, environ: Mapping[str, str] | None) -> tuple[AppConfig | None, list[str]]:
    try:
        text = path.read_bytes().decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        return None, [f"{path}: byte {error.start} is not UTF-8, which TOML files must be; save it as UTF-8"]
    except OSError as error:
        return None, [f"{path}: can't be read: {error.strerror}; give the file with -c FILE"]
    document = Document(text)
    if document.mistakes:
        return None, [f"{path}:{place.line}:{place.column}: {message}" for place, message in document.mistakes]
    environment = Environment(document.values, _SECTIONS, environ)
    report = Report(str(path), document, environment.variables, environment.secrets, environment.filled)
    for variable, message in environment.unknown:
        report.variable(variable, message)
    for where, variable in environment.missing:
        report.value(where, f"${{{variable}}} stands for an environment variable that is not set; set {variable}")
    config = _config(report, document.values, path)
    return config, report.lines


def _config(report: Report, values: dict[str, Any], path: Path) -> AppConfig:
    for key in values:
        if key not in _SECTIONS:
            report.key(
                (key,), f"unknown section [{key}]; allowed are {listed(list(_SECTIONS))}{closest(key, list(_SECTIONS))}"
            )
    _check_names(report, values)
    app = Section(report, ("app",), values.get("app", {}), _APP_KEYS)
    web_host, web_port, web = read_web(report, values)
    name = app.text("name")
    if name and not _NAME.fullmatch(name):
        app.wrong("name", f"{show(name)} is no name; {_ALLOWED}")
    log = app.text("log", f"local://var/{name}.db")
    if not _is_log(log):
        app.wrong("log", f"{show(log)} is no event log that can be opened; write {_FORM}")
    alerts = read_topic(app, "alerts", "alerts")
    streams = read_streams(report, values, {alerts: "the alerts"})
    patterns = read_patterns(report, values, streams)
    values = patterns.values
    tables = read_tables(report, values, streams)
    rules = read_rules(report, values, streams, tables)
    check_lists(report, patterns.lists, streams, tables, {**rules, **patterns.flows, **patterns.lists})
    return AppConfig(
        name=name,
        log=log,
        kafka=read_kafka(report, values),
        alerts_topic=alerts,
        commit_ms=app.duration("commit", 1_000) or 1_000,
        streams=streams,
        tables=tables,
        rules=rules,
        detectors=read_detectors(report, values, streams, tables),
        incidents=read_incidents(report, values, streams, tables, rules),
        deliver=read_deliver(report, values),
        scores=read_scores(report, values, streams),
        flows=patterns.flows,
        lists=patterns.lists,
        health=app.flag("health", default=True),
        web_host=web_host,
        web_port=web_port,
        web=web,
        source=path,
    )


_FORM = "local://PATH, such as local://var/events.db, or kafka://HOST:PORT,HOST:PORT"


def _is_log(url: str) -> bool:
    scheme, _, rest = url.partition("://")
    if scheme == "kafka":
        return all(re.fullmatch(r"\S+:\d{1,5}", server) for server in rest.split(","))
    return scheme == "local" and bool(rest.partition("?")[0])


_ALLOWED = "allowed are letters, digits, _ and -, at most 100, the first a letter or digit"


def _check_names(report: Report, values: dict[str, Any]) -> None:
    raising: dict[str, str] = {}  # what raises alerts, by name
    for section, named in _SECTIONS.items():
        for name in names_of(report, values, section) if named else ():
            if not _NAME.fullmatch(name):
                report.key((section, name), f"{show(name)} is no name; {_ALLOWED}")
            if section in _RAISING:
                if name in raising:
                    what = f"there is a {raising[name]} {name} already; alerts could not be told apart"
                    report.key((section, name), what)
                raising.setdefault(name, _RAISING[section])
