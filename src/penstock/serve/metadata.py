"""ModelMetadata, ModelConfig and ModelStatistics messages from what the engine knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from penstock.bundle.signature import Signature, TensorSpec
from penstock.config import ModelConfig
from penstock.protos import POOL, message_class

if TYPE_CHECKING:
    from penstock.engine.statistics import Histogram, PipelineStatistics

__all__ = ["PLATFORM", "model_config", "model_metadata", "model_statistics"]

PLATFORM = "onnxruntime_onnx"
"""The name by which clients of the protocol know ONNX graphs."""

_BACKEND = "onnxruntime"
_DATA_TYPES = POOL.FindEnumTypeByName("inference.DataType").values_by_name
_KINDS = message_class("ModelInstanceGroup").Kind


def model_metadata(name: str, versions: Iterable[int], signature: Signature) -> Any:
    """Build a ModelMetadataResponse; shapes include the row dimension."""
    return message_class("ModelMetadataResponse")(
        name=name,
        versions=[str(version) for version in versions],
        platform=PLATFORM,
        inputs=[_tensor(spec) for spec in signature.inputs],
        outputs=[_tensor(spec) for spec in signature.outputs],
    )


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}


def model_config(name: str, signature: Signature, settings: ModelConfig) -> Any:
    """Build a ModelConfigResponse; dims leave the row dimension out where the model is batched."""
    config = message_class("ModelConfig")(
        name=name,
        platform=PLATFORM,
        backend=_BACKEND,
        version_policy=_version_policy(settings),
        max_batch_size=settings.max_batch_rows if signature.batched else 0,
        input=[_tensor_config(spec, signature.batched) for spec in signature.inputs],
        output=[_tensor_config(spec, signature.batched) for spec in signature.outputs],
        instance_group=[{"name": name, "count": settings.instances, **_device(settings.device)}],
        default_model_filename="model.onnx",
    )
    if signature.batched:
        policy = {"allow_timeout_override": True, "max_queue_size": settings.max_queue_rows}
        config.dynamic_batching.MergeFrom(message_class("ModelDynamicBatching")(default_queue_policy=policy))
    return message_class("ModelConfigResponse")(config=config)


def _version_policy(settings: ModelConfig) -> dict[str, Any]:
    if settings.version is None and not settings.extra_versions:
        return {"latest": {"num_versions": 1}}
    pinned = () if settings.version is None else (settings.version,)
    return {"specific": {"versions": sorted({*pinned, *settings.extra_versions})}}


def _tensor_config(spec: TensorSpec, batched: bool) -> dict[str, Any]:
    data_type = "STRING" if spec.datatype == "BYTES" else spec.datatype
    dims = spec.shape[1:] if batched else spec.shape
    config = {"name": spec.name, "data_type": _DATA_TYPES[f"TYPE_{data_type}"].number}
    return config | ({"dims": dims} if dims else {"dims": (1,), "reshape": {"shape": ()}})


def _device(device: str) -> dict[str, Any]:
    if device == "auto":
        return {"kind": _KINDS.Value("KIND_AUTO")}
    if device == "cpu":
        return {"kind": _KINDS.Value("KIND_CPU")}
    return {"kind": _KINDS.Value("KIND_GPU"), "gpus": [int(device.partition(":")[2] or 0)]}


def model_statistics(pipelines: Iterable[PipelineStatistics]) -> Any:
    """Build a ModelStatisticsResponse."""
    return message_class("ModelStatisticsResponse")(
        model_stats=[_pipeline_statistics(pipeline) for pipeline in pipelines]
    )


def _pipeline_statistics(pipeline: PipelineStatistics) -> dict[str, Any]:
    answered = pipeline.requests.get("OK", 0)
    failed = sum(pipeline.requests.values()) - answered
    return {
        "name": pipeline.model,
        "version": str(pipeline.version),
        "last_inference": pipeline.last_inference_ms,
        "inference_count": pipeline.rows,
        "execution_count": pipeline.batches,
        "inference_stats": {
            "success": {"count": answered, "ns": round(pipeline.request_s.sum * 1e9)},
            "fail": {"count": failed},
            "queue": _duration(pipeline.queue_s),
            "compute_infer": _duration(pipeline.execution_s),
        },
    }


def _duration(histogram: Histogram) -> dict[str, int]:
    return {"count": sum(histogram.counts), "ns": round(histogram.sum * 1e9)}
