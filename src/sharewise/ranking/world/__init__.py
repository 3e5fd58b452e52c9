"""The simulated platform: users, videos and lists with several feedbacks, and the truth behind them.

Public logs with positions, several feedbacks and a known truth are not to be had; this one is written as a
platform would write its own. A *world* holds all state and moves on hour by hour, whole hours at a time as
arrays; the ranker reads the log and never the truth. No command line, no training.
"""

from sharewise.ranking.world.folder import write_world
from sharewise.ranking.world.options import WorldOptions
from sharewise.ranking.world.world import Hour, Tally, World

__all__ = ["Hour", "Tally", "World", "WorldOptions", "write_world"]
