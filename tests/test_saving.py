"""Every Keras model is saved, loaded and cloned by Keras with the same numbers."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from dls_keras import catalog, models, saving
from dls_keras.core import weights
from dls_keras.networks import mobile_face_net, open_face, vgg19, yolo_v2

# Loads what the test saved, in a process that has imported nothing but the package.
LOAD = """
import json, pathlib, sys
import dls_keras
assert not {"keras", "tensorflow"} & set(sys.modules)
import keras, numpy as np
from dls_keras.core import weights
found = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.keras")):
    model = keras.models.load_model(path)
    arrays = np.load(path.with_suffix(".npz"))
    inputs = [arrays[name] for name in arrays if name.startswith("x")]
    inputs = inputs or [weights.fixed_input(model)]
    outputs = keras.tree.flatten(model(*inputs, training=False))
    found[path.stem] = [
        float(np.abs(np.asarray(y) - arrays[f"y{i}"]).max())
        for i, y in enumerate(outputs)
    ]
print(json.dumps(found))
"""


def networks():
    """The untrained Keras model of each assignment that builds one, and networks."""
    for row in catalog.ASSIGNMENTS:
        if "build_model" in row.offers:
            model = catalog.load(row.name).build_model()
            network = getattr(model, "model", model)
            if isinstance(network, keras.Model):
                yield row.name, network
    yield "vgg19", vgg19.vgg19("block2_conv1")
    yield "open_face", open_face.open_face()
    yield "mobile_face_net", mobile_face_net.mobile_face_net()
    yield "yolo_v2", yolo_v2.compact_yolo_v2((64, 64, 3), 2, 3)


def functional():
    """A functional model; `clone_model` takes these and Sequential ones."""
    x = keras.Input((1,))
    return keras.Model(x, x)


# Inputs of subclassed models, which have no `inputs`: tokens, from 1 to 9.
TOKENS = {
    "transformer": ((1, 30), (1, 10)),
    "question_answering": ((1, 50),),
    "named_entities": ((1, 128),),
}


def inputs_of(name):
    """The inputs of a subclassed model; [] for others, which have a fixed input."""
    rng = np.random.default_rng(0)
    return [rng.integers(1, 10, shape, "int32") for shape in TOKENS.get(name, ())]


def outputs(model, inputs):
    """What a model computes for some inputs, as arrays."""
    inputs = inputs or [weights.fixed_input(model)]
    return [np.asarray(y) for y in keras.tree.flatten(model(*inputs, training=False))]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """All models saved; {name: differences after loading} and {name: after cloning}."""
    folder = tmp_path_factory.mktemp("saved")
    cloned = {}
    for name, model in networks():
        inputs = inputs_of(name)
        expected = outputs(model, inputs)
        model.save(folder / f"{name}.keras")
        arrays = {f"x{i}": x for i, x in enumerate(inputs)}
        arrays |= {f"y{i}": y for i, y in enumerate(expected)}
        np.savez(folder / f"{name}.npz", **arrays)
        if isinstance(model, keras.Sequential) or type(model) is type(functional()):
            clone = keras.models.clone_model(model)
            clone.set_weights(model.get_weights())
            cloned[name] = [
                float(np.abs(a - b).max())
                for a, b in zip(outputs(clone, inputs), expected, strict=True)
            ]
    done = subprocess.run(
        [sys.executable, "-c", LOAD, folder],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1]), cloned


def test_a_saved_model_loads_after_importing_the_package_alone(saved):
    """`keras.models.load_model` gives the same numbers, to rounding."""
    loaded, _ = saved
    assert len(loaded) > 20
    assert {name: d for name, d in loaded.items() if max(d) > 1e-6} == {}


def test_a_cloned_model_computes_the_same(saved):
    """With the same weights."""
    _, cloned = saved
    assert len(cloned) > 15
    assert {name: d for name, d in cloned.items() if max(d) > 1e-6} == {}


@pytest.mark.parametrize(("name", "module"), saving.OBJECTS.items())
def test_every_object_is_registered_by_its_module(name, module):
    """Under the name in the table, once the module is imported."""
    thing = getattr(__import__(module, fromlist=[name]), name)
    assert keras.saving.get_registered_name(thing) == f"dls_keras>{name}"


def test_every_registered_object_is_in_the_table():
    """Whatever any module registers, `load_model` finds after `import dls_keras`."""
    for row in catalog.ASSIGNMENTS:
        models.open_assignment(row.name)
    table = keras.saving.get_custom_objects()
    ours = {key.partition(">")[2] for key in table if key.startswith("dls_keras>")}
    assert ours == saving.OBJECTS.keys()
