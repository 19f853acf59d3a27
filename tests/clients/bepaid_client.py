"""An unchanged client of beGateway, the package bepaid, against a running server.

Called by ./test with the server's address and an API key of merchant 1, whose sandbox is on.
"""

import sys

from bepaid import ApiError, BepaidClient
from bepaid.models import ApmRefundRequest, CreditCardRaw, PaymentRequest, RefundRequest

address, key = sys.argv[1:]


def client(secret=key):
    return BepaidClient(
        "1", secret, base_gateway_url=address, base_api_url=address
    )


def refused(status, text, call):
    try:
        call()
    except ApiError as error:
        assert error.status == status, error
        assert text in str(error.message), error
        return error
    raise AssertionError(f"not refused: {text}")


def payment(number="4200000000000000", tracking_id="client-1"):
    return PaymentRequest(
        amount="1000",
        currency="BYN",
        description="A lamp",
        test=True,
        tracking_id=tracking_id,
        credit_card=CreditCardRaw(
            number=number,
            verification_value="123",
            holder="Ada Byron",
            exp_month=10,
            exp_year=2030,
        ),
    )


with client() as shop:
    paid = shop.create_payment(payment(), request_id="client-payment-1")
    assert paid.status == "successful" and paid.amount == 1000, paid
    assert shop.create_payment(payment(), request_id="client-payment-1").uid == paid.uid

    ask = RefundRequest(parent_uid=paid.uid, amount=300, reason="returned")
    refund = shop.refund(ask, request_id="client-refund-1")
    assert refund.status == "successful" and refund.parent_uid == paid.uid, refund
    assert shop.refund(ask, request_id="client-refund-1").uid == refund.uid
    refused(400, "Duplicate transaction", lambda: shop.refund(ask))
    assert shop.get_transaction(refund.uid).amount == 300
    assert shop.get_transaction_by_tracking_id("client-1").uid == paid.uid

    ask = ApmRefundRequest(parent_uid=paid.uid, reason="returned", amount=200)
    apm = shop.apm_refund(ask, request_id="client-refund-2")
    assert apm.status == "successful" and apm.amount == 200, apm
    assert shop.get_apm_refund(apm.uid).uid == apm.uid
    assert shop.get_apm_transaction(apm.uid).status == "successful"
    assert shop.apm_full_refund(paid.uid, "returned", 500).amount == 500

    over = RefundRequest(parent_uid=paid.uid, amount=1, reason="returned")
    error = refused(400, "can't be greater than", lambda: shop.refund(over))
    assert error.errors["amount"] and error.code == "E.1025", error
    refused(404, "Record not found", lambda: shop.get_transaction("2-00000fffff"))
    refused(400, "not a test card", lambda: shop.create_payment(payment("4242424242424242")))

    task = shop.create_payment_async(payment(tracking_id="client-2"))
    assert task.status == "processing", task
    assert shop.get_async_status(task.status_url).status == "completed"
    assert shop.get_async_result(task.response_url).status == "successful"

with client("rfk_wrong") as stranger:
    refused(401, "Unauthorized", lambda: stranger.get_transaction("1-0000000001"))

print("bepaid: every call was answered as the client expects")
