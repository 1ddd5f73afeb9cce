"""Models: named networks, their manifests, and the backends that run them.

Importing this package loads neither torch nor onnxruntime nor demucs.
"""

from .manifest import Manifest, Stft
from .model import Backend, Model, Voice

__all__ = ["Backend", "Manifest", "Model", "Stft", "Voice"]
