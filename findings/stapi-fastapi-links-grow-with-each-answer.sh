#!/usr/bin/env bash
# Guess: two answers of stapi-fastapi for the same unchanged order are equal, so a hash of the row shows what has changed.
# What happens: the router extends the links of the object that the backend returns. With a backend that keeps its
# orders in memory each GET, of the order or of the list, adds another "self" and "monitor" link to every later answer.
# Compare orders without their links, and expect each link several times.
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
PROPERTIES = {
    "product_id": "p", "created": "2026-11-01T09:00:00Z", "status": STATUS, "search_parameters": SEARCH,
    "opportunity_properties": {}, "order_parameters": {},
}
ORDER = Order.model_validate({"id": "1", "geometry": POINT, "properties": PROPERTIES})


async def get_order(order_id, request):
    return Success(Some(ORDER))


async def get_orders(after, limit, request):
    return Success(([ORDER], Nothing, Nothing))


app = FastAPI()
app.include_router(RootRouter(get_orders=get_orders, get_order=get_order))
client = TestClient(app)
rows = [client.get("/orders").json()["features"][0] for _ in range(3)]
counts = [len(row["links"]) for row in rows]
print("links of the same order in three lists:", counts)
print("the rest is equal:", all({**row, "links": 0} == {**rows[0], "links": 0} for row in rows))
assert counts == [2, 4, 6], "the links no longer grow"
PYTHON
"$folder/venv/bin/python" "$folder/play.py"
