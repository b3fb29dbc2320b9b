"""Prints a Compose file as JSON, with anchors, merges and the defaults of variables put in: read_compose.py FILE"""
import json
import re
import sys

import yaml


def with_defaults(value):
    if isinstance(value, str):
        return re.sub(r"\$\{[A-Z_]+(?::?-([^}]*))?\}", lambda found: found[1] or "", value)
    if isinstance(value, dict):
        return {key: with_defaults(item) for key, item in value.items()}
    return [with_defaults(item) for item in value] if isinstance(value, list) else value


with open(sys.argv[1]) as file:
    json.dump(with_defaults(yaml.safe_load(file)), sys.stdout)
