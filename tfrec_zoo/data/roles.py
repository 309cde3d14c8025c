"""Roles: which column of a log plays which part."""

import dataclasses

#: The column of `items` that says when each was uploaded.
UPLOAD_TIME = "upload_time"


@dataclasses.dataclass(frozen=True)
class Roles:
    """Which column plays which part, in every frame that has it.

    Args:
        user: User id.
        item: Item id.
        time: When it happened; an empty name if nobody knows.
        label: In impressions, whether the item was chosen (0 or 1).
        weight: How much an event counts: seconds watched, a rating, a price.
        page: In impressions, what was shown together.
        query: In searches, the words.
        title: In items, what is shown to people.

    Raises:
        ValueError: If a column would play two parts of an event.
    """

    user: str = "user_id"
    item: str = "item_id"
    time: str = "time"
    label: str = "clicked"
    weight: str = "weight"
    page: str = "page_id"
    query: str = "query"
    title: str = "title"

    def __post_init__(self) -> None:
        parts = ("user", "item", "time", "label", "weight", "page")
        columns = [getattr(self, part) for part in parts if getattr(self, part)]
        if len(set(columns)) < len(columns):
            given = {part: getattr(self, part) for part in parts}
            raise ValueError(f"Each part must be played by a column of its own. Received: {given}")


#: Names of the roles.
ROLES = tuple(field.name for field in dataclasses.fields(Roles))

#: The frames of a log, and the roles whose columns each must have.
FRAMES: dict[str, tuple[str, ...]] = {
    "interactions": ("user", "item"),
    "users": ("user",),
    "items": ("item",),
    "impressions": ("user", "item", "label"),
    "searches": ("user", "query"),
}
#: The frames whose rows happen at a moment.
EVENTS = ("interactions", "impressions", "searches")
