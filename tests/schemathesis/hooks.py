"""What a schema cannot say, told to Schemathesis: which of the values that fit are accepted."""

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData

# Rules about the moment or about two fields. A refusal that has other reasons besides is a finding all the same.
RULES = [
    ("expires_at", "must lie in the future"),
    ("prefixes.test", "must differ from the live prefix"),
    ("from", "must lie before `to`"),
    ("from", "lies before "),
    ("cursor", "must be the next_cursor of an answer with the same group_by"),
]


@schemathesis.hook
def filter_failure(context, failure: Failure, case, response) -> bool:
    if not isinstance(failure, RejectedPositiveData):
        return True
    errors = response.json().get("errors", [])
    by_rule = [any(e["field"] == field and e["message"].startswith(start) for field, start in RULES) for e in errors]
    return not by_rule or not all(by_rule)


@schemathesis.hook
def map_body(context, body):
    """Times that were taken from an earlier answer are past."""
    if isinstance(body, dict) and str(body.get("expires_at")).startswith("20"):
        return {**body, "expires_at": "2100" + body["expires_at"][4:]}
    return body


# Times are mostly such as `expires_at` takes.
schemathesis.openapi.format(
    "date-time",
    st.builds(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}{}".format,
        st.integers(2100, 9997),
        st.integers(1, 12),
        st.integers(1, 28),
        st.integers(0, 23),
        st.integers(0, 59),
        st.integers(0, 59),
        st.sampled_from(["", ".5", ".123", ".123456789"]),
        st.sampled_from(["Z", "+02:00", "-11:30"]),
    ),
)

# A cursor is opaque to callers; this is how one looks inside (control-plane/src/domain/cursor.rs).
schemathesis.openapi.format("cursor", st.binary(min_size=16, max_size=16).map(lambda id: "c1" + id.hex()))

# What If-Match may hold: any version, or one that nobody has.
schemathesis.openapi.format("entity-tag", st.sampled_from(["*", '"00000000000000000000000000000000"']))
