# ruff: noqa
# %%
import numpy as np
from w2v_utils import *

words, word_to_vec_map = read_glove_vecs("data/glove.6B.50d.txt")


# %%
def cosine_similarity(u, v):
    if np.all(u == v):
        return 1
    dot = np.dot(u, v)
    norm_u = np.sqrt(np.sum(u * u))
    norm_v = np.sqrt(np.sum(v * v))
    if np.isclose(norm_u * norm_v, 0, atol=1e-32):
        return 0
    return dot / (norm_u * norm_v)


# %%
def complete_analogy(word_a, word_b, word_c, word_to_vec_map):
    word_a, word_b, word_c = word_a.lower(), word_b.lower(), word_c.lower()
    e_a, e_b, e_c = (
        word_to_vec_map[word_a],
        word_to_vec_map[word_b],
        word_to_vec_map[word_c],
    )
    max_cosine_sim = -100
    best_word = None
    for w in word_to_vec_map.keys():
        if w == word_c:
            continue
        cosine_sim = cosine_similarity(e_b - e_a, word_to_vec_map[w] - e_c)
        if cosine_sim > max_cosine_sim:
            max_cosine_sim = cosine_sim
            best_word = w
    return best_word


# %%
def neutralize(word, g, word_to_vec_map):
    e = word_to_vec_map[word]
    e_biascomponent = np.dot(e, g) / np.sum(g * g) * g
    return e - e_biascomponent


# %%
def equalize(pair, bias_axis, word_to_vec_map):
    w1, w2 = pair
    e_w1, e_w2 = word_to_vec_map[w1], word_to_vec_map[w2]
    mu = (e_w1 + e_w2) / 2.0
    square = np.sum(bias_axis * bias_axis)
    mu_B = np.dot(mu, bias_axis) / square * bias_axis
    mu_orth = mu - mu_B
    e_w1B = np.dot(e_w1, bias_axis) / square * bias_axis
    e_w2B = np.dot(e_w2, bias_axis) / square * bias_axis
    scale = np.sqrt(np.abs(1 - np.sum(mu_orth * mu_orth)))
    e1 = scale * (e_w1B - mu_B) / np.linalg.norm(e_w1 - mu_B) + mu_orth
    e2 = scale * (e_w2B - mu_B) / np.linalg.norm(e_w2 - mu_B) + mu_orth
    return e1, e2
