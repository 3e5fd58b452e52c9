"""Episodes: support and query sets of many tasks at once, drawn from tables, labelled images or functions.

A `Condition` says how many ways, shots and queries; an `EpisodeSource` draws. Support and query rows of an
episode are apart by construction: they are one draw without replacement, cut in two.
"""

from sharewise.data.episodes import catalog
from sharewise.data.episodes.augmented import Augmented
from sharewise.data.episodes.condition import Condition, differences
from sharewise.data.episodes.distort import Distortion
from sharewise.data.episodes.episode_set import EpisodeSet
from sharewise.data.episodes.folder import read_folder
from sharewise.data.episodes.functions import Sinusoids
from sharewise.data.episodes.labelled import LabelledExamples
from sharewise.data.episodes.pools import TaskRows
from sharewise.data.episodes.shots import Episodes, Shots
from sharewise.data.episodes.source import EpisodeSource
from sharewise.data.episodes.table import TaskTable, read_tasks

__all__ = [
    "Augmented",
    "Condition",
    "Distortion",
    "EpisodeSet",
    "EpisodeSource",
    "Episodes",
    "LabelledExamples",
    "Shots",
    "Sinusoids",
    "TaskRows",
    "TaskTable",
    "catalog",
    "differences",
    "read_folder",
    "read_tasks",
]
