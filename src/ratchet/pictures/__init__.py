"""Pictures in class folders: which there are, what is in them, which are nearly the same."""

from ratchet.pictures.alike import nearly_the_same
from ratchet.pictures.decoding import UnreadableError, decode_all, picture
from ratchet.pictures.folders import (
    Listed,
    Place,
    checksum_of,
    holds_pictures,
    is_a_picture,
    pictures_in,
    places,
    stray_picture,
)

__all__ = [
    "Listed",
    "Place",
    "UnreadableError",
    "checksum_of",
    "decode_all",
    "holds_pictures",
    "is_a_picture",
    "nearly_the_same",
    "picture",
    "pictures_in",
    "places",
    "stray_picture",
]
