"""Folders and packages of configs that a command adds, listed by ``--help`` too."""

import sys

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.plugins.search_path_plugin import SearchPathPlugin


class AddedConfigs(SearchPathPlugin):
    """Have ``--help`` list the options in ``hydra.searchpath=[...]``, which Hydra itself reads only for a run."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        if not {"--help", "-h"}.intersection(sys.argv):
            return
        for argument in sys.argv[1:]:
            if argument.startswith("hydra.searchpath="):
                places = OverridesParser.create().parse_override(argument).value()
                for place in places if isinstance(places, list) else []:
                    search_path.append("command-line", str(place))
