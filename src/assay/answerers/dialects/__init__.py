"""The dialects of decision servers: how each is asked, what it takes, and how answers are read.

`table` says what each server takes and sends; `openai`, `systemone` and `sglang` write questions;
`states` writes what they are about; `reading` makes distributions of all of their answers.
"""
