"""A batch on a cluster whose workers and nodes are killed: the bytes of one process, and nothing else."""

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile
from buckets import Buckets, buckets
from cheap import COMMAND, run
from folders import files
from identity import Identity, identity
from numpy.typing import NDArray
from onnx import TensorProto, helper

from stream_restore import Degradation, api
from stream_restore.audio.outputs.lock import Lock
from stream_restore.batch import Item
from stream_restore.batch.actors import Death
from stream_restore.batch.cluster import _JOIN, _Actor, _Task, _Work
from stream_restore.batch.pieces import Cut
from stream_restore.batch.treatment import Restorer
from stream_restore.errors import SourceError
from stream_restore.experiment.cluster import _Actor as OfClips
from stream_restore.experiment.evaluation import Experiment
from stream_restore.models.container import MANIFEST_KEY, SEAL_KEY, ZEROS, seal
from stream_restore.models.manifest import Manifest
from stream_restore.models.model import Member
from stream_restore.passes.job import Report
from stream_restore.restoration import Restoration
from stream_restore.spec import Audio

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
KILLS = import_module("benchmarks.kills")

RATE = 16000
SECONDS = {"long.flac": 55.3, "0.wav": 20.0, "1.wav": 21.0, "2.wav": 22.0, "3.wav": 23.0}
OPTIONS = ["--repair", "clicks,noise", "--dry", 0.5, "--int16"]
IMPATIENT = [
    sys.executable,
    "-c",
    "import sys; from stream_restore.batch import actors; actors.PATIENCE = 4;"
    " from stream_restore.cli.main import main; sys.exit(main())",
]
"""The command, which gives up a cluster without workers after four seconds."""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    for number, (name, seconds) in enumerate(SECONDS.items()):
        sound = 0.1 * np.random.default_rng(number).standard_normal((int(seconds * RATE), 1))
        soundfile.write(folder / name, sound.clip(-0.6, 0.6), RATE)
    return folder


@pytest.fixture(scope="module")
def fails_when_loud(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that gives what it hears, but fails beyond 0.7 of full scale."""
    path, shape = tmp_path_factory.mktemp("model") / "quiet.onnx", [1, 1, RATE // 2]
    nodes = [
        helper.make_node("Abs", ["mix"], ["size"]),
        helper.make_node("ReduceMax", ["size"], ["peak"], keepdims=0),
        helper.make_node("Div", ["peak", "most"], ["times"]),
        helper.make_node("Cast", ["times"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["one", "index"], ["factor"]),  # there is only one: index 1 is an error
        helper.make_node("Mul", ["mix", "factor"], ["heard"]),
        helper.make_node("Unsqueeze", ["heard", "axis"], ["out"]),
    ]
    constants = [
        helper.make_tensor("most", TensorProto.FLOAT, [], [0.7]),
        helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
    ]
    graph = helper.make_graph(
        nodes,
        "quiet",
        [helper.make_tensor_value_info("mix", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, *shape])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    manifest = Manifest("quiet", "none", RATE, 1, ("all",), RATE // 2, RATE // 2)
    helper.set_model_props(model, {MANIFEST_KEY: manifest.to_json(), SEAL_KEY: ZEROS.decode()})
    onnx.save(model, path)
    seal(path)
    return path


@pytest.fixture(scope="module")
def alone(recordings: Path, fails_when_loud: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process makes of the recordings."""
    out = tmp_path_factory.mktemp("alone")
    run("batch", recordings, out, "-n", fails_when_loud, *OPTIONS)
    return sounds(out)


def sounds(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in files(folder).items() if name != "batch.journal"}


@pytest.fixture(scope="module")
def s3() -> Iterator[Buckets]:
    with buckets() as found:
        yield found


@pytest.fixture(scope="module")
def nodes(s3: Buckets) -> Iterator[Any]:
    """They know how to reach the buckets, as each node must."""
    with KILLS.Nodes(2) as nodes:
        yield nodes


def test_workers_and_nodes_may_be_killed(
    recordings: Path, fails_when_loud: Path, alone: dict[str, bytes], nodes: Any, tmp_path: Path
) -> None:
    loud = tmp_path / "loud.wav"
    soundfile.write(loud, 0.9 * np.sin(np.arange(40 * RATE)), RATE)
    words = ["batch", recordings, loud, tmp_path / "out", "-n", fails_when_loud, *OPTIONS, "--cut", 0.25]
    words += ["--cluster", nodes.address, "--report", tmp_path / "report.jsonl"]
    killed = KILLS.run_with_kills(
        [*COMMAND, *map(str, words)], nodes, kills=["worker", "worker", "node", "last"], seed=0, within_seconds=0.5
    )
    nodes.come()
    assert killed.code == 3, killed.said
    assert killed.workers + killed.nodes >= 3
    assert sounds(tmp_path / "out") == alone
    assert "raylet" not in killed.said
    rows = {Path(row["input"]).name: row for row in map(json.loads, (tmp_path / "report.jsonl").open())}
    again = sum(rows[name]["attempts"] - 1 for name in SECONDS)
    assert 0 < again <= killed.workers + killed.nodes
    for name, seconds in SECONDS.items():
        assert (rows[name]["status"], rows[name]["seconds"]) == ("restored", seconds)
        assert (rows[name]["attempts"] > 1) == any(
            "it was tried again and is whole" in w for w in rows[name]["warnings"]
        )
    assert rows["loud.wav"]["status"] == "failed"
    assert "failed on model 'quiet'" in rows["loud.wav"]["error"]


def test_a_cluster_without_nodes_is_given_up_and_the_batch_goes_on_when_there_are_some(
    recordings: Path, fails_when_loud: Path, alone: dict[str, bytes], nodes: Any, tmp_path: Path
) -> None:
    words = ["batch", recordings, tmp_path / "out", "-n", fails_when_loud, *OPTIONS, "--cut", 0.25, "--resume"]
    command = [*map(str, [*IMPATIENT, *words, "--cluster", nodes.address])]
    killed = KILLS.run_with_kills(command, nodes, kills=["last"] * len(nodes), seed=0, within_seconds=0.1)
    nodes.come()
    assert killed.code == 1, killed.said
    assert killed.said.endswith("the cluster had no free CPU for 4 s; --resume goes on\n")
    assert sounds(tmp_path / "out") != alone
    run(*words, "--cluster", nodes.address)
    assert sounds(tmp_path / "out") == alone


def from_bucket_to_bucket(s3: Buckets, recordings: Path, nodes: Any, folder: Path, *how: object) -> dict[str, bytes]:
    """What a batch on the cluster, whose workers are killed, makes of the recordings, with nothing else left."""
    s3.empty()
    for name, data in files(recordings).items():
        s3.bucket.put_object(Key=f"in/{name}", Body=data)
    words = [
        "batch",
        "s3://tapes/in/",
        "s3://tapes/out/",
        *how,
        "--cluster",
        nodes.address,
        "--state",
        folder / "state",
    ]
    killed = KILLS.run_with_kills(
        [*COMMAND, *map(str, words)], nodes, kills=["worker"] * 2, seed=0, within_seconds=0.05
    )
    assert killed.code == 0, killed.said
    assert killed.workers
    assert not s3.unfinished()
    assert set(files(folder / "state")) == {"batch.journal"}
    return {key.removeprefix("out/"): data for key, data in s3.objects().items() if key.startswith("out/")}


def test_from_bucket_to_bucket_workers_may_be_killed(
    recordings: Path, fails_when_loud: Path, alone: dict[str, bytes], nodes: Any, s3: Buckets, tmp_path: Path
) -> None:
    how = ["-n", fails_when_loud, *OPTIONS, "--cut", 0.25]
    assert from_bucket_to_bucket(s3, recordings, nodes, tmp_path, *how) == alone


def test_a_cluster_degrades_as_the_command_does(recordings: Path, nodes: Any, s3: Buckets, tmp_path: Path) -> None:
    chain = ["--cutoff", 5000, "--snr", 10, "--rate", 12000]
    found = from_bucket_to_bucket(s3, recordings, nodes, tmp_path, "--degrade", *chain)
    for name in SECONDS:
        degradation = Degradation(cutoff_hz=5000, snr_db=10, sample_rate=12000)
        api.degrade(recordings / name, tmp_path / name, degradation=degradation)
    assert found == {name: (tmp_path / name).read_bytes() for name in SECONDS}


def test_an_evaluation_on_a_cluster_leaves_what_one_process_leaves(network: Path, nodes: Any, tmp_path: Path) -> None:
    clips = [tmp_path / "one.wav", tmp_path / "two.wav"]
    for number, clip in enumerate(clips):
        soundfile.write(clip, 0.3 * np.random.default_rng(number).standard_normal((20_000, 2)).clip(-3, 3), 4000)
    how: list[object] = ["-n", network, "--sample-rate", 4000, "--rate", 2000, "--cutoff", 800]
    run("evaluate", *clips, *how, "-o", tmp_path / "alone", stdout=subprocess.DEVNULL)
    command = [*COMMAND, "evaluate", *clips, *how, "-o", tmp_path / "out", "--cluster", nodes.address]
    killed = KILLS.run_with_kills([*map(str, command)], nodes, kills=["worker"], seed=0, within_seconds=0.2)
    assert (killed.code, killed.workers) == (0, 1), killed.said
    assert files(tmp_path / "out") == files(tmp_path / "alone")
    said = run("evaluate", *clips, "-o", tmp_path / "no", "-j", 2, code=1)
    assert said == "stream-restore: -j takes clips side by side on a cluster: add --cluster local\n"
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF and nothing else, or very little of it")
    actor = OfClips((Experiment(), {"same": identity()}))
    error = pickle.loads(pickle.dumps(actor.run(broken, tmp_path / "no", "broken", resume=False, again=True)))
    assert isinstance(error, SourceError)
    assert str(error).startswith(f"{broken}: ")


@pytest.fixture
def begun(tmp_path: Path) -> tuple[Restorer, Item]:
    soundfile.write(tmp_path / "in.wav", np.random.default_rng(0).uniform(-1, 1, (9000, 2)), 1000, subtype="FLOAT")
    restorer = Restorer(identity(gain=0.3), Restoration(repairs=("noise",)))
    return restorer, Item(tmp_path / "in.wav", tmp_path / "out.wav", finished=False)


@pytest.mark.parametrize("longest_seconds", [5.0, 10.0])
def test_what_is_complete_when_its_worker_dies_is_not_written_again(
    longest_seconds: float, begun: tuple[Restorer, Item]
) -> None:
    restorer, item = begun
    actor, work = _Actor(restorer), _Work(item, longest_seconds, new=True)
    first = actor.run(_Task(work), resume=False, again=False)
    task = _Task(work)
    if longest_seconds < 9:
        assert isinstance(first, Cut)
        task = _Task(_Work(item, longest_seconds, True, first), _JOIN)
        for part in range(2):
            assert isinstance(actor.run(_Task(task.work, part), resume=False, again=False), Report)
        assert isinstance(actor.run(task, resume=False, again=False), Report)
    written = item.local.stat()
    again = actor.run(task, resume=False, again=True)
    assert isinstance(again, Report)
    assert again.seconds == 9
    assert again.warnings == [f"{item.source}: its worker died when it was complete, and what it had found was lost"]
    assert item.local.stat() == written
    task.work.new = False  # what was there before the batch is refused, however often it is tried
    assert "exists" in str(actor.run(task, resume=False, again=True))
    assert item.local.stat() == written


class Looking(Identity):
    """Looks, at every segment, whether there is a checkpoint."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.seen = folder, set[bool]()

    def separate(self, segment: Audio) -> NDArray[np.float32]:
        self.seen.add(any(self.folder.rglob("*.journal")))
        return super().separate(segment)


@pytest.mark.usefixtures("every_block")
def test_workers_of_a_cluster_write_fewer_checkpoints_to_the_storage_that_they_share(
    begun: tuple[Restorer, Item], tmp_path: Path
) -> None:
    restorer, item = begun
    soundfile.write(item.source, np.zeros((300_000, 2)), 1000, subtype="FLOAT")
    looking = Looking(tmp_path)
    restorer = replace(restorer, model=replace(restorer.model, members=(Member(looking, (1.0,)),)))
    restorer(replace(item, target=tmp_path / "alone.wav"), resume=False)
    assert looking.seen == {False, True}
    looking.seen.clear()
    actor, whole, long = _Actor(restorer), _Work(item, 999.0, new=True), _Work(item, 150.0, new=True)
    assert isinstance(actor.run(_Task(whole), resume=False, again=False), Report)
    assert item.local.read_bytes() == (tmp_path / "alone.wav").read_bytes()
    item.local.unlink()
    cut = actor.run(_Task(long), resume=False, again=False)
    assert isinstance(cut, Cut)
    assert isinstance(actor.run(_Task(_Work(item, 150.0, True, cut), 0), resume=False, again=False), Report)
    assert looking.seen == {False}


def test_a_worker_that_was_lost_and_lives_on_is_waited_for(begun: tuple[Restorer, Item]) -> None:
    restorer, item = begun
    actor, task = _Actor(restorer), _Task(_Work(item, 99.0, new=True))
    lost = Lock(item.local.with_name("out.wav.part"))
    first = actor.run(task, resume=False, again=False)
    assert isinstance(first, str)
    assert "another run is writing it" in first
    assert actor.run(task, resume=False, again=True) == Death(first, lost=True)
    lost.release()
    assert isinstance(actor.run(task, resume=False, again=True), Report)
