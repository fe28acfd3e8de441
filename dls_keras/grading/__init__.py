"""Is a learner's solution right? Its functions, run on the cases of `reference`.

    cells       a file as pieces of Python, each read by itself
    workspace   the functions in it, defined without running the rest
    supplies    what the course hands out, and where its editions differ
    recording   a function under test that remembers its call
    verdicts    the cases of a function, and what came of them
    advice      one hint on a wrong function, by looks at its
    mistakes        text and errors,
    hints           numbers, and
    repairs         runs with one small change
    child       all of that in a process of its own
    checking    starts the child, stops what does not end, takes whole classes
    reports     tables, JSON, JUnit XML, CSV

A convenience for one's own and one's pupils' code, not a sandbox against hostile one.
"""
