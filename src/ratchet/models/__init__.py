"""The networks, and how one is built from conf/model and the data's shape.

The constructor of each takes `input_shape`, `n_outputs` and plain scalars, all by keyword:
nothing but the data's shape and what conf/model/<name>.yaml says goes in.
"""

from ratchet.models.build import build_model, parameter_count
from ratchet.models.cnn import CNN
from ratchet.models.encoder import Encoder
from ratchet.models.gru import GRU
from ratchet.models.logistic import Logistic
from ratchet.models.mlp import MLP
from ratchet.models.resnet import ResNet
from ratchet.models.tabm import TabM
from ratchet.models.texts import TextBag, TextTransformer
from ratchet.models.transformer import Transformer

__all__ = [
    "CNN",
    "GRU",
    "MLP",
    "Encoder",
    "Logistic",
    "ResNet",
    "TabM",
    "TextBag",
    "TextTransformer",
    "Transformer",
    "build_model",
    "parameter_count",
]
