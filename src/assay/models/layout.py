"""From prompt and steps to token ids, with the positions at which each step is read.

A finished response in one piece is tokenised together with what stands around it, as every other
tool does: the ids are `apply_chat_template`'s. Otherwise pieces are tokenised apart and
concatenated: the prompt's prefix, every step, the closing tokens. So the ids of a step never depend
on what follows it, a search that extends a response keeps its tokens, and a tag is a token wherever
the tokenizer would have merged it. Model text cannot forge a turn: steps are tokenised with special
tokens split, and a response that would make one is tokenised apart. A space between two pieces goes
with the second, whose first token carries it wherever a tokenizer marks words by their space.

Nothing is ever truncated: a sequence longer than `max_length` is the caller's to drop aloud or to
leave `Unscored`.
"""

import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from typing import Any, Literal

from assay.errors import ConfigError, DataError
from assay.models import as_given, rendering, trajectories
from assay.models import pieces as cutting
from assay.models.frames import Frame, Placed
from assay.models.left_out import LeftOut
from assay.models.pieces import single_token
from assay.models.readout import Readout
from assay.models.rendering import SENTINEL, Surroundings
from assay.types import Message, Prompt, Record, Response

__all__ = ["SENTINEL", "Encoded", "Encoder", "Layout", "single_token"]


class Layout(Record):
    """How conversations are laid out as tokens."""

    template: Literal["chat", "plain", "turns"] = "plain"
    """The tokenizer's chat template; the bare texts; or a chat in which every step is a user
    turn."""
    whole: bool = True
    """Lay responses out as the chat template itself does (which may trim them, or rewrite their
    reasoning), and tokenise a finished response in one piece together with its prompt. Without it,
    which is how models of earlier versions were trained and how policies write, responses stand as
    they are where the template puts a word."""
    join: str = "\n"
    """Plain only: text between the prompt and the response."""
    system: str | None = None
    """System message of a chat whose prompt brings none; None leaves that to the template."""
    strip: str = ""
    """Characters taken off both ends of every step, where the layout brings the steps' separators
    itself."""
    between: str = ""
    """Text before every step but the first."""
    separator: str = ""
    """Text whose tokens follow every step, before the tag if there is one."""
    bos: bool = True
    """Start with the tokenizer's beginning-of-sequence token, if it has one; a template's own is
    never doubled. A chat that is laid out whole starts as its template starts it, and no otherwise.
    """
    close: bool = True
    """End a finished response: with the template's end of turn, or with the end-of-sequence token
    when plain. Process models leave it out, so that a step reads the same whether or not it is the
    last."""
    rstrip: str = ""
    """Characters taken off the end of a closed conversation."""
    final: str | None = None
    """Text at the very end of a closed conversation, whose special tokens are tokens: after the
    template's end of turn, or instead of the end-of-sequence token when plain."""
    unread: str | None = None
    """A token that is left out where it ends a sequence, which is then read before it: stock
    classifiers are trained so where they pad with what ends their texts."""
    max_length: int = 1024
    """Longest sequence, in tokens."""
    chat_template_sha256: str | None = None
    """Hash of the chat template the model was trained with; another one is refused."""
    date: str = "26 Jul 2024"
    """Given to templates that would otherwise write today's date into every prompt."""


@dataclass(frozen=True)
class Encoded:
    """One sequence: token ids, where the response starts, and one read position a step."""

    ids: tuple[int, ...]
    start: int
    """Index of the response's first token."""
    reads: tuple[int, ...]
    """Index of the token at which each step is read."""
    spans: tuple[tuple[int, int], ...] = ()
    """From and up to which token the assistant's turns of a trajectory stand, each with what ends
    it; () where all from `start` on is the response's."""

    @property
    def own(self) -> tuple[int, ...]:
        """Indices of the response's own tokens: in a trajectory, what the assistant said."""
        spans = self.spans or ((self.start, len(self.ids)),)
        return tuple(chain.from_iterable(range(*span) for span in spans))


class Encoder:
    """A tokenizer, a layout and a read-out: everything between text and tensors."""

    def __init__(self, tokenizer: Any, layout: Layout, readout: Readout) -> None:
        if layout.template != "plain":
            known = rendering.template_hash(tokenizer, layout.chat_template_sha256)
            layout = layout.model_copy(update={"chat_template_sha256": known})
        if layout.template == "turns" and not readout.tokens:
            raise ConfigError(
                "a layout in turns needs the read-out's tokens: they are the assistant's answers"
            )
        if not layout.whole and (layout.rstrip or layout.final is not None):
            raise ConfigError(
                "rstrip and final are of texts that are laid out whole; set whole too"
            )
        self.tokenizer = tokenizer
        self.layout = layout
        self.readout = readout
        self._anchor = cutting.anchor(tokenizer)
        # Trajectories that are not laid out whole are cut around what the assistant says.
        self._apart = not (layout.whole and tokenizer.is_fast)
        self._warned: set[str] = set()
        self._parts = layout.template != "plain" and rendering.takes_parts(tokenizer, layout.date)
        self._left_out = LeftOut(tokenizer, layout.date, self._parts)
        self._special = {int(i) for i in tokenizer.all_special_ids}
        self._special |= {
            int(i) for i, token in tokenizer.added_tokens_decoder.items() if token.special
        }
        self._pattern = cutting.pattern(tokenizer.convert_ids_to_tokens(sorted(self._special)))
        self._unread = (
            None if layout.unread is None else tokenizer.convert_tokens_to_ids(layout.unread)
        )
        self._after = self._tokens([layout.separator])[0] if layout.separator else []
        if readout.at == "step_tag":
            if not readout.tag:
                raise ConfigError("a read-out at a step tag needs the tag's text")
            self._after.append(single_token(tokenizer, readout.tag))

    def encode(self, items: Sequence[tuple[Prompt, Response]]) -> list[Encoded]:
        """One `Encoded` an item; prompts and steps are tokenised in one call."""
        plain = [item for item in items if not item[1].turns and item[1].rendered is None]
        texts = iter(self._in_steps(plain))
        rendered = [response.rendered for _, response in items]
        given = iter(self._as_given([one for one in rendered if one is not None]))
        return [
            next(given)
            if item[1].rendered is not None
            else (self._trajectory(*item) if item[1].turns else next(texts))
            for item in items
        ]

    @cached_property
    def _begins(self) -> bool:
        """Whether a sequence starts with bos: a chat that is laid out whole as its template has
        it, everything else as the layout says."""
        bos = self.tokenizer.bos_token_id
        if bos is None or self.layout.template == "plain" or not self.layout.whole:
            return bos is not None and self.layout.bos
        asked, said = Message(role="user", content="x"), Message(role="assistant", content="x")
        text = self.render([asked, said])
        return self._tokens([text], special=True, first=True)[0][:1] == [bos]

    def _as_given(self, rendered: Sequence[str | Sequence[int]]) -> list[Encoded]:
        """Encode what was laid out elsewhere (`as_given`), texts in one call."""
        if rendered and self.layout.template == "turns":
            raise DataError(as_given.IN_TURNS)
        written = [one for one in rendered if isinstance(one, str)]
        rows = iter(self._tokens(written, special=True, first=True))
        bos = self.tokenizer.bos_token_id if written and self._begins else None
        tag = self._after[-1] if self.readout.at == "step_tag" else None
        encoded = []
        for one in rendered:
            ids, begin = (next(rows), bos) if isinstance(one, str) else ([*one], None)
            ids, reads = as_given.placed(ids, begin, tag, self.readout.tag, self._read)
            encoded.append(Encoded(tuple(ids), 0, reads))
        if not all(self.ended(one.ids) for one in encoded):
            self._warn(as_given.unended(self.tokenizer.decode(self._ending)))
        return encoded

    @cached_property
    def _ending(self) -> list[int]:
        """Tokens that end every finished response as far as they are read, from the first special
        one on; none where the layout leaves responses open."""
        if not self.layout.close or self.readout.at == "step_tag":
            return []
        asked = Prompt(messages=(Message(role="user", content="x"),))
        closing = self._read(self._frame(asked).closing)
        # What stands before a special token may be one token with the end of the response.
        first = (i for i, token in enumerate(closing) if token in self._special)
        return closing[next(first, 0) :]

    def ended(self, ids: Sequence[int]) -> bool:
        """Return whether a sequence ends as the layout ends a finished response, so that it is read
        where the model was trained to be."""
        ending = self._ending
        return not ending or [*ids[-len(ending) :]] == ending

    def _in_steps(self, items: Sequence[tuple[Prompt, Response]]) -> list[Encoded]:
        """Encode responses that are one text each."""
        build = self._turns if self.layout.template == "turns" else self._frame
        frames: dict[int, Frame] = {}
        # Rows of a file hold equal prompts that are not the same object.
        equal: dict[Hashable, Frame] = {}
        for prompt, _ in items:
            if id(prompt) not in frames:
                if (shown := prompt.shown) not in equal:
                    equal[shown] = build(prompt)
                frames[id(prompt)] = equal[shown]
        placed = [self._place(frames[id(prompt)], response) for prompt, response in items]
        whole = self._whole(placed)
        texts: list[str] = []
        for at, ids in zip(placed, whole, strict=True):
            if ids is None:
                texts += [at.frame.leads[i > 0] + step for i, step in enumerate(at.steps)]
        pieces = iter(self._tokens(texts))
        encoded = []
        for (_, response), at, ids in zip(items, placed, whole, strict=True):
            if ids is not None:
                encoded.append(ids)
                continue
            own = [next(pieces) for _ in at.steps]
            encoded.append(
                self._joined(at.frame, own, closed=self.layout.close and response.finished)
            )
        return encoded

    def _trajectory(self, prompt: Prompt, response: Response) -> Encoded:
        """Encode a response of several turns: each is a step, read where it ends."""
        layout, closed = self.layout, self.layout.close and response.finished
        if self._after or layout.between or layout.strip or layout.template == "turns":
            raise ConfigError(
                "the steps of a trajectory are its turns, and this layout puts tags or texts of its"
                " own between steps; use a read-out at the last token and the template chat or"
                " plain"
            )
        if layout.template == "plain":
            written, pieces = self._plain_trajectory(prompt, response)
        else:
            written, pieces = self._chat_trajectory(prompt, response)
        tokens = cutting.tokenise(self.tokenizer, pieces, self._anchor)
        bos, ids = self.tokenizer.bos_token_id, tokens.ids
        begins = layout.bos and bos is not None and (layout.template == "plain" or not layout.whole)
        shift = int(begins and (layout.template == "plain" or ids[:1] != [bos]))
        ids = self._read([bos] * shift + ids) if closed else [bos] * shift + ids
        ends = [turn.closed if layout.close else turn.end for turn in written.turns]
        spans = tuple(
            (tokens.first(turn.start) + shift, min(tokens.before(end) + shift, len(ids)))
            for turn, end in zip(written.turns, ends, strict=True)
        )
        reads = [max(stop - 1, 0) for _, stop in spans]
        if closed and reads:
            reads[-1] = len(ids) - 1
        start = spans[0][0] if spans else len(ids)
        return Encoded(tuple(ids), start, tuple(reads), spans)

    def _plain_trajectory(
        self, prompt: Prompt, response: Response
    ) -> tuple[trajectories.Written, list[cutting.Piece]]:
        """Return a trajectory as plain text, and its pieces: what closes turns is tokens."""
        layout = self.layout
        rendering.only_text(response.turns)
        end = layout.final if layout.final is not None else self.tokenizer.eos_token or ""
        written = trajectories.in_plain(
            trajectories.conversation(prompt) + layout.join,
            response.turns,
            join=layout.join,
            ending=end if layout.close else "",
            goes_on=not response.finished,
        )
        return written, written.plain_pieces(self._apart)

    def _chat(self, prompt: Prompt) -> trajectories.Chat:
        """The chat template, with a prompt's tools."""
        show = trajectories.remembered(partial(self.render, tools=prompt.tools))
        return trajectories.Chat(show, partial(self._begin, prompt), self._pattern)

    def _chat_trajectory(
        self, prompt: Prompt, response: Response
    ) -> tuple[trajectories.Written, list[cutting.Piece]]:
        """Return a trajectory as the chat template writes it, and its pieces."""
        layout, closed = self.layout, self.layout.close and response.finished
        self._check(prompt, response.turns)
        hidden = cutting.hide(response.turns, self._pattern)
        asked, goes_on = self._messages(prompt), not response.finished
        written = self._chat(prompt).write(asked, hidden.messages, closed=closed, goes_on=goes_on)
        if written.rewritten:
            self._warn(trajectories.REWRITTEN)
        if closed:
            written = written.ended(layout.rstrip, layout.final or "")
        return written, cutting.cut(written.text, written.cuts * self._apart, hidden)

    def between(
        self, prompt: Prompt, turns: Sequence[Message], answers: Sequence[Message]
    ) -> list[int]:
        """Ids of what stands behind the words of the last turn, an assistant's, and before those of
        its next one, where messages such as a tool's results come between them."""
        hidden = cutting.NOTHING
        if self.layout.template == "plain":
            rendering.only_text(answers)
            said = (Message(role="assistant", content=""), *answers)
            join = self.layout.join
            text = trajectories.in_plain("", said, join=join, ending="", goes_on=True).text
        else:
            messages = self._messages(prompt)
            self._check(prompt, [*turns, *answers])
            hidden = cutting.hide([*turns, *answers], self._pattern)
            said = hidden.messages
            upto = [*messages, *said[: len(turns)]]
            text = self._chat(prompt).between(upto, said[len(turns) :])
        pieces = cutting.cut(text.rstrip(" "), (), hidden)
        if self.layout.template == "plain":
            pieces = [piece._replace(special=False) for piece in pieces]
        # What comes first continues a text, too.
        nothing = cutting.Piece("", 0, 0, special=False)
        return cutting.tokenise(self.tokenizer, [nothing, *pieces], self._anchor).ids

    def _joined(self, frame: Frame, pieces: Sequence[list[int]], *, closed: bool) -> Encoded:
        """Pieces that were tokenised apart, one after the other."""
        ids, reads = list(frame.prefix), []
        for i, piece in enumerate(pieces):
            if i:
                ids += frame.between
            ids += piece
            ids += frame.after
            reads.append(len(ids) - 1)
        if closed:
            ids = self._read(ids + frame.closing)
            if reads and self.readout.at == "last_token":
                reads[-1] = len(ids) - 1
        if not ids:
            raise ConfigError(
                "an empty prompt and an empty response make no tokens; drop the record"
            )
        return Encoded(tuple(ids), len(frame.prefix), tuple(max(r, 0) for r in reads))

    def _whole(self, placed: Sequence[Placed]) -> list[Encoded | None]:
        """Texts in one piece; None for responses in pieces, and for those that would forge a
        special token."""
        rows = iter(
            self._tokens(
                [at.text for at in placed if at.text is not None], special=True, first=True
            )
        )
        bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        found: list[Encoded | None] = []
        for at in placed:
            ids = next(rows) if at.text is not None else []
            if sum(i in self._special for i in ids) != at.frame.specials or not ids:
                found.append(None)
                continue
            if self.layout.template == "plain":
                ids = [bos, *ids] if self.layout.bos and bos is not None else ids
                ids = [*ids, eos] if self.layout.final is None and eos is not None else ids
            ids = self._read(ids)
            differ = (
                i for i, (a, b) in enumerate(zip(ids, at.frame.prefix, strict=False)) if a != b
            )
            start = next(differ, min(len(ids), len(at.frame.prefix)))
            found.append(Encoded(tuple(ids), start, (len(ids) - 1,)))
        return found

    def _read(self, ids: list[int]) -> list[int]:
        """A closed sequence without the tokens at its end that are never read."""
        end = len(ids)
        while end and ids[end - 1] == self._unread:
            end -= 1
        return ids[:end]

    def _place(self, frame: Frame, response: Response) -> Placed:
        """Return where the response's steps are in what the layout writes."""
        steps = [step.strip(self.layout.strip) for step in response.steps]
        if frame.around is None or not steps:
            return Placed(frame, steps, None)
        closed = self.layout.close and response.finished
        around, body = frame.around, steps
        if self.layout.template == "chat":
            around, body = self._rendered(frame, steps, closed=closed)
            if around != frame.around:
                if around not in frame.others:
                    frame.others[around] = self._surrounded(around, frame.messages, frame.tools)
                frame = frame.others[around]
        if closed and not around.tail.rstrip(self.layout.rstrip):
            body = [*body[:-1], body[-1].rstrip(self.layout.rstrip)]
        in_one = closed and len(steps) == 1 and self.readout.at == "last_token" and not self._after
        text = "".join((around.head, *body, around.tail)).rstrip(self.layout.rstrip) + (
            self.layout.final or ""
        )
        return Placed(frame, body, text if in_one else None)

    def _rendered(
        self, frame: Frame, steps: list[str], *, closed: bool
    ) -> tuple[Surroundings, list[str]]:
        """Return what the chat template writes around these steps, and what it makes of them.

        A response that the template refuses stands as it is where the template puts a word.
        """
        assert frame.around is not None
        # What follows a step keeps its white space from the template; it is put there as tokens.
        marked = bool(self._after)
        mark = rendering.marker([*steps, *(m.content for m in frame.messages)])
        texts = [
            self.layout.between * (i > 0) + step + mark * marked for i, step in enumerate(steps)
        ]
        text = "".join(texts) + mark * (not closed and not marked)
        # What ends within a block of reasoning stands where it will stand when the block is closed.
        within = not closed and rendering.unclosed("".join(steps))
        for ending in ("</think>", "") if within else ("",):
            try:
                answer = Message(role="assistant", content=text + ending)
                shown = self.render([*frame.messages, answer], frame.tools)
            except DataError:
                continue
            head, body, tail = rendering.cut_out(frame.around, shown)
            if not closed:
                tail = frame.around.tail
            if marked:
                # A template that drops reasoning drops the steps in it.
                *found, rest = body.split(mark)
                if found:
                    missing = [""] * (len(steps) - len(found))
                    return Surroundings(head, rest + tail if closed else tail), missing + found
                continue
            if not closed and mark not in body:
                continue
            cut = rendering.aligned(texts, body if closed else body[: body.index(mark)])
            return Surroundings(head, tail), cut
        return frame.around, [text.removesuffix(mark) for text in texts]

    def _frame(self, prompt: Prompt) -> Frame:
        """One response after the prompt, bare or in a chat."""
        if self.layout.template == "plain":
            return self._bare(trajectories.conversation(prompt) + self.layout.join)
        messages = self._messages(prompt)
        around = rendering.surroundings(partial(self.render, tools=prompt.tools), messages)
        if self.layout.whole:
            return self._surrounded(around, messages, prompt.tools)
        if prompt.tools:
            around = around._replace(head=self._begin(prompt, messages))
        head = around.head.rstrip(" ")
        closing = self._tokens([around.tail], special=True)[0]
        return Frame(
            self._start(head),
            self._after,
            [],
            closing,
            (around.head[len(head) :], self.layout.between),
        )

    def _bare(self, text: str) -> Frame:
        """Return what stands around the steps that follow a plain text."""
        bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        head = text.rstrip(" ")
        prefix = self._tokens([head], first=True)[0]
        if self.layout.bos and bos is not None:
            prefix = [bos, *prefix]
        closing, specials = [eos] if eos is not None else [], 0
        if self.layout.final is not None:
            closing = self._tokens([self.layout.final], special=True)[0]
            specials = sum(i in self._special for i in closing)
        around = Surroundings(text, "") if self.layout.whole else None
        leads = (text[len(head) :], self.layout.between)
        return Frame(prefix, self._after, [], closing, leads, specials, around)

    def _surrounded(
        self,
        around: Surroundings,
        messages: tuple[Message, ...],
        tools: tuple[Mapping[str, Any], ...],
    ) -> Frame:
        """Return what stands around steps that the chat template itself renders."""
        head = around.head.rstrip(" ")
        prefix = self._tokens([head], special=True, first=True)[0]
        closing = self._tokens(
            [around.tail.rstrip(self.layout.rstrip) + (self.layout.final or "")], special=True
        )[0]
        specials = sum(i in self._special for i in (*prefix, *closing))
        leads = (around.head[len(head) :], "")
        return Frame(prefix, self._after, [], closing, leads, specials, around, messages, tools)

    def _turns(self, prompt: Prompt) -> Frame:
        """Every step a user turn, answered by the good token; read where that token is
        predicted."""
        if not prompt.messages:
            raise ConfigError("a layout in turns needs a prompt of at least one message")
        *before, question = self._messages(prompt)
        step, answer = (
            Message(role="user", content=SENTINEL),
            Message(role="assistant", content=SENTINEL),
        )
        opening = Message(role="user", content=f"{question.content} {SENTINEL}")
        text, after, again, after_too, _ = self.render(
            [*before, opening, answer, step, answer], prompt.tools
        ).rsplit(SENTINEL, 4)
        if after != after_too:
            raise ConfigError(
                "the chat template renders the last turn unlike the others; steps cannot be turns"
                " of it"
            )
        good = single_token(self.tokenizer, self.readout.tokens[-1])
        heads = text.rstrip(" "), again.rstrip(" ")
        after_ids, again_ids = self._tokens([after, heads[1]], special=True)
        leads = text[len(heads[0]) :], again[len(heads[1]) :]
        return Frame(self._start(heads[0]), after_ids, [good, *again_ids], [], leads)

    def _messages(self, prompt: Prompt) -> tuple[Message, ...]:
        """The prompt's messages, after the layout's system message where they bring none."""
        self._check(prompt)
        if self.layout.system is None or any(m.role == "system" for m in prompt.messages):
            return prompt.messages
        return (Message(role="system", content=self.layout.system), *prompt.messages)

    def _check(self, prompt: Prompt, turns: Sequence[Message] = ()) -> None:
        """Refuse, or warn of, what the template would leave out."""
        if warning := self._left_out.check([*prompt.messages, *turns], prompt.tools):
            self._warn(warning)

    def _warn(self, what: str) -> None:
        """Warn once."""
        if what not in self._warned:
            self._warned.add(what)
            warnings.warn(what, stacklevel=2)

    def _begin(self, prompt: Prompt, messages: Sequence[Message]) -> str:
        """Return what stands before the assistant's words: with tools the template's own generation
        prompt, for calls may follow on less than texts do."""
        show = partial(self.render, tools=prompt.tools)
        if prompt.tools and (begun := show(messages, begin=True)) != show(messages):
            return begun
        return rendering.surroundings(show, messages).head.rstrip(" ")

    def _start(self, head: str) -> list[int]:
        """A rendered template's ids, with one bos where the layout wants one."""
        ids = self._tokens([head], special=True, first=True)[0]
        bos = self.tokenizer.bos_token_id
        return [bos, *ids] if self.layout.bos and bos is not None and ids[:1] != [bos] else ids

    def render(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]] = (),
        *,
        begin: bool = False,
    ) -> str:
        """The chat template's text for a conversation (`rendering.render`)."""
        how: dict[str, Any] = {"date": self.layout.date, "parts": self._parts}
        return rendering.render(self.tokenizer, messages, tools=tools, begin=begin, **how)

    def _tokens(
        self, texts: list[str], *, special: bool = False, first: bool = False
    ) -> list[list[int]]:
        """Ids of each text; `special`: special tokens in it are tokens; `first`: it begins the
        sequence. Equal texts share one list."""
        if not texts:
            return []
        anchor, cut = ("", 0) if first else self._anchor
        # Steps of samples repeat, and a tokenizer takes longer for a text than a look-up.
        once = list(dict.fromkeys(texts))
        out = self.tokenizer(
            [anchor + text for text in once],
            add_special_tokens=False,
            split_special_tokens=not special,
            return_attention_mask=False,
        )
        known = {text: ids[cut:] for text, ids in zip(once, out["input_ids"], strict=True)}
        return [known[text] for text in texts]
