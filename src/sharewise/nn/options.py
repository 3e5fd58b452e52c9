"""ModelOptions: everything that can be chosen about a model, and named sets of choices from papers."""

from __future__ import annotations

from dataclasses import dataclass

from sharewise.errors import ConfigError, nearest
from sharewise.nn.settings import PartOptions
from sharewise.nn.structures import STRUCTURES


@dataclass(frozen=True, kw_only=True)
class ModelOptions(PartOptions):
    """Options of a `MultiTaskModel`; those of its parts are in `PartOptions`.

    Attributes:
        sharing: name of a structure in `STRUCTURES`.
        match: "parameters" or "multiplications": scale `hidden` so that the model costs what `match_to` costs
            with the same options; None uses `hidden` as it is.
        match_to: the structure to match.

    Raises:
        ConfigError: if a name is unknown or a number out of range.
    """

    sharing: str = "mmoe"
    match: str | None = None
    match_to: str = "shared_bottom"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (self.sharing, self.match_to):
            if name not in STRUCTURES:
                raise ConfigError(f"Sharing structure '{name}' is unknown.", nearest(name, tuple(STRUCTURES)))
        measures = ("parameters", "multiplications")
        if self.match is not None and self.match not in measures:
            raise ConfigError(f"Models cannot be matched by '{self.match}'.", nearest(self.match, measures))

    @property
    def conditional(self) -> bool:
        """True if the model can predict for tasks that it was not trained on, from their descriptors."""
        return (
            STRUCTURES[self.sharing].traits.conditional and self.descriptor != "index" and self.heads_per_kind
        )

    @property
    def heads_per_kind(self) -> bool:
        """True for one head for each kind of task, False for one for each task."""
        return self.head == "per_kind" or (
            self.head == "auto" and STRUCTURES[self.sharing].traits.conditional
        )


#: Models of papers: MMoE of Ma et al. (KDD 2018, sec. 6), and what it is compared with there.
PRESETS: dict[str, ModelOptions] = {
    "mmoe_kdd18": ModelOptions(sharing="mmoe", hidden=(16,), tower=(8,), experts=8),
    "omoe_kdd18": ModelOptions(sharing="omoe", hidden=(16,), tower=(8,), experts=8),
    "shared_bottom_kdd18": ModelOptions(
        sharing="shared_bottom", hidden=(16,), tower=(8,), match="parameters", match_to="mmoe"
    ),
}
