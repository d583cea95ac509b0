"""Words of judges and answerers."""

import json

import pytest

from assay.answerers.asking import Prices
from assay.answerers.decisions import DecisionAnswerer
from assay.answerers.head import HeadAnswerer
from assay.answerers.labels import LabelAnswerer
from assay.answerers.ledger import Ledger
from assay.answerers.lines import LinesAnswerer
from assay.answerers.rotations import RotatedAnswerer
from assay.answerers.text import TextAnswerer
from assay.answerers.writing import Kept
from assay.errors import ConfigError
from assay.fingerprint import fingerprint
from assay.judges.adapters import TournamentScorer
from assay.judges.genrm import GenRM
from assay.judges.listwise import Listwise
from assay.judges.opened import OpenedAnswerer
from assay.judges.pairwise import Pairwise
from assay.judges.panel import JudgePanel, ScorerPanel
from assay.judges.pointwise import Pointwise
from assay.judges.published import ARENA_HARD, MT_BENCH_SINGLE
from assay.judges.rubric import RubricScorer
from assay.judges.steps import StepCritic
from assay.specs.answerers import Asking, answerer, prices_of
from assay.specs.judges import judge
from assay.specs.scorers import scorer
from assay.types import Group, Prompt, Response, Score
from tests.specs.answering import Likes

OWN = "tests.specs.answering:Likes"
AT = "http://127.0.0.1:1/v1"
PAIR = Group(prompt=Prompt.of("?"), responses=(Response.of("bad"), Response.of("good")))


def test_a_server_writes_texts_unless_it_is_said_otherwise():
    ledger = Ledger()
    word = f"{AT},model=m,repeats=3,temperature=0.7,max_tokens=99,price_in=1,price_out=2,tries=2"
    found = answerer(word, Asking(ledger=ledger, repeats=8))
    assert isinstance(found, TextAnswerer)
    assert (found.repeats, found.sampling.temperature, found.sampling.max_tokens) == (3, 0.7, 99)
    assert found.writer.ledger is ledger
    assert found.writer.prices == Prices(tokens_in=1.0, tokens_out=2.0)
    assert (found.writer.generator.model, found.writer.generator.tries) == ("m", 2)
    again = answerer(f"{AT},model=m", Asking(repeats=8))
    assert isinstance(again, TextAnswerer)
    assert again.repeats == 8


@pytest.mark.parametrize(
    ("word", "dialect"),
    [
        (f"{AT},model=m,reads=decisions", "openai"),
        (f"{AT},model=m,reads=systemone", "systemone"),
        (f"{AT},model=m,reads=decisions,dialect=vllm,floor=0.2", "vllm"),
    ],
)
def test_decision_servers(word, dialect):
    found = answerer(word)
    assert isinstance(found, DecisionAnswerer)
    assert (found.model, found.dialect) == ("m", dialect)
    assert found.server.base_url == AT


def test_a_head_takes_a_scorers_word():
    found = answerer("head:random,seed=3,link=sigmoid")
    assert isinstance(found, HeadAnswerer)
    assert (found.scorer.seed, found.link) == (3, "sigmoid")


def test_answerers_of_ones_own():
    found = answerer(f"{OWN},sure=0.7")
    assert found == OpenedAnswerer(Likes(sure=0.7), OWN)
    assert fingerprint(Pointwise(found)) == fingerprint(Pointwise(Likes(sure=0.7)))
    likes = Likes()
    assert answerer(likes) is likes


@pytest.mark.parametrize(
    ("word", "says"),
    [
        (AT, "give model=NAME"),
        (f"{AT},model=m,reads=lables", "did you mean labels"),
        (f"{AT},model=m,repeat=3", "did you mean repeats"),
        (f"{AT},model=m,repeats=many", "repeats cannot be 'many'"),
        ("smol,reads=decisions", "reads=decisions: there is labels, text, lines; decisions is"),
        ("tests.specs.answering:Compares", "is no answerer"),
        ("tests.specs.nothing:Likes", "cannot be imported"),
        (f"pairwise:{AT},model=m", f"is a judge; .* give {AT}"),
    ],
)
def test_answerers_that_there_are_not(word, says):
    with pytest.raises(ConfigError, match=says):
        answerer(word)


def test_probabilities_are_not_repeated():
    with pytest.raises(ConfigError, match="reads=text"):
        answerer(f"{AT},model=m,reads=decisions", Asking(repeats=3))


def test_labels_lines_and_rotations():
    found = answerer(f"{AT},model=m,reads=labels,dialect=vllm,floor=0.1,repeats=2,labels=words")
    assert isinstance(found, LabelAnswerer)
    assert (found.dialect, found.floor, found.repeats, found.labels) == ("vllm", 0.1, 2, "words")
    assert isinstance(answerer(f"{AT},model=m,reads=lines"), LinesAnswerer)
    turned = answerer(f"{AT},model=m,reads=labels,rotations=yes")
    assert isinstance(turned, RotatedAnswerer)
    assert isinstance(turned.answerer, LabelAnswerer)


def test_prices():
    assert prices_of("0.15:0.6") == Prices(tokens_in=0.15, tokens_out=0.6)
    assert prices_of("1:2:0.5").tokens_cached == 0.5
    for wrong in ("1", "a:b", "1:-2", "1:2:3:4"):
        with pytest.raises(ConfigError, match="IN:OUT"):
            prices_of(wrong)


def test_judges_take_their_settings_and_answerers_the_rest():
    found = judge(f"pairwise:{OWN},orders=given,tie=no,sure=0.6")
    assert isinstance(found, Pairwise)
    assert found.answerer == OpenedAnswerer(Likes(sure=0.6), OWN)
    assert found.protocol.orders == "given"
    assert len(found.protocol.question.options) == 2
    rates = judge(f"pointwise:{OWN},levels=5")
    assert isinstance(rates, Pointwise)
    assert len(rates.protocol.question.options) == 5
    beside = judge(f"reference:{OWN}")
    assert isinstance(beside, Pointwise)
    assert "reference" in beside.prompt.fields
    listed = judge(f"listwise:{OWN},rotations=2")
    assert isinstance(listed, Listwise)
    assert listed.rotations == 2


def test_rubrics(tmp_path):
    rubric = tmp_path / "rubric.json"
    rubric.write_text(json.dumps([{"requirement": "is good", "weight": 2.0}]))
    found = judge(f"rubric:{rubric}@{OWN},calls=criterion,sure=1,abstain=no")
    assert isinstance(found, RubricScorer)
    assert (found.calls, found.abstain) == ("criterion", False)
    assert found.rubric.criteria[0].text == "is good"
    bad, good = scorer(f"rubric:{rubric}@{OWN},calls=2,sure=1,abstain=no").score([PAIR])[0]
    assert (bad.value, good.value) == (0.0, 1.0)
    own = judge(f"rubric:{OWN}")
    assert isinstance(own, RubricScorer)
    assert own.rubric is None


def test_critics_of_steps_and_generative_reward_models():
    critic = judge(f"steps:{OWN},asks=each")
    assert isinstance(critic, StepCritic)
    assert critic.asks == "each"
    assert judge(f"steps:{AT},model=m").asks == "number"
    assert judge(f"steps:{AT},model=m,reads=labels").asks == "first"
    direct = judge(f"genrm:{OWN},critiques=0")
    assert isinstance(direct, GenRM)
    writes = judge(f"genrm:{AT},model=m,critiques=4,max_tokens=50")
    assert isinstance(writes.answerer, LabelAnswerer)
    assert isinstance(writes.generator, Kept)
    assert (writes.sampling.n, writes.sampling.max_tokens) == (4, 50)
    with pytest.raises(ConfigError, match="writes no critiques"):
        judge(f"genrm:{OWN}")


def test_published_protocols():
    arena = judge(f"arena-hard:{OWN}")
    assert isinstance(arena, Pairwise)
    assert arena.protocol.weights == ARENA_HARD.weights
    single = judge(f"mt-bench-single:{OWN}")
    assert isinstance(single, Pointwise)
    assert single.protocol.question == MT_BENCH_SINGLE.question


def test_panels_share_settings_and_members_have_their_own():
    found = judge(f"panel:(pairwise:{OWN},sure=0.6)+(strict=pairwise:{OWN}),how=majority,sure=1")
    assert isinstance(found, JudgePanel)
    assert found.how == "majority"
    assert [one.answerer.answerer.sure for one in found.members.values()] == [0.6, 1.0]
    assert [*found.members][1] == "strict"
    rates = judge(f"panel:(pointwise:{OWN})+(tests.specs.answering:Scores),least=1")
    assert isinstance(rates, ScorerPanel)
    with pytest.raises(ConfigError, match="do the same"):
        judge(f"panel:(pointwise:{OWN})+(pairwise:{OWN})")
    with pytest.raises(ConfigError, match="there is mean, median here"):
        judge(f"panel:(pointwise:{OWN})+(pointwise:{OWN},sure=1),how=majority")
    with pytest.raises(ConfigError, match="two members are called 'a'"):
        judge(f"panel:(a=pairwise:{OWN})+(a=pairwise:{OWN},sure=1)")
    with pytest.raises(ConfigError, match="are the same judge"):
        judge(f"panel:(pairwise:{OWN})+(b=pairwise:{OWN})")


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("pairwise", "by whom"),
        (f"pairwize:{OWN}", "cannot be imported"),
        ("pairwize", "did you mean pairwise"),
        (f"pairwise:{OWN},tei=no", "did you mean tie"),
        (f"pairwise:{OWN},orders=all", "orders cannot be 'all'"),
        (OWN, f"answers questions.*pointwise:{OWN}, pairwise:{OWN}, rubric:FILE@{OWN}"),
        ("tests.specs.answering:PAIRS", "is a list, and no judge: it needs compare"),
        ("rubric:head:random", "`assay eval DATA --scorer random`"),
        ("pairwise:head:random,link=sigmoid", "predicates alone"),
        ("genrm:head:random", "predicates alone"),
        ("panel:(pointwise:head:random)+(pointwise:smol)", "predicates alone"),
        ("pointwise:longest", r"longest is a scorer \(a baseline\).* What answers is a language"),
        ("rubric:math", r"math is a scorer \(a verifier\)"),
        ("pointwise:column:score", r"column:score is a scorer \(scores in the data\)"),
        ("pointwise:mean:random\\+longest", r"is a scorer \(an ensemble\)"),
        (f"pairwise:{AT}", "give model=NAME"),
        (f"{AT},model=m", f"give pairwise:{AT}, pointwise"),
    ],
)
def test_judges_that_there_are_not(word, says):
    with pytest.raises(ConfigError, match=says):
        judge(word)


def test_a_judge_of_ones_own_keeps_its_name_wherever_it_stands():
    own = "tests.specs.answering"
    assert fingerprint(judge(f"{own}:Compares")) == "compares"
    assert fingerprint(judge(f"{own}:Scores")) == "scores"
    for made in (judge(f"{own}:Compares"), judge(f"{own}:Scores")):
        inner = getattr(made, "judge", None) or made.scorer
        assert fingerprint([made]) == fingerprint([inner])


def test_an_answerer_is_no_scorer_without_its_question():
    with pytest.raises(ConfigError, match=f"answers questions.*give pointwise:{OWN}"):
        scorer(OWN)


def test_judges_go_where_scorers_go():
    found = scorer(f"pairwise:{OWN},calls=1")
    assert isinstance(found, TournamentScorer)
    bad, good = found.score([PAIR])[0]
    assert isinstance(bad, Score)
    assert isinstance(good, Score)
    assert bad.value < good.value
    rated = scorer(f"pointwise:{OWN},sure=1").score([PAIR])[0]
    assert [one.value for one in rated] == [1.0, 10.0]
    mixed = scorer(f"mean:(pointwise:{OWN})+longest,standard=none")
    assert len(mixed.score([PAIR])[0]) == 2
    with pytest.raises(ConfigError, match="calls=1 for pairs"):
        scorer(f"pairwise:{OWN}")


def test_a_ledger_in_a_word(tmp_path):
    found = answerer(f"{AT},model=m,ledger={tmp_path / 'paid'}")
    assert isinstance(found, TextAnswerer)
    assert found.writer.ledger.path == tmp_path / "paid"
