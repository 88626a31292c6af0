#!/usr/bin/env bash
# Guess: a stapi-fastapi server without a backend for order statuses leaves out what belongs to them, because the router
# adds the route and the conformance class "if self.get_order_statuses is not None".
# What happens: that name is the router's own method and never None. The server claims the conformance class, each order
# links to its statuses (rel "monitor"), and the link answers 500. A client must not retry it as a fault, nor let it hide
# the order.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check stapi-fastapi==0.8.0 stapi-pydantic==0.1.0 \
  fastapi==0.165.0 httpx==0.28.1
cat > "$folder/play.py" <<'PYTHON'
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.testclient import TestClient
from returns.maybe import Nothing, Some
from returns.result import Success
from stapi_fastapi.routers.root_router import RootRouter
from stapi_pydantic import Order

print("stapi-fastapi", version("stapi-fastapi"))
POINT = {"type": "Point", "coordinates": [4.4, 51.9]}
STATUS = {"timestamp": "2026-11-01T10:00:00Z", "status_code": "accepted"}
SEARCH = {"datetime": "2026-11-02T00:00:00Z/2026-11-20T00:00:00Z", "geometry": POINT}


async def get_order(order_id, request):
    properties = {
        "product_id": "p", "created": "2026-11-01T09:00:00Z", "status": STATUS, "search_parameters": SEARCH,
        "opportunity_properties": {}, "order_parameters": {},
    }
    return Success(Some(Order.model_validate({"id": order_id, "geometry": POINT, "properties": properties})))


async def get_orders(after, limit, request):
    return Success(([], Nothing, Nothing))


app = FastAPI()
app.include_router(RootRouter(get_orders=get_orders, get_order=get_order))  # no get_order_statuses
client = TestClient(app, raise_server_exceptions=False)
conformance = client.get("/conformance").json()["conformsTo"]
links = {link["rel"]: link["href"] for link in client.get("/orders/1").json()["links"]}
code = client.get(links["monitor"]).status_code
print("conformance:", conformance)
print("links of an order:", links)
print("the statuses answer:", code)
assert any(each.endswith("/order-statuses") for each in conformance), "the conformance class is left out now"
assert code == 500, "the missing history is answered otherwise now"
PYTHON
"$folder/venv/bin/python" "$folder/play.py"
