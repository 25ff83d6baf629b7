"""Imported by the server that forks trials of a Hydra application, for what its import does."""

from hydra.core.plugins import Plugins

import ratchet.compat.hydra  # its loader is part of what each job is given
import ratchet.search.worker.hydra_job  # noqa: F401 - what each job runs

Plugins.instance()  # finds and imports Hydra's plugins
