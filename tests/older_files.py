"""Check files in one process whose libraries take older code; print the verdicts.

A program of its own, since that changes NumPy, Keras and TensorFlow. Standard input has
a JSON list of [assignment, file]; the output is a list of {function: [status, edition,
problem and hint]}.
"""

import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

from learner_files import checked

from dls_keras.grading import course_files


def main():
    """Read the list, write the verdicts as the last line."""
    warnings.simplefilter("ignore")
    tasks, found = json.load(sys.stdin), []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, path in tasks:
            course_files.write_data_files(name, Path.cwd())
            limits = {"timeout": 60, "older_stack": True, "hints": False}
            verdicts, _ = checked(name, Path(path), **limits)
            found.append(
                {
                    function: [
                        verdict["status"],
                        verdict.get("edition", ""),
                        f"{verdict.get('problem', '')} {hint}",
                    ]
                    for function, (verdict, hint) in verdicts.items()
                }
            )
        os.chdir("/")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
