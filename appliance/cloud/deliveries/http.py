"""Routes of subscriptions and deliveries: a client's are its own alone."""

from __future__ import annotations

from appliance.cloud.deliveries import store
from appliance.cloud.deliveries.model import (
    Delivery,
    DeliveryLog,
    DeliveryQuery,
    NewSecret,
    Subscription,
    SubscriptionIn,
)
from appliance.cloud.deliveries.owners import owner_of
from appliance.http.api import Ctx, Routes
from appliance.kernel.errors import invalid
from appliance.kernel.operation import Answer
from appliance.kernel.paging import Page
from appliance.network.outbound import CallFailed, parse_url

BASE = "/logging/v1"


def delivery_routes() -> Routes:
    routes = Routes("deliveries")

    @routes.post(f"{BASE}/subscriptions", body=SubscriptionIn, returns=NewSecret, status=201)
    async def subscribe(ctx: Ctx, body: SubscriptionIn) -> Answer:
        """Send messages of these types to a URL; the secret that signs them is shown only in this answer."""
        try:
            parse_url(body.url)
        except CallFailed as failed:
            raise invalid("url", failed.detail) from None
        return await ctx.write(lambda tx: store.create_subscription(tx, ctx.caller, body))

    @routes.get(f"{BASE}/subscriptions", query=Page, items=Subscription)
    async def subscriptions(ctx: Ctx, query: Page) -> Answer:
        """List subscriptions, oldest first."""
        owner = owner_of(ctx.caller)
        return Answer(200, await ctx.read(lambda tx: store.list_subscriptions(tx, query, owner=owner)))

    @routes.get(f"{BASE}/subscriptions/{{subscription_id}}", returns=Subscription)
    async def subscription(ctx: Ctx, subscription_id: str) -> Answer:
        """One subscription."""
        owner = owner_of(ctx.caller)
        return Answer(
            200, await ctx.read(lambda tx: store.get_subscription(tx, subscription_id, owner=owner))
        )

    @routes.post(f"{BASE}/subscriptions/{{subscription_id}}/rotate", returns=NewSecret)
    async def rotate(ctx: Ctx, subscription_id: str) -> Answer:
        """Replace the secret. For 24 hours messages are signed with the old one too."""
        owner = owner_of(ctx.caller)
        return await ctx.write(lambda tx: store.rotate(tx, subscription_id, owner=owner))

    @routes.delete(f"{BASE}/subscriptions/{{subscription_id}}")
    async def unsubscribe(ctx: Ctx, subscription_id: str) -> Answer:
        """End a subscription; its pending deliveries are not sent."""
        owner = owner_of(ctx.caller)
        return await ctx.write(lambda tx: store.delete_subscription(tx, subscription_id, owner=owner))

    @routes.get(f"{BASE}/deliveries", query=DeliveryQuery, items=Delivery)
    async def deliveries(ctx: Ctx, query: DeliveryQuery) -> Answer:
        """List deliveries, oldest first."""
        owner = owner_of(ctx.caller)
        return Answer(200, await ctx.read(lambda tx: store.list_deliveries(tx, query, owner=owner)))

    @routes.get(f"{BASE}/deliveries/{{delivery_id}}", returns=DeliveryLog)
    async def delivery(ctx: Ctx, delivery_id: str) -> Answer:
        """One delivery with each of its attempts."""
        owner = owner_of(ctx.caller)
        return Answer(200, await ctx.read(lambda tx: store.get_delivery(tx, delivery_id, owner=owner)))

    @routes.post(f"{BASE}/deliveries/{{delivery_id}}/redeliver", returns=Delivery, status=201)
    async def redeliver(ctx: Ctx, delivery_id: str) -> Answer:
        """Send the message once more, with the same webhook-id."""
        owner = owner_of(ctx.caller)
        return await ctx.write(lambda tx: store.redeliver(tx, delivery_id, owner=owner))

    return routes
