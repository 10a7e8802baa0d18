"""Reads a JSON list of [format, exposition] and prints, for each, a JSON list of families as the reference
implementation of both formats parses them: [name, type, unit, help, samples]."""

import json
import sys

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as text


def sample(sample):
    exemplar = sample.exemplar and [sample.exemplar.labels, repr(float(sample.exemplar.value))]
    return [sample.name, sample.labels, repr(float(sample.value)), exemplar]


def families(form, exposition):
    parser = openmetrics if form == "openmetrics" else text
    try:
        return [
            [family.name, family.type, family.unit, family.documentation, [sample(s) for s in family.samples]]
            for family in parser.text_string_to_metric_families(exposition)
        ]
    except Exception as error:
        return {"error": repr(error)}


json.dump([families(*exposition) for exposition in json.load(sys.stdin)], sys.stdout)
