"""Commands of people on their way to the worker that does them: the command line and the web view send them alike."""

import secrets
from collections.abc import Sequence

from agents.events import Outgoing, Records
from pipeline.config.model import AppConfig
from pipeline.errors import UsageError
from pipeline.incidents.events import Command, encode_event
from pipeline.incidents.settings import IncidentSettings
from pipeline.log import Log
from pipeline.plan import commands_topic, incident_specs


def incident_settings(config: AppConfig) -> IncidentSettings:
    """How alerts become incidents.

    Raises:
        UsageError: If they don't, which makes commands pointless.
    """
    if config.incidents is None:
        raise UsageError("alerts do not become incidents: add [incidents] to the configuration, see docs/alerts.md")
    return config.incidents


def new_id() -> str:
    """An id for a command."""
    return secrets.token_hex(6)


async def send_commands(config: AppConfig, log: Log, commands: Sequence[Command]) -> None:
    """Append commands; a worker does them. Makes the topic if it is missing.

    Raises:
        UsageError: If alerts do not become incidents.
        LogError: If the log can't be written.
    """
    incident_settings(config)
    topic = commands_topic(config.name)
    await log.create_topic(next(spec for spec in incident_specs(config.name) if spec.name == topic))
    await log.append([Outgoing(topic, 0, Records(values=[encode_event(command) for command in commands]))])
