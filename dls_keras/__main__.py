"""`python -m dls_keras` is the command `dls-keras`."""

from dls_keras.cli.main import main

main()
