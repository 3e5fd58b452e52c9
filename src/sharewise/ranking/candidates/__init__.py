"""Candidates: a few hundred items for a request, out of all there are, each with those that proposed it.

**A source is a generator**: it learns from the log, stretch after stretch, and proposes items for many
requests at once (`generator`). What all of them need is kept beside them once: the rows of users and items
(`ids`), what users watched last (`history`), what the log last said of items and users (`remembered`).

    requests, stretch             what is asked, and what is learnt from
    co_watched, topics,           the sources, one small file each, and the table `GENERATORS`
    two_tower, popular, fresh
    towers, frequency, index      what two-tower retrieval is made of
    merge, recall                 lists of several sources to one; how many of the relevant items are in it
    proposer                      all of it: learn, propose
    course, artifact, retriever   the run over a log, what it leaves, who reads it

Every figure of recall is of a partition that nothing had been learnt from. No ranking here.
"""

from sharewise.ranking.candidates.artifact import load_candidates
from sharewise.ranking.candidates.fit import CandidatesResult, fit_candidates
from sharewise.ranking.candidates.options import (
    CoWatchOptions,
    ListOptions,
    PopularOptions,
    TopicOptions,
    TowerOptions,
)
from sharewise.ranking.candidates.plan import CandidatePlan
from sharewise.ranking.candidates.retriever import Candidates, Retriever

__all__ = [
    "CandidatePlan",
    "Candidates",
    "CandidatesResult",
    "CoWatchOptions",
    "ListOptions",
    "PopularOptions",
    "Retriever",
    "TopicOptions",
    "TowerOptions",
    "fit_candidates",
    "load_candidates",
]
