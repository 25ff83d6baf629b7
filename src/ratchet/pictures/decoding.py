"""A picture's file as a square of values: turned upright, on white, cut or framed, and made small."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS: Final = 178_956_970  # Pillow's own limit: 0.7 GB once decoded
_LARGE = 2**24  # pixels from which on pictures are decoded one at a time, and in bands
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
# EXIF 2.32, tag Orientation: what turns a picture upright
_UPRIGHT = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270", 7: "TRANSVERSE",
    8: "ROTATE_90",
}  # fmt: skip
_one_at_a_time = Lock()

Fit = Literal["crop", "letterbox"]


class UnreadableError(Exception):
    """A file that is no picture, or one that cannot be read. The message says why, in a few words."""


def picture(path: Path, *, size: int, channels: int, fit: Fit) -> np.ndarray:
    """The picture in a file as uint8 (channels, size, size): upright, its first frame, what is transparent white.

    fit: crop cuts the middle of the longer side away, letterbox adds white bars to the shorter one. One channel is
    grey. A picture of that very size keeps its values. Raises UnreadableError.
    """
    from PIL import Image

    if not path.stat().st_size:
        raise UnreadableError("empty")
    try:
        with Image.open(path, formats=_FORMATS) as image:
            pixels = image.width * image.height
            if pixels > MOST_PIXELS:
                raise UnreadableError(f"{image.width} x {image.height}: at most {MOST_PIXELS:,} pixels are read")
            image.draft("RGB", (2 * size, 2 * size))  # a JPEG is decoded at a half, a quarter or an eighth
            with _one_at_a_time if image.width * image.height > _LARGE else nullcontext():
                small = _square(_flat(image, size), size, fit)
                turn = _UPRIGHT.get(image.getexif().get(0x0112, 1))  # of a PNG only now: it would be decoded before
        if turn is not None:
            small = small.transpose(Image.Transpose[turn])
        values = np.asarray(small.convert("L") if channels == 1 else small)
    except UnreadableError:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableError(f"more than {MOST_PIXELS:,} pixels") from error
    except MemoryError as error:
        raise UnreadableError("there is not enough memory for it") from error
    except Exception as error:  # whatever a decoder makes of a damaged file
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableError("no picture" if said.startswith("cannot identify") else said[:80]) from error
    return np.ascontiguousarray(values[None] if channels == 1 else np.moveaxis(values, -1, 0))


def _flat(image: Image.Image, size: int) -> Image.Image:
    """The whole picture in RGB on white; a large one thinned out, to no less than four times the size."""
    from PIL import Image

    image.load()
    factor = min(image.size) // (4 * size)
    if image.width * image.height <= _LARGE or factor < 2:
        return _on_white(image)
    thinned = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    rows = factor * max(1, _LARGE // 16 // image.width // factor)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        thinned.paste(_on_white(band).reduce(factor), (0, top // factor))
    return thinned


def _on_white(image: Image.Image) -> Image.Image:
    """A picture of any mode in RGB."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        return _eight_bits(image).convert("RGB")
    if "transparency" not in image.info and image.mode not in {"RGBA", "LA", "PA", "RGBa", "La"}:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(clear, mask=clear)
    return white


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or more bits: whole numbers are of 16 bits, fractions from 0 to 1; beyond that by their extremes."""
    from PIL import Image

    values = np.nan_to_num(np.asarray(image, np.float64))
    low, high = float(values.min()), float(values.max())
    top = 1.0 if image.mode == "F" else 65535.0
    low, high = (0.0, top) if low >= 0 and high <= top else (low, high)
    return Image.fromarray(((values - low) * (255 / max(high - low, 1e-12))).round().astype(np.uint8))


def _square(image: Image.Image, size: int, fit: Fit) -> Image.Image:
    from PIL import Image

    width, height = image.size
    if fit == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return image.resize((size, size), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
    scale = size / max(width, height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    framed = Image.new("RGB", (size, size), "white")
    framed.paste(image.resize(inner, Image.Resampling.BILINEAR), ((size - inner[0]) // 2, (size - inner[1]) // 2))
    return framed


def decode_all(paths: Sequence[Path], into: np.ndarray, *, fit: Fit, done: Callable[[int], None]) -> dict[int, str]:
    """Decode pictures into the rows of an array (n, channels, size, size), on every core that this process may use.

    done: is told after each how many there are. Returns why rows have none, by their number.
    """
    channels, size = into.shape[1:3]
    unreadable: dict[int, str] = {}

    def one(row: int) -> None:
        try:
            into[row] = picture(paths[row], size=size, channels=channels, fit=fit)
        except (UnreadableError, OSError) as error:
            unreadable[row] = str(error)

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with warnings.catch_warnings(), ThreadPoolExecutor(cores) as pool:  # decoders let other threads go on
        warnings.simplefilter("ignore")  # of odd metadata, and of pictures below the limit
        for count, _ in enumerate(pool.map(one, range(len(paths))), 1):
            done(count)
    return dict(sorted(unreadable.items()))
