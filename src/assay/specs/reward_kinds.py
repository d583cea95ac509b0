"""What a command says of the words of rewards: apart from what opens them, so that help is fast."""

from typing import Final

from assay.rl.rewards import PLACEMENTS
from assay.specs.scorer_kinds import KINDS

__all__ = ["GRAMMAR"]

GRAMMAR: Final = (
    f"SCORER[,KEY=VALUE...]: {KINDS}. Keys: weight; place ({', '.join(PLACEMENTS)}); aggregate (of"
    " the step scores, where placed at the end); threshold (of below); temperature (of softmin);"
    " prover (best of k); name; lower_bound (times an ensemble's spread); variance (its weight in"
    " uwo, 0.5 where not given); standard=none (of an ensemble: members' scores as they are, where"
    " all are on one scale). Of models that do not say how their texts are laid out: template"
    " (chat, plain), join, system, bos, close, max_length and others, and preset. Transforms, in"
    " order: centre, standardise, clip=LOW:HIGH, par=REFERENCES, length=PRICE,"
    " overlong=LIMIT:BUFFER, gate=REGEX. Gates of the other rewards: must_pass=THRESHOLD (below it"
    " the response earns 0), factor (it multiplies them); each_part pays every part of its scores"
)
