"""The parts that the classifiers are built from."""

from flax import nn


class ConvBlock(nn.Module):
  """Convolution, batch norm, relu."""

  def apply(self, x, features, strides=(1, 1), train=True):
    x = nn.Conv(x, features, (3, 3), strides=strides, bias=False, name='conv')
    x = nn.BatchNorm(x, use_running_average=not train, momentum=0.9, name='norm')
    return nn.relu(x)


class ResidualBlock(nn.Module):
  """Two conv blocks around which the input takes a short cut."""

  def apply(self, x, features, strides=(1, 1), train=True):
    shortcut = x
    if x.shape[-1] != features or strides != (1, 1):
      # The short cut needs the shape of what it is added to.
      shortcut = nn.Conv(x, features, (1, 1), strides=strides, bias=False)
    x = ConvBlock(x, features, strides, train=train)
    x = ConvBlock(x, features, train=train)
    return x + shortcut
