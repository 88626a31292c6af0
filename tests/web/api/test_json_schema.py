"""The description of the API is made of the types that the serializers return."""

import json
from collections.abc import Mapping
from typing import Any

from orderwatch.core.attention.concern import Reason
from orderwatch.core.json_types import ConcernJson, OrderJson
from orderwatch.core.model import OrderState
from orderwatch.web.api.json_schema import components, reference
from orderwatch.web.api.json_types import ErrorJson
from orderwatch.web.api.openapi import description


def schemas(*kinds: type) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(json.dumps(components(kinds)))
    return found


def test_a_type_brings_those_that_it_refers_to() -> None:
    assert schemas(OrderJson).keys() == {"Order", "Capture", "Delivery", "OrderState", "DeliveryState"}
    assert reference(ErrorJson) == {"$ref": "#/components/schemas/Error"}


def test_every_field_is_required_and_named_as_in_the_type() -> None:
    order = schemas(OrderJson)["Order"]
    assert list(order["properties"]) == order["required"] == list(OrderJson.__annotations__)


def test_times_counts_states_and_texts_are_described() -> None:
    found = schemas(ConcernJson, OrderJson)
    since = found["Concern"]["properties"]["since"]
    assert since == {"type": "string", "format": "date-time"}
    assert found["Order"]["properties"]["end"] == {
        "anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}],
        "description": "When the order's window closes.",
    }
    assert found["Delivery"]["properties"]["attempts"] == {"type": "integer", "minimum": 0}
    assert found["OrderState"]["enum"] == [str(state) for state in OrderState]
    assert found["Reason"]["enum"] == [str(reason) for reason in Reason]


def test_every_reference_of_the_description_leads_to_a_component_with_a_text() -> None:
    described = json.loads(json.dumps(description()))
    known = described["components"]["schemas"]
    text = json.dumps(described)
    assert all(f'"#/components/schemas/{name}"' in text for name in known)
    assert text.count('"$ref"') == sum(text.count(f'"#/components/schemas/{name}"') for name in known)
    assert all(schema["description"] for schema in known.values())
