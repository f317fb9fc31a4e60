"""What does not convert says so, and where it stands."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    LabelBinarizer,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)

from penstock.errors import TransformError
from penstock.transform.sklearn import convert

DATA = np.array([[1.0, 2.0], [3.0, 5.0], [4.0, 4.0]])


class Doubled(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):  # noqa: N803
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):  # noqa: N803
        return X * 2


class Shifted(StandardScaler):
    def transform(self, X, copy=None):  # noqa: N803
        return super().transform(X) + 1


def refused(fitted, **options):
    with pytest.raises(TransformError) as caught:
        convert(fitted, **options)
    return str(caught.value)


def test_path_of_the_step():
    inner = Pipeline([("impute", SimpleImputer()), ("double", Doubled())])
    columns = ColumnTransformer([("num", inner, [0])], remainder="passthrough")
    message = refused(Pipeline([("prep", columns)]).fit(DATA))
    assert message.startswith('step "prep/num/double": Doubled')
    union = FeatureUnion([("a", StandardScaler()), ("b", make_pipeline(SplineTransformer()))]).fit(DATA)
    assert refused(union).startswith('step "b/splinetransformer": SplineTransformer does not convert')


def test_classes():
    assert "is a subclass of StandardScaler" in refused(Shifted().fit(DATA))
    assert "KNNImputer does not convert" in refused(KNNImputer().fit(DATA))
    assert "LabelBinarizer does not convert" in refused(LabelBinarizer().fit([0, 1]), example=DATA[:, :1])
    assert "expected a fitted transformer, got 3" in refused(3, example=DATA)
    assert "predicts" in refused(LogisticRegression().fit(DATA, [0, 1, 1]))


def test_predictor_at_the_end():
    fitted = Pipeline([("scale", StandardScaler()), ("model", LogisticRegression())]).fit(DATA, [0, 1, 1])
    assert refused(fitted).startswith('step "model": LogisticRegression predicts and does not transform')
    assert "pipeline[:-1]" in refused(fitted)
    assert convert(fitted[:-1]).operations


def test_functions():
    assert "<lambda>" in refused(FunctionTransformer(lambda x: x).fit(DATA))
    assert "nan_to_num" in refused(FunctionTransformer(np.nan_to_num).fit(DATA))
    assert "kw_args" in refused(FunctionTransformer(np.log, kw_args={"where": True}).fit(DATA))

    def log1p(x):
        return x

    assert "log1p" in refused(FunctionTransformer(log1p).fit(DATA))
    integers = np.array([[3, 4]], dtype=np.int32)
    assert "wraps around" in refused(FunctionTransformer(np.square).fit(integers), example=integers)


def test_not_fitted():
    assert "is not fitted" in refused(StandardScaler(), example=DATA)
    assert "is not fitted" in refused(ColumnTransformer([("s", StandardScaler(), [0])]), example=DATA)


def test_fitted_by_another_version():
    fitted = SimpleImputer().fit(DATA)
    del fitted._fill_dtype
    message = refused(Pipeline([("fill", fitted)]))
    assert message.startswith('step "fill": SimpleImputer has no attribute "_fill_dtype"')


def test_none_and_nan_among_categories():
    data = np.array([["a"], [None], [np.nan]], dtype=object)
    for encoder in (OneHotEncoder(), OrdinalEncoder()):
        message = refused(Pipeline([("encode", encoder)]).fit(data))
        assert message.startswith('step "encode": the categories of input "x0" hold both None and NaN')


def test_integers_beyond_the_exact_ones():
    data = np.array([[2**53 + 1], [1]])
    assert "9007199254740993" in refused(OrdinalEncoder().fit(data))
    assert convert(OrdinalEncoder().fit(np.array([[2**53 - 1], [1]]))).operations


def test_categories_of_other_types():
    assert "bytes" in refused(OrdinalEncoder().fit(np.array([[b"a"], [b"b"]], dtype=object)))


def test_sparse_quantiles():
    data = np.array([["a"], ["b"], ["a"]], dtype=object)
    fitted = make_pipeline(OneHotEncoder(), QuantileTransformer(n_quantiles=2)).fit(data)
    assert "sparse" in refused(fitted)


def test_columns_that_are_read_as_two_types():
    frame = pd.DataFrame({"a": ["x", "y"], "b": [1.0, 2.0]})
    columns = ColumnTransformer([("one", OneHotEncoder(), ["a"])], remainder="passthrough").fit(frame[["a"]])
    assert convert(columns).outputs[0].names == ("one__a_x", "one__a_y")
    passed = ColumnTransformer([("keep", "passthrough", ["a"])]).fit(frame)
    assert 'column "a" is read as a number here but holds text' in refused(passed, example=frame)
    scaled = StandardScaler().fit(frame[["b"]])
    assert 'column "b" is read as a number' in refused(scaled, example=pd.DataFrame({"b": ["1", "2"]}))


def test_examples_that_do_not_fit():
    fitted = StandardScaler().fit(DATA)
    assert "takes 2 columns; the example has 3" in refused(fitted, example=np.ones((2, 3)))
    assert "2 dimensions" in refused(fitted, example=np.ones(3))
    assert 'dtype: expected "float32"' in refused(fitted, dtype="int8")


def test_example_may_hold_anything_in_columns_that_are_not_used():
    frame = pd.DataFrame({"a": [1.0, 2.0], "odd": [[1], {"x": 2}], "complex": [1j, 2j]})
    fitted = ColumnTransformer([("s", StandardScaler(), ["a"])]).fit(frame)
    assert [column.name for column in convert(fitted, frame).columns] == ["a"]
    passed = ColumnTransformer([("p", "passthrough", ["odd"])]).fit(frame)
    assert 'example, column "odd"' in refused(passed, example=frame)


def test_column_as_a_vector():
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    fitted = ColumnTransformer([("log", FunctionTransformer(np.log), ["a"])]).fit(frame)
    fitted.transformers_ = [(name, inner, "a") for name, inner, _ in fitted.transformers_]
    assert "selected as a vector" in refused(fitted)
