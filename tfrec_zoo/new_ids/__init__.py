"""New ids: users, items and words that a trained model doesn't know yet.

`warm_start` takes over what was learned of all others, `new_rows` says what new vectors start from,
and `add_items` gives a model new items without training.
"""
