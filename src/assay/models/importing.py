"""Make a published reward model one of ours: a folder that says itself how it is read, and that
other tools serve.

A layout is where the head's weights lie, how the text is laid out, at which tokens it is read, and
which tokens mean good and bad. Nothing is taken on trust: before anything is written, the scores of
random texts are compared with those of the authors' recipe in plain torch and transformers, which
share nothing with ours but the checkpoint's tensors.
"""

import random
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from assay.errors import BackendError, ConfigError
from assay.models import checkpoint
from assay.models.adapters import base_of, is_adapter
from assay.models.internlm2 import as_llama, is_internlm2, reference, reward_token
from assay.models.layout import Encoder, Layout
from assay.models.loading import fetch, first_line, load_config, load_tokenizer, quiet, read_tensors
from assay.models.padding import pad_id_of
from assay.models.presets import PRESETS, Preset
from assay.models.published import (
    check_architecture,
    guess,
    head_names,
    head_tensors,
    layout_of,
    load_as,
    say_template,
)
from assay.models.readout import PREFERENCE, Readout
from assay.models.reward_model import RewardModel
from assay.models.words import changed
from assay.runs.outputs import check_new
from assay.types import Message, Prompt, Response

__all__ = ["Imported", "import_model", "preset_of", "random_texts", "unbiased"]

TOLERANCE: Final = 1e-4
"""How far a logit may be from the reference's, in fp32."""

WORDS: Final = (
    "the sum of two and two is four so it even 4 12 30 42 answer yes no = + Это 四 x".split()
)
INTERNLM2: Final = Preset(
    name="internlm2-reward",
    checkpoints=tuple(f"internlm/internlm2-{size}-reward" for size in ("1_8b", "7b", "20b")),
    architectures=("InternLM2ForRewardModel",),
    head="v_head",
    readout=PREFERENCE,
    layout=Layout(template="chat", max_length=16384),
    notes="",
)
"""Read by `import_model` only, which rewrites the network."""

ENDS: Final = ("", "", "", " ", "\n", "\n\n", "  ")


@dataclass(frozen=True)
class Imported:
    """What an import measured: the largest differences, and of how many texts."""

    preset: str
    from_reference: float
    """From the reference computation on the checkpoint's own files."""
    from_saved: float
    """Between the model and its saved copy, in every way of batching."""
    texts: int


def preset_of(
    folder: Path,
    *,
    name: str | None = None,
    head: str | None = None,
    tokens: tuple[str, str] | None = None,
    tag: str | None = None,
    probabilities: bool = False,
    aggregate: Any = None,
) -> Preset:
    """Return how a folder's head is read: by a preset's name, by what the folder's weights tell, or
    by its parts.

    head: what its tensors' names begin with, such as `v_head.summary`. tokens: (good, bad), whose
    rows of the language-model head are the head. Raises `ConfigError` where parts contradict each
    other.
    """
    if name is not None:
        if head or tokens or tag or aggregate or probabilities:
            raise ConfigError(
                "a preset says how its head is read; leave out head, tokens, tag and the like, or"
                " preset"
            )
        if name not in PRESETS:
            raise ConfigError(f"no preset is called {name!r}; there is {', '.join(PRESETS)}")
        return PRESETS[name]
    if head is None and tokens is None:
        if tag or aggregate or probabilities:
            raise ConfigError(
                "say where the head lies, too: head=..., or the tokens that mean good and bad"
            )
        return PRESETS[guess(folder)]
    if head is not None and tokens is not None:
        raise ConfigError(
            "a head has weights of its own, or it is rows of the language-model head; give one of"
            " them"
        )
    readout = Readout(
        at="step_tag" if tag else "last_token",
        tag=tag,
        weights=(-1.0, 1.0) if tokens else (1.0,),
        tokens=(tokens[1], tokens[0]) if tokens else (),
        link="sigmoid" if tokens or probabilities else "identity",
        aggregate=aggregate or ("last" if tag is None and not tokens else "min"),
    )
    made = Preset(
        name="this layout",
        checkpoints=(),
        architectures=(),
        head=head or "token_rows",
        readout=readout,
        layout=Layout(template="chat", close=not (tag or tokens), max_length=16384),
        any_text=True,
        notes="",
    )
    outputs = 2 if tokens else _outputs(made, folder)
    return replace(
        made,
        readout=readout.model_copy(update={"weights": (-1.0, 1.0) if outputs == 2 else (1.0,)}),
    )


def _outputs(preset: Preset, folder: Path) -> int:
    """Outputs of a head with weights of its own; of two, the second is good."""
    pairs = zip(head_names(preset, folder), head_tensors(preset, folder), strict=True)
    last, outputs = [(name, len(tensor)) for name, tensor in pairs if name.endswith("weight")][-1]
    if outputs > 2:
        raise ConfigError(
            f"{folder}: the head {last} has {outputs} outputs, and nothing says which of them are"
            " good"
        )
    return outputs


def import_model(
    folder: str | Path,
    out: Path,
    *,
    preset: Preset | None = None,
    words: Mapping[str, str] | None = None,
) -> Imported:
    """Load, compare with the reference on random texts, and save.

    preset: how the head is read; None = as the folder's weights tell. words: settings of the
    layout. Raises `BackendError` with both numbers where a score differs, and `ConfigError` for
    what cannot be loaded or where `out` is not empty; then nothing is written.
    """
    check_new(out)
    folder = fetch(folder)
    if (folder / checkpoint.MANIFEST).is_file():
        raise ConfigError(f"{folder} is one of ours already")
    if is_internlm2(folder):
        return _import_internlm2(folder, out, words or {})
    preset, words = preset or PRESETS[guess(folder)], words or {}
    check_architecture(preset, folder)
    tokenizer = load_tokenizer(folder)
    layout = layout_of(preset, tokenizer, words)
    if preset.any_text and "template" not in words:
        say_template(folder, layout)
    model = load_as(preset, folder, tokenizer, layout, dtype="float32")
    plain = _Plain(folder, load_tokenizer(folder), preset, model.layout)
    return _checked(folder, out, preset, model, plain.logits)


def _import_internlm2(folder: Path, out: Path, words: Mapping[str, str]) -> Imported:
    """InternLM2's own network is rewritten as a Llama, and compared with itself in plain torch."""
    read_at = reward_token(folder)
    with tempfile.TemporaryDirectory() as place:
        llama = as_llama(folder, Path(place))
        tokenizer = load_tokenizer(llama)
        layout = Layout(
            template="chat", final=tokenizer.convert_ids_to_tokens(read_at), max_length=16384
        )
        layout = changed(layout, words)
        model = load_as(INTERNLM2, llama, tokenizer, layout, dtype="float32")
        score = reference(folder)

        def logits(prompt: Prompt, response: Response) -> list[float]:
            turns = [*prompt.messages, Message(role="assistant", content=response.text)]
            shown = model.encoder.render(turns)
            return [score([*tokenizer(shown, add_special_tokens=False)["input_ids"], read_at])]

        return _checked(llama, out, INTERNLM2, model, logits)


def _checked(
    folder: Path,
    out: Path,
    preset: Preset,
    model: RewardModel,
    reference: Callable[[Prompt, Response], list[float]],
) -> Imported:
    """Compare the model's logits of random texts with the reference's, and save the model."""
    worst, count = 0.0, 0
    for prompt, response in random_texts(preset, model.layout):
        (sequence,) = model.encoder.encode([(prompt, response)])
        with torch.inference_mode():
            found = model(model.collate([sequence]))[0, : len(sequence.reads)].tolist()
        expected = reference(prompt, response)
        if len(found) != len(expected):
            raise BackendError(
                f"{folder}: {len(found)} steps are read, and {len(expected)} by the reference"
            )
        for a, b in zip(found, expected, strict=True):
            count += 1
            if not abs(a - b) <= TOLERANCE * max(1.0, abs(b)):
                raise BackendError(
                    f"{folder}, read as {preset.name}: {response.text[:60]!r} scores {a:.6g}, and"
                    f" {b:.6g} by the reference in plain transformers, so its layout is another one"
                    " than said; not saved"
                )
            worst = max(worst, abs(a - b))
    if torch.bfloat16 in _dtypes(folder):
        head = model.network.score
        model.network.to(torch.bfloat16)
        head.float()
    saved = checkpoint.save(unbiased(model), out)
    return Imported(preset.name, worst, saved, count)


def unbiased(model: RewardModel) -> RewardModel:
    """The same model with a head that a stock classifier has: its bias goes into the read-out."""
    head = model.network.score
    network, encoder = model.network, model.encoder
    readout = encoder.readout
    if isinstance(head, nn.Linear):
        if head.bias is not None:
            offset = float(
                (head.bias.detach().double() * torch.tensor(readout.weights).double()).sum()
            )
            readout = readout.model_copy(update={"offset": readout.offset + offset})
        bare = nn.Linear(head.in_features, head.out_features, bias=False, dtype=torch.float32)
        bare.weight = nn.Parameter(head.weight.detach().float())
        network.score = bare
    network.config.num_labels = len(readout.weights)
    network.config.problem_type = "regression"
    # Rows of the language-model head are a head of their own now.
    readout = (
        readout if encoder.layout.template == "turns" else readout.model_copy(update={"tokens": ()})
    )
    encoder = Encoder(encoder.tokenizer, encoder.layout, readout)
    return RewardModel(
        network, encoder, pad_id=pad_id_of(encoder, network), scores=model.scores
    ).eval()


def _dtypes(folder: Path) -> set[torch.dtype]:
    dtype = getattr(load_config(folder), "dtype", None)
    return {dtype} if isinstance(dtype, torch.dtype) else set()


def random_texts(preset: Preset, layout: Layout, count: int = 12) -> list[tuple[Prompt, Response]]:
    """Prompts and responses of random words; with white space, reasoning and nothing where
    responses are closed."""
    draw = random.Random(0)

    def words(most: int) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(1, most)))

    found = []
    for i in range(count):
        if layout.close and preset.readout.at == "last_token":
            end, thought = (
                draw.choice(ENDS),
                f"<think>\n{words(5)}\n</think>\n\n" if i % 4 == 1 else "",
            )
            steps: tuple[str, ...] = (
                f"{thought}{draw.choice(ENDS) if not thought else ''}{words(9)}{end}",
            )
        else:
            steps = tuple(words(7) for _ in range(1 + i % 3))
        found.append((Prompt.of(f"{words(8)}?"), Response(steps=steps)))
    return [*found, (Prompt.of("Yes?"), Response.of("word " * 300 + "end"))]


def _plain_network(auto: Any, folder: Path, **settings: Any) -> Any:
    """A folder's network by transformers, with its adapter by PEFT, not merged."""
    if not is_adapter(folder):
        with quiet():
            return auto.from_pretrained(
                folder, config=load_config(folder, **settings), dtype=torch.float32
            )
    base = _plain_network(auto, fetch(base_of(folder)), **settings)
    base = base.merge_and_unload() if hasattr(base, "merge_and_unload") else base
    from peft import PeftModel

    try:
        with quiet(), warnings.catch_warnings():
            # Peft asks transformers by names that are about to go.
            warnings.simplefilter("ignore")
            return PeftModel.from_pretrained(base, str(folder))
    except Exception as error:
        raise ConfigError(
            f"PEFT cannot put the adapter in {folder} on its base: {first_line(error)}"
        ) from error


class _Plain:
    """The authors' recipe, in plain transformers: whole texts, one at a time."""

    def __init__(self, folder: Path, tokenizer: Any, preset: Preset, layout: Layout) -> None:
        from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

        self.tokenizer, self.layout, self.readout = tokenizer, layout, preset.readout
        stock = preset.head == "linear" and not preset.readout.tokens
        self.kind = "tokens" if preset.head == "token_rows" else "stock" if stock else "head"
        auto: Any = {
            "tokens": AutoModelForCausalLM,
            "stock": AutoModelForSequenceClassification,
            "head": AutoModel,
        }
        if self.kind == "head" and is_adapter(folder):
            raise ConfigError(
                f"{folder} is an adapter, and only one of a sequence classifier or a language model"
                " is imported; merge it into its base (merge_and_unload) and save that"
            )
        self.network = _plain_network(
            auto[self.kind], folder, **({"num_labels": 1} if stock else {})
        ).eval()
        if self.kind == "head":
            names = head_names(preset, folder)
            there = read_tensors(folder, names)
            if (folder / "value_head.bin").is_file():
                there |= torch.load(
                    folder / "value_head.bin", map_location="cpu", weights_only=True
                )
            self.tensors = [there[name].float() for name in names]
        config = self.network.config
        self.scale = (0.0, 1.0)
        if preset.name == "openrlhf" and getattr(config, "normalize_reward", False):
            self.scale = (float(config.mean), float(config.std))
        if self.kind == "tokens":
            self.bad, self.good = (
                tokenizer.encode(t, add_special_tokens=False)[-1] for t in self.readout.tokens
            )

    @torch.inference_mode()
    def logits(self, prompt: Prompt, response: Response) -> list[float]:
        """The logit of every step."""
        if self.kind == "stock":
            # Its own pooling finds the last token that it does not pad with.
            ids = self._closed(prompt, response.text)
            return [float(self.network(torch.tensor([ids])).logits[0, 0])]
        found = []
        for ids, places in self._read(prompt, response):
            outputs = self._outputs(torch.tensor([ids]))
            found += [(float(outputs[i]) - self.scale[0]) / self.scale[1] for i in places]
        return found

    def _outputs(self, ids: Tensor) -> Tensor:
        """A logit for every token."""
        if self.kind == "tokens":
            logits: Tensor = self.network(ids).logits[0]
            return logits[:, self.good] - logits[:, self.bad]
        state: Tensor = self.network(ids).last_hidden_state[0]
        biased = len(self.tensors) > 1
        for i in range(0, len(self.tensors), 2):
            state = state @ self.tensors[i].T + (self.tensors[i + 1] if biased else 0.0)
            state = state.relu() if i + 2 < len(self.tensors) else state
        return state[:, -1] - (state[:, 0] if state.shape[1] == 2 else 0.0)

    def _read(self, prompt: Prompt, response: Response) -> list[tuple[list[int], list[int]]]:
        """Sequences, and the places at which each is read."""
        layout, steps = self.layout, [step.strip(self.layout.strip) for step in response.steps]
        if layout.template == "turns":
            return self._turns(prompt, steps)
        if self.readout.at == "step_tag":
            tag = str(self.readout.tag)
            glue = (
                ""
                if self.tokenizer.encode(tag, add_special_tokens=False)[-1] in self._added()
                else " "
            )
            text = layout.between.join(f"{step}{layout.separator}{glue}{tag}" for step in steps)
            ids = (
                self._closed(prompt, text)
                if layout.template == "chat"
                else self._plain(prompt, text)
            )
            mark = self.tokenizer.encode(tag, add_special_tokens=False)[-1]
            return [(ids, [i for i, token in enumerate(ids) if token == mark][-len(steps) :])]
        if layout.close:
            ids = self._closed(prompt, "".join(steps))
            return [(ids, [len(ids) - 1])]
        ids, places = self._plain(prompt, ""), []
        for step in steps:
            ids = ids + self._bare(step) + self._bare(layout.separator)
            places.append(len(ids) - 1)
        return [(ids, places)]

    def _turns(self, prompt: Prompt, steps: Sequence[str]) -> list[tuple[list[int], list[int]]]:
        """Every step a user's turn, answered by the good token, which is predicted by the token
        before it."""
        chat: list[dict[str, str]] = [
            {"role": m.role, "content": m.content} for m in prompt.messages[:-1]
        ]
        found = []
        for i, step in enumerate(steps):
            text = f"{prompt.messages[-1].content} {step}" if i == 0 else step
            chat += [
                {"role": "user", "content": text},
                {"role": "assistant", "content": self.readout.tokens[1]},
            ]
            ids = self._ids(self._shown(chat))
            found.append((ids, [len(ids) - 2 - ids[::-1].index(self.good)]))
        return found

    def _closed(self, prompt: Prompt, text: str) -> list[int]:
        """The whole conversation as the tokenizer's template writes it, or the whole text and its
        end."""
        layout = self.layout
        if layout.template == "plain":
            end = layout.final if layout.final is not None else self.tokenizer.eos_token or ""
            whole = f"{prompt.messages[0].content}{layout.join}{text}".rstrip(layout.rstrip) + end
            bos = self.tokenizer.bos_token_id
            return ([bos] if layout.bos and bos is not None else []) + self._ids(whole)
        chat = [{"role": m.role, "content": m.content} for m in prompt.messages]
        if layout.system is not None:
            chat = [{"role": "system", "content": layout.system}, *chat]
        shown = self._shown([*chat, {"role": "assistant", "content": text}])
        return self._ids(shown.rstrip(layout.rstrip) + (layout.final or ""))

    def _plain(self, prompt: Prompt, text: str) -> list[int]:
        bos = self.tokenizer.bos_token_id
        start = [bos] if self.layout.bos and bos is not None else []
        return start + self._ids(f"{prompt.messages[0].content}{self.layout.join}{text}")

    def _shown(self, chat: Sequence[dict[str, str]]) -> str:
        encoder = Encoder(
            self.tokenizer, Layout(template="chat", date=self.layout.date), PREFERENCE
        )
        return encoder.render([Message(role=m["role"], content=m["content"]) for m in chat])  # type: ignore[arg-type]

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _bare(self, text: str) -> list[int]:
        return self._ids(text) if text else []

    def _added(self) -> set[int]:
        return set(self.tokenizer.added_tokens_decoder)
