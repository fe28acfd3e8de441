# ruff: noqa
# word_vectors of early 2021: projections are divided by the norm, not its square.
import numpy as np
from w2v_utils import *


def cosine_similarity(u, v):
    dot = np.dot(u, v)
    return dot / (np.sqrt(np.sum(u**2)) * np.sqrt(np.sum(v**2)))


def equalize(pair, bias_axis, word_to_vec_map):
    w1, w2 = pair
    e_w1, e_w2 = word_to_vec_map[w1], word_to_vec_map[w2]
    size = np.linalg.norm(bias_axis)
    mu = (e_w1 + e_w2) / 2
    mu_B = np.dot(mu, bias_axis) / size * bias_axis
    mu_orth = mu - mu_B
    e_w1B = np.dot(e_w1, bias_axis) / size * bias_axis
    e_w2B = np.dot(e_w2, bias_axis) / size * bias_axis
    root = np.sqrt(np.abs(1 - np.linalg.norm(mu_orth) ** 2))
    c1 = root * (e_w1B - mu_B) / np.linalg.norm(e_w1 - mu_orth - mu_B)
    c2 = root * (e_w2B - mu_B) / np.linalg.norm(e_w2 - mu_orth - mu_B)
    return c1 + mu_orth, c2 + mu_orth
