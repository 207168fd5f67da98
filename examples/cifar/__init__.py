"""A small image classifier, written for flax.nn as it was before Linen."""

from .blocks import ConvBlock, ResidualBlock
from .model import SmallNet, TwoHeads
