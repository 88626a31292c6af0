"""A server of stapi-fastapi whose orders a test changes: `python backend.py PORT FOLDER TOKEN`.

`PUT /test/orders/ID` adds a status and links to an order, `PUT /test/files/NAME` a file, `GET /test/asked`
returns what was requested. Everything else requires the token. As a provider might, it keeps the orders in
memory, and its pages have at most two rows.
"""

import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from returns.maybe import Maybe, Nothing, Some
from returns.result import ResultE, Success
from stapi_fastapi.models.product import Product
from stapi_fastapi.routers.root_router import RootRouter
from stapi_pydantic import (
    Link,
    OpportunityProperties,
    Order,
    OrderParameters,
    OrderPayload,
    OrderProperties,
    OrderSearchParameters,
    OrderStatus,
    OrderStatusCode,
    Queryables,
)

PORT, FOLDER, TOKEN = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
PAGE = 2

orders: dict[str, Any] = {}
histories: dict[str, list[Any]] = {}
asked: list[str] = []


def page(rows: Sequence[Any], after: str | None) -> tuple[list[Any], Any]:
    """The rows from the position `after` on, and the position of the next page."""
    first = int(after or 0)
    following = Some(str(first + PAGE)) if first + PAGE < len(rows) else Nothing
    return list(rows[first : first + PAGE]), following


async def get_orders(after: str | None, _limit: int, _request: Request) -> ResultE[Any]:
    return Success((*page(list(orders.values()), after), Some(len(orders))))


async def get_order(order_id: str, _request: Request) -> ResultE[Any]:
    return Success(Maybe.from_optional(orders.get(order_id)))


async def get_statuses(order_id: str, after: str | None, _limit: int, _request: Request) -> ResultE[Any]:
    return Success(Some(page(histories[order_id], after)) if order_id in histories else Nothing)


async def create_order(router: Any, payload: OrderPayload, _request: Request) -> ResultE[Any]:  # noqa: ANN401
    order_id = f"order-{len(orders) + 1}"
    status = OrderStatus.new(OrderStatusCode.received)
    search = OrderSearchParameters(
        datetime=payload.datetime, geometry=payload.geometry, filter=payload.filter
    )
    properties = OrderProperties(
        product_id=router.product.id,
        created=status.timestamp,
        status=status,
        search_parameters=search,
        opportunity_properties={},
        order_parameters=payload.order_parameters.model_dump(),
    )
    orders[order_id] = Order(id=order_id, geometry=payload.geometry, properties=properties, links=[])
    histories[order_id] = [status]
    return Success(orders[order_id])


async def change(order_id: str, request: Request) -> Response:
    body = await request.json()
    status = OrderStatus.new(OrderStatusCode(body["status_code"]), *body.get("reason", ()))
    status.links = [Link(**link) for link in body.get("status_links", ())]
    orders[order_id].properties.status = status
    orders[order_id].links += [Link(**link) for link in body.get("links", ())]
    histories[order_id].append(status)
    return Response()


async def store(name: str, request: Request) -> Response:
    (FOLDER / name).write_bytes(await request.body())
    return Response()


async def authorize(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
    if request.url.path.startswith("/test/"):
        return await proceed(request)
    asked.append(f"{request.method} {request.url.path}")
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        return JSONResponse({"detail": "a token is required"}, status_code=401)
    return await proceed(request)


product = Product(
    conformsTo=["https://geojson.org/schema/Point.json"],
    id="spotlight",
    license="proprietary",
    create_order=create_order,
    queryables=Queryables,
    opportunity_properties=OpportunityProperties,
    order_parameters=OrderParameters,
)
root = RootRouter(get_orders=get_orders, get_order=get_order, get_order_statuses=get_statuses)
root.add_product(product)
app = FastAPI()
app.include_router(root)
app.add_api_route("/test/orders/{order_id}", change, methods=["PUT"])
app.add_api_route("/test/files/{name}", store, methods=["PUT"])
app.add_api_route("/test/asked", lambda: asked)
app.add_api_route("/files/{name}", lambda name: FileResponse(FOLDER / name), response_model=None)
app.middleware("http")(authorize)
uvicorn.run(app, host="127.0.0.1", port=PORT)
