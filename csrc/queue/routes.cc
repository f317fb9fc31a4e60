#include "queue/routes.h"

namespace penstock {
namespace {

std::string quoted_model(std::string_view model) { return "model \"" + std::string(model) + '"'; }

// A version as clients write it: a positive decimal of at most nine digits, no leading zero. 0 when it is
// not.
int64_t parse_version(std::string_view text) {
  if (text.empty() || text.size() > 9 || text[0] == '0') return 0;
  int64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return 0;
    value = value * 10 + (c - '0');
  }
  return value;
}

Status not_ready(std::string what, const std::string& reason) {
  return {
      Code::kUnavailable, std::move(what) + " is not ready: " + (reason.empty() ? "not loaded" : reason), {}};
}

}  // namespace

Status RouteReader::find(std::string_view model, std::string_view version,
                         std::shared_ptr<Target> const** target) const {
  const auto route = table_->find(model);
  if (route == table_->end()) {
    return {Code::kNotFound, quoted_model(model) + " is not in the repository", {}};
  }
  if (version.empty()) {
    if (route->second.active == nullptr) return not_ready(quoted_model(model), route->second.reason);
    *target = &route->second.active;
    return {};
  }
  const auto found = route->second.versions.find(parse_version(version));
  if (found == route->second.versions.end()) {
    return {Code::kNotFound, quoted_model(model) + " has no version \"" + std::string(version) + '"', {}};
  }
  if (found->second.target == nullptr) {
    return not_ready(quoted_model(model) + " version " + std::string(version), found->second.reason);
  }
  *target = &found->second.target;
  return {};
}

Status RouteReader::resolve(std::string_view model, std::string_view version, TargetHold* hold) {
  if (generation_ != routes_->generation()) refresh();
  for (int attempt = 0; attempt < 3; ++attempt) {
    std::shared_ptr<Target> const* target = nullptr;
    if (Status status = find(model, version, &target); !status.ok()) return status;
    *hold = TargetHold::of(*target);
    if (*hold) return {};
    // Retired between the look-up and the hold: a newer table was published before that.
    refresh();
  }
  return not_ready(quoted_model(model), "swapping versions");
}

}  // namespace penstock
