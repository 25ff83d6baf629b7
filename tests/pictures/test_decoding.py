"""What is stored of a picture's file: pixel by pixel, whatever its mode, and a few words where it cannot be read."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ratchet.pictures import UnreadableError, decode_all, picture

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (8, 8, 3), np.uint8)
GREYS = RNG.integers(0, 256, (8, 8), np.uint8)


def stored(image: Image.Image, path: Path, *, size: int = 8, channels: int = 3, fit="crop", **how) -> np.ndarray:
    image.save(path, **how)
    values = picture(path, size=size, channels=channels, fit=fit)
    assert values.shape == (channels, size, size)
    assert values.dtype == np.uint8
    return np.moveaxis(values, 0, -1)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff"])
def test_a_picture_of_the_wanted_size_keeps_its_values(tmp_path, suffix):
    assert (stored(Image.fromarray(COLOURS), tmp_path / f"a.{suffix}") == COLOURS).all()
    grey = stored(Image.fromarray(GREYS), tmp_path / f"b.{suffix}")
    assert (grey == GREYS[..., None]).all()
    assert (stored(Image.fromarray(GREYS), tmp_path / f"c.{suffix}", channels=1)[..., 0] == GREYS).all()


def test_webp_without_loss_and_jpeg_nearly(tmp_path):
    assert (stored(Image.fromarray(COLOURS), tmp_path / "a.webp", lossless=True) == COLOURS).all()
    flat = np.full((40, 40, 3), (200, 100, 50), np.uint8)
    for name, how in {"a.jpg": {}, "b.jpg": {"progressive": True}, "c.png": {}}.items():
        assert np.abs(stored(Image.fromarray(flat), tmp_path / name, **how).astype(int) - flat[:8, :8]).max() <= 2


def test_a_palette_and_two_levels(tmp_path):
    palette = Image.fromarray(COLOURS).quantize(16)
    assert (stored(palette, tmp_path / "a.png") == np.asarray(palette.convert("RGB"))).all()
    assert (stored(palette, tmp_path / "a.gif") == np.asarray(palette.convert("RGB"))).all()
    two = Image.fromarray(GREYS > 127)
    assert two.mode == "1"
    assert (stored(two, tmp_path / "b.png")[..., 0] == np.where(GREYS > 127, 255, 0)).all()


def test_sixteen_bits_and_fractions_become_eight(tmp_path):
    wide = GREYS.astype(np.uint16) * 257
    for suffix in ("png", "tiff"):
        assert (stored(Image.fromarray(wide), tmp_path / f"a.{suffix}")[..., 0] == GREYS).all()
    assert (stored(Image.fromarray(GREYS.astype(np.float32) / 255), tmp_path / "b.tiff")[..., 0] == GREYS).all()
    far = stored(Image.fromarray(np.linspace(-5, 5, 64, dtype=np.float32).reshape(8, 8)), tmp_path / "c.tiff")
    assert (far.min(), far.max()) == (0, 255)


def test_what_is_transparent_is_white(tmp_path):
    alpha = np.zeros((8, 8), np.uint8)
    alpha[:4] = 255
    clear = Image.fromarray(np.dstack([COLOURS, alpha]))
    for name, image in {"a.png": clear, "b.webp": clear}.items():
        seen = stored(image, tmp_path / name, **({"lossless": True, "exact": True} if "webp" in name else {}))
        assert (seen[:4] == COLOURS[:4]).all()
        assert (seen[4:] == 255).all()
    grey = stored(Image.merge("LA", [Image.fromarray(GREYS), Image.fromarray(alpha)]), tmp_path / "c.png")
    assert (grey[:4, :, 0] == GREYS[:4]).all()
    assert (grey[4:] == 255).all()
    half = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    assert (stored(half, tmp_path / "d.png") == 127).all()
    marked = Image.fromarray(np.where(GREYS > 127, 1, 0).astype(np.uint8), "P")
    marked.putpalette([10, 20, 30, 0, 0, 0])
    through = stored(marked, tmp_path / "e.gif", transparency=1)
    assert (through[GREYS > 127] == 255).all()
    assert (through[GREYS <= 127] == (10, 20, 30)).all()


def test_cmyk(tmp_path):
    ink = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert np.abs(stored(ink, tmp_path / "a.tiff").astype(int) - (255, 0, 0)).max() <= 1
    assert np.abs(stored(ink, tmp_path / "a.jpg").astype(int) - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
def test_a_picture_is_turned_upright(tmp_path, orientation, suffix):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(COLOURS)
    seen = stored(image, tmp_path / f"a.{suffix}", exif=exif, **({"lossless": True} if suffix == "webp" else {}))
    with Image.open(tmp_path / f"a.{suffix}") as written:
        assert (seen == np.asarray(ImageOps.exif_transpose(written).convert("RGB"))).all()
    assert (orientation == 1) == (seen == COLOURS).all()


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tiff"])
def test_of_an_animation_the_first_frame(tmp_path, suffix):
    first, second = (Image.new("RGB", (8, 8), colour) for colour in ((200, 0, 0), (0, 0, 200)))
    lossless = {"lossless": True} if suffix == "webp" else {}
    assert (
        stored(first, tmp_path / f"a.{suffix}", save_all=True, append_images=[second], **lossless) == (200, 0, 0)
    ).all()


def test_the_middle_or_all_of_it(tmp_path):
    wide = np.zeros((8, 16, 3), np.uint8)
    wide[:, 4:12] = COLOURS
    assert (stored(Image.fromarray(wide), tmp_path / "a.png") == COLOURS).all()
    high = np.ascontiguousarray(wide.transpose(1, 0, 2))
    assert (stored(Image.fromarray(high), tmp_path / "b.png") == COLOURS.transpose(1, 0, 2)).all()
    framed = stored(Image.fromarray(np.zeros((8, 16, 3), np.uint8)), tmp_path / "c.png", size=16, fit="letterbox")
    assert (framed[4:12] == 0).all()
    assert (framed[:4] == 255).all()
    assert (framed[12:] == 255).all()
    for size in ((1, 500), (500, 1), (1, 1)):
        for fit in ("crop", "letterbox"):
            stored(Image.new("RGB", size, "red"), tmp_path / "d.png", fit=fit)


def test_a_large_picture_is_thinned_out_in_bands_and_looks_the_same(tmp_path, monkeypatch):
    values = RNG.integers(0, 256, (300, 260, 4), np.uint8)
    whole = stored(Image.fromarray(values), tmp_path / "a.png").astype(int)
    monkeypatch.setattr("ratchet.pictures.decoding._LARGE", 2**13)
    assert np.abs(stored(Image.fromarray(values), tmp_path / "a.png").astype(int) - whole).mean() < 6


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(side: int) -> bytes:
    """A PNG that says it has side x side pixels, of a few bytes."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"no picture at all", "no picture"),
        (bomb(50_000), "more than 178,956,970 pixels"),
        (bomb(64), "truncated|broken|decod"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, content, why):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UnreadableError, match=why):
        picture(tmp_path / "a.png", size=8, channels=3, fit="crop")


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "bmp", "tiff"])
def test_a_damaged_file_costs_itself_alone(tmp_path, suffix):
    whole = tmp_path / f"whole.{suffix}"
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8)).save(whole)
    content, paths = whole.read_bytes(), [whole]
    for number, part in enumerate((0, 3, 20, len(content) // 2)):
        paths.append(tmp_path / f"{number}.{suffix}")
        paths[-1].write_bytes(content[:part])
    into, seen = np.zeros((len(paths), 3, 8, 8), np.uint8), []
    unreadable = decode_all(paths, into, fit="crop", done=seen.append)
    assert sorted(unreadable) == [1, 2, 3, 4]
    assert into[0].any()
    assert seen == [1, 2, 3, 4, 5]
    assert all("\n" not in why and 0 < len(why) <= 80 for why in unreadable.values())
