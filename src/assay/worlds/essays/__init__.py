"""Essays of a few words whose worth is known exactly: a gold reward that a small reward model
learns only in part.

A prompt is a topic, "Essay on sea:"; a response is up to 24 of 16 words, " wave salt wind". The
gold reward likes length, words of the topic and nice pairs of neighbours, each only up to a point
which ordinary essays hardly pass, so that a reward model which learned from them goes on liking
what is past it. `task` has the texts, `gold` the truth, `corpus` ordinary essays, `tokenizer` and
`grammar` the tokens, `policy` a language model of about 60k parameters that writes such essays, and
`proxies` the networks of reward models of five sizes.
"""
