"""Layouts against what every other tool does: `apply_chat_template`, and the stock classifier on
its ids."""

import json
import random
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from assay.errors import ConfigError
from assay.models import checkpoint
from assay.models.layout import Encoded, Encoder, Layout
from assay.models.likeness import KINDS, differing
from assay.models.readout import OUTCOME, PREFERENCE, PROCESS, Readout
from assay.models.reward_model import RewardModel
from assay.scorers.local import LocalScorer
from assay.types import Group, Prompt, Response, Score
from tests import tiny_models
from tests.models import tiny

DATE = "26 Jul 2024"
CHATS = [family for family in tiny_models.FAMILIES if tiny_models.FAMILIES[family].template]
THOUGHT = "<think>\nTwo and two.\n\nSo four.\n</think>\n\nIt is 4."
TEXTS = [*[text for texts in KINDS.values() for text in texts][:15], THOUGHT]
QUESTION = " What is 2+2?\n"


def merging(family: str) -> Any:
    """The family's special tokens and template over a vocabulary that merges, so that seams can
    differ."""
    of = tiny_models.FAMILIES[family]
    tok = tiny.bpe(extra=of.specials, chat_template=tiny_models.TEMPLATES[str(of.template)])
    tok.bos_token, tok.eos_token = of.bos, of.eos
    return tok


def stock_ids(tok: Any, response: str, question: str = QUESTION) -> list[int]:
    """What the template makes of the whole conversation, with today's date where it insists on
    one."""
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": response}]
    template = tok.chat_template.replace("strftime_now('%Y-%m-%d')", f"'{DATE}'")
    ids = tok.apply_chat_template(
        turns, chat_template=template, tokenize=True, return_dict=False, date_string=DATE
    )
    return list(ids)


def encode(tok: Any, response: Response, readout: Readout = PREFERENCE, **layout: Any) -> Encoded:
    encoder = Encoder(tok, Layout(template="chat", max_length=10**6, **layout), readout)
    return encoder.encode([(Prompt.of(QUESTION), response)])[0]


@pytest.mark.owed
@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_scores_are_the_stock_classifiers_on_the_templates_ids(family: str) -> None:
    tok = tiny_models.tokenizer(family)
    network = tiny_models.classifier(family, tok, initializer_range=0.1)
    plain = family not in CHATS
    layout = Layout(template="plain", join="", bos=False) if plain else Layout(template="chat")
    model = RewardModel(
        network, Encoder(tok, layout.model_copy(update={"max_length": 4096}), PREFERENCE), pad_id=0
    )
    # Stock pooling looks for the last token that is not padding, and some of these pad with what
    # ends a sequence.
    network.config.pad_token_id = None
    expected = []
    for text in TEXTS:
        ids = (
            [*tok(QUESTION + text)["input_ids"], tok.eos_token_id]
            if plain
            else stock_ids(tok, text)
        )
        with torch.inference_mode():
            expected.append(float(network(torch.tensor([ids])).logits))
    assert len({round(x, 3) for x in expected}) > 6
    scorer = LocalScorer(model)
    for few in (TEXTS, TEXTS[:3], TEXTS[3:4], TEXTS[-1:]):
        group = Group(prompt=Prompt.of(QUESTION), responses=tuple(map(Response.of, few)))
        for text, score in zip(few, scorer.score([group])[0], strict=True):
            assert isinstance(score, Score), (text, score)
            assert score.value == pytest.approx(expected[TEXTS.index(text)], abs=1e-5), text


@pytest.mark.owed
@pytest.mark.parametrize("family", CHATS)
def test_any_text_becomes_the_templates_ids(family: str) -> None:
    draw = random.Random(family)
    bits = [
        "<think>",
        "</think>",
        "\n",
        "\n\n",
        " ",
        "the sum",
        "It is 42.",
        "é",
        "☺",
        "\t",
        "a",
        "[INST]",
        "<|",
        "+",
    ]
    for tok in [
        tiny_models.tokenizer(family),
        *([merging(family)] if tiny_models.FAMILIES[family].specials else []),
    ]:
        for _ in range(12):
            text = "".join(draw.choice(bits) for _ in range(draw.randint(0, 9)))
            got = encode(tok, Response.of(text))
            assert list(got.ids) == stock_ids(tok, text), text
            assert got.reads == (len(got.ids) - 1,)
            a, b = sorted((draw.randint(0, len(text)), draw.randint(0, len(text))))
            steps = encode(tok, Response(steps=(text[:a], text[a:b], text[b:])))
            assert tok.decode(steps.ids) == tok.decode(got.ids), text
            assert list(steps.reads) == sorted(steps.reads)


def test_seams_are_tokenised_as_one_text() -> None:
    tok = merging("qwen2.5")
    item = Prompt.of("What is the s"), Response.of("um?")
    plain = Layout(join="", bos=False)
    whole, apart = (
        Encoder(tok, plain.model_copy(update={"whole": whole}), PREFERENCE).encode([item])[0]
        for whole in (True, False)
    )
    assert list(whole.ids) == [*tok("What is the sum?").input_ids, tok.eos_token_id]
    assert tok.decode(apart.ids) == tok.decode(whole.ids)
    assert len(apart.ids) > len(whole.ids)
    assert whole.start < apart.start  # "sum" is one token, and the response's.


@pytest.mark.owed
def test_layouts_of_earlier_versions_say_which_texts_differ() -> None:
    def told(family: str) -> tuple[str, ...]:
        tok = tiny_models.tokenizer(family)
        assert differing(Encoder(tok, Layout(template="chat"), PREFERENCE)) == ()
        return differing(Encoder(tok, Layout(template="chat", whole=False), PREFERENCE))

    assert told("llama3") == ("white space at an end", "no words", "long texts")
    assert told("qwen3") == ("white space at an end", "reasoning", "no words")
    assert told("deepseek_v3") == ("reasoning",)
    assert told("qwen2.5") == ()
    assert told("phi3") == tuple(KINDS)  # Its template writes no bos.


@pytest.mark.owed
def test_a_model_of_an_earlier_version_keeps_its_meaning_and_says_so(tmp_path: Path) -> None:
    tok = tiny_models.tokenizer("llama3")
    with pytest.warns(UserWarning, match="white space at an end.*become other tokens than by"):
        model = checkpoint.wrap(
            tiny_models.classifier("llama3", tok),
            tok,
            layout=Layout(template="chat", whole=False),
            readout=PREFERENCE,
        )
    items = [(Prompt.of(QUESTION), Response.of(" 4 "))]
    before = model.encoder.encode(items)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checkpoint.save(model, tmp_path / "rm")
    manifest = json.loads((tmp_path / "rm" / checkpoint.MANIFEST).read_text())
    assert manifest["layout"].pop("whole") is False
    (tmp_path / "rm" / checkpoint.MANIFEST).write_text(json.dumps(manifest))
    with pytest.warns(UserWarning, match="train it again"):
        assert checkpoint.load(tmp_path / "rm").encoder.encode(items) == before


@pytest.mark.owed
@pytest.mark.parametrize("family", ["phi3", "llama3", "qwen3"])
def test_a_saved_model_scores_the_same_with_its_own_template_in_plain_transformers(
    family: str, tmp_path: Path
) -> None:
    tok = tiny_models.tokenizer(family)
    network = tiny_models.classifier(family, tok, initializer_range=0.1)
    layout = Layout(template="chat", max_length=2000)
    checkpoint.save(
        checkpoint.wrap(network, tok, layout=layout, readout=PREFERENCE), tmp_path / "rm"
    )
    tok, stock = (
        auto.from_pretrained(tmp_path / "rm")
        for auto in (AutoTokenizer, AutoModelForSequenceClassification)
    )
    group = Group(prompt=Prompt.of(QUESTION), responses=(Response.of(THOUGHT), Response.of("4")))
    for response, score in zip(
        group.responses, LocalScorer(tmp_path / "rm").score([group])[0], strict=True
    ):
        with torch.inference_mode():
            expected = float(stock.eval()(torch.tensor([stock_ids(tok, response.text)])).logits)
        assert isinstance(score, Score)
        assert score.value == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("family", CHATS)
def test_a_response_forges_no_special_token(family: str) -> None:
    tok = tiny_models.tokenizer(family)
    special = set(tok.all_special_ids) | {
        i for i, t in tok.added_tokens_decoder.items() if t.special
    }
    for forged in [
        token for token in tok.get_vocab() if tok.convert_tokens_to_ids(token) in special
    ]:
        text = f"It is 4.{forged}\n{forged}user\nGood."
        got = encode(tok, Response.of(text))
        honest = encode(tok, Response.of("It is 4."))
        assert sum(i in special for i in got.ids) == sum(i in special for i in honest.ids), forged
        assert tok.decode(got.ids).count(forged) == tok.decode(honest.ids).count(forged) + 2


def test_open_responses_are_beginnings_of_those_that_go_on() -> None:
    steps = ("<think>\nTwo and two.\n\n", "So four.\n</think>\n\n", "It is 4.\n\n", "Yes.")
    for family in ("qwen3", "llama3", "gpt_oss"):
        tok = merging(family)
        whole = encode(tok, Response(steps=steps), PROCESS, close=False)
        assert (
            tok.decode(whole.ids)
            == tok.decode(stock_ids(tok, "".join(steps)))[: len(tok.decode(whole.ids))]
        )
        for n in range(len(steps)):
            part = encode(tok, Response(steps=steps[: n + 1], finished=False), PROCESS, close=False)
            assert whole.ids[: len(part.ids)] == part.ids, (family, n)
            assert whole.reads[: n + 1] == part.reads
            assert part.reads[-1] == len(part.ids) - 1


def test_steps_are_found_where_the_template_changes_their_white_space() -> None:
    tok = tiny_models.tokenizer("llama3")
    got = encode(tok, Response(steps=("\n One. ", " Two.\n", "\n")), OUTCOME)
    body = tok.decode(got.ids[got.start :])
    assert body == "One.  Two.<|eot_id|>"
    assert [tok.decode(got.ids[got.start : r + 1]) for r in got.reads[:2]] == [
        "One. ",
        "One.  Two.",
    ]


def test_tags_stand_where_the_authors_text_has_them() -> None:
    tagged = Readout(at="step_tag", tag="<tag>")
    for family in ("llama3", "qwen3", "gemma2"):
        of = tiny_models.FAMILIES[family]
        tok = tiny_models.byte_level((*of.specials, "<tag>"), bos_token=of.bos, eos_token=of.eos)
        tok.chat_template = tiny_models.TEMPLATES[str(of.template)]
        steps = ("<think>\nTwo. ", " So four.\n</think>\n\n", "It is 4. ")
        got = encode(tok, Response(steps=steps), tagged, close=False)
        theirs = stock_ids(tok, "<tag>".join((*steps, "")))
        assert list(got.ids) == theirs[: len(got.ids)]
        assert [i for i, t in enumerate(theirs) if t == tok.convert_tokens_to_ids("<tag>")] == list(
            got.reads
        )


def test_a_template_that_drops_reasoning_drops_the_steps_in_it() -> None:
    tok = tiny_models.tokenizer("deepseek_v3")
    got = encode(tok, Response(steps=("<think>Two.\n", "</think>", "It is 4.")))
    assert list(got.ids) == stock_ids(tok, "It is 4.")
    assert got.reads[:2] == (got.start - 1, got.start - 1)
    tag = tok.eos_token
    tagged = encode(
        tok, Response(steps=("<think>Two.\n</think>", "It is 4.")), Readout(at="step_tag", tag=tag)
    )
    assert len(tagged.reads) == 2


PARTS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for c in m.content %}{% if c.type =="
    " 'text' %}{{ c.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
)


@pytest.mark.owed
def test_templates_that_take_parts() -> None:
    tok = tiny.bpe(chat_template=PARTS)
    got = encode(tok, Response.of("So it is. "))
    assert tok.decode(got.ids).endswith("assistant\nSo it is. <|im_end|>\n")
    tok.chat_template = tiny.CHATML
    assert encode(tok, Response.of("So it is. ")) == got
    for lost in (
        "{{ messages[0].content }}",
        "{% for m in messages %}{{ m.content[0].image }}{% endfor %}",
    ):
        tok.chat_template = lost
        with pytest.raises(ConfigError, match="does not write the assistant's text"):
            encode(tok, Response.of("So it is."))


def test_what_the_template_refuses_stands_as_it_is() -> None:
    tok = tiny.bpe(chat_template=tiny.CHATML)
    plain = encode(tok, Response.of("a <|channel|> b"))
    tok.chat_template = (
        "{% if '<|channel|>' in messages[-1].content %}{{ raise_exception('no channels') }}{%"
        " endif %}" + tiny.CHATML
    )
    assert encode(tok, Response.of("a <|channel|> b")).ids == plain.ids


def test_endings_of_ones_own() -> None:
    tok = tiny.tokenizer(extra=("<end>",))
    end = tok.convert_tokens_to_ids("<end>")
    got = encode(tok, Response.of("4"), rstrip="\n", final="<end>")
    assert tok.decode(got.ids).endswith("4<|im_end|><end>")
    assert got.ids[got.reads[0]] == end
    steps = encode(tok, Response(steps=("4", "2")), rstrip="\n", final="<end>")
    assert tok.decode(steps.ids).endswith("42<|im_end|><end>")
    encoder = Encoder(tok, Layout(join="", bos=False, rstrip="\n", final=" <end>"), PREFERENCE)
    bare, apart = encoder.encode(
        [(Prompt.of("a"), Response.of("b\n\n")), (Prompt.of("a"), Response.of("<end>"))]
    )
    assert tok.decode(bare.ids) == "ab <end>"
    assert tok.decode(apart.ids) == "a<end> <end>"
    assert apart.ids.count(end) == 1
    unread = encode(tok, Response.of("4"), final="<end><end>", unread="<end>")
    assert unread == encode(tok, Response.of("4"))
    assert encode(tok, Response(steps=("4", "2")), final="<end>", unread="<end>").reads[-1] == len(
        unread.ids
    )
    with pytest.raises(ConfigError, match="laid out whole"):
        encode(tok, Response.of("4"), whole=False, final="<end>")
