"""Locates the files of a PyTorch model in a folder or on the Hugging Face hub. A bag is a YAML file.

models: [955717e8]            # signatures: names of weight files
weights: [[1, 1, 1, 1]]       # one row per network, one number per stem; default: all 1
segment: 7.8                  # seconds; default: the networks' own
"""

import hashlib
import math
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import ModelError
from .extras import TORCH, optional

__all__ = ["Bag", "hub_bag", "hub_name", "local_bag"]

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")  # no slashes: used as a path


@dataclass(frozen=True)
class Bag:
    """Weight files, each network's weight per stem, and the segment in seconds; None: the defaults."""

    files: tuple[Path, ...]
    weights: list[list[float]] | None = None
    segment: float | None = None


def hub_bag(name: str, *, refresh: bool = False) -> Bag:
    """The files of `name` or `user/name`, from the Hugging Face cache or else from the hub.

    With `refresh`, newer files on the hub are downloaded.

    The layout is the official one: `user/HTDemucs` holds `htdemucs.yaml` and one safetensors file per
    network. A file whose digest the hub gives is verified on every call.

    Raises:
        ModelError: if the hub is unreachable and a file is not cached; if a file is damaged; if the bag is invalid.
    """
    user, own = hub_name(name)
    repo_id = f"{user}/{_hf().hf_repo_name(own)}"
    recipe = _recipe(_download(repo_id, f"{own}.yaml", refresh))
    files = tuple(_download(repo_id, f"{signature}.safetensors", refresh) for signature in recipe["models"])
    return Bag(files, recipe.get("weights"), recipe.get("segment"))


def hub_name(name: str) -> tuple[str, str]:
    """The user and the model of `name` or `user/name`.

    Raises:
        ModelError: if the name is invalid on the hub.

    >>> hub_name("htdemucs")
    ('adefossez', 'htdemucs')
    """
    user, _, own = name.rpartition("/")
    return _word(user or "adefossez"), _word(own)


def local_bag(name: str, folder: Path) -> Bag:
    """The files of a bag or of a single signature in `folder`: NAME.yaml, and .th or .safetensors files.

    The YAML of an official bag is taken from demucs if the folder has none, so downloaded weights suffice.

    Raises:
        ModelError: if the folder or the name does not exist; if a file is missing or present twice; if the bag is
            invalid.
    """
    if not folder.is_dir():
        raise ModelError(f"--repo {folder} is not a folder")
    files = _signatures(folder)
    if name in files:
        return Bag((files[name],))
    official = resources.files("demucs") / "remote" / f"{_word(name)}.yaml"
    path = folder / f"{name}.yaml"
    if not path.is_file() and official.is_file():
        path = Path(str(official))
    if not path.is_file():
        known = sorted(files) + sorted(each.stem for each in folder.glob("*.yaml"))
        raise ModelError(f"no model {name!r} in {folder}; it has: {', '.join(known) or 'none'}")
    recipe = _recipe(path)
    missing = [signature for signature in recipe["models"] if signature not in files]
    if missing:
        raise ModelError(f"{path} wants {', '.join(missing)}, of which {folder} has no .th or .safetensors file")
    return Bag(tuple(files[each] for each in recipe["models"]), recipe.get("weights"), recipe.get("segment"))


def _signatures(folder: Path) -> dict[str, Path]:
    """Weight files by signature: `SIGNATURE.th`, `SIGNATURE-DIGITS.th` or `SIGNATURE.safetensors`."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".th", ".safetensors"):
            continue
        signature = path.stem.rpartition("-")[0] or path.stem
        if signature in found:
            raise ModelError(f"{path} and {found[signature].name} have one signature: remove one of them")
        found[signature] = path
    return found


def _recipe(path: Path) -> dict[str, Any]:
    """The validated content of a bag's YAML file."""
    yaml = optional("yaml", TORCH, "reading a bag of models")
    try:
        recipe = yaml.safe_load(path.read_text("utf-8"))
        _check_recipe(recipe)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path} is not a bag of models: {reason}") from error
    return dict(recipe)


def _check_recipe(recipe: Any) -> None:
    signatures = recipe["models"]
    if not isinstance(signatures, list) or not 1 <= len(signatures) <= 64:
        raise ValueError(f"models must list 1 to 64 signatures, got {signatures!r}")
    for signature in signatures:
        _word(signature)
    weights, segment = recipe.get("weights"), recipe.get("segment")
    if weights is not None and (
        len(weights) != len(signatures) or not all(math.isfinite(item) for row in weights for item in row)
    ):
        raise ValueError(f"weights must have one row of finite numbers per network, got {weights!r}")
    if segment is not None and not 0 < segment < 600:
        raise ValueError(f"segment must be 0..600 s, got {segment!r}")


def _word(word: Any) -> str:
    if not isinstance(word, str) or not _WORD.fullmatch(word):
        raise ModelError(f"{word!r} cannot be the name of a model: letters, digits, '_', '-' and '.' only")
    return word


def _hf() -> Any:
    return optional("demucs.hf", TORCH, "a Demucs model by name")


def _download(repo_id: str, filename: str, refresh: bool) -> Path:
    hub = optional("huggingface_hub", TORCH, "a model from the Hugging Face hub")
    cached = None if refresh else hub.try_to_load_from_cache(repo_id, filename)
    try:
        path = Path(cached if isinstance(cached, str) else hub.hf_hub_download(repo_id, filename))
    except Exception as error:  # huggingface_hub's and httpx' classes, OSError
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"cannot get {filename} of {repo_id} from {hub.constants.ENDPOINT}, nor from the cache "
            f"{hub.constants.HF_HUB_CACHE} ({type(error).__name__}: {reason}); run 'stream-restore models fetch' "
            f"where there is a network and copy that cache (HF_HOME names its place), or give --repo a folder "
            f"with the weights"
        ) from error
    _check_blob(path)
    return path


def _check_blob(path: Path) -> None:
    """Verify a cached file, which is named by its digest: sha256 for large files, git's blob sha1 for small ones."""
    name = path.resolve().name
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", name):
        return  # a cache without links, or a server without digests
    with path.open("rb") as file:
        header = b"" if len(name) == 64 else f"blob {path.stat().st_size}\0".encode()
        digest = hashlib.new("sha256" if len(name) == 64 else "sha1", header)
        while piece := file.read(1 << 20):
            digest.update(piece)
    if digest.hexdigest() != name:
        raise ModelError(
            f"{path.resolve()} is cut short or altered, its digest is {digest.hexdigest()}: remove it and fetch again"
        )
