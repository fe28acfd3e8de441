"""Names of dinosaurs as sequences of letters.

The course's list of 1,536 names belongs to others and is not shipped. This module
contains another list, written for this package from general knowledge of the genera
that palaeontologists have named, so that a model can be trained without any file.
Letters have the course's indices: newline, which ends a name, is 0, and a to z are
1 to 26.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core import readers
from dls_keras.core.errors import InputError
from dls_keras.datasets import catalog

LETTERS = "\nabcdefghijklmnopqrstuvwxyz"
NEWLINE = LETTERS.index("\n")
NO_LETTER = len(LETTERS)  # one-hot encoded as zeros: before the first letter, padding
LONGEST = 50  # letters; the course stops sampling there
HELD_OUT = 10  # every tenth name is held out
LARGEST = 4 * readers.MEGABYTE  # of a file; the course's has 20 kB

(COURSE,) = catalog.DATA_SETS["dinosaurs"].files


class Names(NamedTuple):
    """m names, with the letter to predict at each step.

    Attributes:
        x: (m, T) int32, the inputs: `NO_LETTER`, then the letters.
        y: (m, T) int32, the targets: the letters, then newline.
        lengths: (m,) int32, the number of steps; beyond them x is padded with
            `NO_LETTER` and y with newline.
        names: the m names in lower case.
    """

    x: np.ndarray
    y: np.ndarray
    lengths: np.ndarray
    names: tuple[str, ...]


def load_names(path: str | Path | None = None) -> tuple[str, ...]:
    """The names in a file, in lower case; by default those of the course's file.

    Args:
        path: a text file with one name per line; empty lines are ignored.

    Raises:
        MissingFileError: if the file does not exist.
        InputError: if it is not UTF-8 text, contains no name, or a name contains
            another character than the letters a to z.
    """
    path = catalog.find(COURSE, path)
    advice = "Expected a text file with one name per line."
    text = readers.read_text(path, "UTF-8 text", limit=LARGEST, advice=advice)
    lines = text.lower().split("\n")
    names = tuple(filter(None, map(str.strip, lines)))
    if not names:
        raise InputError(f"{path} contains no name. Expected one name per line.")
    check(names)
    return names


def make_names(m: int | None = None, *, seed: int = 0) -> tuple[str, ...]:
    """m names of `NAMES`, sampled without replacement; by default all, sorted.

    Raises:
        InputError: if the list has fewer names.
    """
    if m is None:
        return NAMES
    if not 0 < m <= len(NAMES):
        raise InputError(f"Expected m from 1 to {len(NAMES)} names, received {m}.")
    chosen = np.random.default_rng(seed).permutation(len(NAMES))[:m]
    return tuple(NAMES[i] for i in chosen)


def split(names: Iterable[str], *, held_out: bool = False) -> tuple[str, ...]:
    """The training names, or every tenth name, which is held out."""
    return tuple(
        name for i, name in enumerate(names) if (i % HELD_OUT == 0) == held_out
    )


def check(names: Iterable[str]) -> None:
    """Raise InputError unless all names consist of at most 50 letters a to z."""
    for name in names:
        if others := sorted(set(name) - set(LETTERS[1:])):
            raise InputError(
                f"The name {readers.quoted(name)} contains the character "
                f"{others[0]!r}. Expected only letters a to z."
            )
        if len(name) > LONGEST:
            raise InputError(
                f"The name {readers.quoted(name, 20)} has {len(name)} letters. "
                f"Expected at most {LONGEST}, and one name per line."
            )


def encode(names: Iterable[str]) -> Names:
    """The names as indices, padded to the longest name and its newline.

    Raises:
        InputError: if there is no name, or `check` refuses one.
    """
    names = tuple(names)
    check(names)
    if not names:
        raise InputError("Expected at least one name, received no names.")
    lengths = np.array([len(name) + 1 for name in names], "int32")
    x = np.full((len(names), lengths.max()), NO_LETTER, "int32")
    y = np.full_like(x, NEWLINE)
    for row, name in enumerate(names):
        letters = [LETTERS.index(letter) for letter in name]
        x[row, 1 : len(name) + 1] = letters
        y[row, : len(name)] = letters
    return Names(x, y, lengths, names)


def encode_start(start: str) -> list[int]:
    """The indices of the first letters of a name, in capitals or not.

    Raises:
        InputError: if `start` is not a text, `check` refuses it, or it has 50 letters.
    """
    if not isinstance(start, str):
        raise InputError(
            "Expected the first letters of a name, such as 'tri'; received "
            f"{type(start).__name__}."
        )
    start = start.strip().lower()
    check([start])
    if len(start) >= LONGEST:
        raise InputError(
            f"Expected fewer than {LONGEST} letters to begin with, received "
            f"{len(start)} letters."
        )
    return [LETTERS.index(letter) for letter in start]


NAMES = tuple(
    """
aardonyx abelisaurus abrictosaurus abydosaurus achelousaurus acheroraptor achillobator
acristavus acrocanthosaurus acrotholus adamantisaurus adasaurus adeopapposaurus
aegyptosaurus aeolosaurus aerosteon afrovenator agathaumas agilisaurus agujaceratops
agustinia ajkaceratops alamosaurus alaskacephale albertaceratops albertadromeus
albertonykus albertosaurus alectrosaurus alioramus allosaurus altirhinus alvarezsaurus
alwalkeria alxasaurus amargasaurus amargatitanis amazonsaurus ampelosaurus amphicoelias
amurosaurus anabisetia anatotitan anchiceratops anchiornis anchisaurus andesaurus
angaturama angolatitan animantarx ankylosaurus anodontosaurus anserimimus antarctopelta
antarctosaurus antetonitrus anzu aorun apatosaurus appalachiosaurus aquilops aragosaurus
aralosaurus archaeoceratops archaeopteryx archaeornithomimus arcovenator argentinosaurus
argyrosaurus aristosuchus arrhinoceratops astrodon atlasaurus atlascopcosaurus
atrociraptor aublysodon aucasaurus auroraceratops australovenator austroraptor
austrosaurus avaceratops aviatyrannis avimimus bactrosaurus bagaceratops bagaraatan
bahariasaurus bainoceratops balaur bambiraptor barapasaurus barilium barosaurus
barsboldia baryonyx batyrosaurus becklespinax beipiaosaurus beishanlong bellusaurus
berberosaurus bicentenaria bissektipelta bistahieversor blikanasaurus bonapartenykus
bonitasaurus borealosaurus borogovia bothriospondylus brachiosaurus brachyceratops
brachylophosaurus brachytrachelopan bravoceratops brontomerus brontosaurus
bruhathkayosaurus buitreraptor byronosaurus camarasaurus camarillasaurus camelotia
camposaurus camptosaurus carcharodontosaurus carnotaurus caudipteryx cedarosaurus
cedarpelta cedrorestes centrosaurus cerasinops ceratonykus ceratosaurus cetiosauriscus
cetiosaurus changyuraptor chaoyangsaurus charonosaurus chasmosaurus chialingosaurus
chilantaisaurus chilesaurus chindesaurus chirostenotes chromogisaurus chuandongocoelurus
chubutisaurus chungkingosaurus citipati claosaurus coahuilaceratops coelophysis coelurus
coloradisaurus compsognathus concavenator conchoraptor condorraptor coronosaurus
corythoraptor corythosaurus crichtonpelta crichtonsaurus cristatusaurus
crittendenceratops cruxicheiros cryolophosaurus cryptovolans cumnoria dacentrurus
daemonosaurus dahalokely dakotaraptor daspletosaurus datousaurus deinocheirus deinodon
deinonychus delapparentia deltadromeus demandasaurus diabloceratops diamantinasaurus
diceratops diclonius dicraeosaurus dilong dilophosaurus diluvicursor dineobellator
dinheirosaurus diodorus diplodocus dolichosuchus dollodon draconyx dracopelta
dracoraptor dracorex dracovenator dravidosaurus dreadnoughtus drinker dromaeosauroides
dromaeosaurus dromiceiomimus dryosaurus dryptosaurus dubreuillosaurus duriatitan
duriavenator dyoplosaurus dysalotosaurus dyslocosaurus dystrophaeus echinodon edmarka
edmontonia edmontosaurus efraasia einiosaurus ekrixinatosaurus elaphrosaurus elmisaurus
elopteryx elrhazosaurus emausaurus enigmosaurus eobrontosaurus eocarcharia eocursor
eodromaeus eolambia eoraptor eosinopteryx eotrachodon eotriceratops eotyrannus
epachthosaurus epidendrosaurus epidexipteryx equijubus erectopus erketu erlianosaurus
erlikosaurus eucamerotus eucnemesaurus euhelopus euoplocephalus europasaurus europelta
euskelosaurus eustreptospondylus fabrosaurus falcarius fruitadens fukuiraptor
fukuisaurus fukuititan fukuivenator fulgurotherium futalognkosaurus galeamopus
gallimimus galvesaurus gannansaurus gargoyleosaurus garudimimus gasosaurus
gasparinisaura gastonia geminiraptor genyodectes gideonmantellia giganotosaurus
gigantoraptor gigantspinosaurus giraffatitan glacialisaurus glishades gobiceratops
gobisaurus gobivenator gojirasaurus gondwanatitan gongbusaurus gongxianosaurus
gorgosaurus goyocephale graciliceratops graciliraptor gravitholus gryphoceratops
gryponyx gryposaurus guaibasaurus gualicho guanlong hadrosaurus haestasaurus hagryphus
halszkaraptor halticosaurus haplocanthosaurus haplocheirus harpymimus haya
heilongjiangosaurus helioceratops herrerasaurus hesperonychus hesperosaurus
heterodontosaurus hexing hexinlusaurus heyuannia hippodraco histriasaurus homalocephale
hongshanosaurus hoplitosaurus huabeisaurus huanghetitan huaxiagnathus huayangosaurus
hudiesaurus huehuecanauhtlus hulsanpes hungarosaurus hylaeosaurus hypacrosaurus
hypselosaurus hypselospinus hypsibema hypsilophodon ichthyovenator ignavusaurus
iguanacolossus iguanodon iliosuchus ilokelesia incisivosaurus indosaurus indosuchus
ingenia inosaurus irritator isanosaurus isberrysaura ischioceratops isisaurus itemirus
iuticosaurus jainosaurus janenschia jaxartosaurus jeholosaurus jeyawati jianchangosaurus
jiangshanosaurus jinfengopteryx jingshanosaurus jinzhousaurus jobaria judiceratops
juravenator kaatedocus kaijiangosaurus kakuru kazaklambia kentrosaurus kerberosaurus
khaan kileskus kinnareemimus kol koreaceratops koreanosaurus kosmoceratops kotasaurus
kritosaurus kryptops kukufeldia kulindadromeus kunbarrasaurus kundurosaurus labocania
laevisuchus lambeosaurus lamplughsaura lanasaurus laosaurus laplatasaurus
lapparentosaurus latenivenatrix latirhinus leaellynasaura leinkupal leonerasaurus
leptoceratops leshansaurus lesothosaurus lessemsaurus lexovisaurus leyesaurus
liaoceratops liaoningosaurus liaoningvenator ligabueino ligabuesaurus liliensternus
limaysaurus limusaurus linhenykus linheraptor linhevenator lirainosaurus loncosaurus
lophorhothon lophostropheus loricatosaurus loricosaurus losillasaurus lourinhanosaurus
lourinhasaurus luanchuanraptor lufengosaurus lukousaurus luoyanggia lurdusaurus
lusotitan lycorhinus lythronax machairasaurus macrogryphosaurus macrurosaurus
magnapaulia magnirostris magnosaurus magyarosaurus mahakala maiasaura majungasaurus
malarguesaurus malawisaurus mamenchisaurus manidens mantellisaurus mapusaurus marisaurus
marshosaurus martharaptor masiakasaurus massospondylus matheronodon maxakalisaurus
medusaceratops megalosaurus megapnosaurus megaraptor mei melanorosaurus mendozasaurus
mercuriceratops metriacanthosaurus microceratus microcoelus microhadrosaurus
micropachycephalosaurus microraptor microvenator minmi minotaurasaurus miragaia
mirischia mochlodon mojoceratops monkonosaurus monoclonius monolophosaurus mononykus
montanoceratops morelladon moros mosaiceratops murusraptor mussaurus muttaburrasaurus
muyelensaurus mymoorapelta nanosaurus nanotyrannus nanshiungosaurus nanuqsaurus
nanyangosaurus nasutoceratops nebulasaurus nedcolbertia neimongosaurus nemegtomaia
nemegtosaurus neovenator neuquenraptor neuquensaurus nigersaurus ninjatitan
nipponosaurus noasaurus nodocephalosaurus nodosaurus nomingia nothronychus notoceratops
notohypsilophodon nqwebasaurus nuthetes nyasasaurus ojoceratops ojoraptorsaurus
olorotitan omeisaurus opisthocoelicaudia orkoraptor ornitholestes ornithomimoides
ornithomimus orodromeus orthomerus oryctodromeus ostafrikasaurus othnielia
othnielosaurus ouranosaurus overosaurus oviraptor oxalaia ozraptor pachycephalosaurus
pachyrhinosaurus palaeoscincus paluxysaurus pampadromaeus panamericansaurus
panoplosaurus panphagia pantydraco paralititan paranthodon pararhabdodon parasaurolophus
parksosaurus patagonykus patagosaurus patagotitan pawpawsaurus pedopenna pegomastax
pelecanimimus pellegrinisaurus peloroplites pelorosaurus pentaceratops phuwiangosaurus
piatnitzkysaurus pinacosaurus pisanosaurus piveteausaurus planicoxa plateosaurus
platyceratops podokesaurus poekilopleuron polacanthus prenocephale prenoceratops
probactrosaurus proceratosaurus procompsognathus propanoplosaurus prosaurolophus
protarchaeopteryx protoceratops protohadros psittacosaurus puertasaurus pukyongosaurus
pycnonemosaurus pyroraptor qantassaurus qianzhousaurus qiaowanlong qijianglong
qinlingosaurus qiupalong quaesitosaurus quetecsaurus quilmesaurus rahiolisaurus
rahonavis rajasaurus rapator rapetosaurus raptorex rayososaurus rebbachisaurus
regaliceratops regnosaurus rhabdodon rhinorex rhoetosaurus richardoestesia rinchenia
rinconsaurus riojasaurus rocasaurus rubeosaurus ruehleia rugops rukwatitan sahaliyania
saichania saltasaurus saltopus saltriovenator sanjuansaurus santanaraptor sarahsaurus
saraikimasoom sarcolestes sarcosaurus sarmientosaurus saturnalia saurolophus sauroniops
sauropelta saurophaganax sauroposeidon saurornithoides saurornitholestes savannasaurus
scansoriopteryx scelidosaurus scipionyx sciurumimus scolosaurus scutellosaurus
secernosaurus segisaurus segnosaurus seitaad sellosaurus serendipaceratops shamosaurus
shanag shantungosaurus shanyangosaurus shaochilong shenzhousaurus shidaisaurus
shixinggia shunosaurus shuvuuia siamodon siamosaurus siamotyrannus siats sibirotitan
silvisaurus similicaudipteryx sinocalliopteryx sinoceratops sinocoelurus sinornithoides
sinornithomimus sinornithosaurus sinosauropteryx sinosaurus sinotyrannus sinovenator
sinraptor sinusonasus skorpiovenator sonidosaurus sonorasaurus sphaerotholus
spinophorosaurus spinops spinosaurus spinostropheus staurikosaurus stegoceras stegopelta
stegosaurides stegosaurus stenonychosaurus stenopelix stokesosaurus struthiomimus
struthiosaurus stygimoloch styracosaurus suchomimus suchosaurus sulaimanisaurus
supersaurus suuwassea suzhousaurus szechuanosaurus talarurus talenkauen talos
tangvayosaurus tanius tanycolagreus taohelong tarascosaurus tarbosaurus tarchia
tastavinsaurus tatankacephalus tatankaceratops tataouinea tatisaurus tawa tazoudasaurus
tehuelchesaurus telmatosaurus tendaguria tenontosaurus teratophoneus tethyshadros
texacephale texasetes thecocoelurus thecodontosaurus theiophytalia therizinosaurus
thescelosaurus thespesius tianchisaurus tianyulong tianyuraptor tianzhenosaurus timimus
timurlengia titanoceratops titanosaurus tochisaurus tonganosaurus tornieria torosaurus
torvosaurus traukutitan triceratops trigonosaurus trinisaura troodon tsaagan tsagantegia
tsintaosaurus turanoceratops turiasaurus tylocephale tyrannosaurus tyrannotitan
uberabatitan udanoceratops unaysaurus unenlagia unescoceratops urbacodon utahceratops
utahraptor uteodon vagaceratops valdoraptor valdosaurus variraptor vectaerovenator
velafrons velociraptor velocisaurus venenosaurus vespersaurus veterupristisaurus
viavenator volkheimeria vulcanodon wakinosaurus walgettosuchus wannanosaurus
wellnhoferia wendiceratops wiehenvenator willinakaqe wintonotitan wuerhosaurus
wulagasaurus wulatelong xenoceratops xenoposeidon xenotarsosaurus xianshanosaurus
xiaosaurus xiaotingia xinjiangtitan xiongguanlong xixianykus xixiasaurus xixiposaurus
xuanhanosaurus xuanhuaceratops xuwulong yamaceratops yandusaurus yangchuanosaurus
yaverlandia yehuecauhceratops yi yimenosaurus yinlong yixianosaurus yizhousaurus
yongjinglong yuanmousaurus yueosaurus yulong yunganglong yunnanosaurus yurgovuchia
yutyrannus zalmoxes zanabazar zapalasaurus zby zephyrosaurus zhanghenglong
zhejiangosaurus zhenyuanlong zhongyuansaurus zhuchengceratops zhuchengosaurus
zhuchengtyrannus zigongosaurus zuniceratops zuolong zuoyunlong zupaysaurus zuul
""".split()
)
