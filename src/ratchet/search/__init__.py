"""The search: a multirun becomes Optuna studies, each trial a process of its own."""
