"""What a schema cannot say, told to Schemathesis: which of the values that fit are accepted."""

import functools
import itertools
import json
import os
import re
import urllib.request

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import IgnoredAuth, RejectedPositiveData

# Rules about the moment or about two fields. A refusal that has other reasons besides is a finding all the same.
RULES = [
    ("plan", "must be one of"),
    ("metadata", "must have at most 4096 bytes"),
    ("metadata", "must be nested at most 4 levels"),
    ("user_id", "is missing: an admin key makes tokens for a user"),
    ("expires_at", "must lie in the future"),
    ("prefixes.test", "must differ from the live prefix"),
    ("from", "must lie before `to`"),
    ("from", "lies before "),
    ("cursor", "must be the next_cursor of an answer with the same group_by"),
]


@schemathesis.hook
def filter_failure(context, failure: Failure, case, response) -> bool:
    # Wrong credentials are refused with 401, and after too many of them with 429.
    if isinstance(failure, IgnoredAuth):
        return "got `429 " not in failure.message
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


UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
KEY_CALLS = itertools.count()


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Every other call of a key's operation finds the key that was made before; drawn ids name nothing."""
    is_key = context.operation is not None and context.operation.path.startswith("/v1/keys/{id}")
    if is_key and path_parameters and UUID.fullmatch(str(path_parameters.get("id"))) and next(KEY_CALLS) % 2 == 0:
        return {**path_parameters, "id": os.environ["KEYPLANE_KEY_ID"]}
    return path_parameters


NEW_KEYS = map("schemathesis-{}".format, itertools.count())


@schemathesis.hook("before_call")
def use_new_idempotency_keys(context, case, kwargs):
    """Keys that are taken are new ones: drawn again, they would hide what the request itself is answered with."""
    headers = case.headers or {}
    if re.fullmatch("[!-~]{1,255}", str(headers.get("Idempotency-Key", ""))):
        headers["Idempotency-Key"] = next(NEW_KEYS)


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

schemathesis.openapi.format(
    "audit-cursor", st.builds("a1{:016x}{:016x}".format, st.integers(0, 2**47), st.integers(0, 2**63 - 1))
)

# What If-Match may hold: any version, or one that nobody has.
schemathesis.openapi.format("entity-tag", st.sampled_from(["*", '"00000000000000000000000000000000"']))

# The default plans (control-plane/src/default.toml).
schemathesis.openapi.format("plan", st.sampled_from(["free", "pro", "team", "enterprise"]))

schemathesis.openapi.format("cidr", st.ip_addresses().map(str) | st.sampled_from(["203.0.113.0/24", "2001:db8::/32", "0.0.0.0/0"]))


@schemathesis.hook("before_call")
def keep_own_admin_key(context, case, kwargs) -> None:
    """Never revokes the admin key that it calls with."""
    if case.method == "DELETE" and case.path == "/v1/admin_keys/{id}" and case.path_parameters.get("id") == own_id(case):
        case.path_parameters["id"] = "00000000-0000-7000-8000-000000000000"


@functools.cache
def id_at(base: str) -> str:
    request = urllib.request.Request(f"{base}/v1/me", headers={"Authorization": f"Bearer {os.environ['KEYPLANE_KEY']}"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["id"]


def own_id(case) -> str:
    return id_at(case.operation.base_url.rstrip("/"))
