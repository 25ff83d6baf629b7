"""What can be learnt: a class for each kind of task, named by conf/task."""

from ratchet.tasks.base import Predictions, Target, Task
from ratchet.tasks.binary import Binary
from ratchet.tasks.build import build_task
from ratchet.tasks.multiclass import Multiclass
from ratchet.tasks.multilabel import Multilabel
from ratchet.tasks.quantile import Quantile
from ratchet.tasks.regression import Regression

__all__ = [
    "Binary",
    "Multiclass",
    "Multilabel",
    "Predictions",
    "Quantile",
    "Regression",
    "Target",
    "Task",
    "build_task",
]
