"""Imported by the server that forks trials of a Hydra application, for what its import does."""

from hydra._internal.config_loader_impl import ConfigLoaderImpl  # noqa: F401 - part of what each job is given
from hydra.core.plugins import Plugins

import ratchet.search.worker.hydra_job  # noqa: F401 - what each job runs

Plugins.instance()  # finds and imports Hydra's plugins
