"""The lineage has every model, and no arrow that leads into the past."""

from tfrec_zoo import plots, registry
from tfrec_zoo.plots.lineage import PARENTS, years


def test_every_model_descends_from_earlier_ones():
    known = years()
    assert set(PARENTS) == set(known) == set(registry.MODELS)
    assert (known["DeepFM"], known["Popularity"]) == (2017, None)
    arrows = [(parent, child) for child, parents in PARENTS.items() for parent in parents]
    assert all(known[parent] <= known[child] for parent, child in arrows)
    [axes] = plots.lineage().axes
    drawn = [text for text in axes.texts if text.get_text() == ""]
    assert len(drawn) == len(arrows) > 15
    rows = list(PARENTS)
    assert drawn[0].xy == (2019, -rows.index("EASE"))  # The first arrow is that from ItemKNN.
    assert drawn[0].xyann == (2004, -rows.index("ItemKNN"))
