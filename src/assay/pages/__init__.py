"""What each report shows, built on the kit in `assay.report`: one page per module."""
