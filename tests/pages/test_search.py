import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from assay.errors import DataError
from assay.pages.examples import LONGEST
from assay.pages.search import LARGEST, search_section, search_tree
from assay.protocols import Sampling
from assay.report.html import Fold, Fork, KeyValues, Paragraph, Section, Table, Tree, page
from assay.search import Node, SearchResult, Spent
from assay.types import Group, Prompt, Response, Score, Unscored
from tests.report.test_html import NASTY, Document

PROMPT = Prompt.of("How many?", reference="7")


def scored(value: float, std: float | None = None) -> Score:
    return Score(value=value, std=std)


def result(
    nodes: Sequence[Node],
    *candidates: tuple[str, bool],
    choice: int | None = 0,
    prompt: Prompt = PROMPT,
    **more: Any,
) -> SearchResult:
    responses = tuple(Response(steps=(text,), finished=finished) for text, finished in candidates)
    if not responses:
        choice = None
    return SearchResult(
        group=Group(prompt=prompt, responses=responses),
        scores=(None,) * len(responses),
        choice=choice,
        nodes=tuple(nodes),
        **more,
    )


def every_fate() -> SearchResult:
    nodes = [
        Node(-1, "One.\n\n", False, scored(0.9), count=3, expanded=True),
        Node(-1, "Uno.\n\n", False, scored(0.3)),
        Node(-1, "Eins.\n\n", False, Unscored(reason="too long")),
        Node(-1, "Un.\n\n", False, scored(0.6), expanded=True),
        Node(0, "Seven.", True, scored(0.8, std=0.05)),
        Node(0, "Six.", True, scored(0.5)),
        Node(0, "Five.", False, scored(0.7)),
        Node(1, "Siete.", True, scored(0.1), lookahead=True),
        Node(3, "", True, None),
    ]
    candidates = (("One.\n\nSix.", True), ("One.\n\nSeven.", True), ("One.\n\nFive.", False))
    return result(nodes, *candidates, choice=1)


def forks(line: Sequence[Fork], depth: int = 0) -> Iterator[tuple[Fork, int]]:
    """Every step that is drawn, and how many folds it lies in."""
    for fork in line:
        yield fork, depth
        for fold in fork.beside:
            for inner in fold.lines:
                yield from forks(inner, depth + 1)


def random_tree(size: int, seed: int, reach: int = 12) -> SearchResult:
    rng = random.Random(seed)
    parents = [-1, *(rng.randrange(max(-1, i - reach), i) for i in range(1, size))]
    inner = set(parents)
    nodes = [
        Node(p, f"step {i}. ", i not in inner, scored(rng.random()), expanded=i in inner)
        for i, p in enumerate(parents)
    ]
    texts: list[str] = []
    for node in nodes:
        texts.append((texts[node.parent] if node.parent >= 0 else "") + node.text)
    leaves = [text for text, node in zip(texts, nodes, strict=True) if node.finished]
    return result(nodes, *((text, True) for text in leaves), choice=rng.randrange(len(leaves)))


def trees(section: Section) -> list[Tree]:
    return [block for block in section.blocks if isinstance(block, Tree)]


def paragraphs(section: Section) -> list[str]:
    return [block.text for block in section.blocks if isinstance(block, Paragraph)]


def test_the_path_to_the_choice_is_the_line_and_the_rest_is_folded_by_its_fate() -> None:
    tree = search_tree(every_fate(), right=1.0)
    first, last = tree.line
    assert (first.step.text, last.step.text) == ("One.", "Seven.")
    assert [f.badge for f in tree.line] == ["", "chosen"]
    assert [f.marked for f, _ in forks(tree.line)].count(True) == 2
    assert first.step.notes == ["0.90", "3 samples", "continued"]
    assert last.step.notes == ["0.80 ± 0.05"]
    assert [fold.summary for fold in first.beside] == ["1 continued, 0.60", "2 pruned, 0.30"]
    assert [fold.summary for fold in last.beside] == ["1 finished, 0.50", "1 not finished, 0.70"]
    (un,) = first.beside[0].lines
    assert [f.step.notes for f in un] == [
        ["0.60", "continued"],
        ["ends without a further word", "finished"],
    ]
    uno, eins = first.beside[1].lines
    assert [f.step.notes for f in uno] == [["0.30", "pruned"], ["0.10", "looked ahead"]]
    assert [f.step.notes for f in eins] == [["unscored: too long", "pruned"]]
    assert [f.step.level for f in (*uno, *eins)] == ["s3", "s1", "none"]
    assert tree.facts == [
        "the choice is right",
        "reference answer: 7",
        "0 samples",
        "0 tokens generated",
        "0 tokens scored",
        "9 texts: 1 chosen, 2 continued, 2 finished, 1 not finished, 2 pruned, 1 looked ahead",
    ]


def test_on_the_page_only_the_path_to_the_choice_is_marked() -> None:
    html = page("t", [Section("s", [search_tree(every_fate())])])
    document = Document(html)
    assert document.of("b") == ["chosen"]
    assert [value for value in document.values("class") if "marked" in value] == [
        "step s9 marked",
        "step s8 marked",
    ]
    assert document.of("summary") == [
        "1 continued, 0.60",
        "2 pruned, 0.30",
        "1 finished, 0.50",
        "1 not finished, 0.70",
    ]
    assert "open" not in [name for tag, name, _ in document.attributes if tag == "details"]


def test_pruned_siblings_are_folded_together_the_best_first() -> None:
    values = [0.31, 0.02, 0.11, 0.3, 0.29, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.2]
    nodes = [Node(-1, "won", True, scored(0.9))] + [
        Node(-1, f"no {v}", False, scored(v)) for v in values
    ]
    (fork,) = search_tree(result(nodes, ("won", True))).line
    (fold,) = fork.beside
    assert fold.summary == "12 pruned, 0.02 to 0.31"
    assert [line[0].step.text for line in fold.lines] == [
        f"no {v}" for v in sorted(values, reverse=True)
    ]


def test_all_that_was_kept_is_said_beside_the_choice() -> None:
    nodes = [Node(-1, text, True, scored(0.5)) for text in "abc"]
    (fork,) = search_tree(
        result(nodes, ("a", True), ("b", True), ("c", True), choice=1, kept=(1, 2))
    ).line
    assert (fork.step.text, fork.badge) == ("b", "chosen")
    assert [(fold.summary, fold.lines[0][0].badge) for fold in fork.beside] == [
        ("1 kept, 0.50", "kept"),
        ("1 finished, 0.50", ""),
    ]


def test_a_choice_without_an_end_and_none_and_one_from_elsewhere() -> None:
    nodes = [
        Node(-1, "a", False, scored(0.2), expanded=True),
        Node(0, "b", False),
        Node(-1, "c", True, scored(0.9)),
    ]
    cut = search_tree(result(nodes, ("ab", False)))
    assert [(f.step.text, f.badge, f.marked) for f in cut.line] == [
        ("a", "", True),
        ("b", "chosen", True),
    ]
    assert cut.line[1].step.notes == ["not finished"]
    none = search_tree(result(nodes))
    assert none.facts[0] == "nothing was chosen"
    assert [f.step.text for f in none.line] == ["a", "b"]  # where most was written
    assert not any(f.marked for f, _ in forks(none.line))
    # The same text with an end is another one.
    assert "its choice is not among its texts" in search_tree(result(nodes, ("ab", True))).facts


def test_scores_that_are_no_probabilities_give_colours_by_rank() -> None:
    nodes = [Node(-1, str(v), True, scored(v)) for v in (-3.0, 250.125, 7.0, 7.0, 1000.0)] + [
        Node(-1, "x", True)
    ]
    drawn = {f.step.text: f.step for f, _ in forks(search_tree(result(nodes)).line)}
    # Of a 7's four others one is lower and one is equal.
    shades = [drawn[node.text].shade for node in nodes]
    assert shades == [0.0, 0.75, 0.375, 0.375, 1.0, None]
    assert drawn["250.125"].notes == ["250", "finished"]
    alone = search_tree(result([Node(-1, "x", True, scored(4.0))])).line[0].step
    assert alone.shade == 0.5


def test_one_score_out_of_bounds_makes_every_tree_of_a_section_ranked() -> None:
    low, high = (
        result([Node(-1, "a", True, scored(v)), Node(-1, "b", True, scored(w))])
        for v, w in ((0, 0.1), (0, 9))
    )
    alone, both = search_section([low]), search_section([low, high])
    assert "a score of 0, to green" in paragraphs(alone)[0]
    assert "by their rank" in paragraphs(both)[0]
    assert [f.step.shade for f, _ in forks(trees(alone)[0].line)] == [0.1, 0.0]
    assert all([f.step.shade for f, _ in forks(tree.line)] == [1.0, 0.0] for tree in trees(both))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("size", [1, 2, 30, 500])
def test_every_text_is_drawn_once_in_few_folds(size: int, seed: int) -> None:
    found = random_tree(size, seed)
    drawn = list(forks(search_tree(found).line))
    assert sorted(f.step.text for f, _ in drawn) == sorted(node.text for node in found.nodes)
    # Beside the path to the choice there may be almost everything; in every further fold, half of
    # it at most.
    assert max(depth for _, depth in drawn) <= math.log2(size) + 1
    chosen = "".join(f.step.text for f, _ in drawn if f.marked)
    assert found.response is not None
    assert chosen == found.response.text


def test_paths_of_many_steps_do_not_nest() -> None:
    nodes: list[Node] = []
    for depth in range(60):
        parent = 2 * depth - 2 if depth else -1
        nodes += [
            Node(parent, f"good {depth}. ", depth == 59, expanded=depth < 59),
            Node(parent, f"bad {depth}. ", False),
        ]
    won = "".join(node.text for node in nodes if node.text.startswith("good"))
    html = page("t", [search_section([result(nodes, (won, True))])])
    assert Document(html).values("class").count("step none marked") == 60
    assert html.count("1 pruned") == 60
    assert _deepest(html, "details") == 1


def test_five_hundred_texts_are_light_and_shallow() -> None:
    html = page("t", [search_section([random_tree(500, seed=1)])])
    assert Document(html).tags.count("small") == 500
    assert _deepest(html, "details") <= 9
    assert len(html) < 130_000


def test_of_larger_trees_the_first_texts_are_drawn_and_the_path_to_the_choice() -> None:
    nodes = [Node(-1, f"{i} ", False, expanded=i == 5) for i in range(1500)]
    nodes += [
        Node(5, "deep ", False, expanded=True),
        Node(1500, "end", True),
        Node(1500, "other", True),
    ]
    tree = search_tree(result(nodes, ("5 deep end", True)))
    drawn = [f.step.text for f, _ in forks(tree.line)]
    assert len(drawn) == LARGEST + 2
    assert [f.step.text for f in tree.line] == ["5 ", "deep ", "end"]
    assert "other" not in drawn
    assert tree.facts[-1] == "drawn are the first 600 written, and the path to the choice"
    assert tree.facts[-2] == "1,503 texts: 1 chosen, 2 continued, 1 finished, 1,499 pruned"


def test_long_texts_off_the_path_open_by_a_click_and_are_cut_where_they_are_endless() -> None:
    won, long, endless = (
        f"{c} begins. {c * 90}\n\n{c * 90} {c * 90} The answer is {c}." for c in "abc"
    )
    endless = endless.replace("c" * 90, "c" * 90_000)
    nodes = [Node(-1, text, True) for text in (won, long, endless)]
    drawn = [f for f, _ in forks(search_tree(result(nodes, (won, True))).line)]
    assert [bool(f.brief) for f in drawn] == [False, True, True]
    assert [f.step.text for f in drawn[:2]] == [won, long]
    assert drawn[1].brief.startswith("b begins. bbb")
    assert drawn[1].brief.endswith(" … The answer is b.")
    assert len(drawn[2].step.text) < LONGEST + 50
    assert f"({len(endless):,} characters)" in drawn[2].step.text
    assert drawn[2].step.text.endswith("The answer is c.")
    document = Document(page("t", [Section("s", [search_tree(result(nodes, (won, True)))])]))
    assert ("details", "class", "whole") in document.attributes
    assert long in document.of("div")


def test_hostile_texts_are_shown_and_never_interpreted() -> None:
    long = NASTY + " word" * 100 + NASTY
    nodes = [
        Node(-1, NASTY, False, Unscored(reason=NASTY), expanded=True),
        Node(0, f"</div></details>{NASTY}", True, scored(0.5)),
        Node(0, long, True, scored(0.4)),
    ]
    prompt = Prompt.of(NASTY, reference=NASTY)
    found = result(nodes, (nodes[0].text + nodes[1].text, True), prompt=prompt, stopped=NASTY)
    document = Document(page("t", [search_section([found], title=NASTY)]))
    assert "script" not in document.tags
    assert not [name for _, name, _ in document.attributes if name.startswith("on")]
    for tag in ("h2", "div", "span", "small", "li", "td"):
        assert any(NASTY in text for text in document.of(tag)), tag
    assert f"</div></details>{NASTY}" in document.of("span")
    assert long in document.of("div")


def test_half_of_the_trees_have_a_wrong_choice_where_that_is_known() -> None:
    results = [
        replace(
            every_fate(), group=every_fate().group.model_copy(update={"prompt": Prompt.of(str(i))})
        )
        for i in range(40)
    ]
    right = [0.0 if i >= 36 else None if i % 2 else 1.0 for i in range(40)]
    section = search_section(results, right=right, most=6)
    assert [int(tree.question) >= 36 for tree in trees(section)] == [True] * 3 + [False] * 3
    assert paragraphs(section)[0].startswith("6 of 40 prompts, 3 of them without a right choice. ")
    assert "the choice is wrong" in trees(section)[0].facts
    plain = search_section(results, most=6)
    assert paragraphs(plain)[0].startswith("6 of 40 prompts. ")
    assert not any("choice is" in fact for tree in trees(plain) for fact in tree.facts)
    asked = {
        seed: [tree.question for tree in trees(search_section(results, most=6, seed=seed))]
        for seed in (0, 0, 1)
    }
    assert asked[0] != asked[1]
    with pytest.raises(DataError, match="1 values of right for 40 results"):
        search_section(results, right=[1.0])


def test_the_summary_counts_choices_stops_and_what_has_no_score() -> None:
    gone = Unscored(reason="too long")
    results = [
        result(
            [Node(-1, "a", True, scored(1.0))],
            ("a", True),
            spent=Spent(samples=4, saved=12),
            stopped="decided",
        ),
        result(
            [Node(-1, "a", True, gone), Node(-1, "b", True)],
            spent=Spent(samples=8, missing=3),
            stopped="budget",
        ),
        result([], ("a", True), spent=Spent(samples=16), stopped="decided"),
    ]
    summary = next(
        block for block in search_section(results).blocks if isinstance(block, KeyValues)
    )
    assert summary.rows == [
        ("prompts", "3"),
        ("with a choice", "2"),
        ("stopped early", "decided (2), budget (1)"),
        ("samples saved by stopping", "12"),
        ("samples missing", "3"),
        ("texts unscored", "1 of 2: too long (1)"),
    ]


def test_costs_are_means_over_the_prompts_where_they_were_counted() -> None:
    spent = [
        Spent(samples=4, generated_tokens=1000, scored_tokens=None),
        Spent(samples=8, generated_tokens=3000, scored_tokens=None),
        Spent(samples=8, generated_tokens=None, scored_tokens=None),
    ]
    section = search_section([replace(every_fate(), spent=one) for one in spent])
    table = next(block for block in section.blocks if isinstance(block, Table))
    assert [row[:2] + row[3:] for row in table.rows] == [
        ["samples", "6.667", "8", "0"],
        ["generated tokens", "2,000", "3,000", "1"],
        ["scored tokens", "not counted", "–", "3"],
    ]
    # Student's: 6.667 +- 4.303 * 1.333.
    assert table.rows[0][2] == "[0.9298, 12.4]"
    (third,) = (tree for tree in trees(section) if "generated tokens not counted" in tree.facts)
    assert "scored tokens not counted" in third.facts
    assert "8 samples" in third.facts


def test_without_texts_and_without_prompts_a_sentence_says_so() -> None:
    bare = search_section([result([], ("a", True))], right=[0.0])
    assert paragraphs(bare) == ["No tree can be drawn: the results hold no texts."]
    assert trees(bare) == []
    assert paragraphs(search_section([])) == ["No prompt was searched."]
    # Those with texts are drawn, whichever they are.
    assert len(trees(search_section([result([]), every_fate()], most=1))) == 1
    assert search_tree(result([])).line == []


@pytest.mark.parametrize("parent", [0, 1, -2])
def test_a_text_that_stands_before_its_parent_is_refused(parent: int) -> None:
    with pytest.raises(DataError, match=f"text 0 of a search's tree has parent {parent}"):
        search_tree(result([Node(parent, "a", True), Node(-1, "b", True)]))


@pytest.mark.parametrize("lookahead", [0, 2])
def test_real_searches_fit(lookahead: int) -> None:
    from assay.search import run
    from assay.search.beam import Beam
    from assay.testing import FakeScorer

    class Digits:
        """Writes a digit a step; three end a response."""

        def generate(self, prefixes: Any, sampling: Sampling) -> list[list[Response]]:
            return [
                [
                    Response(steps=(*p.steps, f"{(p.first + k) % 5} "), finished=len(p.steps) == 2)
                    for k in range(sampling.n)
                ]
                for p in prefixes
            ]

    scorer = FakeScorer(lambda _, response: float(response.text.replace(" ", "")))
    beam = Beam(n=10, width=2, lookahead=lookahead)
    (found,) = run(beam, [PROMPT], Digits(), scorer)
    tree = search_tree(found)
    assert [f.step.text for f in tree.line] == ["4 ", "4 ", "4 "]
    assert [f.badge for f in tree.line] == ["", "", "chosen"]
    assert [fold.summary for fold in tree.line[0].beside] == ["1 continued, 3", "3 pruned, 0 to 2"]
    if not lookahead:
        assert [fold.summary for fold in tree.line[1].beside] == [
            "1 continued, 43",
            "3 pruned, 40 to 42",
        ]
        assert tree.facts[-1] == "25 texts: 1 chosen, 4 continued, 9 finished, 11 pruned"
    assert len(list(forks(tree.line))) == len(found.nodes)


def _deepest(html: str, tag: str) -> int:
    """How many elements of a kind lie in one another."""
    depths = [0]

    class Depth(Document):
        def handle_starttag(self, name: str, attrs: list[tuple[str, str | None]]) -> None:
            super().handle_starttag(name, attrs)
            depths.append(self.stack.count(tag))

    Depth(html)
    return max(depths)


def test_folds_are_closed_on_paper_too() -> None:
    assert "details:not(.fold, .whole)::details-content" in page("t", [Section("s", [])])
    assert Fold("x", []).lines == []
