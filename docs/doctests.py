"""Examples in docstrings, `>>> f(1)`, shown as code and not as quotations."""

import re

import griffe

# From the first prompt to the next blank line.
EXAMPLE = re.compile(r"^>>> .*\n?(?:.+\n?)*", re.MULTILINE)


class Doctests(griffe.Extension):
    """Fences every example in every docstring."""

    def on_object(self, *, obj, **kwargs):
        """Called by griffe once for each module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(
                lambda found: f"```pycon\n{found[0].rstrip()}\n```\n",
                obj.docstring.value,
            )
