"""The figures of answers and of costs show the given values."""

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


def test_the_decision_boundary_shows_the_predicted_class_of_each_point():
    """`predict` is called with a grid that encloses the points."""
    x, y = planar.make_blobs(40, classes=3)
    calls = []

    def predict(X):
        calls.append(X)
        return (X[0] > 0)[np.newaxis].astype(int) * 2

    axes = plots.decision_boundary(predict, x, y, title="three blobs").axes[0]
    (X,) = calls
    assert X.shape[0] == 2
    assert (X.min(axis=1) < x.min(axis=1)).all()
    assert (X.max(axis=1) > x.max(axis=1)).all()
    plane, points = axes.collections
    np.testing.assert_array_equal(np.ravel(plane.get_array()), (X[0] > 0) * 2)
    np.testing.assert_array_equal(points.get_offsets(), x.T)
    np.testing.assert_array_equal(points.get_array(), y[0])
    assert plane.get_clim() == points.get_clim() == (0, 2)
    assert axes.get_title() == "three blobs"


@pytest.mark.parametrize("predicted", [False, True])
def test_the_colour_of_a_class_does_not_depend_on_the_predictions(predicted):
    """The colour scale covers both classes even if only one is predicted."""
    x, y = planar.make_moons(20)
    figure = plots.decision_boundary(
        lambda X: np.full((1, X.shape[1]), predicted), x, y
    )
    plane, points = figure.axes[0].collections
    assert plane.get_clim() == points.get_clim() == (0, 1)
    assert (plane.get_array() == predicted).all()


def test_a_decision_boundary_can_be_plotted_from_a_grid_of_classes():
    """Rows run from the bottom to the top of the extent, columns from left to right."""
    x, y = planar.make_moons(20)
    classes = np.array([[0, 0, 1], [1, 0, 0]], bool)
    axes = plots.decision_boundary(classes, x, y, extent=(-2, 2, -1, 1)).axes[0]
    plane, points = axes.collections
    np.testing.assert_array_equal(plane.get_array(), classes)
    # The values are at the centres of the cells; matplotlib stores the corners.
    corners = plane.get_coordinates()
    centres = (corners[:-1, :-1] + corners[1:, 1:]) / 2
    np.testing.assert_allclose(centres[0], [[-2, -1], [0, -1], [2, -1]])
    np.testing.assert_allclose(centres[1], [[-2, 1], [0, 1], [2, 1]])
    np.testing.assert_array_equal(points.get_offsets(), x.T)


def test_curves_are_plotted_against_iterations_with_a_legend():
    """The series may differ in length."""
    series = {0.01: [3.0, 2.0, 1.0], "momentum": [3.0, 1.5]}
    axes = plots.curves(series, title="costs", every=100).axes[0]
    plotted = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert plotted == {
        "0.01": [[0, 3], [100, 2], [200, 1]],
        "momentum": [[0, 3], [100, 1.5]],
    }
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [*plotted]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("iteration", "cost")


def test_a_curve_starts_at_epoch_1():
    """Title and axis label are those of the arguments."""
    axes = plots.curve([3.0, 2.0, 1.5], title="cars", ylabel="nats").axes[0]
    (line,) = axes.lines
    assert line.get_xydata().tolist() == [[1, 3], [2, 2], [3, 1.5]]
    assert (axes.get_title(), axes.get_xlabel()) == ("cars", "epoch")
    assert axes.get_ylabel() == "nats"


def test_a_classification_has_one_bar_per_class():
    """In the given order from the top; only the bar of the answer is coloured."""
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


def test_boxes_are_plotted_at_their_corners():
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


def test_boxes_have_the_given_colours():
    """The text is black on light labels and white on dark ones."""
    colours = [(255, 255, 0), (0, 0, 128)]
    figure = plots.boxes(PHOTO, [[0, 0, 9, 9]] * 2, ["a", "b"], colours)
    (axes,) = figure.axes
    for line, colour in zip(axes.lines, colours, strict=True):
        np.testing.assert_allclose(line.get_color(), np.array(colour) / 255)
    assert [text.get_color() for text in axes.texts] == ["black", "white"]


@pytest.mark.parametrize("y1", [-3, 0, 0.5, 2, 15, 28])
def test_each_label_is_inside_the_photo(y1):
    """Above its box if there is room, else inside the box."""
    figure = plots.boxes(PHOTO, [[y1, 2, 30, 20]], ["car 0.9"])
    rendered(figure)
    label = figure.axes[0].texts[0].get_window_extent()
    assert 0 <= label.y0 and label.y1 <= figure.bbox.height


def test_a_figure_without_boxes_shows_the_unchanged_photo():
    """It fills the figure without a margin."""
    figure = plots.boxes(PHOTO, np.zeros((0, 4)), [])
    (axes,) = figure.axes
    assert len(axes.lines) == len(axes.texts) == 0
    assert axes.images[0].get_extent() == [0, 40, 30, 0]
    figure.set_dpi(40 / figure.get_size_inches()[0])
    image = images.read(rendered(figure))
    assert image.size == (40, 30)
    # One pixel of the figure per pixel of the photo; rendering rounds the values.
    assert np.abs(np.asarray(image) - PHOTO.astype(float)).max() <= 1


def test_attention_is_shown_without_padding():
    """Each character of the sentence has a tick; blanks are shown as ␣."""
    weights = np.random.default_rng(0).uniform(size=(10, 30))
    axes = plots.attention("5 april 09", "2009-04-05", weights).axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), weights[:, :10])
    assert axes.images[0].get_clim() == (0, 1)
    source = "".join(text.get_text() for text in axes.get_xticklabels())
    target = "".join(text.get_text() for text in axes.get_yticklabels())
    assert (source, target) == ("5␣april␣09", "2009-04-05")


def test_a_roc_figure_has_one_curve_per_test_and_the_equal_error_line():
    """On that line both error rates are the same. The legend names the curves."""
    rates = np.array([0.001, 0.1, 1]), np.array([0.6, 0.9, 1])
    (axes,) = plots.roc({"first": rates, "second": rates[::-1]}, title="t").axes
    first, second, equal = axes.lines
    np.testing.assert_array_equal(first.get_xydata(), np.transpose(rates))
    np.testing.assert_array_equal(second.get_xydata(), np.transpose(rates[::-1]))
    np.testing.assert_allclose(equal.get_xdata() + equal.get_ydata(), 1)
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["first", "second"]


def test_generated_tokens_are_darker_if_they_are_more_probable():
    """One cell per token without overlap; white text on dark cells."""
    rows, probabilities = [["the", "sea", "$"], ["a"]], [[0.9, 0.1, 0.5], [1.0]]
    axes = plots.written(rows, probabilities, title="t").axes[0]
    assert [text.get_text() for text in axes.texts] == ["the", "sea", "$", "a"]
    colours = [text.get_color() for text in axes.texts]
    assert colours == ["white", "black", "black", "white"]
    light = [sum(cell.get_facecolor()[:3]) for cell in axes.patches]
    assert light[3] < light[0] < light[2] < light[1]
    first, second, third, below = (cell.get_bbox() for cell in axes.patches)
    assert first.x1 < second.x0 and second.x1 < third.x0 and below.y0 > first.y1


@pytest.mark.parametrize("text", ["$x$ & \\alpha", "100 % {a}_b^c", "a\nb"])
def test_every_figure_can_be_saved(tmp_path, text):
    """Without a display or a warning, whatever characters titles and labels have."""
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


def rendered(figure):
    """The figure as an array of pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def test_a_line_runs_from_the_smallest_x_to_the_largest():
    """Its y values are those of `predict`; the points are plotted, too."""
    x, y = np.array([3.0, 1.0, 2.0]), np.array([0.0, 1.0, 5.0])
    axes = plots.line(x, y, lambda x: 2 * x, title="twice", xlabel="size").axes[0]
    line_x, line_y = axes.lines[0].get_data()
    assert (line_x[0], line_x[-1]) == (1, 3)
    np.testing.assert_array_equal(line_y, 2 * line_x)
    points = axes.collections[0].get_offsets()
    np.testing.assert_array_equal(points, np.column_stack([x, y]))
    assert (axes.get_title(), axes.get_xlabel()) == ("twice", "size")


def test_show_saves_figures_and_images(tmp_path):
    """Figures have 150 dots per inch, PIL images keep their size."""
    figure = plots.curve([3, 2, 1], title="Losses")
    plots.show(figure, tmp_path / "figure.png")
    plots.show(Image.new("RGB", (30, 20), "teal"), tmp_path / "image.png")
    for name, size in (("figure.png", (750, 480)), ("image.png", (30, 20))):
        with Image.open(tmp_path / name) as image:
            assert image.size == size


def test_show_displays_the_saved_file_in_a_notebook(tmp_path, monkeypatch):
    """Only if an IPython kernel runs; elsewhere IPython is not imported."""
    shown = []
    display = types.ModuleType("IPython.display")
    display.Image, display.display = lambda filename: filename, shown.append
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    figure = plots.curve([3, 2, 1], title="Losses")
    plots.show(figure, tmp_path / "saved.png")
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    plots.show(figure, tmp_path / "shown.png")
    assert shown == [tmp_path / "shown.png"]
