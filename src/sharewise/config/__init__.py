"""A run as a TOML file: read, checked as a whole, made into the inner layers' objects, and written back.

Here live the tables of the configuration and the sentences that say what is wrong with one. What a key *does*
is said and checked where the argument of that name lives; no training, no printing.
"""

from sharewise.config.build import Prepared, prepare
from sharewise.config.load import from_document, load_config, parse_config
from sharewise.config.meta_build import PreparedMeta, prepare_meta
from sharewise.config.meta_load import load_meta_config, meta_from_document, parse_meta_config
from sharewise.config.meta_models import MetaConfig
from sharewise.config.models import RunConfig
from sharewise.config.world import WorldConfig, load_world_config, parse_world_config
from sharewise.config.write import config_digest, to_toml

__all__ = [
    "MetaConfig",
    "Prepared",
    "PreparedMeta",
    "RunConfig",
    "WorldConfig",
    "config_digest",
    "from_document",
    "load_config",
    "load_meta_config",
    "load_world_config",
    "meta_from_document",
    "parse_config",
    "parse_meta_config",
    "parse_world_config",
    "prepare",
    "prepare_meta",
    "to_toml",
]
