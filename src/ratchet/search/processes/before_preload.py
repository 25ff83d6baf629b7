"""Imported first by the server that forks trials: imports leave no garbage worth a search, and a search takes time."""

import gc

gc.disable()  # until ratchet.search.processes.after_preload
