"""The case study: a platform's ranking system, from a log of impressions to a ranked list.

What lives here: the log, the simulated platform that writes one, candidates, the ranker with its position
tower, the score, training in temporal order and its measures. All of it is made of the library's tasks,
structures, balancers and loop; what these lack in general belongs to them, not here.
"""
