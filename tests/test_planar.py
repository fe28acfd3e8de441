"""Points of the plane: compared with the course's numbers and with scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.core import files
from dls_keras.core.errors import InputError
from dls_keras.datasets import catalog, planar

MAKERS = (
    planar.make_flower,
    planar.make_circles,
    planar.make_moons,
    planar.make_blobs,
    planar.make_quantiles,
)


def reference(name):
    """The course's points NAME.npz, in a folder next to `$DLS_KERAS_DATA`."""
    path = files.data_folder().parent / "reference" / "data" / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"needs the course's points at {path}")
    return np.load(path)


@pytest.mark.data
@pytest.mark.parametrize(
    "points, name, part",
    [
        (planar.make_flower(), "planar", ""),
        (planar.make_circles(), "circles", "train_"),
        (planar.make_circles(100, seed=2), "circles", "test_"),
        (planar.make_moons(), "moons", "train_"),
    ],
)
def test_the_defaults_are_the_course_s_points(points, name, part):
    """Equal, or within one ulp where sine and cosine differ between libraries."""
    expected = reference(name)
    np.testing.assert_allclose(points.x, expected[f"{part}X"], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(points.y, expected[f"{part}Y"])


def test_successive_sets_are_those_of_scikit_learn():
    """Points and labels, summed with weights 1, 2, 3, ..., from one generator.

    The numbers are those of scikit-learn 1.9.1 after np.random.seed(1):
    make_circles(200, factor=0.5, noise=0.3), make_moons(200, noise=0.2),
    make_blobs(200, centers=6, random_state=5) and make_gaussian_quantiles(cov=0.5,
    n_samples=200, n_classes=2).
    """
    rng = np.random.RandomState(1)
    sets = [
        planar.make_circles(200, factor=0.5, noise=0.3, seed=rng),
        planar.make_moons(200, noise=0.2, seed=rng),
        planar.make_blobs(200, classes=6, seed=5),
        planar.make_quantiles(200, classes=2, variance=0.5, seed=rng),
    ]
    expected = [
        (-77.79061694676594, -408.21245041924635, 10294),
        (10091.706019642948, 5076.7871971807535, 9832),
        (-65135.61887072277, 57350.16928562838, 52587),
        (656.6964600755609, -806.0321162875058, 10178),
    ]
    weights = np.arange(1, 201)
    for (x, y), (x_1, x_2, labels) in zip(sets, expected, strict=True):
        np.testing.assert_allclose(x @ weights, (x_1, x_2), rtol=1e-12)
        assert (y @ weights).item() == labels


@pytest.mark.parametrize("make", MAKERS)
def test_the_global_generator_gives_the_points_of_its_seed(make):
    """`np.random` itself may be the argument; an integer seed does not use it."""
    np.random.seed(7)
    following = np.random.rand()
    np.random.seed(7)
    expected = make(30, seed=7)
    assert np.random.rand() == following
    np.random.seed(7)
    points = make(30, seed=np.random)
    np.testing.assert_array_equal(points.x, expected.x)
    np.testing.assert_array_equal(points.y, expected.y)
    assert not np.array_equal(make(30, seed=8).x, expected.x)


@settings(deadline=None)  # a busy machine is no failure
@given(st.sampled_from(MAKERS), st.integers(6, 60))
def test_points_are_columns_and_classes_have_equal_sizes(make, m):
    """For every m, the sizes of two classes differ by at most one."""
    x, y = make(m)
    if make is planar.make_flower:
        m = 2 * (m // 2)
    assert x.shape == (2, m) and x.dtype == np.float64
    assert y.shape == (1, m) and y.dtype == np.int64
    counts = np.bincount(y[0])
    assert counts.max() - counts.min() <= 1


def test_without_noise_every_point_is_on_its_curve():
    """Two circles; two half circles; rings that do not overlap."""
    x, y = planar.make_circles(50, noise=0, factor=0.3)
    np.testing.assert_allclose(np.hypot(*x), np.where(y[0], 0.3, 1), atol=1e-15)
    x, y = planar.make_moons(50, noise=0)
    centre = np.where(y == 0, [[0.0], [0.0]], [[1.0], [0.5]])
    np.testing.assert_allclose(np.hypot(*(x - centre)), 1, atol=1e-15)
    assert (np.where(y[0], -1, 1) * (x - centre)[1] >= -1e-15).all()
    x, y = planar.make_quantiles(50, classes=3)
    radii = [np.hypot(*x[:, y[0] == k]) for k in range(3)]
    assert radii[0].max() < radii[1].min() and radii[1].max() < radii[2].min()


def test_a_grid_covers_its_rectangle_row_by_row():
    """From the bottom left to the top right."""
    grid = planar.make_grid((-1.0, 1.0, 2.0, 5.0), side=3)
    assert grid[0].tolist() == [[-1, 0, 1]] * 3
    assert grid[1].tolist() == [[2] * 3, [3.5] * 3, [5] * 3]


# The football.


@pytest.fixture
def football(tmp_path):
    """A file in the course's format, with random numbers."""
    rng = np.random.default_rng(0)
    arrays = {
        "X": rng.normal(size=(211, 2)),
        "y": rng.integers(2, size=(211, 1), dtype="uint8"),
        "Xval": rng.normal(size=(200, 2)),
        "yval": rng.integers(2, size=(200, 1), dtype="uint8"),
    }
    np.savez(tmp_path / "football.npz", **arrays)
    return tmp_path / "football.npz", arrays


def test_football_points_become_columns(football):
    """Rows of the file are columns of the result; labels are int64."""
    path, arrays = football
    points = planar.load_football(path)
    for got, name in zip(points, arrays, strict=True):
        np.testing.assert_array_equal(got, arrays[name].T)
    assert points.y.dtype == points.y_test.dtype == np.int64


def truncate(path):
    path.write_bytes(path.read_bytes()[:300])


def write_text(path):
    path.write_text("a goal")


def point_to_lfs(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00")


def hold_one_array(path):
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))


def leave_a_key_out(path):
    np.savez(path, X=np.zeros((211, 2)), y=np.zeros((211, 1)))


def lose_a_point(path):
    arrays = dict(np.load(path))
    np.savez(path, **arrays | {"Xval": arrays["Xval"][1:]})


@pytest.mark.parametrize(
    "damage",
    [truncate, write_text, point_to_lfs, hold_one_array, leave_a_key_out, lose_a_point],
)
def test_a_damaged_or_wrong_file_raises_an_error_with_its_name(football, damage):
    """And a file of Git LFS is recognised as a pointer."""
    path, _ = football
    damage(path)
    with pytest.raises(InputError, match=path.name) as caught:
        planar.load_football(path)
    assert ("Git LFS pointer" in str(caught.value)) == (damage is point_to_lfs)


@pytest.mark.data
def test_the_football_points_are_those_of_the_course():
    """The hash of the file, the number of French headers, and the reference points."""
    files.check_hash(catalog.find(planar.FOOTBALL), planar.FOOTBALL)
    points = planar.load_football()
    assert (points.y.sum(), points.y_test.sum()) == (106, 87)
    expected = reference("football")
    for got, name in zip(
        points, ("train_X", "train_Y", "test_X", "test_Y"), strict=True
    ):
        np.testing.assert_array_equal(got, expected[name])
