"""The report card of a reward: probes, a search for hacks, and whether a judge may score.

A probe changes a response in a way whose effect on quality is known, and looks at what the reward
makes of it: `probe` says what that is, `probes/` holds them, `subjects` what they are tried on,
`asking` scores all that they changed, a prompt at a time, and `findings` tests what came of it.
`direct` makes findings of what is asked otherwise than by changing a response: of `judging`,
`questions`, `serving`, `layouts` and `functions`. `process` reads the scores of steps.
"""
