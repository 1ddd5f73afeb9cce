"""Which channels of a recording a network hears together."""

from ..errors import ConfigError

__all__ = ["channel_groups"]

_LAYOUTS = {3: ((0, 1), (2,)), 5: ((0, 1), (2,), (3, 4)), 6: ((0, 1), (2,), (3,), (4, 5))}
_LAYOUTS |= {7: ((0, 1), (2,), (3,), (4,), (5, 6)), 8: ((0, 1), (2,), (3,), (4, 5), (6, 7))}


def channel_groups(channels: int, network_channels: int) -> tuple[tuple[int, ...], ...]:
    """Which channels of a recording a network is given together.

    A network of one channel is given each channel alone. A network of two is given left and right pairs: of a
    stereo recording, and of the usual surround layouts (front pair, centre, low-frequency effects, then side
    and back pairs); single channels, and all channels of other layouts, go alone, as two equal channels
    whose answers are averaged. Four channels are two pairs.

    Raises:
        ConfigError: a network of more than two channels whose number is not the recording's.

    >>> channel_groups(6, 2)
    ((0, 1), (2,), (3,), (4, 5))
    """
    if channels == network_channels:
        return (tuple(range(channels)),)
    if network_channels > 2:
        raise ConfigError(f"the network takes {network_channels} channels, the recording has {channels}")
    if network_channels == 2 and channels in _LAYOUTS:
        return _LAYOUTS[channels]
    if network_channels == 2 and channels == 4:
        return ((0, 1), (2, 3))
    return tuple((channel,) for channel in range(channels))
