"""Texts of a person's own: cut into tokens of a vocabulary, and kept one after the other."""

from ratchet.texts.ragged import PADDING, Ragged
from ratchet.texts.tokens import FILE as TOKENIZER
from ratchet.texts.tokens import TextInput, TextTransform, tokenizer_checksum

__all__ = ["PADDING", "TOKENIZER", "Ragged", "TextInput", "TextTransform", "tokenizer_checksum"]
