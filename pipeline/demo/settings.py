"""What the demonstration runs: which processes, with which arguments."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from load import CampaignConfig, sample_paths

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "payments.toml"
SERVICES: Final = ("web", "worker", "subscriber")
PRODUCERS: Final = ("payments", "samples")
LONGEST_CAMPAIGN_MS: Final = 7_000

_AROUND_S: Final = 4.0  # start of the processes, and their end
_LEAST_S: Final = 3.0
_FULL_S: Final = 25.0
_SAMPLED_S: Final = 215 * 86_400  # the longest of the recordings


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoSettings:
    """How to run.

    Args:
        config: Configuration of all processes; they get another log.
        seconds: How long the whole takes, about.
        rate: Payments a second, as ``load payments`` takes it.
        seed: Of the payments.
        port: Of the web view; 0 takes a free one.
        serve: Go on until a signal.
        keep: Folder to keep the log and messages in; ``None`` removes them at the end.
    """

    config: Path = EXAMPLE
    seconds: float = 30.0
    rate: str = "5k"
    seed: int = 7
    port: int = 0
    serve: bool = False
    keep: Path | None = None

    @property
    def load_s(self) -> float:
        """How long records are produced."""
        return max(_LEAST_S, self.seconds - _AROUND_S)

    @property
    def haste(self) -> float:
        """Factor on the times of campaigns, below 1 in a run that is too short for the usual ones."""
        return 1.0 if self.serve else min(1.0, self.load_s / _FULL_S)

    @property
    def description(self) -> str:
        """What is about to happen, for people."""
        end = "until Ctrl-C" if self.serve else f"about {self.seconds:.0f} s, Ctrl-C ends it"
        return f"{self.rate} payments/s with fraud, recorded series; {end}"

    def arguments(self) -> dict[str, list[str]]:
        """Arguments of each process."""
        config = ["-c", str(self.config.resolve())]
        as_json = ["--format", "json"]
        return {
            "web": ["web", *config, "--port", str(self.port)],
            "worker": ["worker", *config, "--name", "demo"],
            "subscriber": ["alerts", "--follow", "--since", "start", *config, *as_json],
            "payments": ["load", "payments", *config, *self._payments(), *as_json],
            "samples": ["load", "replay", *config, *self._samples(), *as_json],
        }

    def _payments(self) -> list[str]:
        usual = CampaignConfig()
        given = {
            "--rate": self.rate,
            "--seed": str(self.seed),
            "--campaign-warmup": _ms(self.haste * usual.warmup_ms),
            "--campaign-period": _ms(self.haste * usual.period_ms),
            "--campaign-stretch": str(self.haste * usual.stretch),
        }
        if not self.serve:
            given["--duration"] = _ms(1_000 * self.load_s)
        return [part for option in given.items() for part in option]

    def _samples(self) -> list[str]:
        mapping = ("id=timestamp", "series=={name}", "ts=timestamp", "value=value")
        speed = _SAMPLED_S / (0.95 * self.load_s)
        fields = [part for each in mapping for part in ("--map", each)]
        files = [str(path) for path in sample_paths().values()]
        return [*files, "--topic", "samples", *fields, "--speed", f"{speed:.0f}", "--rebase"]


def _ms(length_ms: float) -> str:
    return f"{round(length_ms)}ms"
