"""What a study trains: structures with names of their own, and the same trials for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sharewise.errors import ConfigError
from sharewise.nn import ModelOptions
from sharewise.streams import derive_seed
from sharewise.study.trial import Trial
from sharewise.train import TrainOptions

BASELINE = "independent"


@dataclass(frozen=True)
class Plan:
    """A study's trials.

    Attributes:
        structures: model options by name, the baseline first.
        train: of every trial but for its seed and learning rate.
        seeds: of the trials that are judged.
        rates: learning rates that every structure tries.
        balance: the balancer.
        data: digest of the table.
    """

    structures: Mapping[str, ModelOptions]
    train: TrainOptions
    seeds: tuple[int, ...]
    rates: tuple[float, ...]
    balance: Mapping[str, Any]
    data: str

    def search(self) -> list[Trial]:
        """Return the search's trials: every structure at every rate, with one seed that is never judged.

        A seed of its own keeps the luck of the search out of the evidence. With one rate there is no search.
        """
        seed = derive_seed(self.train.seed, "study", "search") >> 31
        return [
            self._trial(name, seed, rate)
            for name in self.structures
            for rate in self.rates
            if len(self.rates) > 1
        ]

    def judged(self, rates: Mapping[str, float]) -> list[Trial]:
        """Return the trials that are judged: every structure with every seed, at its chosen rate."""
        return [self._trial(name, seed, rates[name]) for name in self.structures for seed in self.seeds]

    def _trial(self, structure: str, seed: int, rate: float) -> Trial:
        train = replace(self.train, seed=seed, learning_rate=rate)
        return Trial(structure, self.structures[structure], train, self.balance, self.data)


def make_plan(
    structures: Sequence[str | ModelOptions],
    train: TrainOptions,
    seeds: int,
    rates: Sequence[float],
    balance: Mapping[str, Any],
    data: str,
) -> Plan:
    """Check a study's arguments and lay out its trials.

    Raises:
        ConfigError: if there is nothing to compare, or a number is out of range.
    """
    if seeds < 1:
        raise ConfigError(f"A study cannot have {seeds} seeds.", "Use at least 1; 2 or more give intervals.")
    if any(not rate > 0 for rate in rates):
        raise ConfigError(f"Learning rates are {list(rates)}.", "Use positive numbers.")
    tried = tuple(sorted(set(rates))) or (train.learning_rate,)
    named = name_structures(structures)
    return Plan(named, train, tuple(train.seed + i for i in range(seeds)), tried, balance, data)


def name_structures(structures: Sequence[str | ModelOptions]) -> dict[str, ModelOptions]:
    """Return options by name: the structure's, with what differs where two share it; the baseline first.

    Raises:
        ConfigError: if nothing is compared with the baseline.
    """
    options = [_options(structure) for structure in structures]
    if not any(one.sharing == BASELINE for one in options) and options:
        options.append(replace(options[0], sharing=BASELINE))
    options.sort(key=lambda one: one.sharing != BASELINE)  # stable
    options = [one for i, one in enumerate(options) if one not in options[:i]]
    if len(options) < 2:
        raise ConfigError(
            f"There is nothing to compare with '{BASELINE}'.", "Name at least one other structure."
        )
    return {BASELINE if i == 0 else _name(one, options): one for i, one in enumerate(options)}


def _options(structure: str | ModelOptions) -> ModelOptions:
    return ModelOptions(sharing=structure) if isinstance(structure, str) else structure


def _name(one: ModelOptions, options: Sequence[ModelOptions]) -> str:
    alike = [asdict(other) for other in options if other.sharing == one.sharing]
    own = asdict(one)
    differing = [key for key in own if any(other[key] != own[key] for other in alike)]
    return " ".join([one.sharing, *(f"{key}={_plain(own[key])}" for key in differing)])


def _plain(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
