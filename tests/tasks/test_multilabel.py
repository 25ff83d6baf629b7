"""Several labels of an example."""

from __future__ import annotations

import numpy as np
import pytest

from ratchet.errors import EvidenceError
from ratchet.tasks.multilabel import MultilabelPredictions


def test_a_label_without_scores_is_named_whatever_is_left_out_before_it():
    positive = np.zeros((6, 3), bool)
    positive[:4, 1], positive[0, 2] = True, True  # none has the first, one alone the last
    logits = np.random.default_rng(0).normal(size=(6, 3))
    with pytest.raises(EvidenceError, match=r"^label rare: "):
        MultilabelPredictions(positive, logits, ("never", "usual", "rare")).scores("auroc")
