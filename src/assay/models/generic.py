"""Classifiers on backbones that transformers has none for: the same bias-free linear head on the
last token's state.

Transformers gives most of its language models a `...ForSequenceClassification`, but not all
(Cohere, Granite, OLMoE, GLM-4 MoE, ERNIE 4.5 and others). Their classifier is made here of
transformers' own parts, so that its folder is what transformers would write if it had the class:
the backbone's weights by their names, and `score.weight`. This library loads it; plain transformers
loads its backbone (`AutoModel`), and not the head.
"""

from typing import Any

from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)
from transformers.modeling_layers import GenericForSequenceClassification

from assay.errors import ConfigError

__all__ = ["classifier_of", "has_stock_classifier"]


def has_stock_classifier(config: Any) -> bool:
    """Return whether transformers itself has a sequence classifier for a configuration."""
    return type(config) in AutoModelForSequenceClassification._model_mapping


def classifier_of(config: Any) -> Any:
    """The class of a configuration's sequence classifier, transformers' own or one made of its
    parts.

    Raises `ConfigError` where the architecture is no language model that reads forward.
    """
    if has_stock_classifier(config):
        return AutoModelForSequenceClassification
    kind = type(config)
    if kind not in AutoModelForCausalLM._model_mapping or kind not in AutoModel._model_mapping:
        raise ConfigError(
            f"{config.model_type} is no language model that transformers has a classifier or a"
            " backbone for; use a causal language model"
        )
    backbone = AutoModel._model_mapping[kind]
    stock = next(c for c in backbone.__mro__[1:] if issubclass(c, PreTrainedModel))
    name = f"{backbone.__name__.removesuffix('Model')}ForSequenceClassification"
    return type(
        name,
        (GenericForSequenceClassification, stock),
        {"base_model_prefix": stock.base_model_prefix or "model"},
    )
