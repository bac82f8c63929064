"""scikit-learn's digits (Alpaydin, Kaynak 1998, UCI): 1,797 digits of 8 x 8, in 10 classes, for quick tries."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from infovae.data.examples import DataSet
from infovae.data.torchvision_sets import labelled


def digits() -> DataSet:
    """Return the 1,797 digits that come with scikit-learn, split into 1,437 + 360.

    Their values 0 to 16 are scaled to the bytes 0 to 255. The split is stratified by class and the same for all seeds.
    """
    bundled = load_digits()
    images = np.round(bundled.images * (255 / 16)).astype(np.uint8)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, bundled.target, test_size=360, random_state=0, stratify=bundled.target
    )
    return DataSet(labelled(train_images, train_labels), labelled(test_images, test_labels))
