"""The service: a ranker and candidates answer over HTTP, and what users did becomes the log they learn from.

* `Version`: a ranker and candidates, loaded; `Versions` swaps them while requests run.
* `FeedbackLog`: lists that were shown and what came of them, first in a journal, then in hourly partitions.
* `Service`: both, in Python; `make_app`: the same over HTTP (extra ``serve``).
"""

from sharewise.ranking.service.feedback_log import FeedbackLog
from sharewise.ranking.service.options import ServiceOptions
from sharewise.ranking.service.service import Service
from sharewise.ranking.service.version import Version, load_version
from sharewise.ranking.service.versions import Versions

__all__ = ["FeedbackLog", "Service", "ServiceOptions", "Version", "Versions", "load_version"]
