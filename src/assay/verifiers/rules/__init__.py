"""Rules that a program checks in a text: form, length, language, pattern, schema, instructions."""
