"""Tokens as a school's own login would mint them, with nothing of Downbeat."""

import base64
import hashlib
import hmac
import json
import time

TENANTS = ("acme", "globex", "tiny", "hasty", "quiet")
SECRETS = {tenant: f"{tenant}-secret-of-at-least-thirty-two-characters" for tenant in TENANTS}


def in_seconds(ahead: int) -> int:
    return int(time.time()) + ahead


def mint(sub: str, tenant: str = "acme", role: str = "student", **claims) -> str:
    """A token of HS256, good for an hour unless `exp` says otherwise."""
    head = _base64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = {"tenant": tenant, "role": role, "sub": sub, "exp": in_seconds(3600), **claims}
    signed = f"{head}.{_base64(json.dumps(body).encode())}"
    signature = hmac.new(SECRETS[tenant].encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
