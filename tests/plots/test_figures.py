"""What figures of means over seeds show."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from tfrec_zoo.plots.figures import line


def test_the_band_of_a_line_ends_at_the_least_value():
    """The values 1, 1 and 10 are 4 ± 5.2 in the mean, and 2, 4 and 6 are 4 ± 2."""
    frame = pd.DataFrame({"epoch": [1, 1, 1, 2, 2, 2], "loss": [1.0, 1, 10, 2, 4, 6]})
    figure, axes = plt.subplots()
    line(axes, frame, "epoch", "loss", "raw")
    [drawn], [band] = axes.lines, axes.collections
    np.testing.assert_allclose(drawn.get_ydata(), [4, 4])
    corners = band.get_paths()[0].vertices
    for epoch, low, high in ((1, 1, 4 + np.sqrt(27)), (2, 2, 6)):
        heights = corners[corners[:, 0] == epoch, 1]
        np.testing.assert_allclose([heights.min(), heights.max()], [low, high])
    plt.close(figure)
