"""Classifiers for images of 32 by 32 pixels."""

from flax import nn
import jax.numpy as jnp

from . import blocks


# linenify: verify --input f32[2,32,32,3] --set num_classes=10 --train train
class SmallNet(nn.Module):
  """Residual stages, global pooling, one linear layer."""

  def apply(self, x, num_classes, widths=(16, 32, 64), dropout_rate=0.1, train=True):
    x = blocks.ConvBlock(x, widths[0], train=train, name='stem')
    for stage, width in enumerate(widths):
      strides = (1, 1) if stage == 0 else (2, 2)
      x = blocks.ResidualBlock(x, width, strides, train=train)
    x = jnp.mean(x, axis=(1, 2))
    x = nn.dropout(x, rate=dropout_rate, deterministic=not train)
    return nn.Dense(x, num_classes, kernel_init=nn.initializers.zeros, name='head')


# linenify: verify --input f32[2,16,16,3] --train train
class TwoHeads(nn.Module):
  """One body, two linear layers that read it."""

  def apply(self, x, train=True):
    block = blocks.ResidualBlock.partial(features=32, train=train)
    x = block(x, name='first')
    x = block(x, strides=(2, 2), name='second')
    x = x.reshape((x.shape[0], -1))
    fine = nn.Dense(x, features=100, name='fine')
    coarse = nn.Dense(x, features=20, name='coarse')
    return fine, coarse


Cifar10Net = SmallNet.partial(num_classes=10)
Cifar100Net = SmallNet.partial(num_classes=100, widths=(32, 64, 128))
