"""A generic SOAP client, which knows of the gate what our WSDLs say and nothing else.

Usage: idosell_suds.py BASE LOGIN KEY ORDER
Prints one line for each call: the method and what came back.
"""

import sys

from suds.cache import NoCache
from suds.client import Client
from suds import WebFault

base, login, key, order = sys.argv[1:5]


def client(method, version=192):
    url = f"{base}/api/?gate=refunds/{method}/{version}/soap/wsdl&lang=eng"
    return Client(url, cache=NoCache(), timeout=30)


def call(method, params, login=login, key=key, version=192):
    made = client(method, version)
    request = made.factory.create("requestType")
    request.authenticate.userLogin = login
    request.authenticate.authenticateKey = key
    for name, value in params.items():
        if isinstance(value, dict):
            group = made.factory.create(f"{name}Type")
            for inner, one in value.items():
                setattr(group, inner, one)
            setattr(request.params, name, group)
        else:
            setattr(request.params, name, value)
    return getattr(made.service, method)(request)


def show(method, answer):
    errors = answer.errors
    parts = [f"errors={errors.faultCode}"]
    result = getattr(answer, "result", None)
    if result is not None:
        for name in result.__keylist__:
            value = getattr(result, name)
            if value is not None:
                parts.append(f"{name}={value}")
    rows = getattr(answer, "results", None)
    if rows is not None:
        for row in rows:
            fields = [f"{name}={getattr(row, name)}" for name in row.__keylist__]
            parts.append("[" + " ".join(field for field in fields if "=None" not in field) + "]")
    print(method, *parts, flush=True)
    return answer


possible = {"sourceId": order, "sourceType": "order"}
show("getPossibleAutoRefunds", call("getPossibleAutoRefunds", possible))
add = {"sourceId": order, "refundValue": "20.12", "paymentId": 1, "refundCurrency": "PLN"}
show("addAutomaticRefundForOrder", call("addAutomaticRefundForOrder", add))
manual = {
    "sourceType": "order", "sourceId": order, "refundValue": "5.00", "refundCurrency": "PLN",
    "refundDetails": {"paymentFormId": 0, "paymentSystem": 27},
}
show("addManualRefund", call("addManualRefund", manual))
show("addAutomaticRefund", call("addAutomaticRefund", {"sourceType": "return", "sourceId": 501}))
show("retrieveRefundsList", call("retrieveRefundsList", {"sourceType": "all"}, version=98))
one = {"sourceType": "order", "sourceId": order, "paymentId": 1}
text = dict(one, paymentId=f"{order}-1")
show("updateRefund", call("updateRefund", dict(text, refundValue="21.5", refundCurrency="PLN")))
show("confirmRefund", call("confirmRefund", one))
show("getRefundStatus", call("getRefundStatus", one))
show("cancelRefund", call("cancelRefund", text))
show("cancelRefund", call("cancelRefund", text))
show("getRefundStatus", call("getRefundStatus", one, key="0" * 40))
try:
    client("getPossibleAutoRefunds").service.getPossibleAutoRefunds()
except WebFault as fault:
    print("fault", fault, flush=True)
else:
    print("no login is a normal answer", flush=True)
