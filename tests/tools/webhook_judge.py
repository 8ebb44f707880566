"""Standard Webhooks' own library as judge: answers for each request, a line of JSON, whether it believes it."""

import json
import sys
from datetime import datetime, timezone
from unittest.mock import patch

from standardwebhooks import Webhook, WebhookVerificationError

for line in sys.stdin:
    asked = json.loads(line)
    now = datetime.fromtimestamp(asked["now"], tz=timezone.utc)

    class Then(datetime):
        @classmethod
        def now(cls, tz=None):
            return now

    with patch("standardwebhooks.webhooks.datetime", Then):
        try:
            Webhook(asked["secret"]).verify(asked["body"], asked["headers"])
            print("good", flush=True)
        except WebhookVerificationError as error:
            print(f"bad: {error}", flush=True)
