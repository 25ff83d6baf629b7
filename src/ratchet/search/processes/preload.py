"""Imported by the server that forks trials, for what its import does: each trial would have to do it again."""

import gc

from hydra._internal.config_loader_impl import ConfigLoaderImpl  # noqa: F401 - part of what each job is given
from hydra.core.plugins import Plugins

Plugins.instance()  # finds and imports Hydra's plugins
gc.freeze()  # it comes last: the trials share this memory for as long as nobody's collector touches it
gc.enable()
