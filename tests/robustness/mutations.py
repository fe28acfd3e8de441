"""Changes that make a valid file a damaged or a hostile one.

A mutation is a function of (rng, path, outside). It changes the file at `path`;
`outside` is a folder with files that no reader should read. `FOR` lists the mutations
for each kind of file; those for "any" suit every kind.
"""

import functools
import io
import json
import os
import pickle
import re
import struct
import zipfile
import zlib
from collections import defaultdict

import h5py
import numpy as np
from PIL import Image

MEGABYTE = 2**20
FOR = defaultdict(list)


def mutation(*kinds):
    """Register a function of (rng, path, outside)."""

    def register(function):
        for kind in kinds:
            FOR[kind].append(function)
        return function

    return register


def of_bytes(*kinds):
    """Register a function of (rng, data) that returns other data."""

    def register(function):
        @functools.wraps(function)
        def change(rng, path, outside):
            path.write_bytes(function(rng, path.read_bytes()))

        return mutation(*kinds)(change)

    return register


def of_text(*kinds):
    """Register a function of (rng, text) that returns another text."""

    def register(function):
        @functools.wraps(function)
        def change(rng, path, outside):
            text = path.read_bytes().decode("utf-8")
            path.write_bytes(function(rng, text).encode("utf-8", "surrogatepass"))

        return mutation(*kinds)(change)

    return register


def pick(rng, choices):
    """One of the choices."""
    return choices[int(rng.integers(len(choices)))]


def place(rng, data):
    """An offset in the data: near the start, near the end or anywhere."""
    n = len(data) + 1
    near = int(rng.integers(min(n, 64)))
    return pick(rng, (near, n - 1 - near, int(rng.integers(n))))


def block(rng, data):
    """The start and the end of a block of up to 1024 bytes."""
    start = place(rng, data)
    return start, min(len(data), start + int(2 ** rng.uniform(0, 10)))


# Bytes.


def _flipped(rng, data, low, high):
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        if high > low:
            data[int(rng.integers(low, high))] ^= 1 << int(rng.integers(8))
    return bytes(data)


@of_bytes("any")
def flip_bits(rng, data):
    return _flipped(rng, data, 0, len(data))


@of_bytes("any")
def flip_bits_in_the_head(rng, data):
    return _flipped(rng, data, 0, min(64, len(data)))


@of_bytes("any")
def flip_bits_in_the_tail(rng, data):
    return _flipped(rng, data, max(0, len(data) - 64), len(data))


@of_bytes("any")
def replace_one_percent_of_the_bytes(rng, data):
    array = np.frombuffer(data, "u1").copy()
    chosen = rng.random(len(array)) < 0.01
    array[chosen] = rng.integers(0, 256, chosen.sum())
    return array.tobytes()


@of_bytes("any")
def truncate(rng, data):
    return data[: place(rng, data)]


@of_bytes("any")
def truncate_at_a_power_of_two(rng, data):
    return data[: 2 ** int(rng.integers(max(1, len(data).bit_length())))]


@of_bytes("any")
def remove_the_last_byte(rng, data):
    return data[:-1]


@of_bytes("any")
def zero_a_block(rng, data):
    start, end = block(rng, data)
    return data[:start] + bytes(end - start) + data[end:]


@of_bytes("any")
def zero_the_second_half(rng, data):
    return data[: len(data) // 2].ljust(len(data), b"\0")


@of_bytes("any")
def duplicate_a_block(rng, data):
    start, end = block(rng, data)
    return data[:end] + data[start:]


@of_bytes("any")
def remove_a_block(rng, data):
    start, end = block(rng, data)
    return data[:start] + data[end:]


@of_bytes("any")
def move_a_block(rng, data):
    start, end = block(rng, data)
    rest = data[:start] + data[end:]
    to = place(rng, rest)
    return rest[:to] + data[start:end] + rest[to:]


@of_bytes("any")
def insert_bytes(rng, data):
    start = place(rng, data)
    return data[:start] + rng.bytes(int(rng.integers(1, 65))) + data[start:]


@of_bytes("any")
def repeat_the_file(rng, data):
    return data + data


@of_bytes("any")
def append_another_file(rng, data):
    return data + pick(rng, OTHERS)


@of_bytes("any")
def prepend_another_file(rng, data):
    return pick(rng, OTHERS) + data


@of_bytes("any")
def head_of_another_format(rng, data):
    other = pick(rng, OTHERS)[: int(rng.integers(4, 33))]
    return other + data[len(other) :]


@of_bytes("any")
def become_another_file(rng, data):
    return pick(rng, OTHERS)


def _integer(rng, data, near):
    size = int(pick(rng, (2, 4, 8)))
    bits = 8 * size
    value = pick(rng, (0, 1, 2 ** (bits - 1) - 1, 2 ** (bits - 1), 2**bits - 1))
    at = int(rng.integers(max(1, min(near, len(data)) - size + 1)))
    order = pick(rng, ("little", "big"))
    return data[:at] + int(value).to_bytes(size, order) + data[at + size :]


@of_bytes("any")
def replace_an_integer(rng, data):
    return _integer(rng, data, len(data))


@of_bytes("any")
def replace_an_integer_in_the_head(rng, data):
    return _integer(rng, data, 256)


@of_bytes("any")
def replace_integers(rng, data):
    for _ in range(int(rng.integers(2, 6))):
        data = _integer(rng, data, pick(rng, (64, 1024, len(data))))
    return data


# Not a file, or another one.


@of_bytes("any")
def empty(rng, data):
    return b""


@mutation("any")
def missing(rng, path, outside):
    path.unlink()


@mutation("any")
def directory(rng, path, outside):
    path.unlink()
    path.mkdir()


@mutation("any")
def fifo(rng, path, outside):
    path.unlink()
    os.mkfifo(path)


@mutation("any")
def link_to_itself(rng, path, outside):
    path.unlink()
    path.symlink_to(path)


@mutation("any")
def endless_device(rng, path, outside):
    path.unlink()
    path.symlink_to("/dev/zero")


@mutation("any")
def without_permission(rng, path, outside):
    path.chmod(0)


@mutation("any")
def sparse_file_of_64_gib(rng, path, outside):
    os.truncate(path, 2**36)


@mutation("any")
def sparse_file_of_zeros(rng, path, outside):
    path.write_bytes(b"")
    os.truncate(path, 2**36)


OTHERS = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:"
    + b"0" * 64
    + b"\nsize 132735\n",
    b"<!DOCTYPE html>\n<html><head><title>404</title></head><body>" + b"x" * 999,
    b'<?xml version="1.0"?>\n<!DOCTYPE s [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">&e;</svg>',
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n",
    b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n",
    b"\x7fELF\x02\x01\x01" + bytes(99),
    b"\x1f\x8b\x08\x00" + bytes(99),
    b"\x89HDF\r\n\x1a\n" + bytes(999),
    b"\x89PNG\r\n\x1a\n" + bytes(99),
    b"\xff\xd8\xff\xe0\x00\x10JFIF\0" + bytes(99),
    b"GIF89a" + b"\xff" * 99,
    b"BM" + b"\xff" * 99,
    b"II*\0\x08\0\0\0" + b"\xff" * 99,
    b"RIFF\xff\xff\xff\xffWAVEfmt " + bytes(99),
    b"RIFF\x99\0\0\0WEBPVP8X" + bytes(99),
    b"PK\x03\x04" + bytes(99),
    b"PK\x05\x06" + bytes(18),
    b"\x93NUMPY\x01\x00" + bytes(99),
    b"MThd\0\0\0\x06\0\x01\0\x01\x01\xe0MTrk\xff\xff\xff\xff",
    b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\x01IM" + b"\xff" * 99,
    pickle.dumps({"a": list(range(9))}),
    b"\xff\xfe" + "text in UTF-16".encode("utf-16-le"),
    b"\n" * 9999,
    b"\0" * 9999,
    b"a" * 9999,
    b'"' * 9999,
    b"[" * 99_999,
    b"{" * 99_999,
    b"(" * 99_999,
)


# Text.

VALUES = (
    *("", "0", "-1", "-7", "5", "1.5", "1e400", "-1e400", "nan", "inf", "-inf", "None"),
    *("1_000", "0x10", "+1", " 1 ", "٣", "²", "１", "true", "1e-400", "1e39", "1e308"),
    *("9" * 400, "9" * 5000, "2147483648", "9223372036854775808", "1000000000"),
    *("a" * 300_000, "é", "\ud800", "\u202e", "😀", "\x00", "\x1b[31m", "\\", '"', "'"),
    *("%s%n", "{}", "${HOME}", "../../../etc/passwd", "/dev/zero", "__import__('os')"),
)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
WORD = re.compile(r"[^\s,;:=\"'\[\]{}()]+")


def _replaced(rng, text, pattern):
    found = list(pattern.finditer(text))
    if not found:
        return text
    match = pick(rng, found)
    return text[: match.start()] + pick(rng, VALUES) + text[match.end() :]


@of_text("text")
def replace_a_number(rng, text):
    return _replaced(rng, text, NUMBER)


@of_text("text")
def replace_a_word(rng, text):
    return _replaced(rng, text, WORD)


@of_text("text")
def replace_several_words(rng, text):
    for _ in range(int(rng.integers(2, 6))):
        text = _replaced(rng, text, WORD)
    return text


@of_text("text")
def replace_a_line(rng, text):
    lines = text.split("\n")
    lines[int(rng.integers(len(lines)))] = pick(rng, VALUES)
    return "\n".join(lines)


@of_text("text")
def remove_a_line(rng, text):
    lines = text.split("\n")
    del lines[int(rng.integers(len(lines)))]
    return "\n".join(lines)


@of_text("text")
def repeat_a_line(rng, text):
    lines = text.split("\n")
    lines.insert(int(rng.integers(len(lines))), pick(rng, lines))
    return "\n".join(lines)


@of_text("text")
def repeat_all_lines(rng, text):
    return text * 200


@of_text("text")
def insert_a_character(rng, text):
    at = int(rng.integers(len(text) + 1))
    odd = "\0\t\r\n\x0b\x0c\x1c\x85\u2028\ufeff\"'`,;:|[]{}()<>=#%\\é߿😀\ud800"
    return text[:at] + pick(rng, odd) + text[at:]


@of_text("text")
def long_line(rng, text):
    at = int(rng.integers(len(text) + 1))
    return text[:at] + pick(rng, ("x", "1", " ", '"', ",", "1,")) * 300_000 + text[at:]


@of_text("text")
def deep_nesting(rng, text):
    at = int(rng.integers(len(text) + 1))
    return text[:at] + pick(rng, ("[", "{", "(", '{"a":', "[[1],", "-")) * 99_999


@of_text("text")
def many_lines(rng, text):
    return text + pick(rng, ("\n", "a\n", "1\n", ",\n", "\r")) * 300_000


SIZES = tuple(2**i * MEGABYTE - 1000 for i in range(7))  # up to 64 MB


@of_text("text")
def repeat_up_to_a_limit(rng, text):
    """A large file of small parts, which may need far more memory than its size."""
    parts = (text, "\n", "a\n", "a b. ", "1,", "x=1\n", "a;", "[],", "{}\n", "é")
    part, size = pick(rng, parts), pick(rng, SIZES)
    return text + part * ((size - len(text.encode())) // len(part.encode()))


@of_text("text")
def windows_line_ends(rng, text):
    return text.replace("\n", pick(rng, ("\r\n", "\r")))


@of_text("text")
def byte_order_mark(rng, text):
    return "\ufeff" + text


@mutation("text")
def other_encoding(rng, path, outside):
    text = path.read_bytes().decode("utf-8") + "é ü"
    codec = pick(rng, ("utf-16", "utf-16-be", "utf-32", "latin-1", "utf-7", "cp500"))
    path.write_bytes(text.encode(codec, "replace"))


# JSON.


def _paths(value, path=()):
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from _paths(value[key], (*path, key))
    elif isinstance(value, list):
        for i in range(min(len(value), 20)):
            yield from _paths(value[i], (*path, i))


NODES = (
    *(None, True, 0, -1, -7, 2**31, 2**63, 10**400, 1.5, 1e300, [], {}, "", "a"),
    *(float("nan"), float("inf"), [[]], [{}], {"a": 1}, [None], [0], "\ud800"),
    *("x" * 300_000, list(range(9999)), {"": {"": {}}}, [-1, 0], ["a"], "0", "-1"),
)


def _json_changed(rng, text, change):
    whole = json.loads(text)
    path = pick(rng, list(_paths(whole)))
    if not path:
        return json.dumps(pick(rng, NODES))
    inside = functools.reduce(lambda value, key: value[key], path[:-1], whole)
    change(inside, path[-1])
    return json.dumps(whole)


@of_text("json")
def replace_a_json_value(rng, text):
    def change(inside, key):
        inside[key] = pick(rng, NODES)

    return _json_changed(rng, text, change)


@of_text("json")
def remove_a_json_value(rng, text):
    return _json_changed(rng, text, lambda inside, key: inside.pop(key))


@of_text("json")
def wrap_a_json_value(rng, text):
    def change(inside, key):
        inside[key] = pick(rng, ([inside[key]], {"a": inside[key]}, [inside[key]] * 99))

    return _json_changed(rng, text, change)


@of_text("json")
def many_small_json_values(rng, text):
    def change(inside, key):
        part = pick(rng, ([], {}, 0, "", [[]], {"a": 1}, inside[key]))
        size = pick(rng, SIZES)
        inside[key] = [part] * (size // (len(json.dumps(part)) + 2))

    return _json_changed(rng, text, change)


# Python and notebooks.


@of_text("python")
def hostile_python(rng, text):
    return text + "\n" + pick(rng, PYTHON) + "\n"


PYTHON = (
    "x = " + "(" * 9999 + ")" * 9999,
    "x = " + "-" * 99_999 + "1",
    "x = " + "1+" * 99_999 + "1",
    "x = " + "f(" * 500 + ")" * 500,
    "x = " + "[" * 150 + "]" * 150,
    "x = a" + ".b" * 99_999,
    "x = a" + "[0]" * 9999,
    "x = " + "9" * 5000,
    "if 1:\n" + "".join(" " * i + "if 1:\n" for i in range(1, 150)),
    "def f(" + ",".join(f"a{i}" for i in range(9999)) + "): pass",
    "lambda: " * 5000 + "0",
    "'" * 99_999,
    '"""',
    "\\",
    "x = '\\N{nothing}'",
    "\x00",
    "class A(A): pass",
    "# " + "x" * 300_000,
    "\n".join(f"def f{i}(): return {i}" for i in range(2000)),
)


@of_bytes("python")
def declared_encoding(rng, data):
    names = ("utf-7", "utf-16", "rot13", "undefined", "x" * 9999, "idna", "cp500", "")
    return f"# coding: {pick(rng, names)}\n".encode() + data


# Sound.


@of_bytes("wav")
def change_the_wav_format(rng, data):
    fields = {  # offset: struct format and values
        20: ("<H", (0, 2, 3, 6, 7, 0x11, 0x55, 0xFFFE, 0xFFFF)),  # codec
        22: ("<H", (0, 3, 255, 65535)),  # channels
        24: ("<I", (0, 1, 999, 768_001, 2**31, 2**32 - 1)),  # rate
        28: ("<I", (0, 1, 2**32 - 1)),  # bytes per second
        32: ("<H", (0, 1, 3, 65535)),  # bytes per frame
        34: ("<H", (0, 1, 7, 12, 24, 32, 64, 65535)),  # bits per sample
        4: ("<I", (0, 8, 2**31, 2**32 - 1)),  # size of the file
        16: ("<I", (0, 2, 14, 40, 2**31, 2**32 - 1)),  # size of the format
        40: ("<I", (0, 1, 2**31, 2**32 - 1)),  # size of the samples
    }
    for offset in rng.permutation([*fields])[: int(rng.integers(1, 3))]:
        kind, values = fields[int(offset)]
        value = struct.pack(kind, pick(rng, values))
        data = data[:offset] + value + data[offset + len(value) :]
    return data


@of_bytes("wav")
def change_a_wav_chunk(rng, data):
    junk = b"LIST" + struct.pack("<I", pick(rng, (0, 1, 7, 2**31, 2**32 - 1)))
    other = pick(
        rng,
        (
            b"RIFX" + data[4:],
            b"RF64" + b"\xff" * 4 + data[8:],
            data[:12] + junk + bytes(8) + data[12:],
            data[:12] + data[36:],  # without a format
            data[:36],  # without samples
            data[:36] + data[12:],  # two formats
            data + data[36:],  # twice samples
            data.replace(b"data", b"DATA", 1),
        ),
    )
    return other


@of_bytes("wav")
def samples_that_are_not_numbers(rng, data):
    head = b"RIFF" + struct.pack("<I", 36 + 4000) + b"WAVEfmt "
    head += struct.pack("<IHHIIHH", 16, 3, 1, 8000, 32000, 4, 32) + b"data"
    value = pick(rng, (np.nan, np.inf, -np.inf, 1e39, 2.0))
    with np.errstate(over="ignore"):
        samples = np.full(1000, value, "f8").astype("<f4")
    return head + struct.pack("<I", 4000) + samples.tobytes()


# Images.


def _png(width, height, depth, colour, rows=b""):
    """A PNG file with a header of one's choice."""

    def chunk(name, content):
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + checksum.to_bytes(4)

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


@functools.cache
def bomb(kind):
    """An image that needs far more memory than its file."""
    width, height, depth, colour, size = {
        "16-bit grey, 88 million pixels": (9400, 9400, 16, 0, 2),
        "RGBA, 88 million pixels": (9400, 9400, 8, 6, 4),
        "16-bit RGBA, 40 million pixels": (6300, 6300, 16, 6, 8),
        "one bit, 400 million pixels": (20_000, 20_000, 1, 0, 0.125),
        "RGB, 200 million pixels": (20_000, 10_000, 8, 2, 3),
    }[kind]
    row = bytes(1 + int(width * size))
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return _png(width, height, depth, colour, rows)


BOMBS = (
    "16-bit grey, 88 million pixels",
    "RGBA, 88 million pixels",
    "16-bit RGBA, 40 million pixels",
    "one bit, 400 million pixels",
    "RGB, 200 million pixels",
)


def hostile_image(rng):
    """An image in another format, of an absurd size, or a bomb."""
    kind = int(rng.integers(5))
    if kind == 0:
        return bomb(pick(rng, BOMBS))
    if kind == 1:
        sizes = ((0, 0), (1, 0), (2**31 - 1, 1), (2**31 - 1,) * 2, (2**32 - 1,) * 2)
        return _png(*pick(rng, sizes), pick(rng, (1, 8, 16)), pick(rng, (0, 2, 3, 6)))
    file = io.BytesIO()
    if kind == 2:
        formats = ("ICO", "PCX", "TGA", "PPM", "IM", "SGI", "JPEG2000", "PDF", "DDS")
        Image.new("RGB", (16, 16)).save(file, pick(rng, formats))
    elif kind == 3:
        modes = ("1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr", "LAB")
        Image.new(pick(rng, modes), (64, 64)).save(file, "TIFF")
    else:
        values = pick(rng, (np.nan, np.inf, -np.inf, 1e38, -5.0, 70000.0))
        Image.fromarray(np.full((64, 64), values, "float32")).save(file, "TIFF")
    return file.getvalue()


@of_bytes("image")
def become_a_hostile_image(rng, data):
    return hostile_image(rng)


@of_bytes("image")
def become_an_image_bomb(rng, data):
    return bomb(pick(rng, BOMBS))


@of_bytes("image")
def huge_jpeg(rng, data):
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "JPEG")
    size = struct.pack(">HH", *(int(pick(rng, (0, 1, 9000, 65535))) for _ in range(2)))
    start = file.getvalue().index(b"\xff\xc0") + 5
    return file.getvalue()[:start] + size + file.getvalue()[start + 4 :]


# Zip archives.

BLOCK = bytes(MEGABYTE)


@functools.lru_cache(8)
def _zeros(head, count):
    """A deflated megabyte of zeros, many times, after `head`: data, checksum, size."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    one = packer.compress(BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = zlib.crc32(head)
    for _ in range(count):
        checksum = zlib.crc32(BLOCK, checksum)
    data = start + one * count + packer.flush()
    return data, checksum, len(head) + count * MEGABYTE


def _members(path):
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def _pack(path, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)


def _some_member(rng, path):
    """The members of an archive, and the name of one that is a file."""
    members = _members(path)
    return members, pick(rng, [name for name in members if not name.endswith("/")])


def _declare(path, name, **fields):
    """Change what an archive says of a member: flag, method, checksum or size."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(name)
        local, start = info.header_offset, archive.start_dir
    data = bytearray(path.read_bytes())
    length, encoded = struct.pack("<H", len(name.encode())), name.encode()
    entry = rb"PK\x01\x02.{24}%b.{16}%b" % (re.escape(length), re.escape(encoded))
    central = start + re.search(entry, data[start:], re.DOTALL).start()
    layout = {"flag": (6, "<H"), "method": (8, "<H"), "checksum": (14, "<I")}
    layout |= {"packed": (18, "<I"), "size": (22, "<I")}
    for field, value in fields.items():
        offset, kind = layout[field]
        struct.pack_into(kind, data, local + offset, value)
        struct.pack_into(kind, data, central + offset + 2, value)
    path.write_bytes(data)


COUNTS = (20, 60, 120, 700, 1024)  # megabytes of zeros in a bomb


def _add_bomb(path, members, name, count, head=b""):
    data, checksum, size = _zeros(head, count)
    _pack(path, [*((n, c) for n, c in members.items() if n != name), (name, data)])
    _declare(path, name, method=8, checksum=checksum, size=size)


@mutation("zip")
def zip_bomb(rng, path, outside):
    members, name = _some_member(rng, path)
    _add_bomb(path, members, name, pick(rng, COUNTS))


@mutation("zip")
def zip_bomb_that_declares_few_bytes(rng, path, outside):
    members, name = _some_member(rng, path)
    _add_bomb(path, members, name, pick(rng, COUNTS))
    _declare(path, name, size=len(members[name]))


@mutation("zip")
def lying_zip(rng, path, outside):
    _, name = _some_member(rng, path)
    field = pick(rng, ("flag", "method", "checksum", "size", "packed"))
    values = {
        "flag": (1, 0x41, 8, 0x800, 0xFFFF),
        "method": (0, 1, 8, 9, 12, 14, 93, 99, 0xFFFF),
    }.get(field, (0, 1, 2**31 - 1, 2**31, 2**32 - 2))
    _declare(path, name, **{field: pick(rng, values)})


@mutation("zip")
def other_compression(rng, path, outside):
    _pack(
        path, _members(path).items(), pick(rng, (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2))
    )


@mutation("zip")
def thousands_of_members(rng, path, outside):
    names = pick(rng, ("{}", "{}.npy", "a/{}.jpg", "smile/{}.jpg"))
    count = pick(rng, (6000, 20_000))
    extra = [(names.format(i), b"") for i in range(count)]
    _pack(path, [*_members(path).items(), *extra])


@mutation("zip")
def rename_a_member(rng, path, outside):
    members, name = _some_member(rng, path)
    names = ("/", "/etc/passwd", "../../a", "a\0b", "x" * 9999, "é", f"{name}/", " ")
    new = pick(rng, names)
    _pack(path, [(new if n == name else n, c) for n, c in members.items()])


@mutation("zip")
def remove_a_member(rng, path, outside):
    members, name = _some_member(rng, path)
    _pack(path, [(n, c) for n, c in members.items() if n != name])


@mutation("zip")
def change_a_member(rng, path, outside):
    """With the right checksum, so that the change is not noticed by it."""
    members, name = _some_member(rng, path)
    inner = path.with_name("inner.tmp")
    inner.write_bytes(members[name])
    pick(rng, BYTES)(rng, inner, outside)
    members[name] = inner.read_bytes()
    inner.unlink()
    _pack(path, members.items())


BYTES = [
    change
    for change in FOR["any"]
    if change.__name__
    in {
        *("flip_bits", "flip_bits_in_the_head", "truncate", "zero_a_block", "empty"),
        *("replace_an_integer_in_the_head", "become_another_file", "insert_bytes"),
    }
]


@mutation("zip of images")
def hostile_image_in_an_archive(rng, path, outside):
    members, name = _some_member(rng, path)
    members[name] = hostile_image(rng)
    _pack(path, members.items())


# Arrays of NumPy.


def _npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), allow_pickle=True)
    return file.getvalue()


class Evil:
    """Runs a program when it is unpickled."""

    def __reduce__(self):
        return os.system, ("true",)


def _other_array(rng, array):
    """Another array in the place of a valid one."""
    shape, kind = array.shape, array.dtype.kind
    number = kind in "iufb"
    evil = np.empty(1, object)
    evil[0] = Evil()
    with np.errstate(all="ignore"):
        return pick(
            rng,
            (
                evil,
                np.full(shape, np.nan),
                np.full(shape, np.inf, "f4"),
                np.full(shape, -7 if number else b"\xff"),
                np.full(shape, 2**62),
                np.full(shape, 2**64 - 1, "u8"),
                np.full(shape, 0.5),
                np.full(shape, 1e300),
                np.full(shape, 1 + 1j),
                np.full(shape, "text"),
                np.full(shape, b"\xff\xfe"),
                np.full(shape, np.longdouble(1)),
                np.full(shape, np.datetime64(0, "s")),
                np.zeros(shape, [("a", "f4"), ("b", "i2")]),
                np.zeros(shape, ">f8"),
                array[..., np.newaxis],
                array.ravel(),
                array.reshape(-1)[:0],
                np.zeros((0, *shape[1:]), array.dtype),
                np.float64(3),
                np.zeros((1,) * 20),
                np.asfortranarray(array),
                np.resize(array, (*shape[:-1], shape[-1] + 1)) if shape else [1, 2],
                array[:1] if shape else 0,
                array.astype("f2") if number else array,
                array.astype("f8") if number else array,
            ),
        )


@mutation("npz")
def replace_an_array(rng, path, outside):
    members, name = _some_member(rng, path)
    array = np.lib.format.read_array(io.BytesIO(members[name]))
    members[name] = _npy(_other_array(rng, array))
    _pack(path, members.items())


def _header(text, version=1):
    text = text.encode("latin-1")
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    version = version if len(text) < 2**16 else max(version, 2)
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text


@mutation("npz")
def lying_array_header(rng, path, outside):
    members, name = _some_member(rng, path)
    shapes = ("(2**40,)", "(1099511627776,)", "(-1,)", "(4294967296, 4294967296)", "()")
    shapes += ("(9223372036854775807,)", "(True,)", "(1.0,)", "'a'", "None")
    shapes += ("(1,)" * 99, "(" * 5000 + ")" * 5000, f"({'1, ' * 60})")
    kinds = ("<f4", "|O", "|V8", "<f16", "<M8[s]", "|u1", "<U1000000", "", "f", "|S0")
    header = (
        f"{{'descr': '{pick(rng, kinds)}', 'fortran_order': "
        f"{pick(rng, ('False', 'True', '1'))}, 'shape': {pick(rng, shapes)}, }}"
    )
    version = pick(rng, (1, 1, 2, 3, 9))
    if rng.random() < 0.2:
        header += " " * 60_000
    members[name] = _header(header, version) + members[name][128:]
    _pack(path, members.items())


@mutation("npz")
def array_bomb(rng, path, outside):
    members, name = _some_member(rng, path)
    count, kind = pick(rng, COUNTS), np.dtype(pick(rng, ("u1", "f4", "f8", "U1", "i8")))
    rows = count * MEGABYTE // kind.itemsize
    shape = pick(rng, ((rows,), (rows, 1), (1, rows), (rows // 784, 28, 28)))
    header = {"descr": kind.str, "fortran_order": False, "shape": shape}
    _add_bomb(path, members, name, count, _header(f"{header!r}"))


# HDF5.


def _arrays(file):
    found = []

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found.append(name)

    file.visititems(visit)
    return found


def of_hdf5(function):
    """Register a function of (rng, file, name, array, outside) for an open file."""

    @functools.wraps(function)
    def change(rng, path, outside):
        with h5py.File(path, "r+") as file:
            name = pick(rng, _arrays(file))
            array = file[name][()]
            if isinstance(array, np.ndarray | np.generic):
                function(rng, file, name, np.asarray(array), outside)

    return mutation("hdf5")(change)


@of_hdf5
def external_storage(rng, file, name, array, outside):
    del file[name]
    size = max(1, array.nbytes)
    dtype = array.dtype if array.dtype.kind in "iufS" else "u1"
    file.create_dataset(
        name, array.shape or (1,), dtype, external=[(outside / "secret.bin", 0, size)]
    )


@of_hdf5
def virtual_array(rng, file, name, array, outside):
    del file[name]
    shape = array.shape or (1,)
    layout = h5py.VirtualLayout(shape, array.dtype)
    secret = h5py.VirtualSource(outside / "secret.h5", "secret", (64 * 1024,), "f4")
    flat = tuple(0 for _ in shape[1:])
    layout[(slice(0, shape[0]), *flat)] = secret[: shape[0]]
    file.create_virtual_dataset(name, layout)


@of_hdf5
def external_link(rng, file, name, array, outside):
    del file[name]
    file[name] = h5py.ExternalLink(outside / "secret.h5", "secret")


@of_hdf5
def soft_link(rng, file, name, array, outside):
    del file[name]
    file[name] = h5py.SoftLink(pick(rng, (f"/{name}", "/", "/nothing", "..")))


@of_hdf5
def cycle_of_groups(rng, file, name, array, outside):
    group = file[name].parent
    group["zz"] = pick(rng, (file["/"], group))


@of_hdf5
def array_with_two_names(rng, file, name, array, outside):
    for i in range(pick(rng, (1, 300))):
        file[f"zz{i}"] = file[name]


@of_hdf5
def huge_declared_shape(rng, file, name, array, outside):
    del file[name]
    shape = [2 ** pick(rng, (20, 30, 40)), *array.shape[1:]]
    file.create_dataset(name, shape, array.dtype, chunks=True, compression="gzip")


@mutation("hdf5")
def compressed_zeros(rng, path, outside):
    """Arrays of up to 750 MB in a file of less than 1 MB, or of 64 GiB of holes."""
    kind, count = np.dtype(pick(rng, ("u1", "f2", "f4", "i8"))), pick(rng, (100, 750))
    row = MEGABYTE // kind.itemsize
    with h5py.File(path, "r+") as file:
        name = pick(rng, _arrays(file))
        del file[name]
        new = file.create_dataset(
            name, (count, row), kind, chunks=(1, row), compression="gzip"
        )
        chunk = zlib.compress(BLOCK, 9)
        for i in range(count):
            new.id.write_direct_chunk((i, 0), chunk)
    if rng.random() < 0.5:
        os.truncate(path, 2**36)


@of_hdf5
def replace_an_hdf5_array(rng, file, name, array, outside):
    other = np.asarray(_other_array(rng, array))
    if other.dtype.kind in "OMU" or other.dtype.itemsize == 0:
        texts = pick(rng, (["text"], [b"\xff\xfe"], ["x" * 300_000], [""]))
        other = np.array(texts * max(1, array.size), h5py.string_dtype())
        other = other[: max(1, array.size)].reshape(array.shape)
    del file[name]
    file[name] = other


@of_hdf5
def odd_type(rng, file, name, array, outside):
    del file[name]
    shape = array.shape
    kinds = (
        h5py.ref_dtype,
        h5py.vlen_dtype("f4"),
        h5py.enum_dtype({"a": 0, "b": 1}),
        np.dtype(("f4", (2, 2))),
        np.dtype("V8"),
        np.dtype("?"),
        np.dtype("f2"),
        h5py.opaque_dtype(np.dtype("M8[s]")),
    )
    file.create_dataset(name, shape, pick(rng, kinds))


@of_hdf5
def empty_space(rng, file, name, array, outside):
    del file[name]
    file[name] = h5py.Empty("f4")


@of_hdf5
def remove_an_array(rng, file, name, array, outside):
    del file[name]


@of_hdf5
def group_in_place_of_an_array(rng, file, name, array, outside):
    del file[name]
    file.create_group(name)


@of_hdf5
def deep_groups(rng, file, name, array, outside):
    group = file
    for _ in range(pick(rng, (30, 3000))):
        group = group.create_group("a")
    group["array"] = array


@of_hdf5
def thousands_of_arrays(rng, file, name, array, outside):
    group = file.create_group("many")
    space = h5py.h5s.create(h5py.h5s.SCALAR)
    kind = h5py.h5t.IEEE_F32LE
    for i in range(20_000):
        h5py.h5d.create(group.id, str(i).encode(), kind, space)


@of_hdf5
def change_an_attribute(rng, file, name, array, outside):
    owner = pick(rng, (file, file[name], file[name].parent, file.get("model_weights")))
    owner = file if owner is None else owner
    known = pick(rng, [*owner.attrs, "settings", "layer_names", "weight_names"])
    values = (
        *(np.nan, -1, 2**62, "", "a", b"\xff\xfe", "[" * 9999, "x" * 60_000, "null"),
        *(np.zeros(7000), np.array([b"a", b"\xff"]), h5py.Empty("f4"), 1j, "{}", "[1]"),
        *('{"units": 1e400}', '{"units": -1}', '{"a": 1}', "NaN", "1" * 5000),
        *(["a"] * 99, [b"dense"] * 2, np.zeros((2, 2), "S3"), file[name].ref),
    )
    owner.attrs.pop(known, None)
    owner.attrs[known] = pick(rng, values)


@of_hdf5
def remove_an_attribute(rng, file, name, array, outside):
    owners = [o for o in (file, file[name].parent, file[name]) if len(o.attrs)]
    if owners:
        owner = pick(rng, owners)
        del owner.attrs[pick(rng, [*owner.attrs])]


@mutation("hdf5")
def user_block(rng, path, outside):
    size = pick(rng, (512, 1024, 100))
    path.write_bytes(bytes(size) + path.read_bytes())


# Numbers without a frame: the weights of Darknet.


@of_bytes("floats")
def floats_that_are_not_numbers(rng, data):
    value = struct.pack("<f", pick(rng, (np.nan, np.inf, -np.inf, 3e38, -1e30)))
    at = len(data) - 4 * int(rng.integers(1, (len(data) - 20) // 4 + 1))
    return data[:at] + value + data[at + 4 :]


@of_bytes("floats")
def other_number_of_floats(rng, data):
    count = int(pick(rng, (-1000, -4, -1, 1, 3, 4, 5, 8, 9999)))
    return data[:count] if count < 0 else data + bytes(count)


# MATLAB.


@mutation("mat")
def other_matlab_content(rng, path, outside):
    from scipy import io as matlab

    layers = matlab.loadmat(path, simplify_cells=True)["layers"]
    layer = pick(rng, layers)
    key = pick(rng, [*layer])
    layer[key] = pick(
        rng,
        (
            *("conv1_1", "conv9_9", "", 0, -1, np.nan, np.zeros((0, 0)), [], {}),
            *({"a": 1}, 1j, np.full((3, 3, 3, 64), np.nan), np.zeros((3, 3, 3))),
            *("x" * 99_999, np.array([1, "a"], object), [[], []], np.zeros(3, "S1")),
        ),
    )
    cells = np.empty(len(layers), object)
    cells[:] = layers
    matlab.savemat(path, {"layers": pick(rng, (cells, cells[:1], layers, layer))})


# MIDI.


@of_bytes("midi")
def change_the_midi_header(rng, data):
    offset = int(pick(rng, (4, 8, 10, 12)))
    values = (0, 1, 2, 0x7FFF, 0x8000, 0xE250, 0xFFFF)
    return data[:offset] + struct.pack(">H", pick(rng, values)) + data[offset + 2 :]


@of_bytes("midi")
def change_a_midi_track(rng, data):
    starts = [match.start() for match in re.finditer(b"MTrk", data)]
    start = pick(rng, starts)
    size = struct.pack(">I", pick(rng, (0, 1, 3, 2**31, 2**32 - 1)))
    return pick(
        rng,
        (
            data[: start + 4] + size + data[start + 8 :],
            data[:start] + data[start:] * 500,
            data[:10] + b"\xff\xff" + data[12:] + b"MTrk\0\0\0\4\0\xff\x2f\0" * 65_000,
            data[: start + 8] + b"\xff\xff\xff\x7f\x90\x40\x40" + data[start + 15 :],
            data[: start + 8] + b"\x90\x40\x40" * 9999 + data[start + 8 :],
            data[: start + 8] + b"\0\xf0\xff\xff\xff\x7f" + data[start + 8 :],
            data.replace(b"\x90", b"\x80"),
        ),
    )
