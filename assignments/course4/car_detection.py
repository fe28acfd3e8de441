# %% [markdown]
# # Car detection with YOLO
#
# One look at the picture, and a box around every car. You will follow the raw numbers
# of a network to 1,320 boxes, from there to the few that score, and from those to the
# one for each car; then train such a network.
#
# Pretrained weights answer in seconds: average precision 0.923 on the last fifth of a
# video's frames, 0.908 on drawn roads. They took 43 minutes on two CPU cores shared
# with other work; that is the full run. `--quick` takes a few steps, and 18 seconds.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.core import images
from dls_keras.core.errors import MissingFileError
from dls_keras.course4 import car_detection as car
from dls_keras.datasets import car_boxes

QUICK = "--quick" in sys.argv
OUT = Path("out/car_detection")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# 415 frames of one drive with a box around each car, drawn by hand and loose. The last
# fifth of the drive is for testing: neighbouring frames look alike, so a random split
# would test on what was learnt. Where they are not at hand, drawn roads stand in.

# %%
try:
    earlier, last = car_boxes.split_by_time(car_boxes.load_car_boxes())
    kind = "frames"
except MissingFileError:
    earlier, last = car_boxes.split_by_time(car_boxes.make_roads(60 if QUICK else 600))
    kind = "drawn roads"
print(f"{len(earlier.images)} {kind} to learn from, {len(last.images)} to test on")
chosen = int(np.argmax([len(boxes) for boxes in last.boxes]))
image, truth = last.images[chosen], last.boxes[chosen]
figure = plots.boxes(image, truth, ["car"] * len(truth))
plots.show(figure, OUT / "truth.png")

# %% [markdown]
# ## Overlap
# Two boxes agree as far as they overlap: the area they share over the area they cover.

# %%
print(f"iou of two boxes askew: {car.iou((2, 1, 4, 3), (1, 2, 3, 4)):.4f}")
print(f"of two that only touch: {car.iou((1, 1, 2, 2), (2, 2, 3, 3)):.1f}")

# %% [markdown]
# By this measure five box sizes are chosen that stand for all, the anchors. In pixels,
# width by height, and how well the nearest fits a box:

# %%
found = car_boxes.anchors(earlier.boxes)
corners = np.concatenate(earlier.boxes)
sizes = corners[:, [3, 2]] - corners[:, [1, 0]]
print(", ".join(f"{w:.0f} x {h:.0f}" for w, h in found))
overlap = car_boxes.size_iou(sizes, found).max(1).mean()
print(f"mean IoU with the nearest: {overlap:.2f}")

# %% [markdown]
# ## The idea
# The picture is cut into a grid. For each cell and anchor the network says where a box
# lies, how large it is, whether anything is there, and what:
#
# $$x = \frac{\sigma(t_x) + \text{column}}{\text{columns}}\qquad
#   w = \frac{\text{anchor}_w\, e^{t_w}}{\text{columns}}\qquad
#   \text{score}_k = \sigma(t_o)\,\mathrm{softmax}_k$$

# %%
detector = car.load_pretrained()
head = detector.heads[0]
x = images.resized(image, car.HEIGHT, car.WIDTH)[np.newaxis]
feats = detector.model(x)
outputs = car.yolo_head(feats, head.anchors, head.classes)
print(
    f"{tuple(x.shape[1:])} -> {tuple(feats.shape[1:])}: 6 numbers for each of 5 anchors"
)
box_xy, box_wh, confidence, probabilities = outputs
print(f"{int(np.prod(confidence.shape))} boxes")

# %% [markdown]
# Most score next to nothing. Those above a threshold stand in clusters, several cells
# claiming one car; non-max suppression keeps the best of each. It cannot know two
# claims on one car from two cars of which one hides the other, and may drop the second.

# %%
corners = car.yolo_boxes_to_corners(box_xy, box_wh)
scores, boxes, _ = car.yolo_filter_boxes(corners, confidence, probabilities, 0.3)
boxes = car.scale_boxes(boxes, image.shape[:2])
labels = [f"{float(score):.2f}" for score in scores]
plots.show(plots.boxes(image, boxes.numpy(), labels), OUT / "before.png")
best, kept, _ = car.yolo_eval(outputs, image.shape[:2], score_threshold=0.3)
labels = [f"{float(score):.2f}" for score in best]
plots.show(plots.boxes(image, kept.numpy(), labels), OUT / "after.png")
print(f"{len(boxes)} boxes above 0.3, {len(kept)} behind non-max suppression")
print(f"{len(truth)} cars are there")

# %% [markdown]
# ## Learning
# The cell that holds a car's centre answers for it, with the anchor nearest in shape:
# place and size by squared error, "something is there" by cross-entropy. All others
# shall say that nothing is. The boxes go in as parts of the picture's sides, with rows
# of zeros where there is no further car.

# %%
if QUICK or kind == "drawn roads":
    part = earlier.images[:32] if QUICK else earlier.images
    small = [images.resized(picture, car.HEIGHT, car.WIDTH) for picture in part]
    y = np.zeros((len(part), car.MAX_CARS, 4), "float32")
    for row, boxes in zip(y, earlier.boxes, strict=False):
        row[: len(boxes)] = boxes[: car.MAX_CARS] / np.tile(image.shape[:2], 2)
    data = car.TrainingData((255 * np.stack(small)).astype("uint8"), y)
else:
    data = car.load_data()
learner = car.build_model()
print(f"{learner.model.count_params():,} parameters, {len(data.x)} pictures")
losses = car.train(learner, data, epochs=3 if QUICK else 90)
curve = plots.curve(losses, title="Cars", ylabel="loss per picture")
plots.show(curve, OUT / "loss.png")
print(f"loss {losses[0]:.1f} -> {losses[-1]:.1f}")

# %% [markdown]
# ## How good it is
# Average precision: the boxes of all pictures in the order of their scores, right where
# they overlap a free car by half; the mean precision over all recalls.

# %%
part = car_boxes.Roads(*(field[:: 4 if QUICK else 1] for field in last))
if not QUICK:
    print(f"trained here: AP {car.average_precision_on(learner, part):.3f}")
precision = car.average_precision_on(detector, part)
print(f"shipped: AP {precision:.3f} on {len(part.images)} {kind}")
question, example = car.example()
found = car.infer(detector, example)
print(question, *(f"{score:.2f}" for score in found.scores))
plots.show(car.picture(detector, example), OUT / "answer.png")

# %% [markdown]
# ## What it cannot do
# It has seen one road, from the side, and drawn ones. On a photo of another road, from
# behind a windscreen, it misses what a detector finds that has seen a hundred thousand
# photos; `load_pretrained("yolo-fastest-1.1-xl")` reads such a one from Darknet's
# files.

# %%
if photos := car_boxes.road_photos():
    found = car.infer(detector, photos[-1])
    print(f"ours, on another road: {len(found.boxes)} cars")
    plots.show(car.picture(detector, photos[-1]), OUT / "other_road.png")
    if not QUICK:
        fastest = car.load_pretrained("yolo-fastest-1.1-xl")
        found = car.infer(fastest, photos[-1])
        print(f"YOLO-Fastest: {len(found.boxes)} things")
        plots.show(car.picture(fastest, photos[-1]), OUT / "fastest.png")
