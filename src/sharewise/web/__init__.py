"""What every service over HTTP shares (extra ``serve``): limits, errors, metrics, running until told to stop.

Nothing here knows what is served.
"""

from sharewise.web.options import ServerOptions
from sharewise.web.run import check_server, run_app

__all__ = ["ServerOptions", "check_server", "run_app"]
