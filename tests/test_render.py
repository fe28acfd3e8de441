"""The images and figures of answers."""

from types import SimpleNamespace

from matplotlib.figure import Figure
from PIL import Image

from dls_keras.cli import render
from dls_keras.core.answers import Answer


def test_the_picture_of_an_image_answer_is_the_image():
    """For instance that of style transfer; no figure is made."""
    image = Image.new("RGB", (40, 30))
    answer = Answer("an image of 40 x 30 pixels", image=image)
    assert render.picture(None, "photo.jpg", answer) is image


def test_picture_receives_the_input_and_the_answer():
    """It does not receive the model."""
    image = Image.new("RGB", (4, 3))
    calls = []

    def picture(*args):
        calls.append(args)
        return image

    answer = Answer("cat", 0.9)
    module = SimpleNamespace(picture=picture)
    assert render.picture(module, "photo.jpg", answer) is image
    assert calls == [("photo.jpg", answer)]


def test_a_figure_becomes_an_image_of_its_size():
    """At 150 dots per inch, in RGB, with the content of the figure."""
    figure = Figure(figsize=(2, 1))
    figure.add_axes((0, 0, 1, 1)).imshow([[0, 1]], cmap="gray", aspect="auto")
    image = render.rendered(figure)
    assert (image.size, image.mode) == ((300, 150), "RGB")
    assert image.getpixel((75, 75)) == (0, 0, 0)
    assert image.getpixel((225, 75)) == (255, 255, 255)
