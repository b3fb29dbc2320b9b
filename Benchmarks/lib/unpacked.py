"""Debian packages that are unpacked beside the builds and not installed: installing them would start a server."""

import glob
import os
import subprocess

from lib.processes import Failed

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def directory(package):
    """Where the package lies unpacked; it is fetched the first time."""
    place = os.path.join(ROOT, ".build", "bench", package)
    if not os.path.isdir(os.path.join(place, "usr")):
        os.makedirs(place, exist_ok=True)
        for command in (["apt-get", "download", "-qq", package], ["sh", "-c", f"dpkg -x {package}_*.deb ."]):
            done = subprocess.run(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode != 0:
                raise Failed(f"{' '.join(command)}: {done.stdout[-1000:]}")
    return place


def version(package):
    """The version that lies there."""
    archive, = glob.glob(os.path.join(directory(package), f"{package}_*.deb"))
    return os.path.basename(archive).split("_")[1]
