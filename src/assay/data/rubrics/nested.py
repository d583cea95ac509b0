"""Rubrics in sections, with levels, or as trees: autorubric, verifiers, PaperBench, OpenEnv."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from assay.data import fields
from assay.data.rubrics.record import Branch, Criterion, Level, Rubric
from assay.errors import DataError, did_you_mean

__all__ = [
    "CONTAINERS",
    "autorubric",
    "autorubric_of",
    "is_autorubric",
    "openenv",
    "paperbench",
    "unread",
    "verifiers",
]

CONTAINERS: Final = frozenset({"WeightedSum", "Gate", "Sequential"})
"""Containers of OpenEnv that can be data."""
WEIGHT: Final = 10.0
"""autorubric's weight of a criterion that states none."""
CLOSE: Final = 1e-6
KEYS: Final = (
    *Criterion.model_fields,
    *("criterion", "requirement", "description", "weight", "title", "name"),
)
"""Keys that criteria have, in our layout and in others."""

Row = Mapping[str, Any]


def is_autorubric(row: Any) -> bool:
    """Whether a row is a criterion of autorubric, or a section."""
    return isinstance(row, Mapping) and (
        "requirement" in row or isinstance(row.get("criteria"), list)
    )


def autorubric(raw: Any, source: str = "") -> Rubric:
    """Read a list of criteria or sections, or an object with them under rubric, sections or
    criteria."""
    guidelines = ""
    while isinstance(raw, Mapping):
        if guidelines and raw.get("guidelines"):
            raise DataError("guidelines stand beside the rubric and inside it; give them once")
        guidelines = raw.get("guidelines") or guidelines
        keys = [key for key in ("rubric", "sections", "criteria") if key in raw]
        if not keys:
            raise fields.wrong("rubric", "a list of criteria, or of sections", dict(raw))
        raw = raw[keys[0]]
    if not isinstance(raw, list) or not all(isinstance(row, Mapping) for row in raw):
        raise fields.wrong("criteria", "a list of criteria, or of sections", raw)
    flat = [*_flat(raw, ())]
    if not any("requirement" in row for row, _ in flat):
        # Nothing says autorubric, so it is our own layout that was meant.
        raise unread([row for row, _ in flat])
    criteria = [_required(row, group, number) for number, (row, group) in enumerate(flat, 1)]
    return fields.make(
        Rubric, criteria=criteria, guidelines=guidelines, normaliser="autorubric", source=source
    )


def unread(rows: Sequence[Row]) -> DataError:
    """Return the error of criteria that no layout reads: the first that lacks a documented field,
    what it has instead, and what may be meant."""
    lacking = [(i, row) for i, row in enumerate(rows, 1) if not {"id", "text"} <= row.keys()]
    number, row = (lacking or [(1, {})])[0]
    missing = " and ".join(repr(key) for key in ("id", "text") if key not in row)
    has = [f"{key}{'' if key in KEYS else did_you_mean(str(key), KEYS)}" for key in row]
    return DataError(
        f"criterion {number} has no {missing}; it has {', '.join(has) or 'no fields'}. A criterion"
        ' is {"id", "text", "points"}, or has the keys of HealthBench (criterion, points), RaR'
        " (title, description, weight), autorubric (requirement, weight), verifiers (name, text) or"
        " another published layout"
    )


def _flat(rows: Sequence[Row], group: tuple[str, ...]) -> Iterator[tuple[Row, tuple[str, ...]]]:
    for row in rows:
        if isinstance(inside := row.get("criteria"), list):
            name = str(row.get("name") or "").replace("/", " ")
            yield from _flat(inside, (*group, name) if name else group)
        else:
            yield row, group


def _required(row: Row, group: tuple[str, ...], number: int) -> Criterion:
    levels = []
    for option in fields.mappings(row, "options") if row.get("options") else ():
        value = None if option.get("na") else fields.number(option.get("value"), "options.value")
        levels.append(fields.make(Level, label=fields.value(option, "label"), value=value))
    weight = WEIGHT if row.get("weight") is None else fields.number(row["weight"], "weight")
    return fields.make(
        Criterion,
        id=row.get("name") or f"c{number}",
        text=fields.text(row, "requirement"),
        points=weight,
        group=group,
        levels=levels,
    )


def autorubric_of(rubric: Rubric) -> dict[str, Any]:
    """Return a rubric as autorubric reads it: {guidelines?, criteria}.

    Raises `DataError` for gates, and for levels without a value at another place than an option.
    """
    if gates := [c.id for c in rubric.criteria if c.veto]:
        raise DataError(f"autorubric has no gates, and {gates[0]!r} is one")
    if rubric.normaliser != "autorubric":
        raise DataError(
            f"autorubric has its own formula, and this rubric is scored by {rubric.normaliser};"
            " the same verdicts would have another score"
        )
    criteria = []
    for c in rubric.criteria:
        row: dict[str, Any] = {"name": c.id, "weight": c.points, "requirement": c.text}
        if c.levels:
            row["options"] = [
                {"label": level.label, "value": level.value or 0.0, "na": level.value is None}
                for level in c.levels
            ]
        criteria.append(row)
    return ({"guidelines": rubric.guidelines} if rubric.guidelines else {}) | {"criteria": criteria}


def verifiers(raw: Any, source: str = "") -> Rubric:
    """Read criteria with choices, worst first, evenly spaced from 0 to 1."""
    rows = fields.mappings(raw, "criteria") if isinstance(raw, Mapping) else raw
    criteria = []
    for row in rows:
        choices = fields.texts(row, "choices") if "choices" in row else ["no", "yes"]
        if len(choices) < 2:
            raise fields.wrong("choices", "2 choices or more, worst first", choices)
        spaced = [i / (len(choices) - 1) for i in range(len(choices))]
        pairs = zip(choices, spaced, strict=True)
        levels = [fields.make(Level, label=label, value=value) for label, value in pairs]
        criteria.append(
            fields.make(
                Criterion,
                id=fields.text(row, "name"),
                text=fields.text(row, "text"),
                points=fields.number(row.get("weight", 1.0), "weight"),
                # no and yes are what a criterion without levels is asked for.
                levels=() if choices == ["no", "yes"] else levels,
            )
        )
    return fields.make(Rubric, criteria=criteria, normaliser="verifiers", source=source)


def paperbench(raw: Row, source: str = "") -> Rubric:
    """Read a tree of requirements; what a judge leaves ungraded counts 0, as there."""
    criteria: list[Criterion] = []
    groups: dict[str, Branch] = {}

    def walk(node: Row, path: tuple[str, ...]) -> None:
        id, text = fields.text(node, "id"), fields.text(node, "requirements")
        weight = fields.number(fields.value(node, "weight"), "weight")
        children = fields.mappings(node, "sub_tasks") if node.get("sub_tasks") else []
        if children:
            name = id.replace("/", " ")
            if (place := "/".join((*path, name))) in groups:
                raise DataError(f"the requirement {id!r} has two branches; give each its own id")
            # Nothing is divided by the root's own weight.
            groups[place] = fields.make(Branch, weight=weight if path else 1.0, text=text)
            for child in children:
                walk(child, (*path, name))
            return
        kinds = (node.get("task_category"), node.get("finegrained_task_category"))
        tags = tuple(kind for kind in kinds if isinstance(kind, str))
        criteria.append(
            fields.make(Criterion, id=id, text=text, points=weight, group=path, tags=tags)
        )

    walk(raw, ())
    return _rooted(criteria, groups, source, abstained="zero")


def openenv(raw: Row, source: str = "") -> Rubric:
    """Read containers of OpenEnv written as data.

    What a Sequential has before its last are gates; anything else that OpenEnv runs, such as a
    Gate around a sum, cannot be said by criteria and is refused.
    """
    in_order = fields.mappings(raw, "rubrics") if raw["type"] == "Sequential" else [raw]
    if not in_order:
        raise fields.wrong("rubrics", "at least one rubric", in_order)
    criteria = [_leaf(gate, (), 1.0, veto=True) for gate in in_order[:-1]]
    groups: dict[str, Branch] = {}

    def walk(node: Row, path: tuple[str, ...], weight: float, name: str) -> None:
        if node.get("type") != "WeightedSum":
            criteria.append(_leaf(node, path, weight))
            return
        if name:
            path = (*path, name)
            groups["/".join(path)] = fields.make(Branch, weight=weight)
        inside = fields.mappings(node, "rubrics")
        weights = [fields.number(w, "weights") for w in fields.value(node, "weights")]
        if len(inside) != len(weights) or abs(sum(weights) - 1.0) > CLOSE:
            raise fields.wrong("weights", f"{len(inside)} weights that sum to 1", weights)
        for i, (child, own) in enumerate(zip(inside, weights, strict=True)):
            walk(child, path, own, f"rubric_{i}")

    walk(in_order[-1], (), 1.0, "")
    return _rooted(criteria, groups, source)


def _leaf(node: Row, path: tuple[str, ...], weight: float, *, veto: bool = False) -> Criterion:
    """A criterion; a Gate around one changes nothing, as it is met or not."""
    if node.get("type") == "Gate":
        node = fields.mapping(node, "rubric")
    if node.get("type") in CONTAINERS:
        raise DataError(
            f"a {node['type']} inside of another container than WeightedSum, or before a"
            " Sequential's last, cannot be said by criteria; write it in Python"
        )
    return fields.make(
        Criterion,
        id=fields.text(node, "name"),
        text=fields.text(node, "text"),
        points=weight,
        group=path,
        veto=veto,
    )


def _rooted(
    criteria: Sequence[Criterion], groups: Mapping[str, Branch], source: str, **others: Any
) -> Rubric:
    return fields.make(
        Rubric,
        criteria=tuple(criteria),
        groups=groups,
        normaliser="tree",
        source=source,
        **others,
    )
