"""The exceptions that Penstock raises.

::

    PenstockError
    ├── ConfigError(ValueError)               a setting is unknown or out of range
    ├── BundleError(ValueError)               a bundle is damaged, incomplete or does not load
    ├── SignatureError(ValueError)            inputs do not match a model's signature
    ├── TransformError(ValueError)            a transform cannot be made, read or converted
    ├── ModelNotFoundError(LookupError)       no such model or version
    ├── ModelNotReadyError(RuntimeError)      the model is known but cannot answer now
    ├── OverloadedError(RuntimeError)         the queue is full
    ├── DeadlineExceededError(TimeoutError)   the deadline passed, or could not be met
    ├── CancelledError(RuntimeError)          the caller withdrew the request
    ├── UnsupportedError(RuntimeError)        this build or server does not offer it
    ├── InferenceError(RuntimeError)          a model failed while it ran
    ├── ScoreError(RuntimeError)              an input of batch scoring cannot be scored
    └── OutputError(OSError)                  the output of batch scoring cannot be written

The mapping of these to gRPC and HTTP stands in ``penstock.serve.status``.
"""

__all__ = [
    "BundleError",
    "CancelledError",
    "ConfigError",
    "DeadlineExceededError",
    "InferenceError",
    "ModelNotFoundError",
    "ModelNotReadyError",
    "OutputError",
    "OverloadedError",
    "PenstockError",
    "ScoreError",
    "SignatureError",
    "TransformError",
    "UnsupportedError",
]


class PenstockError(Exception):
    """Root of every exception that Penstock raises on purpose."""


class ConfigError(PenstockError, ValueError):
    """A setting is unknown, of the wrong type or out of range."""


class BundleError(PenstockError, ValueError):
    """A bundle is damaged, incomplete, or its graph does not load."""


class SignatureError(PenstockError, ValueError):
    """Inputs or requested outputs do not match the signature of a model.

    Attributes
    ----------
    name : str
        Of the input, empty where it is not about one.
    reason : str
        One of ``penstock.batching.REFUSAL_REASONS``.
    """

    def __init__(self, *arguments: object, name: str = "", reason: str = "value") -> None:
        super().__init__(*arguments)
        self.name = name
        self.reason = reason


class TransformError(PenstockError, ValueError):
    """A transform cannot be fitted, converted, read, or is not what it should be."""


class ModelNotFoundError(PenstockError, LookupError):
    """No model, or no version of it, has that name."""


class ModelNotReadyError(PenstockError, RuntimeError):
    """The model is known, but no version of it can answer now."""


class OverloadedError(PenstockError, RuntimeError):
    """The queue of the deployment is full; try again later."""


class DeadlineExceededError(PenstockError, TimeoutError):
    """The deadline passed before the request ran, or running it would pass it."""


class CancelledError(PenstockError, RuntimeError):
    """The caller withdrew the request before it ran."""


class UnsupportedError(PenstockError, RuntimeError):
    """This build or this server does not offer what was asked for."""


class InferenceError(PenstockError, RuntimeError):
    """A model failed while it ran."""


class ScoreError(PenstockError, RuntimeError):
    """A file cannot be scored: it is damaged, has other columns, or values that do not fit."""


class OutputError(PenstockError, OSError):
    """Scores cannot be written: the disk is full, read-only, or a permission is missing."""
