"""Named models come from a hub, real client against a real server on this machine, and then from the cache."""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import networks
import numpy as np
import pytest
import torch

from stream_restore.errors import ModelError
from stream_restore.models import info, load, names
from stream_restore.models.torch_backend import from_torch

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SEGMENT = 0.25

LOAD = """
import sys
import numpy as np
from stream_restore.errors import ModelError
from stream_restore.models import fetch, load
name, out = sys.argv[1:]
try:
    if out == "fetch":
        print(fetch(name))
    else:
        model = load(name, threads=1)
        segment = np.linspace(-0.5, 0.5, 2 * 11025, dtype=np.float32).reshape(2, -1)
        np.save(out, np.stack([member.backend.separate(segment) for member in model.members]))
        print(model.manifest.name, [member.weights for member in model.members])
except ModelError as error:
    sys.exit(f"ModelError: {error}")
"""


class Hub(ThreadingHTTPServer):
    """The part of the hub that a download needs: files of repositories, by name, with their digests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._send(body=False)

    def do_GET(self) -> None:
        self._send(body=True)

    def _send(self, body: bool) -> None:
        self.server.asked.append(self.path)
        data = self.server.files.get(self.path)
        self.send_response(404 if data is None else 200)
        data = data or b""
        large = self.path.endswith(".safetensors")
        git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest() if large else git}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    hub = Hub()
    root = "/adefossez/HTDemucs/resolve/main"
    weights = networks.write_safetensors(networks.htdemucs(segment=SEGMENT), tmp_path / "w.safetensors")
    hub.files[f"{root}/htdemucs.yaml"] = b"models: ['955717e8']\n"
    hub.files[f"{root}/955717e8.safetensors"] = weights.read_bytes()
    root = "/some.user/Demucs-two/resolve/main"
    hub.files[f"{root}/two.yaml"] = b"models: [a1, b2]\nweights: [[1, 0, 1, 1], [1, 1, 0, 1]]\n"
    for seed, signature in enumerate(("a1", "b2")):
        network = networks.hdemucs(seed, segment=SEGMENT)
        path = networks.write_safetensors(network, tmp_path / f"{signature}.safetensors")
        hub.files[f"{root}/{signature}.safetensors"] = path.read_bytes()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield hub
    hub.shutdown()
    hub.server_close()


def client(endpoint: str, home: Path, name: str, out: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, since the client reads its environment when imported."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    environment = kept | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", LOAD, name, out], env=environment, capture_output=True, text=True, timeout=300
    )


def separated(seed: int, make: str) -> object:
    network = getattr(networks, make)(seed, segment=SEGMENT)
    segment = np.linspace(-0.5, 0.5, 2 * 11025, dtype=np.float32).reshape(2, -1)
    with torch.no_grad():
        return network(torch.from_numpy(segment)[None])[0].numpy()


def test_an_official_name_then_offline_then_altered(hub: Hub, tmp_path: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "out.npy"
    first = client(hub.url, home, "htdemucs", str(out))
    assert first.returncode == 0, first.stderr
    assert first.stdout.strip() == "htdemucs [(1.0, 1.0, 1.0, 1.0)]"
    assert np.abs(np.load(out)[0] - separated(0, "htdemucs")).max() < 1e-6

    hub.shutdown()
    hub.server_close()
    asked = len(hub.asked)
    out.unlink()
    again = client(hub.url, home, "htdemucs", str(out))
    assert again.returncode == 0, again.stderr
    assert out.exists()
    assert len(hub.asked) == asked

    (blob,) = [path.resolve() for path in home.rglob("*.safetensors")]
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    altered = client(hub.url, home, "htdemucs", str(out))
    assert altered.returncode != 0
    assert "cut short or altered" in altered.stderr


def test_a_users_bag_is_fetched_and_then_loads(hub: Hub, tmp_path: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "out.npy"
    fetched = client(hub.url, home, "hf://some.user/two", "fetch")
    assert fetched.returncode == 0, fetched.stderr
    assert sorted(path.name for path in Path(fetched.stdout.strip()).iterdir()) == [
        "a1.safetensors",
        "b2.safetensors",
        "two.yaml",
    ]
    loaded = client("http://127.0.0.1:9", home, "hf://some.user/two", str(out))
    assert loaded.returncode == 0, loaded.stderr
    assert "[(1.0, 0.0, 1.0, 1.0), (1.0, 1.0, 0.0, 1.0)]" in loaded.stdout
    for seed in (0, 1):
        assert np.abs(np.load(out)[seed] - separated(seed, "hdemucs")).max() < 1e-6


@pytest.mark.skipif(find_spec("diffq") is None, reason="needs diffq, which has no wheel: pip install diffq")
def test_a_quantised_bag_by_its_official_name(hub: Hub, tmp_path: Path) -> None:
    root, expected = "/adefossez/Demucs-mdx_q/resolve/main", []
    hub.files[f"{root}/mdx_q.yaml"] = b"models: [a1, b2]\nweights: [[1, 0, 1, 1], [0, 1, 1, 0]]\nsegment: 0.25\n"
    for seed, signature in enumerate(("a1", "b2")):
        network = networks.hdemucs(seed, segment=SEGMENT)
        state, same = networks.quantised(network)
        path = networks.write_safetensors(network, tmp_path / f"{signature}.safetensors", state=state)
        hub.files[f"{root}/{signature}.safetensors"] = path.read_bytes()
        expected.append(from_torch(same, name="same", threads=1).members[0].backend)
    loaded = client(hub.url, tmp_path / "home", "mdx_q", str(tmp_path / "out.npy"))
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.strip() == "mdx_q [(1.0, 0.0, 1.0, 1.0), (0.0, 1.0, 1.0, 0.0)]"
    segment = np.linspace(-0.5, 0.5, 2 * 11025, dtype=np.float32).reshape(2, -1)
    for found, backend in zip(np.load(tmp_path / "out.npy"), expected, strict=True):
        assert np.abs(found - backend.separate(segment)).max() < 1e-6


def test_a_name_the_hub_does_not_have_says_what_was_tried_and_the_cure(hub: Hub, tmp_path: Path) -> None:
    missing = client(hub.url, tmp_path / "home", "hf://some.user/other", str(tmp_path / "out.npy"))
    assert missing.returncode != 0
    for word in ("ModelError", "other.yaml", "some.user/Demucs-other", hub.url, "models fetch", "--repo", "HF_HOME"):
        assert word in missing.stderr


@pytest.mark.parametrize("name", ["hf://../x", "hf://a/b/c", "hf://", "hf://a/", "hf://a/..", "hf://a/b c"])
def test_a_name_that_is_no_name_asks_nobody(name: str) -> None:
    with pytest.raises(ModelError, match="name of a model"):
        load(name)


def test_an_unknown_name_lists_the_names() -> None:
    with pytest.raises(ModelError, match=r"compact, htdemucs, htdemucs_ft.*mdx_extra_q.*hf://"):
        load("htdemux")


def test_info_downloads_nothing() -> None:
    assert all(info(name).source for name in names()[1:])
    assert info("hf://a/b").licence == "unknown"
    with pytest.raises(ModelError, match="htdemux"):
        info("htdemux")
    carried = info(str(networks.exported("Demucs"))).manifest
    assert carried is not None
    assert carried.architecture == "Demucs"


# A folder instead of the hub.


def folder(path: Path) -> Path:
    networks.write_pickle(networks.htdemucs(0, segment=SEGMENT), path / "955717e8.th")
    networks.write_safetensors(networks.hdemucs(1, segment=SEGMENT), path / "b2.safetensors")
    (path / "mine.yaml").write_text("models: [955717e8, b2]\nweights: [[1, 1, 0, 0.5], [1, 0, 1, 1]]\nsegment: 0.2\n")
    return path


def test_a_folder_of_bags_and_weights(tmp_path: Path) -> None:
    repo = folder(tmp_path)
    bag = load("mine", repo=repo)
    assert [member.weights for member in bag.members] == [(1.0, 1.0, 0.0, 0.5), (1.0, 0.0, 1.0, 1.0)]
    assert {member.backend.segment_frames for member in bag.members} == {8820}
    assert load("b2", repo=repo).manifest.architecture == "HDemucs"
    assert load("htdemucs", repo=repo).manifest.architecture == "HTDemucs"  # demucs' YAML, our weights


def test_a_folder_and_memory_agree(tmp_path: Path) -> None:
    one = load("955717e8", repo=folder(tmp_path), threads=1).members[0].backend
    other = from_torch(networks.htdemucs(0, segment=SEGMENT), name="x", threads=1).members[0].backend
    segment = np.linspace(-1, 1, 2 * 11025, dtype=np.float32).reshape(2, -1)
    assert (one.separate(segment) == other.separate(segment)).all()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("models: ['../../x']", "name of a model"),
        ("models: [absent]", "absent"),
        ("models: []", "1 to 64"),
        ("models: b2", "1 to 64"),
        ("{}", "not a bag"),
        ("3", "not a bag"),
        ("models: [b2]\nweights: [[1, 1]]", "a weight for each stem"),
        ("models: [b2]\nweights: [[1, 1, 1, .nan]]", "finite"),
        ("models: [b2]\nweights: [[0, 1, 1, 1]]", "sum to 0"),
        ("models: [b2]\nweights: 3", "not a bag"),
        ("models: [b2]\nsegment: -1", "segment"),
        ("models: [b2]\nsegment: x", "not a bag"),
        ("models: [955717e8, b2]\nweights: [[1, 1, 1, 1]]", "one row"),
        ("a: [", "not a bag"),
        ("models: !!python/object/apply:os.system ['touch marker']", "not a bag"),
    ],
)
def test_a_bag_that_makes_no_sense_is_refused(tmp_path: Path, content: str, match: str) -> None:
    (folder(tmp_path) / "bad.yaml").write_text(content)
    with pytest.raises(ModelError, match=match):
        load("bad", repo=tmp_path)


def test_a_folder_that_lacks_is_told_with_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"'other'.*955717e8, b2, mine"):
        load("other", repo=folder(tmp_path))
    with pytest.raises(ModelError, match="not a folder"):
        load("other", repo=tmp_path / "absent")
    networks.write_pickle(networks.demucs(), tmp_path / "b2-12345678.th")
    with pytest.raises(ModelError, match="one signature"):
        load("mine", repo=tmp_path)
