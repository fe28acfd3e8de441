# %% [markdown]
# # Car detection with YOLO
#
# One pass over the image, and a box around every car. You will follow the outputs of a
# network from 1,320 boxes to the few with a high score, and from those to one box for
# each car; then you train such a network.
#
# Pretrained weights are included: average precision 0.923 on the last fifth of a
# video's frames, 0.908 on held-out synthetic images. They took 43 minutes on two CPU
# cores shared with other work; that is the full run. `--quick` trains for a few steps
# and takes 18 seconds.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.core import images
from dls_keras.core.errors import MissingFileError
from dls_keras.course4 import car_detection as car
from dls_keras.datasets import car_boxes
from dls_keras.networks import yolo_v2

QUICK = "--quick" in sys.argv
OUT = Path("out/car_detection")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# 415 frames of one drive, with a box around each car. The boxes were annotated by hand
# and are larger than the cars. The last fifth of the drive is for testing: neighbouring
# frames are near-duplicates, so a random split would test on the training set. If the
# frames are not available, synthetic images replace them.

# %%
try:
    earlier, last = car_boxes.split_by_time(car_boxes.load_car_boxes())
    kind = "frames"
except MissingFileError:
    earlier, last = car_boxes.split_by_time(car_boxes.make_roads(60 if QUICK else 600))
    kind = "synthetic images"
print(f"{len(earlier.images)} {kind} for training, {len(last.images)} for testing")
chosen = int(np.argmax([len(boxes) for boxes in last.boxes]))
image, truth = last.images[chosen], last.boxes[chosen]
figure = plots.boxes(image, truth, ["car"] * len(truth))
plots.show(figure, OUT / "truth.png")

# %% [markdown]
# ## Intersection over union
# How well two boxes agree: the area that both cover, divided by the area that at least
# one of them covers.

# %%
print(f"IoU of two boxes that overlap: {car.iou((2, 1, 4, 3), (1, 2, 3, 4)):.4f}")
print(f"of two that only touch: {car.iou((1, 1, 2, 2), (2, 2, 3, 3)):.1f}")

# %% [markdown]
# K-means with this measure finds five box sizes that represent all boxes: the anchors.
# Here they are in pixels, width by height, and how well the nearest one fits a box:

# %%
found = yolo_v2.find_anchors(earlier.boxes)
corners = np.concatenate(earlier.boxes)
sizes = corners[:, [3, 2]] - corners[:, [1, 0]]
print(", ".join(f"{w:.0f} x {h:.0f}" for w, h in found))
overlap = yolo_v2.size_iou(sizes, found).max(1).mean()
print(f"mean IoU with the nearest: {overlap:.2f}")

# %% [markdown]
# ## The idea
# The image is divided into a grid. For each cell and anchor the network predicts where
# a box is, how large it is, whether it contains an object, and of which class:
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
# Most scores are close to 0. The boxes above a threshold form clusters, because several
# cells predict the same car; non-max suppression keeps the best box of each cluster. It
# cannot distinguish two predictions of one car from two cars of which one hides the
# other, so it may drop the second car.

# %%
corners = car.yolo_boxes_to_corners(box_xy, box_wh)
scores, boxes, _ = car.yolo_filter_boxes(corners, confidence, probabilities, 0.3)
boxes = car.scale_boxes(boxes, image.shape[:2])
labels = [f"{float(score):.2f}" for score in scores]
plots.show(plots.boxes(image, boxes.numpy(), labels), OUT / "before.png")
best, kept, _ = car.yolo_eval(outputs, image.shape[:2], score_threshold=0.3)
labels = [f"{float(score):.2f}" for score in best]
plots.show(plots.boxes(image, kept.numpy(), labels), OUT / "after.png")
print(f"{len(boxes)} boxes score above 0.3, {len(kept)} after non-max suppression")
print(f"{len(truth)} cars are in the image")

# %% [markdown]
# ## Training
# Each car is assigned to the cell that contains its centre and to the anchor of the
# most similar size. There the network is trained to predict the position and the size
# (squared error) and the presence of an object (cross-entropy); all other anchors are
# trained to predict that there is no object. The boxes are given as fractions of the
# image, padded with rows of zeros.

# %%
if QUICK or kind != "frames":
    part = car_boxes.Roads(*(field[: 32 if QUICK else None] for field in earlier))
    arrays = car_boxes.training_arrays(part, car.HEIGHT, car.WIDTH, car.MAX_CARS)
    data = car.TrainingData(*arrays)
else:
    data = car.load_data()
trained = car.build_model()
print(f"{trained.model.count_params():,} parameters, {len(data.x)} images")
losses = car.train(trained, data, epochs=3 if QUICK else 90)
curve = plots.curve(losses, title="Cars", ylabel="loss per image")
plots.show(curve, OUT / "loss.png")
print(f"loss {losses[0]:.1f} -> {losses[-1]:.1f}")

# %% [markdown]
# ## Evaluation
# Average precision: the boxes of all images are sorted by score. A box is correct if
# its IoU with a car that has no better box is at least 0.5. Average precision is the
# mean of the precision over all values of recall.

# %%
part = car_boxes.Roads(*(field[:: 4 if QUICK else 1] for field in last))
if not QUICK:
    print(f"trained here: AP {car.average_precision_on(trained, part):.3f}")
precision = car.average_precision_on(detector, part)
print(f"pretrained: AP {precision:.3f} on {len(part.images)} {kind}")
question, example = car.example()
answer = car.infer(detector, example)
print(question, answer, *(f"{box['score']:.2f}" for box in answer.details["boxes"]))
plots.show(car.picture(example, answer), OUT / "answer.png")

# %% [markdown]
# ## Limits
# The training set has one real road, seen from the side, and synthetic ones. On photos
# of other roads, taken through a windscreen, the network misses cars that are found by
# a detector trained on a hundred thousand photos, such as
# `load_pretrained("yolo-fastest-1.1-xl")`, which loads files of Darknet.

# %%
if photos := car_boxes.road_photos():
    answer = car.infer(detector, photos[-1])
    print(f"compact network, another road: {answer}")
    plots.show(car.picture(photos[-1], answer), OUT / "other_road.png")
    if not QUICK:
        fastest = car.load_pretrained("yolo-fastest-1.1-xl")
        answer = car.infer(fastest, photos[-1])
        print(f"YOLO-Fastest: {answer}")
        plots.show(car.picture(photos[-1], answer), OUT / "fastest.png")
