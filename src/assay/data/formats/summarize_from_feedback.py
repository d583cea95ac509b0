"""Comparisons of summaries (arXiv:2009.01325): a Reddit post or a news article, two summaries, and
which one was chosen.

The prompt is what the models were shown: of a post "SUBREDDIT: r/...", "TITLE: ...", "POST: ..."
and "TL;DR:", of an article its text and "TL;DR:", with blank lines between.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import conversations, fields, winners
from assay.errors import DataError
from assay.types import Message, Preference, Record

__all__ = ["SummarizeFromFeedback"]


@dataclass(frozen=True, kw_only=True)
class SummarizeFromFeedback:
    """{info: {post, title, subreddit} or {article}, summaries: [{text, policy, note}], choice}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """The three columns."""
        return {"info", "summaries", "choice"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One preference; what else a summary has is the response's `meta`."""
        info, summaries = fields.mapping(row, "info"), fields.mappings(row, "summaries")
        if len(summaries) != 2:
            raise fields.wrong("summaries", "two summaries", summaries)
        more = fields.rest(row, "info", "summaries", "choice")
        asked = fields.make(Message, role="user", content=_asked(info))
        about = fields.rest(info, "post", "article", "title", "subreddit", "id")
        known = {
            key: info[key] for key in ("id", "title", "subreddit") if info.get(key) is not None
        }
        yield fields.make(
            Preference,
            prompt=fields.prompt((asked,), {**more, **known, **about}),
            responses=tuple(
                conversations.reply(
                    fields.text(each, "text"), (asked,), "text", meta=fields.rest(each, "text")
                )
                for each in summaries
            ),
            prefer=winners.number_of(fields.value(row, "choice"), "choice"),
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)


def _asked(info: Mapping[str, Any]) -> str:
    if info.get("post") is not None:
        heads = {"subreddit": "SUBREDDIT: r/", "title": "TITLE: "}
        known = [f"{head}{info[key]}" for key, head in heads.items() if info.get(key) is not None]
        return "\n\n".join([*known, f"POST: {fields.text(info, 'post')}", "TL;DR:"])
    if info.get("article") is not None:
        return f"{fields.text(info, 'article')}\n\nTL;DR:"
    raise DataError("field 'info': there is neither a post nor an article to summarise")
