"""The repository: what may import what, what an import costs, what a wheel holds, what a base install does."""

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_restore._moved import MOVED

ROOT = Path(__file__).parents[1]
FOLDERS = {"stream_restore": ROOT / "stream_restore", "stream_restore.cli": ROOT / "cli"}
FOLDERS |= {"stream_restore.models": ROOT / "models"}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name. The links inside the package are not followed."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join([package, *(part for part in parts if part != "__init__")])] = path
    return found


MODULES = modules()


def imports(name: str) -> Iterator[str]:
    """What a module imports, anywhere in it, as dotted names."""
    path = MODULES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names)


def own_imports(name: str) -> set[str]:
    return {found for found in imports(name) if found in MODULES} - {name}


def outside_imports(name: str) -> set[str]:
    return {found.split(".")[0] for found in imports(name)} - {"stream_restore"}


def run(*command: str | Path, cwd: Path | None = None, check: bool = False) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=cwd, check=check)


# What an import costs


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import json, sys, stream_restore; print(json.dumps(list(sys.modules)))"
    loaded = set(json.loads(run(sys.executable, "-c", code, check=True).stdout))
    heavy = {
        "torch",
        "onnxruntime",
        "demucs",
        "librosa",
        "matplotlib",
        "typer",
        "click",
        "scipy",
        "soundfile",
        "av",
        "mutagen",
    }
    assert "stream_restore" in loaded
    assert not heavy & loaded


def test_restoring_does_not_wait_for_what_only_filters_need() -> None:
    """scipy.signal brings scipy.stats, and takes longer to import than all else together."""
    code = "import json, sys, stream_restore.api; print(json.dumps(list(sys.modules)))"
    loaded = set(json.loads(run(sys.executable, "-c", code, check=True).stdout))
    assert "stream_restore.degradation.filters" in loaded
    assert "scipy.signal" not in loaded


def test_inspecting_does_not_wait_for_what_only_restoring_needs() -> None:
    code = "import json, sys, stream_restore.inspection; print(json.dumps(list(sys.modules)))"
    loaded = set(json.loads(run(sys.executable, "-c", code, check=True).stdout))
    assert "stream_restore.restoration.repairs.hum" in loaded
    assert not {"scipy.ndimage", "stream_restore.models", "stream_restore.restoration.restoration"} & loaded


@pytest.mark.parametrize("folder", ["models", "cli.main"])
def test_folders_at_the_top_are_no_packages_of_their_own(folder: str) -> None:
    done = run(sys.executable, "-c", f"import {folder}", cwd=ROOT)
    assert done.returncode != 0
    assert "relative import beyond top-level package" in done.stderr


@pytest.mark.parametrize("link", ["cli", "models"])
def test_links_inside_the_package_are_relative(link: str) -> None:
    assert (ROOT / "stream_restore" / link).readlink() == Path("..") / link


# What may import what


def has_code(name: str) -> bool:
    """Whether a module is more than a docstring, and meant to be imported."""
    body = ast.parse(MODULES[name].read_text("utf-8")).body
    return not name.endswith("__main__") and not all(isinstance(node, ast.Expr) for node in body)


@pytest.mark.parametrize("name", [name for name in MODULES if has_code(name)])
def test_every_module_says_what_it_offers(name: str) -> None:
    module = import_module(name)
    assert isinstance(module.__all__, list), f"{name} has no __all__"
    assert not [each for each in module.__all__ if not hasattr(module, each)]


ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "spec": {"errors"},
    "engine": {"errors", "spec"},
    "testing": {"errors", "spec", "engine"},
    "audio": {"errors", "spec", "engine.noise"},
    "models": {"errors", "spec"},
    "degradation": {"errors", "spec", "engine"},
    "restoration": {"errors", "spec", "engine", "models"},
    "passes": {"errors", "spec", "engine", "audio"},
    "measure": {"errors", "spec", "engine", "audio", "passes"},
    "show": {"errors", "spec", "engine", "audio", "passes", "measure"},
    "api": {"errors", "spec", "engine", "audio", "models", "degradation", "restoration", "passes"},
    "batch": {"errors", "spec", "engine", "audio", "models", "degradation", "restoration", "passes", "api", "ranges"},
    "experiment": {"errors", "spec", "engine", "audio", "models", "passes", "measure", "show", "api"},
}
ROOMS["listening"] = {"errors", "spec", "engine", "audio", "passes", "degradation", "measure", "show"}
ROOMS["inspection"] = {"errors", "spec", "engine", "audio", "measure", "restoration"}
ROOMS["arrays"] = {"errors", "spec", "engine", "audio", "models", "degradation", "restoration"}
ROOMS["ranges"] = {"errors", "spec", "engine", "audio"}
ROOMS["arrays"] |= {"ranges"}
ROOMS["api"] |= {"arrays", "measure", "ranges"}
ROOMS["experiment"] |= {"degradation", "restoration", "batch"}
"""Each room below the package and what it may import, besides itself: arrows go one way."""


def is_in(name: str, room: str) -> bool:
    return f"{name}.".startswith(f"stream_restore.{room}.")


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_lies_under_it(room: str) -> None:
    allowed = {room, *ROOMS[room]}
    for name in (each for each in MODULES if is_in(each, room)):
        # The package itself holds the version, and how packages import what they offer.
        known = {"stream_restore", "stream_restore._on_demand"}
        foreign = {each for each in own_imports(name) - known if not any(is_in(each, a) for a in allowed)}
        assert not foreign, f"{name} imports {sorted(foreign)}"


def test_every_room_has_a_rule() -> None:
    rooms = {name.split(".")[1] for name in MODULES if "." in name}
    assert rooms == {*ROOMS, "cli", "_moved", "_on_demand", "__main__"}


def test_a_room_has_about_ten_modules_at_most() -> None:
    for folder in (ROOT / "stream_restore").rglob("*"):
        if folder.is_dir() and not folder.is_symlink():
            assert len(list(folder.glob("[!_]*.py"))) <= 11, folder


def test_old_module_paths_still_work_and_say_where_to_go() -> None:
    for old, new in MOVED.items():
        sys.modules.pop(f"stream_restore.{old}", None)
        with pytest.warns(DeprecationWarning, match=rf"stream_restore.{old} has moved to stream_restore.{new}"):
            module = import_module(f"stream_restore.{old}")
        for name in import_module(f"stream_restore.{new}").__all__:
            assert getattr(module, name) is getattr(import_module(f"stream_restore.{new}"), name)
    code = "from stream_restore.stage import Stage; import stream_restore.combine as old"
    done = run(sys.executable, "-W", "ignore", "-c", f"{code}; old.through")
    assert done.returncode == 0, done.stderr


def test_stages_know_neither_files_nor_the_command_line_nor_how_networks_run() -> None:
    stages = [name for name, path in MODULES.items() if "(Stage[" in path.read_text("utf-8")]
    assert len(stages) >= 6
    for name in stages:
        above = ("stream_restore.cli", "stream_restore.audio", "stream_restore.api", "stream_restore.engine.loop")
        assert not [each for each in own_imports(name) if each.startswith(above)], name
        of_models = {each for each in own_imports(name) if each.startswith("stream_restore.models")}
        assert of_models <= {"stream_restore.models.model"}, name


def test_nobody_imports_the_command_line() -> None:
    users = [name for name in MODULES if not name.startswith(("stream_restore.cli", "stream_restore.__main__"))]
    assert not [name for name in users if any(each.startswith("stream_restore.cli") for each in own_imports(name))]


def test_imports_make_no_circle() -> None:
    # The package itself imports what it offers when that is used.
    left = {name: own_imports(name) for name in MODULES if name != "stream_restore"}
    while free := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in free:
            del left[name]
    assert not left, f"one of these imports itself in a circle: {sorted(left)}"


@pytest.mark.parametrize(
    ("packages", "home"),
    [
        (
            {"torch", "onnxruntime", "onnx", "onnxscript", "openvino", "demucs", "safetensors", "huggingface_hub"},
            "models",
        ),
        ({"soundfile", "av", "wave", "sndfile", "mutagen"}, "audio"),
        ({"typer", "click", "rich"}, "cli"),
        ({"librosa", "matplotlib"}, "show"),
    ],
)
def test_a_library_has_one_home(packages: set[str], home: str) -> None:
    users = {name for name in MODULES if outside_imports(name) & packages}
    assert not [name for name in users if name.split(".")[1:2] != [home]]


# What a wheel holds, and what it does where nothing else is installed


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of a copy of the tree: setuptools would leave its build folder in the tree itself."""
    copy = tmp_path_factory.mktemp("tree") / "copy"
    names = ("stream_restore", "cli", "models", "pyproject.toml", "README.md", "LICENSE")
    for name in names:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    folder = copy.parent / "wheel"
    run(*PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, copy, check=True)
    (path,) = folder.glob("*.whl")
    return path


PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def test_the_wheel_holds_every_module_under_one_import_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"stream_restore"}
    expected = {
        str(Path(*package.split("."), path.relative_to(folder)))
        for package, folder in FOLDERS.items()
        for path in folder.rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == expected
    assert {
        "stream_restore/py.typed",
        *(f"stream_restore/models/{each}.onnx" for each in ("compact", "treble")),
    } <= set(names)


@pytest.fixture(scope="module")
def base_install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment with the wheel and what it requires, no extras."""
    return installed(wheel, sys.executable, tmp_path_factory.mktemp("base"))


def installed(wheel: Path, python: str, folder: Path) -> Path:
    """The bin folder of a new environment of a Python."""
    run(python, "-m", "venv", "--without-pip", folder, check=True)
    run(*PIP, "--python", folder / "bin/python", "install", "--quiet", "--no-compile", wheel, check=True)
    return folder / "bin"


def degrades_restores_and_measures(command: Path, folder: Path) -> None:
    time = np.arange(22050) / 44100
    soundfile.write(folder / "clean.wav", 0.3 * np.sin(2 * np.pi * 440 * time), 44100)
    for words in ("degrade clean.wav -o bad.flac", "restore bad.flac -o good.wav", "metrics clean.wav good.wav --json"):
        done = run(command, *words.split(), cwd=folder)
        assert (done.returncode, "Warning" in done.stderr) == (0, False), done.stderr
    assert json.loads(done.stdout)["frames"] == 22050


def test_a_base_install_degrades_restores_and_measures(base_install: Path, tmp_path: Path) -> None:
    degrades_restores_and_measures(base_install / "stream-restore", tmp_path)


CLASSIFIERS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["classifiers"]
PYTHONS = re.findall(r"Python :: (3\.\d+)", "\n".join(CLASSIFIERS))


@pytest.mark.parametrize("version", [each for each in PYTHONS if each != f"3.{sys.version_info.minor}"])
def test_every_other_python_that_is_supported_and_found_does_the_same(
    version: str, wheel: Path, tmp_path: Path
) -> None:
    python = shutil.which(f"python{version}")
    if python is None or run(python, "-c", "import venv").returncode:
        pytest.skip(f"python{version} is not installed")
    degrades_restores_and_measures(installed(wheel, python, tmp_path / "env") / "stream-restore", tmp_path)


def test_a_base_install_has_neither_torch_nor_librosa(base_install: Path, tmp_path: Path) -> None:
    for package in ("torch", "demucs", "librosa", "matplotlib", "onnx"):
        assert "ModuleNotFoundError" in run(base_install / "python", "-c", f"import {package}", cwd=tmp_path).stderr


def test_a_missing_extra_is_named_with_its_install_line(base_install: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", np.zeros(100), 44100)
    done = run(base_install / "stream-restore", "restore", "in.wav", "-n", "htdemucs", cwd=tmp_path)
    assert done.returncode == 1
    assert "pip install 'stream_restore[torch]'" in done.stderr
    assert "Traceback" not in done.stderr


# What the README says

README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The README's blocks of code in one language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> Iterator[list[str]]:
    """Words of every call of the command line in the README."""
    for line in "\n".join(blocks("sh")).splitlines():
        for part in line.partition("#")[0].split("|"):
            words = shlex.split(part)
            if words[:1] == ["stream-restore"]:
                yield words[1:]


def test_the_readme_uses_commands_and_options_that_exist() -> None:
    helps: dict[str, str] = {}
    assert len(list(commands())) > 5
    for first, *words in commands():
        # Groups have commands of their own.
        path = [first, words[0]] if first in ("models", "mushra") else [first]
        name = " ".join(path)
        if name not in helps:
            helps[name] = run(sys.executable, "-m", "stream_restore.cli", *path, "--help", check=True).stdout
        for word in words:
            assert not re.fullmatch(r"-\w|--[\w-]+", word) or re.search(rf"(?<![\w-]){word}\b", helps[name]), word


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tape.wav", np.random.default_rng(0).normal(0, 0.1, (22050, 2)), 44100)
    assert len(blocks("python")) >= 2
    for number, code in enumerate(blocks("python")):
        (tmp_path / f"block_{number}.py").write_text(code, "utf-8")
        done = run(sys.executable, f"block_{number}.py", cwd=tmp_path)
        assert done.returncode == 0, done.stderr


def test_files_that_the_readme_names_exist() -> None:
    named = set(re.findall(r"`((?:tests|models|cli|scripts|stream_restore)/[\w./]+)`", README))
    assert len(named) > 8
    assert not [path for path in named if not (ROOT / path).exists()]


def test_the_demo_shows_the_main_job(tmp_path: Path) -> None:
    done = run(sys.executable, ROOT / "scripts/demonstration.py", "--seconds", "2", "--output", "shown", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = tmp_path / "shown"
    assert {soundfile.info(shown / f"{word}.wav").frames for word in ("original", "degraded", "restored")} == {88200}
    assert (shown / "spectrograms.png").read_bytes().startswith(b"\x89PNG")
    assert re.search(r"degraded +[\d.]+ dB +[\d.]+ dB\nrestored +[\d.]+ dB +[\d.]+ dB\ngain", done.stdout)
