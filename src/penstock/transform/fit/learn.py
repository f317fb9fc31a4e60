"""Which learner fits which step."""

from __future__ import annotations

from penstock.transform.fit.components import PcaLearner
from penstock.transform.fit.encoders import (
    CountLearner,
    FrequencyLearner,
    OneHotLearner,
    OrdinalLearner,
    TargetLearner,
)  # fmt: skip
from penstock.transform.fit.fillers import ImputeLearner
from penstock.transform.fit.learner import Learner
from penstock.transform.fit.ranks import (
    BinLearner,
    BoxCoxLearner,
    QuantileLearner,
    RobustScaleLearner,
    WinsorizeLearner,
    YeoJohnsonLearner,
)  # fmt: skip
from penstock.transform.fit.scalers import MaxAbsScaleLearner, MinMaxScaleLearner, StandardScaleLearner
from penstock.transform.steps import (
    Bin,
    BoxCox,
    Count,
    Frequency,
    Impute,
    MaxAbsScale,
    MinMaxScale,
    OneHot,
    Ordinal,
    Pca,
    Quantile,
    RobustScale,
    StandardScale,
    Step,
    Target,
    Winsorize,
    YeoJohnson,
)  # fmt: skip

__all__ = ["LEARNERS"]

LEARNERS: dict[type[Step], type[Learner]] = {
    Bin: BinLearner,
    BoxCox: BoxCoxLearner,
    Count: CountLearner,
    Frequency: FrequencyLearner,
    Impute: ImputeLearner,
    MaxAbsScale: MaxAbsScaleLearner,
    MinMaxScale: MinMaxScaleLearner,
    OneHot: OneHotLearner,
    Ordinal: OrdinalLearner,
    Pca: PcaLearner,
    Quantile: QuantileLearner,
    RobustScale: RobustScaleLearner,
    StandardScale: StandardScaleLearner,
    Target: TargetLearner,
    Winsorize: WinsorizeLearner,
    YeoJohnson: YeoJohnsonLearner,
}
