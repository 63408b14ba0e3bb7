#pragma once
/// Counters, gauges and histograms for Prometheus, in its text format 0.0.4. Series are made on first use and are known by
/// their metric and labels. Thread: one (the loop's).
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fairlead::metrics {

enum class Type { counter, gauge, histogram };

/// Declared once, where all names of a program stand together.
struct Metric {
  const char* name;  // fairlead_..., with its unit; counters end in _total
  Type type;
  const char* help;
  std::initializer_list<double> buckets{};  // histograms: upper bounds
};

using Labels = std::map<std::string, std::string>;

class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  void set(const Metric& gauge, const Labels& labels, double value);
  void add(const Metric& counter, const Labels& labels, double by = 1);
  void observe(const Metric& histogram, const Labels& labels, double value);
  /// The series is no longer shown: its object is gone.
  void forget(const Metric& gauge, const Labels& labels);
  /// All series of the metric.
  void forget(const Metric& gauge);

  std::string text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The same format for series that are known from elsewhere: written when they are asked for and kept nowhere. The series
/// of one metric are written one after another. Pure.
class Text {
 public:
  using Pairs = std::initializer_list<std::pair<std::string_view, std::string_view>>;
  void series(const Metric& metric, Pairs labels, double value);
  std::string take() && { return std::move(out_); }

 private:
  std::string out_;
  std::string_view last_;  // name of the metric that was written last
};

}  // namespace fairlead::metrics
