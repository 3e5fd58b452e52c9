"""What an experiment is judged by: sums over a user's impressions, alone or over other such sums."""

from __future__ import annotations

from dataclasses import dataclass

from sharewise.errors import ConfigError

#: Which way an outcome is better.
MORE, FEWER = "more", "fewer"


@dataclass(frozen=True)
class Outcome:
    """An outcome.

    Args:
        name: of it.
        value: SQL over a row of the log; missing counts as 0.
        per: SQL that the sum of values is divided by the sum of, such as "rating IS NOT NULL" for a mean
            over answers; "" for a sum over a user.
        better: "more" or "fewer".

    Raises:
        ConfigError: if it is better neither way, or has no value.
    """

    name: str
    value: str
    per: str = ""
    better: str = MORE

    def __post_init__(self) -> None:
        if self.better not in (MORE, FEWER):
            raise ConfigError(
                f"Outcome '{self.name}' is better '{self.better}'.", f"Use '{MORE}' or '{FEWER}'."
            )
        if not self.value.strip():
            raise ConfigError(f"Outcome '{self.name}' has no value.", "Say what is summed, as SQL.")


#: The outcomes of the lecture's platform: time spent, and what users say.
OUTCOMES = (
    Outcome("time_spent", "watched"),
    Outcome("clicks", "clicked"),
    Outcome("likes", "liked"),
    Outcome("dismissals", "dismissed", better=FEWER),
    Outcome("survey", "rating", per="rating IS NOT NULL"),
)
