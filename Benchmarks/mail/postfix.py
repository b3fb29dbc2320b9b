"""smtp-sink and smtp-source of Debian's postfix, unpacked and not installed: that would start a mail server."""

import glob
import os
import subprocess

from lib.processes import Failed

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PLACE = os.path.join(ROOT, ".build", "bench", "postfix")


def program(name):
    """The path of a program."""
    path = os.path.join(PLACE, "usr", "sbin", name)
    if not os.path.exists(path):
        _unpack()
    return path


def environment():
    """The programs find their libraries by it."""
    return {**os.environ, "LD_LIBRARY_PATH": os.path.join(PLACE, "usr", "lib", "postfix")}


def version():
    """The package's version."""
    program("smtp-sink")
    package, = glob.glob(os.path.join(PLACE, "postfix_*.deb"))
    return os.path.basename(package).split("_")[1]


def _unpack():
    os.makedirs(PLACE, exist_ok=True)
    for command in (["apt-get", "download", "-qq", "postfix"], ["sh", "-c", "dpkg -x postfix_*.deb ."]):
        done = subprocess.run(command, cwd=PLACE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise Failed(f"{' '.join(command)}: {done.stdout[-1000:]}")
