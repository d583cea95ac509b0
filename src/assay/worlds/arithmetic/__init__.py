"""Running sums modulo ten: a multi-step task in which every answer and every step can be checked
exactly.

A problem is "Sum 3 5 2 7:"; a response is a chain of steps, each adding the next digit to the
running sum, and then the
answer: " +3=3 +5=8 +2=0 +7=7 ans=7". A step " +0=..." adds nothing and is allowed anywhere. `task`
has the texts, `checker` the truth, `demonstrations` the chains with planted errors, `tokenizer` and
`grammar` the tokens, and `policy` a language model of about 100k parameters that learned to write
such chains, right about half of the time.
"""
