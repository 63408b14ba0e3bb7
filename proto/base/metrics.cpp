#include "proto/base/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <cmath>
#include <cstdio>

#include "proto/base/check.h"

namespace fairlead::metrics {
namespace {

/// A family and the series made of it. T is one of the library's metrics.
template <class T>
struct Series {
  prometheus::Family<T>* family = nullptr;
  std::map<Labels, T*> by_labels;
};

template <class T>
using ByName = std::map<std::string, Series<T>, std::less<>>;

template <class T>
void forget_one(ByName<T>& all, const char* name, const Labels& labels) {
  const auto found = all.find(std::string_view(name));
  if (found == all.end()) return;
  const auto one = found->second.by_labels.find(labels);
  if (one == found->second.by_labels.end()) return;
  found->second.family->Remove(one->second);
  found->second.by_labels.erase(one);
}

}  // namespace

struct Registry::State {
  prometheus::Registry registry;
  ByName<prometheus::Counter> counters;
  ByName<prometheus::Gauge> gauges;
  ByName<prometheus::Histogram> histograms;

  template <class T, class Build, class... Arguments>
  T& series(ByName<T>& all, const Build& build, const Metric& metric, const Labels& labels, Arguments... arguments) {
    Series<T>& s = all[metric.name];
    if (s.family == nullptr) s.family = &build().Name(metric.name).Help(metric.help).Register(registry);
    T*& one = s.by_labels[labels];
    if (one == nullptr) one = &s.family->Add(labels, arguments...);
    return *one;
  }
};

Registry::Registry() : state_(std::make_unique<State>()) {}
Registry::~Registry() = default;

void Registry::set(const Metric& gauge, const Labels& labels, double value) {
  FL_CHECK(gauge.type == Type::gauge, "only gauges are set");
  state_->series(state_->gauges, prometheus::BuildGauge, gauge, labels).Set(value);
}

void Registry::add(const Metric& counter, const Labels& labels, double by) {
  FL_CHECK(counter.type == Type::counter, "only counters are added to");
  state_->series(state_->counters, prometheus::BuildCounter, counter, labels).Increment(by);
}

void Registry::observe(const Metric& histogram, const Labels& labels, double value) {
  FL_CHECK(histogram.type == Type::histogram, "only histograms observe");
  const prometheus::Histogram::BucketBoundaries bounds(histogram.buckets);
  state_->series(state_->histograms, prometheus::BuildHistogram, histogram, labels, bounds).Observe(value);
}

void Registry::forget(const Metric& gauge, const Labels& labels) { forget_one(state_->gauges, gauge.name, labels); }

void Registry::forget(const Metric& gauge) {
  const auto found = state_->gauges.find(std::string_view(gauge.name));
  if (found == state_->gauges.end()) return;
  for (const auto& [labels, one] : found->second.by_labels) found->second.family->Remove(one);
  found->second.by_labels.clear();
}

namespace {

void escape(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
}

}  // namespace

void Text::series(const Metric& metric, Pairs labels, double value) {
  FL_CHECK(metric.type != Type::histogram, "a histogram is several series: use a Registry");
  if (last_ != metric.name) {
    last_ = metric.name;
    out_.append("# HELP ").append(metric.name).append(" ").append(metric.help).append("\n# TYPE ").append(metric.name);
    out_.append(metric.type == Type::gauge ? " gauge\n" : " counter\n");
  }
  out_ += metric.name;
  char between = '{';
  for (const auto& [key, text] : labels) {
    out_ += between;
    out_.append(key).append("=\"");
    escape(out_, text);
    out_ += '"';
    between = ',';
  }
  if (between == ',') out_ += '}';
  char number[32];
  const bool is_whole = value == std::floor(value) && std::abs(value) < 1e15;
  std::snprintf(number, sizeof number, is_whole ? " %.0f\n" : " %.17g\n", value);
  out_ += number;
}

std::string Registry::text() const { return prometheus::TextSerializer().Serialize(state_->registry.Collect()); }

}  // namespace fairlead::metrics
