"""Errors that a user can mend. The command line prints them as one paragraph and exits with code 2."""


class SharewiseError(Exception):
    """A user's mistake: one sentence on what is wrong and where, one on what to do.

    Everything that is not one of these is our own fault and shows a traceback.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.problem = problem
        self.remedy = remedy


class ConfigError(SharewiseError):
    """A configuration, or an argument, that cannot be used."""


class DataError(SharewiseError):
    """A table, a column or a label that cannot be used."""


class CheckpointError(SharewiseError):
    """A run's file that is missing, damaged, or of another version."""


class DivergedError(SharewiseError):
    """A loss that is not a number or infinite: training stopped, the last good checkpoint kept."""


def nearest(name: str, known: "list[str] | tuple[str, ...]") -> str:
    """Return the hint " Did you mean 'x'?" for the known name closest to `name`, or the whole list."""
    from difflib import get_close_matches

    matches = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean '{matches[0]}'?" if matches else f"Known: {', '.join(sorted(known))}."
