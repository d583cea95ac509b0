"""Products and sums with a calculator: a task of several turns whose every turn can be checked.

A problem is "23*47+19=", too hard to be done in the head by a language model of 100k parameters. It
may call the tools `multiply` and `add`, reads their results, and answers "\\boxed{1100}". `task`
has the texts, `environment` the calculator and the truth, `demonstrations` trajectories with
planted errors, `tokenizer` the tokens, and `policy` a language model that learned to write them,
right about a quarter of the time.
"""
