"""Compute every shared prefix once: N candidates of a prompt, chosen and rejected, the steps of a
search.

`tree` finds what sequences share, by their token ids, and lays them out as one tree of segments. A
model then runs over the tree's tokens instead of the sequences':

* `packed`: all tokens in one row, with an attention that lets every token see its own ancestors.
  The fast path, for architectures on a list, after a self-check against plain scores;
* `expand`: every shared segment's key-value cache, computed once and expanded for what follows it.
  Right for nearly every architecture;
* plain: padded batches, when a model can be served by neither, or where there is nothing to share.

`engine` chooses. All three give the same hidden states, and gradients flow through all of them.
"""
