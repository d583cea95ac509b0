"""The labelling page: a FastAPI application over a store of tasks and labels."""
