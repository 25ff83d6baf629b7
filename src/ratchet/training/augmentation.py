"""Random changes of a training batch that keep its labels: drawn for every example, on the batch's device.

What moves in from beyond the edge has the value at the edge: after normalisation a zero would frame a picture
in grey, and an edge value continues what the sensor saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, pi

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own documentation writes it so

from ratchet.config.hints import OverrideError
from ratchet.config.sections import AugmentationConfig


class Augmentation(nn.Module):
    """What conf/augmentation asks for, in this order: shift, flip, rotate and scale; noise; cutout; mixup.

    `active` says whether it changes anything; where it does not, and in eval mode, inputs come back as they
    are. Draws come from torch's global generator of the batch's device.
    Settings that do not suit the data's layout are refused in config/conflicts.py. Raises OverrideError at the first
    batch for a shift or a cutout of less than one position.
    """

    def __init__(self, config: AugmentationConfig, *, n_classes: int) -> None:
        super().__init__()
        self.config = config
        self.n_classes = n_classes
        self.active = any(config.model_dump().values())
        self._resamples = bool(config.rotate or config.scale)
        self._moves = bool(config.shift or config.flip)

    @torch.no_grad()
    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Floats (batch, channels, *spatial) and targets (batch, ...), changed; shape and dtype of x stay.

        The target is y itself, or under mixup a mixture: of whole numbers (batch,), which are classes, their shares,
        float (batch, n_classes).
        """
        if not (self.active and self.training):
            return x, y
        config = self.config
        if self._resamples:
            x = resample(x, shift=config.shift, flip=config.flip, rotate=config.rotate, scale=config.scale)
        elif self._moves:
            x = move(x, shift=config.shift, flip=config.flip)
        if config.noise:
            x = x + config.noise * torch.randn_like(x)
        if config.cutout:
            x = cut_out(x, share=config.cutout)
        return mix_up(x, y, alpha=config.mixup, n_classes=self.n_classes) if config.mixup else (x, y)


def move(x: Tensor, *, shift: float, flip: float) -> Tensor:
    """Shift by whole positions, at most the share `shift` of each axis, and mirror the last axis.

    Nothing is interpolated: every value of the result is a value of the input.
    """
    sizes = x.shape[2:]
    offsets = _offsets(x, shift)
    index = [
        (_positions(x, size) - offset[:, None]).clamp_(0, size - 1) for size, offset in zip(sizes, offsets, strict=True)
    ]
    if flip:
        mirrored = torch.rand(len(x), 1, device=x.device) < flip
        index[-1] = torch.where(mirrored, sizes[-1] - 1 - index[-1], index[-1])
    flat = index[0] if len(sizes) == 1 else (index[0][:, :, None] * sizes[1] + index[1][:, None, :]).flatten(1)
    return x.flatten(2).gather(2, flat[:, None, :].expand(-1, x.shape[1], -1)).view_as(x)


def resample(x: Tensor, *, shift: float, flip: float, rotate: float, scale: float) -> Tensor:
    """Mirror, rotate and zoom by 1 - scale to 1 + scale about the centre, then shift; linear in between."""
    offsets = [offset.to(torch.float32) for offset in _offsets(x, shift)]
    zoom = 1 + scale * _symmetric(x)
    mirror = 1 - 2 * (torch.rand(len(x), device=x.device) < flip).to(torch.float32) if flip else 1.0
    if x.dim() == 3:
        return _resample_sequence(x, offset=offsets[0], stretch=mirror / zoom)
    angle = rotate * pi / 180 * _symmetric(x) if rotate else torch.zeros(len(x), device=x.device)
    rows, columns = x.shape[2:]
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    # The map from output to input, in grid_sample's units: an axis runs from -1 to 1 whatever its length.
    down, right = offsets[0] * 2 / rows, offsets[1] * 2 / columns
    along = torch.stack([mirror * cos, mirror * sin * (rows / columns), torch.zeros_like(cos)], dim=1)
    across = torch.stack([-sin * (columns / rows), cos, torch.zeros_like(cos)], dim=1)
    matrix = torch.stack([along, across], dim=1)
    matrix[:, :, 2] = -(matrix[:, :, :2] @ torch.stack([right, down], dim=1)[:, :, None])[:, :, 0]
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False).to(x.dtype)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _resample_sequence(x: Tensor, *, offset: Tensor, stretch: Tensor) -> Tensor:
    length = x.shape[2]
    centre = (length - 1) / 2
    at = (_positions(x, length) - offset[:, None] - centre) * stretch[:, None] + centre
    at = at.clamp_(0, length - 1)
    left = at.floor().clamp_(max=max(0, length - 2))
    weight = (at - left).to(x.dtype)[:, None, :]
    index = left.long()[:, None, :].expand(-1, x.shape[1], -1)
    return torch.lerp(x.gather(2, index), x.gather(2, (index + 1).clamp_(max=length - 1)), weight)


def cut_out(x: Tensor, *, share: float) -> Tensor:
    """Zero, the mean of normalised data, in a patch within the example of `share` of each axis."""
    spatial = x.shape[2:]
    inside = torch.ones(1, dtype=torch.bool, device=x.device)
    for axis, size in enumerate(spatial):
        length = _at_least_one(share, size, key="cutout")
        start = torch.randint(size - length + 1, (len(x), 1), device=x.device)
        position = _positions(x, size)
        within = (position >= start) & (position < start + length)
        inside = inside & within.view(len(x), 1, *[size if other == axis else 1 for other in range(len(spatial))])
    return x.masked_fill(inside, 0)


def mix_up(x: Tensor, y: Tensor, *, alpha: float, n_classes: int) -> tuple[Tensor, Tensor]:
    """Every example and its target mixed with another's of the batch by a share from Beta(alpha, alpha).

    Zhang et al. 2017 (arXiv:1710.09412).
    """
    concentration = torch.full((len(x),), alpha, dtype=torch.float32, device=x.device)
    share = torch.distributions.Beta(concentration, concentration, validate_args=False).sample()
    other = torch.randperm(len(x), device=x.device)
    targets = y if y.is_floating_point() else F.one_hot(y, n_classes).to(torch.float32)
    target = torch.lerp(targets[other], targets, share[:, None])
    weight = share.to(x.dtype).view(-1, *[1] * (x.dim() - 1))
    return torch.lerp(x[other], x, weight), target


def _offsets(x: Tensor, share: float) -> Sequence[Tensor]:
    """Whole positions to move by, per example, for every spatial axis."""
    if not share:
        return [torch.zeros(len(x), dtype=torch.long, device=x.device) for _ in x.shape[2:]]
    limits = [_at_least_one(share, size, key="shift") for size in x.shape[2:]]
    return [torch.randint(-limit, limit + 1, (len(x),), device=x.device) for limit in limits]


def _at_least_one(share: float, size: int, *, key: str) -> int:
    count = int(share * size + 1e-6)  # 0.1 * 30 must be 3
    if not count:
        raise OverrideError(
            f"augmentation.{key}={share:g} is less than one of {size} positions",
            key=f"augmentation.{key}",
            instead=[[f"augmentation.{key}=0"], [f"augmentation.{key}={ceil(1000 / size) / 1000:g}"]],
            either=True,
        )
    return count


def _positions(x: Tensor, size: int) -> Tensor:
    return torch.arange(size, device=x.device)


def _symmetric(x: Tensor) -> Tensor:
    """Uniform in -1 to 1, one per example."""
    return 2 * torch.rand(len(x), device=x.device) - 1
