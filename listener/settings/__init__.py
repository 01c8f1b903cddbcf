"""The settings: ``CV_*`` variables of the environment and of ``.env``, as one frozen model.

Read by the command line and by ``compose`` alone; every other room is given plain values.
"""

from .forms import ConnectEmit
from .load import RESERVED, load
from .model import Group, Known, Settings, known_settings

__all__ = ["RESERVED", "ConnectEmit", "Group", "Known", "Settings", "known_settings", "load"]
