"""Check a learner's solution: run its functions on the cases of `reference`.

    parse             split a file into top-level statements, parsed one by one
    namespace         define the functions of the file without running the rest
    course_helpers    the helper functions that the course provides
    course_editions   the differences between the course's editions
    guard             keep the solutions of this package from the learner's code
    call_record       record the call of a function under test
    comparison        the cases of an assignment, compared with what a function gave
    judge             run the cases of a function and describe the first problem
    hints/            one hint about a wrong function:
        from_source       from its source text and its exceptions,
        from_numbers      from its numbers,
        from_mutations    from a single-edit mutation that passes;
        choose            applies these rules in order
    messages          results of a function as JSON
    worker            all of the above, in a process of its own
    processes         limits of that process, and what ends it
    connection        start it, receive its messages, stop it at a limit
    runner            compare the results with the expected ones
    executors         run checks in threads, processes, or on other machines
    report            tables, JSON, JUnit XML, CSV

    class_files       the files of a class, in a folder or an archive
    definitions       which functions a file defines, which assignment it looks like
    students          the submission of each student
    classes           check the submissions of a class
    grades            points, partial credit, late submissions
    gradebook         tables of grades, written row by row; results to resume and merge
    feedback          one HTML page per student

    skeleton          an assignment as stubs to implement
    pytest_plugin     one test per case

This is a convenience for checking your own code and that of your students. It is not
a sandbox against hostile code.
"""
