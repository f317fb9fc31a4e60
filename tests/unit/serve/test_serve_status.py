from __future__ import annotations

import grpc
import pytest

from penstock import errors
from penstock.serve.call import ShutdownError, request_id
from penstock.serve.status import MESSAGE_BYTES, STATUS, clip, describe, status_of

CLASSES = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_is_in_the_table(error: type[Exception]) -> None:
    assert error in STATUS


def test_every_error_class_is_exported() -> None:
    defined = {
        value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)
    }
    assert defined == set(CLASSES)


@pytest.mark.parametrize(
    ("error", "code", "http"),
    [
        (errors.SignatureError("x"), "INVALID_ARGUMENT", 400),
        (errors.ModelNotFoundError("x"), "NOT_FOUND", 404),
        (errors.ModelNotReadyError("x"), "UNAVAILABLE", 503),
        (errors.OverloadedError("x"), "RESOURCE_EXHAUSTED", 429),
        (errors.DeadlineExceededError("x"), "DEADLINE_EXCEEDED", 504),
        (errors.CancelledError("x"), "CANCELLED", 499),
        (errors.UnsupportedError("x"), "UNIMPLEMENTED", 501),
        (errors.BundleError("x"), "FAILED_PRECONDITION", 409),
        (errors.InferenceError("x"), "INTERNAL", 500),
        (ShutdownError(), "UNAVAILABLE", 503),
        (KeyError("x"), "INTERNAL", 500),
    ],
)
def test_status(error: Exception, code: str, http: int) -> None:
    status = status_of(error)
    assert (status.grpc, status.http) == (grpc.StatusCode[code], http)


@pytest.mark.parametrize("error", CLASSES)
def test_triton_status_codes_change_only_load_and_deadline(error: type[Exception]) -> None:
    changed = error in (errors.OverloadedError, errors.DeadlineExceededError)
    plain, triton = (status_of(error("x"), triton_status_codes=flag).grpc for flag in (False, True))
    assert triton is (grpc.StatusCode.UNAVAILABLE if changed else plain)


@pytest.mark.parametrize("error", [errors.InferenceError("/secret/path"), OSError("/secret/path")])
def test_internal_messages_stay_inside(error: Exception) -> None:
    message = describe(error, "abc", status_of(error))
    assert "secret" not in message
    assert message.endswith("; request id abc")


def test_an_inference_failure_says_so() -> None:
    error = errors.InferenceError("node 7")
    assert describe(error, "abc", status_of(error)) == "inference failed; request id abc"


@pytest.mark.parametrize("char", ["x", "é", "漢", "🜁"])
def test_long_messages_are_cut_at_a_character(char: str) -> None:
    assert clip(char * 10) == char * 10
    cut = clip("a" + char * MESSAGE_BYTES)
    assert MESSAGE_BYTES - 4 < len(cut.encode()) <= MESSAGE_BYTES
    assert set(cut[1:]) == {char}


@pytest.mark.parametrize("given", ["a", "x" * 64, "a b~", "00-4bf92f3577b34da6"])
def test_a_usable_request_id_is_kept(given: str) -> None:
    assert request_id((("x-request-id", given),)) == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a\tb", "é", b"bytes"])
def test_an_unusable_request_id_is_replaced(given: str | bytes) -> None:
    made = request_id((("x-request-id", given),))
    assert made != given
    assert len(made) == 16


def test_request_ids_differ() -> None:
    assert request_id(None) != request_id(None)
