"""Print the lowest versions that setup.cfg allows, as constraints for pip."""

import configparser
import re
from pathlib import Path

setup = configparser.ConfigParser()
setup.read(Path(__file__).parent.parent / "setup.cfg", "utf-8")
for line in setup["options"]["install_requires"].split():
    name, lowest = re.match(r"([\w-]+)>=([\w.]+)", line).groups()
    print(f"{name}=={lowest}")
# Old versions of requests and Matplotlib warn of what is newer than themselves.
print("chardet<6\npyparsing<3.3")
