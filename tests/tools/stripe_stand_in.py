"""localstripe for the tests: on loopback alone, in memory, on a free port, which it prints.

It ends when its input ends. localstripe answers as an older version of Stripe's API does; what is asked of a newer one is
taken back to that here, and requests are answered once per idempotency key, as Stripe does it.
"""

import asyncio
import sys

from aiohttp import web
from localstripe import resources, server

# new names and additions that it does not know, and that change nothing for what is tested
UNKNOWN = {
    "payment_intents": ["allowed_payment_method_types", "automatic_payment_methods", "description"],
    "setup_intents": ["allowed_payment_method_types"],
}
REFUNDED = {}


def forget_unknown(cls, names):
    create = cls._api_create

    def forgetful(**fields):
        return create(**{name: value for name, value in fields.items() if name not in names})

    cls._api_create = forgetful


def refund_by_intent():
    create = resources.Refund._api_create

    def by_intent(payment_intent=None, **fields):
        if payment_intent is None:
            return create(**fields)
        intent = resources.PaymentIntent._api_retrieve(payment_intent)
        charge = intent.latest_charge
        given = sum(refund.amount for refund in REFUNDED.get(payment_intent, []))
        if charge is None or given + int(fields.get("amount", charge.amount)) > charge.amount:
            code = {"code": "charge_already_refunded"}
            raise server.UserError(400, "Refund amount is greater than unrefunded amount.", code)
        refund = create(charge=charge.id, **fields)
        refund.payment_intent = payment_intent
        REFUNDED.setdefault(payment_intent, []).append(refund)
        return refund

    resources.Refund._api_create = by_intent


def charges_say_what_they_were_paid_with():
    export = resources.Charge._export

    def with_details(self, expand=None):
        said = export(self, expand)
        method = resources.PaymentMethod._api_retrieve(self.payment_method)
        said["payment_method_details"] = {"type": method.type, "card": getattr(method, "card", None)}
        return said

    resources.Charge._export = with_details


answered = {}


@web.middleware
async def once_per_key(request, handler):
    key = request.headers.get("Idempotency-Key")
    if request.method != "POST" or key is None:
        return await handler(request)
    asked = (request.path, await request.read())
    if key not in answered:
        response = await handler(request)
        answered[key] = (asked, response.status, response.body)
    before, status, body = answered[key]
    if before != asked:
        error = {"type": "idempotency_error", "message": "The key stands for another request."}
        return web.json_response({"error": error}, status=400)
    return web.Response(status=status, body=body, content_type="application/json")


async def main():
    runner = web.AppRunner(server.app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


resources.store.dump_to_disk = lambda: None
forget_unknown(resources.PaymentIntent, UNKNOWN["payment_intents"])
forget_unknown(resources.SetupIntent, UNKNOWN["setup_intents"])
refund_by_intent()
charges_say_what_they_were_paid_with()
server.app.middlewares.insert(0, once_per_key)
asyncio.run(main())
