"""Labels by people: tasks, labels, the store, who labels what next, and how far they agree.

Nothing here knows of the web; the page is `assay.annotate_app`.
"""
