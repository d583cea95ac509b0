"""The app.py of a resources server of NeMo Gym, whose rows have `expected_answer`."""

from assay.adapters.nemo_gym import resources_server

if __name__ == "__main__":
    resources_server("numeric", reference="expected_answer").run_webserver()
