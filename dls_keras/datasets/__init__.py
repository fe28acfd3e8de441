"""Data sets, one file each: `load_` what is here, `fetch_`, or `make_` a stand-in."""
