# ruff: noqa
# happy_house of 2017: layers of the learner's own.
from keras.layers import Conv2D, Dense, Flatten, Input, MaxPooling2D
from keras.models import Model


def model(input_shape):
    X_input = Input(input_shape)
    X = Conv2D(8, (3, 3), activation="relu", padding="SAME")(X_input)
    X = MaxPooling2D((4, 4), padding="SAME")(X)
    X = Flatten()(X)
    return Model(inputs=X_input, outputs=Dense(1, activation="sigmoid")(X))
