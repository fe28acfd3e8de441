"""What the package does with damaged and hostile files, kills and full disks.

    python -m tests.robustness --mutations 2000              every reader
    python -m tests.robustness --mutations 200 --reader wav_16 --seed 1
    python -m tests.robustness --replay FOLDER/wav_16-1-17.outcome.json
    python -m tests.robustness --kills 200

`table` lists the readers with a valid file for each, `mutations` changes these files,
`worker` reads them in a process with limits, `runner` starts the workers and counts
the outcomes. `kills` and `disk` interrupt writers. `pytest tests/robustness` runs a
small number of each.
"""
