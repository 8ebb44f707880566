"""What the API's document cannot say; see api.sh."""

import schemathesis

CLOCK = "/api/v1/admin/clock"
# on its way the clock stops once a day at least: years take minutes
LONG = range(31 * 86_400, 10 * 366 * 86_400 + 1)


@schemathesis.hook
def filter_case(context, case):
    """An empty parameter counts as absent, as an empty form field sends it, so it is no invalid one."""
    if case.operation.path == CLOCK and isinstance(case.body, dict) and is_long(case.body):
        return False
    return not case.query or not any(is_empty(value) for value in case.query.values())


def is_empty(value):
    """Whether nothing of it would be sent."""
    if isinstance(value, dict):
        return all(is_empty(part) for part in value.values())
    if isinstance(value, (list, tuple)):
        return all(is_empty(part) for part in value)
    return value in ("", None)


def is_long(body):
    """Whether the clock is asked to move by more than a month, and not so far that it refuses."""
    seconds, to = body.get("advance_seconds"), body.get("to")
    years = [str(year) for year in range(2026, 2040)]
    return (isinstance(seconds, (int, float)) and int(seconds) in LONG) or (isinstance(to, str) and to[:4] in years)
