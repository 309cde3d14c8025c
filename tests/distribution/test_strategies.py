"""Strategies: several devices and machines train as one, and what is missing is said."""

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfrec_zoo.distribution.strategies import agreed, is_chief, join, name_of, sizes
from tfrec_zoo.training import Training
from tfrec_zoo.training.resuming import unfinished

WORKERS = {"worker": ["127.0.0.1:1111", "127.0.0.1:2222"]}
SERVERS = {"chief": ["127.0.0.1:1"], "worker": ["127.0.0.1:2"], "ps": ["127.0.0.1:3"]}


def tf_config(cluster: Any, job: str = "worker", index: int = 0) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": job, "index": index}})


def test_a_strategy_has_a_name_that_results_tell() -> None:
    assert Training().to_dict()["strategy"] == "none"
    mirrored = tf.distribute.MirroredStrategy(["CPU:0"])
    training = Training(strategy=mirrored)
    assert json.loads(json.dumps(training.to_dict()))["strategy"] == "mirrored"
    assert join(mirrored) is mirrored and name_of(mirrored) == "mirrored"
    assert (sizes(mirrored), sizes(join("none"))) == ({"replicas": 1}, {})
    assert is_chief(mirrored) and agreed(mirrored, {"auc": 0.5}) == {"auc": 0.5}


@pytest.mark.parametrize("strategy", ["central-storage", tf.distribute.OneDeviceStrategy("CPU:0")])
def test_unknown_strategies_are_refused(strategy: Any) -> None:
    with pytest.raises(ValueError, match=r"`strategy` must be one of \['none', 'mirrored', "):
        Training(strategy=strategy)


@pytest.mark.parametrize(
    ("strategy", "given", "words"),
    [
        ("multi-worker", None, "needs the environment variable TF_CONFIG, such as .*no TF_CONFIG"),
        ("parameter-server", None, "`tfrec-zoo cluster` sets it on one machine"),
        ("multi-worker", "{", "to be JSON such as .*Received: {"),
        ("multi-worker", "[]", "to be JSON such as "),
        ("multi-worker", '{"cluster": 3}', "to be JSON such as "),
        (
            "multi-worker",
            json.dumps({"cluster": WORKERS}),
            "with a `task` that is in the `cluster`",
        ),
        ("multi-worker", tf_config(WORKERS, index=2), "with a `task` that is in the `cluster`"),
        ("multi-worker", tf_config(SERVERS), "to name workers alone, such as"),
        ("parameter-server", tf_config(WORKERS), "to name one chief, workers and ps, such as"),
    ],
)
def test_a_cluster_that_is_not_there_is_said(
    strategy: str, given: str | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given is None:
        monkeypatch.delenv("TF_CONFIG", raising=False)
    else:
        monkeypatch.setenv("TF_CONFIG", given)
    with pytest.raises(ValueError, match=words):
        join(strategy)


def test_other_workers_have_a_state_of_their_own_or_read_the_chief_s(tmp_path: Any) -> None:
    kept = tmp_path / ".unfinished" / "state"
    kept.mkdir(parents=True)
    with unfinished(tmp_path, resume=False, is_own=False) as folder:
        assert os.listdir(folder) == []
    with unfinished(tmp_path, resume=True, is_own=False) as folder:
        assert os.listdir(folder) == ["state"]
    assert kept.is_dir()


# A process apart, where variables are to a coordinator what they are in a real cluster.
_SERVERS = """
import json, sys
import tensorflow as tf

cluster = tf.train.ClusterSpec(json.loads(sys.argv[1]))
config = tf.compat.v1.ConfigProto(inter_op_parallelism_threads=4)
servers = [
    tf.distribute.Server(cluster, job, index, protocol="grpc", config=config)
    for job, index in (("worker", 0), ("ps", 0), ("ps", 1))
]
sys.stdin.read()
"""
_TRAINED = """
import json, subprocess, sys

import numpy as np, pandas as pd
import tfrec_zoo as zoo
import tensorflow as tf

strategy, folder, servers = sys.argv[1:]
if strategy == "mirrored":
    [cpu] = tf.config.list_physical_devices("CPU")
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
else:
    # A worker and two parameter servers, each table of embeddings in two parts.
    import socket

    sockets = [socket.socket() for _ in range(3)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    cluster = {"worker": ports[:1], "ps": ports[1:]}
    command = [sys.executable, "-c", servers, json.dumps(cluster)]
    others = subprocess.Popen(command, stdin=subprocess.PIPE)  # They end with this process.
    cluster = tf.train.ClusterSpec(cluster)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(cluster, rpc_layer="grpc")
    halved = tf.distribute.experimental.partitioners.FixedShardsPartitioner(2)

    def partitioner(shape, dtype):  # Quantiles are a thousand wide, and stay in one part.
        return [1] * len(shape) if 1000 in shape else halved(shape, dtype)

    strategy = tf.distribute.ParameterServerStrategy(resolver, variable_partitioner=partitioner)

rng, rows = np.random.default_rng(0), 300
log = zoo.Log("drawn", pd.DataFrame({
    "user_id": rng.integers(30, size=rows), "item_id": rng.integers(25, size=rows),
    "time": np.arange(rows)}))
averaged = {"averaging": 0.9} if strategy == "mirrored" else {}
cases = {
    "tied": ("YouTubeRetrieval", {"hidden_units": (8,), "tied": True, "l2": 0.01},
             {"optimizer": "lazy_adam", "batch_size": 48, **averaged}),
    "quantiles": ("D2Q", {"hidden_units": (8,)}, {}),
    "two sides": ("WideDeep", {"hidden_units": (8,)}, {"optimizer": "ftrl+adagrad", **averaged}),
    "graph": ("LightGCN", {"embedding_dim": 4, "loss": "softmax"}, {"batch_size": 48, **averaged}),
}
found = {}
for case, (name, arguments, fields) in cases.items():
    for where, own in (("none", f"{case} alone"), (strategy, f"{case} distributed")):
        kept = folder if where is strategy else None
        how = {"epochs": 2, "patience": 1, "verbose": 0, "checkpoint_dir": kept, **fields}
        run = zoo.train(name, log, zoo.Training(strategy=where, **how), **arguments)
        slots = [slot for part, moved in zoo.optimizers.parts_of(
                     run.model.optimizer, run.model.trainable_variables)
                 for slot in zoo.optimizers.slots(part, list(moved))]
        found[own] = {
            "weights": [v.numpy().tolist() for v in run.model.trainable_variables],
            "slots": [v.numpy().tolist() for own in slots for v in own],
            "history": run.history, "metrics": dict(run.metrics),
            "steps": int(run.model.optimizer.iterations),
            "statistics": dict(run.statistics), "training": run.training.to_dict()["strategy"],
        }

# What is trained is not trained again, under whichever strategy.
again = zoo.train(name, log, zoo.Training(**how), **arguments)
assert run.history == again.history
for one, other in zip(run.model.get_weights(), again.model.get_weights(), strict=True):
    np.testing.assert_array_equal(one, other)

# Hard negatives are mined, whether or not there is a folder; a pool that never was is zeros.
run = zoo.train("YouTubeRetrieval", log, zoo.Training(epochs=1, strategy=strategy, verbose=0),
                hidden_units=(8,), negatives="hard")
assert all(np.any(v.numpy() != 0) for v in run.model.hard_negatives.weights)

if not averaged:
    try:
        zoo.train("WideDeep", log, zoo.Training(strategy=strategy, averaging=0.9, verbose=0))
    except ValueError as error:
        assert "`averaging` would send all weights from parameter servers" in str(error)
    else:
        raise AssertionError("averages of weights on parameter servers")
print(json.dumps(found))
"""


@pytest.fixture(scope="module", params=["mirrored", "parameter-server"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Trainings alone, and by two logical CPUs or by a worker with two parameter servers."""
    folder = tmp_path_factory.mktemp("state")
    done = subprocess.run(
        [sys.executable, "-c", _TRAINED, request.param, str(folder), _SERVERS],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return request.param, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", ["tied", "quantiles", "two sides", "graph"])
def test_a_strategy_trains_as_one_device(trained: Any, case: str) -> None:
    strategy, found = trained
    alone, distributed = found[f"{case} alone"], found[f"{case} distributed"]
    assert distributed["training"] == strategy
    size = {"replicas": 2} if strategy == "mirrored" else {"workers": 1, "parameter_servers": 2}
    assert size.items() <= distributed["statistics"].items()
    assert not size.keys() & alone["statistics"].keys()
    assert distributed["steps"] == alone["steps"] >= 4  # Two epochs of two batches or more.
    for part in ("weights", "slots"):
        for one, other in zip(distributed[part], alone[part], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    for one, other in zip(distributed["history"], alone["history"], strict=True):
        assert one == pytest.approx(other, rel=1e-3)
    assert distributed["metrics"] == pytest.approx(alone["metrics"], rel=1e-3)
