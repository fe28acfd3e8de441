"""Pictures of answers and of costs: what is drawn is what was handed in."""

import sys
import types

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from dls_keras import plots
from dls_keras.core import images
from dls_keras.core.answers import Answer
from dls_keras.datasets import planar

PHOTO = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype("uint8")


def test_the_decision_boundary_colours_each_place_as_predict_does():
    """`predict` sees places that frame the points; its classes fill the plane."""
    x, y = planar.make_blobs(40, classes=3)
    asked = []

    def predict(X):
        asked.append(X)
        return (X[0] > 0)[np.newaxis].astype(int) * 2

    axes = plots.decision_boundary(predict, x, y, title="three blobs").axes[0]
    (X,) = asked
    assert X.shape[0] == 2
    assert (X.min(axis=1) < x.min(axis=1)).all()
    assert (X.max(axis=1) > x.max(axis=1)).all()
    plane, points = axes.collections
    np.testing.assert_array_equal(np.ravel(plane.get_array()), (X[0] > 0) * 2)
    np.testing.assert_array_equal(points.get_offsets(), x.T)
    np.testing.assert_array_equal(points.get_array(), y[0])
    assert plane.get_clim() == points.get_clim() == (0, 2)
    assert axes.get_title() == "three blobs"


@pytest.mark.parametrize("seen", [False, True])
def test_one_colour_means_one_class_whatever_is_predicted(seen):
    """A plane all of one class keeps the colours of two, for bools as for ints."""
    x, y = planar.make_moons(20)
    figure = plots.decision_boundary(lambda X: np.full((1, X.shape[1]), seen), x, y)
    plane, points = figure.axes[0].collections
    assert plane.get_clim() == points.get_clim() == (0, 1)
    assert (plane.get_array() == seen).all()


def test_a_decision_boundary_can_be_plotted_from_a_grid_of_classes():
    """Rows from the bottom to the top of the extent, columns from left to right."""
    x, y = planar.make_moons(20)
    classes = np.array([[0, 0, 1], [1, 0, 0]], bool)
    axes = plots.decision_boundary(classes, x, y, extent=(-2, 2, -1, 1)).axes[0]
    plane, points = axes.collections
    np.testing.assert_array_equal(plane.get_array(), classes)
    # Centres of the cells; they have corners half a cell further out.
    corners = plane.get_coordinates()
    centres = (corners[:-1, :-1] + corners[1:, 1:]) / 2
    np.testing.assert_allclose(centres[0], [[-2, -1], [0, -1], [2, -1]])
    np.testing.assert_allclose(centres[1], [[-2, 1], [0, 1], [2, 1]])
    np.testing.assert_array_equal(points.get_offsets(), x.T)


def test_curves_stand_over_their_iterations_with_their_names():
    """Values of different lengths share the axis, each under its own name."""
    series = {0.01: [3.0, 2.0, 1.0], "momentum": [3.0, 1.5]}
    axes = plots.curves(series, title="costs", every=100).axes[0]
    drawn = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert drawn == {
        "0.01": [[0, 3], [100, 2], [200, 1]],
        "momentum": [[0, 3], [100, 1.5]],
    }
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [*drawn]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("iteration", "cost")


def test_a_curve_starts_at_the_first_epoch():
    """Values stand over 1, 2, 3 with the words that were asked for."""
    axes = plots.curve([3.0, 2.0, 1.5], title="cars", ylabel="nats").axes[0]
    (line,) = axes.lines
    assert line.get_xydata().tolist() == [[1, 3], [2, 2], [3, 1.5]]
    assert (axes.get_title(), axes.get_xlabel()) == ("cars", "epoch")
    assert axes.get_ylabel() == "nats"


def test_a_classification_has_a_bar_a_class():
    """In the given order from the top; the answer's bar alone is coloured."""
    probabilities = {"cat": 0.2, "dog": 0.7, "car": 0.1}
    answer = Answer("dog", 0.7, probabilities=probabilities)
    figure = plots.classification(PHOTO, answer)
    photo, bars = figure.axes
    np.testing.assert_array_equal(photo.images[0].get_array(), PHOTO)
    assert photo.get_title() == "dog (70.0 %)"
    assert [bar.get_width() for bar in bars.patches] == [0.2, 0.7, 0.1]
    assert [text.get_text() for text in bars.get_yticklabels()] == [*probabilities]
    assert bars.yaxis_inverted() and bars.get_xlim() == (0, 1)
    cat, dog, car = (bar.get_facecolor() for bar in bars.patches)
    assert cat == car != dog


def test_boxes_stand_where_their_corners_say():
    """(y1, x1, y2, x2) in pixels of the photo, y downwards, each with its label."""
    corners = np.array([[2, 5, 20, 30], [0, 0, 9, 9.5]])
    figure = plots.boxes(PHOTO, corners, ["car 0.9", "bus 0.5"])
    (axes,) = figure.axes
    assert axes.get_xlim() == (0, 40) and axes.get_ylim() == (30, 0)
    for line, (y1, x1, y2, x2) in zip(axes.lines, corners, strict=True):
        around = [[x1, y1], [x2, y1], [x2, y2], [x1, y2], [x1, y1]]
        assert line.get_xydata().tolist() == around
    assert [text.get_text() for text in axes.texts] == ["car 0.9", "bus 0.5"]
    width, height = figure.get_size_inches()
    assert width / height == 40 / 30


def test_boxes_take_their_colours():
    """Black ink on light labels, white ink on dark ones."""
    colours = [(255, 255, 0), (0, 0, 128)]
    figure = plots.boxes(PHOTO, [[0, 0, 9, 9]] * 2, ["a", "b"], colours)
    (axes,) = figure.axes
    for line, colour in zip(axes.lines, colours, strict=True):
        np.testing.assert_allclose(line.get_color(), np.array(colour) / 255)
    assert [text.get_color() for text in axes.texts] == ["black", "white"]


@pytest.mark.parametrize("y1", [-3, 0, 0.5, 2, 15, 28])
def test_each_label_can_be_read(y1):
    """On top of its box where there is room, else in it; never outside the photo."""
    figure = plots.boxes(PHOTO, [[y1, 2, 30, 20]], ["car 0.9"])
    _written(figure)
    label = figure.axes[0].texts[0].get_window_extent()
    assert 0 <= label.y0 and label.y1 <= figure.bbox.height


def test_a_photo_without_boxes_is_the_photo():
    """Nothing found is an answer, too: pixels as they were, edge to edge."""
    figure = plots.boxes(PHOTO, np.zeros((0, 4)), [])
    (axes,) = figure.axes
    assert len(axes.lines) == len(axes.texts) == 0
    assert axes.images[0].get_extent() == [0, 40, 30, 0]
    figure.set_dpi(40 / figure.get_size_inches()[0])
    drawn = images.read(_written(figure))
    assert drawn.size == (40, 30)
    # Drawn at one pixel a pixel; the rendering rounds levels.
    assert np.abs(np.asarray(drawn) - PHOTO.astype(float)).max() <= 1


def test_attention_is_shown_over_the_sentence_alone():
    """Padding is cut off; blanks are made visible; each character has its tick."""
    weights = np.random.default_rng(0).uniform(size=(10, 30))
    axes = plots.attention("5 april 09", "2009-04-05", weights).axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), weights[:, :10])
    assert axes.images[0].get_clim() == (0, 1)
    read = "".join(text.get_text() for text in axes.get_xticklabels())
    written = "".join(text.get_text() for text in axes.get_yticklabels())
    assert (read, written) == ("5␣april␣09", "2009-04-05")


def test_a_roc_shows_the_shares_of_each_test():
    """Under its name, beside the line where both errors are equally frequent."""
    shares = np.array([0.001, 0.1, 1]), np.array([0.6, 0.9, 1])
    (axes,) = plots.roc({"ours": shares, "theirs": shares[::-1]}, title="t").axes
    ours, theirs, equal = axes.lines
    np.testing.assert_array_equal(ours.get_xydata(), np.transpose(shares))
    np.testing.assert_array_equal(theirs.get_xydata(), np.transpose(shares[::-1]))
    np.testing.assert_allclose(equal.get_xdata() + equal.get_ydata(), 1)
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["ours", "theirs"]


def test_written_pieces_are_the_darker_the_likelier_they_were():
    """One cell a piece, none over another; white on dark cells, black on light."""
    rows, chances = [["the", "sea", "$"], ["a"]], [[0.9, 0.1, 0.5], [1.0]]
    axes = plots.written(rows, chances, title="t").axes[0]
    assert [text.get_text() for text in axes.texts] == ["the", "sea", "$", "a"]
    inks = [text.get_color() for text in axes.texts]
    assert inks == ["white", "black", "black", "white"]
    light = [sum(cell.get_facecolor()[:3]) for cell in axes.patches]
    assert light[3] < light[0] < light[2] < light[1]
    first, second, third, below = (cell.get_bbox() for cell in axes.patches)
    assert first.x1 < second.x0 and second.x1 < third.x0 and below.y0 > first.y1


@pytest.mark.parametrize("text", ["$x$ & \\alpha", "100 % {a}_b^c", "a\nb"])
def test_every_figure_can_be_written(tmp_path, text):
    """Whatever stands in titles and labels: no display, no warning."""
    answer = Answer(text, 0.5, probabilities={text: 0.5, "other": 0.5})
    figures = (
        plots.curve([1, 2], title=text),
        plots.classification(PHOTO, answer),
        plots.boxes(PHOTO, [[-5, -5, 50, 50]], [text]),
        plots.attention(text, "2009-04-05", np.eye(10, 30)),
        plots.written([[text]], [[0.5]], title=text),
    )
    for i, figure in enumerate(figures):
        figure.savefig(tmp_path / f"{i}.png")
        assert images.read(tmp_path / f"{i}.png").width > 100


def _written(figure):
    """The figure as an array of pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def test_a_line_runs_from_the_first_point_to_the_last():
    """Its heights are those of `predict`; the points stand beside it."""
    x, y = np.array([3.0, 1.0, 2.0]), np.array([0.0, 1.0, 5.0])
    axes = plots.line(x, y, lambda x: 2 * x, title="twice", xlabel="size").axes[0]
    across, heights = axes.lines[0].get_data()
    assert (across[0], across[-1]) == (1, 3)
    np.testing.assert_array_equal(heights, 2 * across)
    points = axes.collections[0].get_offsets()
    np.testing.assert_array_equal(points, np.column_stack([x, y]))
    assert (axes.get_title(), axes.get_xlabel()) == ("twice", "size")


def test_show_writes_figures_and_pictures(tmp_path):
    """Figures at 150 dots an inch, PIL images as they are."""
    figure = plots.curve([3, 2, 1], title="Losses")
    plots.show(figure, tmp_path / "figure.png")
    plots.show(Image.new("RGB", (30, 20), "teal"), tmp_path / "image.png")
    for name, size in (("figure.png", (750, 480)), ("image.png", (30, 20))):
        with Image.open(tmp_path / name) as image:
            assert image.size == size


def test_show_shows_what_it_wrote_in_a_notebook(tmp_path, monkeypatch):
    """Where a kernel runs the cells; elsewhere IPython is not even imported."""
    shown = []
    display = types.ModuleType("IPython.display")
    display.Image, display.display = lambda filename: filename, shown.append
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    figure = plots.curve([3, 2, 1], title="Losses")
    plots.show(figure, tmp_path / "aside.png")
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    plots.show(figure, tmp_path / "shown.png")
    assert shown == [tmp_path / "shown.png"]
