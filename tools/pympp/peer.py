"""Answers questions about headers with pympp: a line of JSON for each question, and one for each answer."""

import json
import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "site"))

import httpx  # noqa: E402
from mpp import Challenge, ChallengeEcho, Credential, ParseError, Receipt  # noqa: E402
from mpp._canonical import canonical_b64url  # noqa: E402
from mpp._parsing import _b64_decode  # noqa: E402


def received(wire):
    """The text of a header as the HTTP client of pympp hands it on."""
    return httpx.Headers([(b"x", bytes.fromhex(wire))])["x"]


def present(fields):
    return {name: value for name, value in fields.items() if value is not None}


def of_challenge(challenge):
    opaque = challenge.opaque
    return present(
        {
            "id": challenge.id,
            "realm": challenge.realm,
            "method": challenge.method,
            "intent": challenge.intent,
            "request": challenge.request,
            "expires": challenge.expires,
            "digest": challenge.digest,
            "description": challenge.description,
            "opaque": None if opaque is None else canonical_b64url(opaque),
            "header": challenge.header,
        }
    )


def parse_challenge(wire):
    return of_challenge(Challenge.from_www_authenticate(received(wire)))


def to_challenge(form):
    opaque = form.get("opaque")
    fields = {**form, "opaque": None if opaque is None else _b64_decode(opaque)}
    return Challenge(**fields, request_b64=canonical_b64url(form["request"]))


def format_challenge(form):
    return to_challenge(form).to_www_authenticate(form["realm"])


def parse_credential(wire):
    credential = Credential.from_authorization(received(wire))
    echo = credential.challenge
    challenge = {name: getattr(echo, name) for name in echo.__slots__}
    challenge["request"] = _b64_decode(echo.request)
    return present(
        {
            "challenge": present(challenge),
            "payload": credential.payload,
            "source": credential.source,
        }
    )


def format_credential(form):
    echo = dict(form["challenge"])
    echo["request"] = canonical_b64url(echo["request"])
    credential = Credential(ChallengeEcho(**echo), form["payload"], form.get("source"))
    return credential.to_authorization()


def parse_receipt(wire):
    receipt = Receipt.from_payment_receipt(received(wire))
    form = {
        "status": receipt.status,
        "timestamp": receipt.timestamp.isoformat().replace("+00:00", "Z"),
        "reference": receipt.reference,
        "method": receipt.method,
        "externalId": receipt.external_id,
        "subscriptionId": receipt.subscription_id,
        "fundingCurrency": receipt.funding_currency,
        "extra": receipt.extra,
    }
    return {**present(form), **(receipt.extensions or {})}


def format_receipt(form):
    own = {"status", "timestamp", "reference", "method", "externalId"}
    return Receipt(
        status=form["status"],
        timestamp=datetime.fromisoformat(form["timestamp"].replace("Z", "+00:00")),
        reference=form["reference"],
        method=form["method"],
        external_id=form.get("externalId"),
        extensions={name: value for name, value in form.items() if name not in own},
    ).to_payment_receipt()


def identify(question):
    form = question["form"]
    challenge = to_challenge(form)
    return Challenge.create(
        secret_key=question["secret"],
        realm=challenge.realm,
        method=challenge.method,
        intent=challenge.intent,
        request=challenge.request,
        expires=challenge.expires,
        digest=challenge.digest,
        meta=challenge.opaque,
        header=challenge.header,
    ).id


PARSE = {"challenge": parse_challenge, "credential": parse_credential, "receipt": parse_receipt}
FORMAT = {"challenge": format_challenge, "credential": format_credential, "receipt": format_receipt}


def answer(question):
    kind, op = question["op"].split(".")
    if op == "parse":
        return {"form": PARSE[kind](question["wire"])}
    if op == "format":
        return {"wire": FORMAT[kind](question["form"]).encode("latin-1").hex()}
    return {"id": identify(question)}


for line in sys.stdin:
    try:
        said = json.dumps(answer(json.loads(line)), allow_nan=False)
    except ParseError as error:
        said = json.dumps({"refused": str(error)})
    except Exception as error:  # Whatever else it raises refuses the header as well.
        said = json.dumps({"refused": f"{type(error).__name__} is raised"})
    print(said, flush=True)
