"""smtp-sink and smtp-source of Debian's postfix, unpacked and not installed: that would start a mail server."""

import os

from lib import unpacked


def program(name):
    """The path of a program."""
    return os.path.join(unpacked.directory("postfix"), "usr", "sbin", name)


def environment():
    """The programs find their libraries by it."""
    return {**os.environ, "LD_LIBRARY_PATH": os.path.join(unpacked.directory("postfix"), "usr", "lib", "postfix")}


def version():
    """The package's version."""
    return unpacked.version("postfix")
