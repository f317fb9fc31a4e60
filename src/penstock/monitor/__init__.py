"""Monitoring: what data look like, and what moved. Read first: profile.py, then baseline.py."""

from penstock.monitor.baseline import Baseline
from penstock.monitor.profile import FeatureProfile, Profile
from penstock.monitor.profiler import Profiler

__all__ = ["Baseline", "FeatureProfile", "Profile", "Profiler"]
