"""The kit that pages are made of: blocks, sections, one self-contained HTML file. Needs the
`report` extra.

`html` lays out a page from sections of blocks, `plot` specifies a figure, `paint` draws it and
`svg` embeds it. Only `html.write_report` touches a disk. What each page shows is in `assay.pages`.
"""
