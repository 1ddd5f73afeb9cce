"""Names of models, and how each is loaded."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ..errors import ModelError
from .bags import Bag, hub_bag, hub_name, local_bag
from .container import read_manifest
from .extras import EXPORT, OPENVINO, TORCH, optional
from .manifest import Manifest
from .model import Model

__all__ = [
    "BackendName",
    "Info",
    "Networks",
    "PrecisionName",
    "export_model",
    "fetch",
    "find_networks",
    "info",
    "load",
    "names",
]

BackendName: TypeAlias = Literal["auto", "onnx", "torch", "openvino"]
PrecisionName: TypeAlias = Literal["f32", "bf16"]

_OFFICIAL = {
    "htdemucs": "hybrid transformer, 4 stems",
    "htdemucs_ft": "hybrid transformer fine-tuned for each of 4 stems: 4 networks, 4 times slower",
    "htdemucs_6s": "hybrid transformer, 6 stems (piano and guitar too)",
    "hdemucs_mmi": "hybrid, 4 stems",
    "mdx": "bag of 4 that won track A of MDX 2021, trained on MUSDB18-HQ only",
    "mdx_extra": "bag of 4, trained on more music",
    "mdx_q": "mdx, quantised: needs 'pip install diffq'",
    "mdx_extra_q": "mdx_extra, quantised: needs 'pip install diffq'",
}
_EMBEDDED = "compact"
_LICENCE = "MIT, as published with demucs"
_LONGEST_CARD = 1 << 16


@dataclass(frozen=True)
class Info:
    """Description of a model, available without loading its network.

    Attributes:
        manifest: None if the file has none.
        card: the short form of the model card, in Markdown; empty if there is none.
    """

    name: str
    backend: Literal["onnx", "torch"]
    summary: str
    source: str
    licence: str
    manifest: Manifest | None = None
    card: str = ""


@dataclass(frozen=True)
class Networks:
    """The PyTorch networks of a name as a demucs bag, their files and their licence."""

    bag: Any
    files: tuple[Path, ...]
    licence: str


def names() -> tuple[str, ...]:
    """Names that `load` knows, the embedded network first; it also takes `hf://user/name` and paths.

    >>> names()[:2]
    ('compact', 'htdemucs')
    """
    return (_EMBEDDED, *_OFFICIAL)


def load(
    name: str,
    *,
    repo: Path | None = None,
    backend: BackendName = "auto",
    device: str | None = None,
    provider: str | None = None,
    threads: int | None = None,
    segment: float | None = None,
    precision: PrecisionName = "f32",
) -> Model:
    """Load a model.

    Args:
        name: one of `names()`, `hf://user/name`, a bag or signature in `repo`, or the path of an .onnx,
            .safetensors or .th file.
        repo: a folder of YAML bags and weights, used instead of the hub.
        backend: "auto": ONNX Runtime for .onnx files and `compact`, PyTorch for the rest. "openvino": .onnx files, too.
        device: "cpu" or "cuda"; None: cpu.
        provider: of ONNX Runtime, e.g. "OpenVINOExecutionProvider"; None: that of `device`.
        threads: per operation; None: the backend's default.
        segment: seconds on the overlap-add grid, at most the network's own; None: the network's own.
        precision: of the arithmetic; "bf16" needs the backend "openvino" and a CPU that computes in it.

    Raises:
        ModelError: if the name is unknown; if an extra is missing; if a file is damaged; if the device, provider or
            precision is not available.
    """
    file = _onnx_file(name) if repo is None else None
    chosen = ("onnx" if file else "torch") if backend == "auto" else backend
    if chosen not in ("onnx", "torch", "openvino"):
        raise ModelError(f"backend must be auto, onnx, torch or openvino, got {backend!r}")
    if (chosen != "torch") != (file is not None):
        cure = f"export it first: stream-restore export {name} -o model.onnx" if file is None else "use onnx"
        raise ModelError(f"model {name!r} cannot run on the backend {chosen}; {cure}")
    if precision not in ("f32", "bf16") or (precision != "f32" and chosen != "openvino"):
        raise ModelError(f"precision must be f32, or bf16 on the backend openvino, got {precision!r} on {chosen}")
    if chosen == "openvino" and (provider is not None or device not in (None, "cpu")):
        raise ModelError("the backend openvino runs on the CPU: leave --provider and --device out")
    if file is not None and chosen == "openvino":
        openvino: Any = optional(".openvino_backend", OPENVINO, "the backend openvino")
        compiled: Model = openvino.from_openvino(file, precision=precision, threads=threads, segment=segment)
        return compiled
    if file is not None:
        onnx: Any = optional(".onnx_backend", "onnxruntime", f"model {name!r}")
        model: Model = onnx.from_onnx(file, device=device, provider=provider, threads=threads, segment=segment)
        return model
    if provider is not None:
        raise ModelError(f"--provider {provider} is for ONNX models; {name!r} runs on PyTorch: use --device")
    return _load_torch(name, repo, device, threads, segment)


def export_model(source: Any, path: Path, **options: Any) -> Manifest:
    """Write a model as one .onnx file: `export.export_model`, which imports PyTorch, imported on use.

    Raises:
        ModelError: if the name is that of an .onnx file; if the extra is missing; as `export.export_model`.
    """
    file = _onnx_file(source) if isinstance(source, str) and options.get("repo") is None else None
    if file is not None:
        raise ModelError(f"{source!r} is an .onnx file already: use it with -n {source}, or copy it from {file}")
    export: Any = optional(".export", EXPORT, "exporting a model")
    manifest: Manifest = export.export_model(source, path, **options)
    return manifest


def fetch(name: str) -> Path:
    """Download a model's files unless they are cached, verify them, and return their folder or file.

    Raises:
        ModelError: as `load`.
    """
    file = _onnx_file(name)
    if file is not None:
        read_manifest(file)
        return file
    return _bag(name, None, refresh=True).files[0].parent


def info(name: str) -> Info:
    """Describe a model; downloads nothing.

    Raises:
        ModelError: if the name is unknown or invalid on the hub; if an .onnx file is damaged.
    """
    file = _onnx_file(name)
    if file is not None:
        manifest = read_manifest(file)
        return Info(manifest.name, "onnx", manifest.architecture, str(file), manifest.licence, manifest, _card(file))
    if name in _OFFICIAL:
        return Info(name, "torch", _OFFICIAL[name], f"hf://adefossez/{name}", _LICENCE)
    if name.startswith("hf://"):
        hub_name(name.removeprefix("hf://"))
        return Info(name, "torch", "a Demucs of others on the hub", name, "unknown")
    if _is_weights(name):
        return Info(name, "torch", "Demucs weights", name, "unknown")
    raise _unknown(name)


def _card(file: Path) -> str:
    """The first section of the model card beside a file, NAME.md beside NAME.onnx; empty without one."""
    card = file.with_suffix(".md")
    if not card.is_file():
        return ""
    with card.open(encoding="utf-8", errors="replace") as text:
        short = text.read(_LONGEST_CARD).partition("\n## ")[0].strip()
    return "".join(letter for letter in short if letter.isprintable() or letter == "\n")  # printed on terminals


def _onnx_file(name: str) -> Path | None:
    """The .onnx file of `name`; None if it has none."""
    if name == _EMBEDDED:
        path = Path(str(resources.files(__package__) / f"{_EMBEDDED}.onnx"))
        if not path.is_file():
            raise ModelError(f"this build carries no embedded network ({path}); choose another model: {_known()}")
        return path
    path = Path(name)
    if path.suffix != ".onnx":
        return None
    if not path.is_file():
        raise ModelError(f"no file {path}")
    return path


def _is_weights(name: str) -> bool:
    return Path(name).suffix in (".th", ".safetensors")


def _bag(name: str, repo: Path | None, *, refresh: bool = False) -> Bag:
    if repo is not None:
        return local_bag(name, repo)
    if _is_weights(name):
        return Bag((Path(name),))
    if name.startswith("hf://"):
        return hub_bag(name.removeprefix("hf://"), refresh=refresh)
    if name in _OFFICIAL:
        return hub_bag(name, refresh=refresh)
    raise _unknown(name)


def _unknown(name: str) -> ModelError:
    return ModelError(f"no model {name!r}: {_known()}")


def _known() -> str:
    return f"there are {', '.join(names())}, hf://user/name, a bag in a folder (--repo), or the path of an .onnx file"


def find_networks(name: str, repo: Path | None = None) -> Networks:
    """The PyTorch networks of a name.

    Raises:
        ModelError: as `load`; if the name is that of an .onnx file.
    """
    bag = _bag(name, repo)
    weights: Any = optional(".weights", TORCH, f"model {name!r}")
    backend: Any = optional(".torch_backend", TORCH, f"model {name!r}")
    networks = [weights.read_network(path) for path in bag.files]
    licence = _LICENCE if name in _OFFICIAL and repo is None else "unknown"
    return Networks(backend.as_bag(networks, bag.weights, bag.segment), bag.files, licence)


def _load_torch(name: str, repo: Path | None, device: str | None, threads: int | None, segment: float | None) -> Model:
    found = find_networks(name, repo)
    backend: Any = optional(".torch_backend", TORCH, f"model {name!r}")
    model: Model = backend.from_torch(
        found.bag, name=name, licence=found.licence, segment=segment, device=device, threads=threads
    )
    return model
