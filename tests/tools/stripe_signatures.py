"""Signs and judges webhooks with Stripe's official SDK: a line of JSON in, a line of JSON out."""

import json
import sys

from stripe import SignatureVerificationError, WebhookSignature

for line in sys.stdin:
    asked = json.loads(line)
    if "header" in asked:
        try:
            WebhookSignature.verify_header(asked["payload"], asked["header"], asked["secret"], asked["tolerance"])
            answer = "good"
        except SignatureVerificationError as error:
            answer = f"bad: {error}"
    else:
        answer = WebhookSignature.generate_signature_header(asked["payload"], asked["secret"], asked.get("timestamp"))
    print(json.dumps(answer), flush=True)
