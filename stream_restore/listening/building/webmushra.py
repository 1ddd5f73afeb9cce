"""The same test as a configuration of webMUSHRA (Schoeffler et al., Journal of Open Research Software 6, 2018)."""

import json
from collections.abc import Iterator

from ..key import Key, Trial
from ..ratings import REFERENCE

__all__ = ["webmushra_config"]

RESOURCES = "configs/resources"


def webmushra_config(key: Key) -> str:
    """A YAML file for webMUSHRA's folder `configs`; its stimuli belong into `configs/resources/TEST`.

    Texts are written as JSON strings, which YAML understands. Anchors are ours; webMUSHRA adds the hidden reference.
    """
    first = key.trials[0]
    head = [
        f"testname: {json.dumps(key.title)}",
        f"testId: {json.dumps(key.test)}",
        "bufferSize: 2048",
        "stopOnErrors: true",
        "showButtonPreviousPage: true",
        "remoteService: service/write.php",
        "pages:",
        "    - type: volume",
        "      id: volume",
        "      name: Volume",
        "      content: Set a comfortable volume and leave it for the whole test.",
        f"      stimulus: {_path(key, first.reference)}",
        "      defaultVolume: 0.5",
        "    -",
        "        - random",
    ]
    trials = [line for trial in key.trials for line in _page(key, trial)]
    tail = [
        "    - type: finish",
        "      name: Thank you",
        "      content: This was the last trial.",
        "      showResults: false",
        "      writeResults: true",
        "      questionnaire:",
        "          - type: text",
        "            label: Name or number",
        "            name: listener",
    ]
    return "\n".join([*head, *trials, *tail]) + "\n"


def _page(key: Key, trial: Trial) -> Iterator[str]:
    yield "        - type: mushra"
    yield f"          id: {json.dumps(trial.name)}"
    yield "          name: Rate the quality"
    yield "          content: How close is each signal to the reference?"
    yield "          showWaveform: true"
    yield "          enableLooping: true"
    yield "          createAnchor35: false"
    yield "          createAnchor70: false"
    yield "          randomize: true"
    yield "          showConditionNames: false"
    yield f"          reference: {_path(key, trial.reference)}"
    yield "          stimuli:"
    for token, condition in trial.stimuli.items():
        if condition != REFERENCE:
            yield f"              {json.dumps(condition)}: {_path(key, token)}"


def _path(key: Key, token: str) -> str:
    return f"{RESOURCES}/{key.test}/{token}.wav"
