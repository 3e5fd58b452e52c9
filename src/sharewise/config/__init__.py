"""A run as a TOML file: read, checked as a whole, made into the inner layers' objects, and written back.

Here live the tables of the configuration and the sentences that say what is wrong with one. What a key *does*
is said and checked where the argument of that name lives; no training, no printing.
"""

from sharewise.config.build import Prepared, prepare
from sharewise.config.load import from_document, load_config, parse_config
from sharewise.config.models import RunConfig
from sharewise.config.write import config_digest, to_toml

__all__ = [
    "Prepared",
    "RunConfig",
    "config_digest",
    "from_document",
    "load_config",
    "parse_config",
    "prepare",
    "to_toml",
]
