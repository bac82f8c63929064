"""What is drawn is what was given."""

import numpy as np
import torch

from infovae.pictures.canvas import BETWEEN, GAP, THUMBNAIL, axis_number, image_grid, labelled_grid


def test_an_image_grid_has_each_pixel_enlarged_by_a_whole_factor() -> None:
    images = torch.rand(3, 1, 28, 20)
    grid = image_grid(images, columns=2)
    scale = THUMBNAIL // 28
    height, width = 28 * scale + GAP, 20 * scale + GAP
    assert grid.shape == (2 * height + GAP, 2 * width + GAP, 3)
    for position, image in enumerate(images):
        top, left = GAP + position // 2 * height, GAP + position % 2 * width
        tile = grid[top : top + 28 * scale, left : left + 20 * scale]
        expected = (image[0] * 255).round().byte().numpy().repeat(scale, 0).repeat(scale, 1)
        np.testing.assert_array_equal(tile, np.stack([expected] * 3, axis=2))
    assert (grid[-height:, -width:] == round(255 * BETWEEN)).all()  # the fourth place, where there is no image


def test_large_images_keep_their_size_and_colours() -> None:
    image = torch.rand(1, 3, THUMBNAIL + 1, 3)
    grid = image_grid(torch.cat([image, image]), columns=1)
    np.testing.assert_array_equal(
        grid[GAP : GAP + THUMBNAIL + 1, GAP:-GAP], (image[0] * 255).round().byte().permute(1, 2, 0)
    )


def test_no_number_is_black_and_what_is_out_of_range_is_cut() -> None:
    images = torch.tensor([torch.nan, -1.0, 2.0, torch.inf]).view(4, 1, 1, 1)
    grid = image_grid(images, columns=4)
    middle = GAP + THUMBNAIL // 2
    assert [grid[middle, middle + position * (THUMBNAIL + GAP), 0] for position in range(4)] == [0, 0, 255, 255]


def test_labels_leave_the_images_as_they_are() -> None:
    images = torch.rand(6, 1, 8, 8)
    grid = image_grid(images, columns=3)
    labelled = labelled_grid(images, 3, "a title", ["first", "second"], ["a", "b", "c"])
    bare = labelled_grid(images, 3)
    height, width = grid.shape[:2]
    places = np.lib.stride_tricks.sliding_window_view(labelled[-height:], (height, width, 3))[0, :, 0]
    assert sum(np.array_equal(place, grid) for place in places) == 1
    assert (labelled[:-height] < 128).any(axis=2).sum() > 100  # the title and the columns' labels
    assert (bare[:-height] == 255).all()


def test_a_title_that_is_wider_than_the_images_is_not_cut() -> None:
    labelled = labelled_grid(torch.rand(1, 1, 8, 8), 1, "a title that is a good deal wider than one image")
    assert (labelled[:, :2] == 255).all()
    assert (labelled[:, -2:] == 255).all()
    assert (labelled < 128).any(axis=(0, 2)).nonzero()[0].max() > 3 * THUMBNAIL


def test_minus_signs() -> None:
    assert axis_number(-1.256, 2) == "\N{MINUS SIGN}1.26"
    assert axis_number(3.0, 0) == "3"
    assert axis_number(-0.04, 1) == "0.0"
