"""Models: named networks, their manifests, and the backends that run them.

Importing this package loads neither torch nor onnxruntime nor demucs.
"""

from .manifest import Manifest, Stft
from .model import Backend, Member, Model, Voice
from .registry import Info, export_model, fetch, info, load, names

__all__ = [
    "Backend",
    "Info",
    "Manifest",
    "Member",
    "Model",
    "Stft",
    "Voice",
    "export_model",
    "fetch",
    "info",
    "load",
    "names",
]
