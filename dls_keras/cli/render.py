"""Pictures of answers, from whatever an assignment draws."""

from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from dls_keras.core.answers import Answer


def picture(module: ModuleType, given: Any, answer: Answer) -> Image.Image:
    """The assignment's picture of its answer to one input.

    An answer that consists of a picture is that picture.
    """
    image = answer.details.get("image")
    if isinstance(image, Image.Image):
        return image
    return rendered(module.picture(given, answer))


def rendered(drawing: Any) -> Image.Image:
    """A PIL image unchanged; a matplotlib figure at 150 dots per inch."""
    if isinstance(drawing, Image.Image):
        return drawing
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    drawing.set_dpi(150)
    canvas = FigureCanvasAgg(drawing)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
