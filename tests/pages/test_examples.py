from assay.pages.examples import BRIEF, brief, cut, mistakes, winners
from assay.report.html import Paragraph, Section, Tree, page
from assay.types import Group, Preference, Prompt, Ranking, Response, Score, StepLabels, Unscored
from tests.report.test_html import NASTY, Document


def pair(prefer: float, prompt: str = "q") -> Preference:
    responses = (Response.of("first"), Response.of("second"))
    return Preference(prompt=Prompt.of(prompt), responses=responses, prefer=prefer)


def scores(*values: float | None) -> list[Score | Unscored]:
    return [Unscored(reason="no") if v is None else Score(value=v) for v in values]


def trees(sections: list[Section]) -> list[Tree]:
    return [block for section in sections for block in section.blocks if isinstance(block, Tree)]


def test_mistakes_are_ordered_by_how_sure_the_scorer_was() -> None:
    records = [pair(1.0, "sure"), pair(0.0, "right"), pair(1.0, "less sure"), pair(0.5, "tie")]
    given = [scores(0.0, 3.0), scores(0.0, 9.0), scores(0.0, 1.0), scores(0.0, 9.0)]
    found = trees(mistakes(records, given))
    assert [tree.question for tree in found] == ["sure", "less sure"]
    first = found[0].line
    assert [(fork.step.text, fork.badge) for fork in first] == [
        ("second", "preferred"),
        ("first", "better"),
    ]
    assert first[0].step.notes == ["score 3", "gold 0"]
    (section,) = mistakes(records, given, most=1)
    words = section.blocks[0]
    assert isinstance(words, Paragraph)
    assert "The 1 of 2 mistakes" in words.text


def test_mistakes_of_pools_and_of_single_responses() -> None:
    texts = tuple(map(Response.of, "abc"))
    pool = Ranking(prompt=Prompt.of("p"), responses=texts, grades=(0.0, 1.0, 1.0))
    (tree,) = trees(mistakes([pool], [scores(0.9, 0.2, 0.4)]))
    # Of equally good ones, the one that was scored highest.
    assert [fork.step.text for fork in tree.line] == ["a", "c"]
    assert mistakes([pool], [scores(0.1, 0.2, None)]) == []
    one = StepLabels.outcome(Prompt.of("p"), Response.of("r"), 0.0)
    assert len(trees(mistakes([one], [scores(0.9)]))) == 1
    assert mistakes([one], [scores(0.1)]) == []
    # A logit is no probability, and nobody knows where its right side begins.
    assert mistakes([one], [scores(4.0)]) == []


def test_winners_show_the_choice_and_what_was_left() -> None:
    texts = tuple(map(Response.of, "abcdef"))
    pool = Group(prompt=Prompt.of("p", reference="7"), responses=texts)
    given = [scores(5.0, 4.0, 3.0, 2.0, 1.0, None)]
    (section,) = winners([pool], given, [[0.0, 0.0, 0.0, 0.0, 1.0, 1.0]])
    (tree,) = trees([section])
    assert [fork.step.text for fork in tree.line] == ["a", "b", "c", "e"]
    assert [fork.badge for fork in tree.line] == ["chosen", "", "", ""]
    assert [fork.step.level for fork in tree.line] == ["s0", "s0", "s0", "s10"]
    assert tree.facts == ["6 responses", "reference answer: 7"]
    assert winners([pool], [scores(None, None, None, None, None, 1.0)], [[None] * 6]) == []


def test_texts_are_shortened_at_their_middle_and_never_interpreted() -> None:
    assert brief("short") == ""
    long = "begin " + "x " * BRIEF + "end"
    assert brief(long).startswith("begin ")
    assert brief(long).endswith(" end")
    assert len(cut("y" * 5000)) < 1300
    pool = Group(prompt=Prompt.of(NASTY), responses=(Response.of(NASTY), Response.of("b")))
    html = page("t", winners([pool], [scores(1.0, 0.0)], [[None, None]]))
    assert "script" not in Document(html).tags
