/// Lines of fields: the text is parsed again, and every value's path followed.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <map>
#include <span>

#include "proto/runtime/yaml.h"
#include "proto/runtime/yaml_common.h"

namespace fairlead::runtime {
namespace {

/// A field looked for in a document, and what was found so far.
struct Target {
  std::string path;
  std::size_t wanted = 0;  // whose it is
  std::size_t best = 0;    // length of the longest path that leads there
  int line = 1;
};

/// Follows the path of every value and keeps, for each field looked for, the line of the longest one that leads there.
/// `targets` are sorted by path, so that those that a value leads to stand together.
class Locator final : public YAML::EventHandler {
 public:
  explicit Locator(std::span<Target> targets) : targets_(targets) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    for (Target& target : targets_) target.line = line_of_mark(mark);
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { scalar(mark, ""); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { scalar(mark, ""); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t, const std::string& value) override {
    scalar(mark, value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    push(mark, false);
  }
  void OnSequenceEnd() override { pop(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    push(mark, true);
  }
  void OnMapEnd() override { pop(); }

 private:
  struct Frame {
    bool is_map = false;
    bool has_key = false;
    std::size_t index = 0;
    std::size_t path_length = 0;  // of the container itself
  };

  /// The value that begins now is at path_.
  void visit(const YAML::Mark& mark, bool is_key) {
    // Of a member the line of its key counts, not that of its value, which may be the next line.
    if (!path_.empty() && (is_key || !in_map())) {
      const auto is_before = [](const Target& target, const std::string& path) { return target.path < path; };
      auto at = std::lower_bound(targets_.begin(), targets_.end(), path_, is_before);
      for (; at != targets_.end() && at->path.starts_with(path_); ++at) {
        const char next = at->path.size() == path_.size() ? '.' : at->path[path_.size()];
        if ((next != '.' && next != '[') || path_.size() <= at->best) continue;
        at->best = path_.size();
        at->line = line_of_mark(mark);
      }
    }
    if (!has_start_ && !is_key) {
      has_start_ = true;
      for (Target& target : targets_) {
        if (target.best == 0) target.line = line_of_mark(mark);
      }
    }
  }
  bool in_map() const { return !frames_.empty() && frames_.back().is_map; }
  void enter_item() {
    if (frames_.empty() || frames_.back().is_map) return;
    path_.resize(frames_.back().path_length);
    path_ += "[" + std::to_string(frames_.back().index++) + "]";
  }
  void leave_value() {
    if (in_map()) frames_.back().has_key = false;
  }
  void scalar(const YAML::Mark& mark, const std::string& value) {
    if (in_map() && !frames_.back().has_key) {
      path_.resize(frames_.back().path_length);
      if (!path_.empty()) path_ += '.';
      path_ += value;
      frames_.back().has_key = true;
      visit(mark, true);
      return;
    }
    enter_item();
    visit(mark, false);
    leave_value();
  }
  void push(const YAML::Mark& mark, bool is_map) {
    enter_item();
    visit(mark, false);
    if (frames_.size() > kMaxDepth) throw Refused{1, "too deep"};
    frames_.push_back({is_map, false, 0, path_.size()});
  }
  void pop() {
    path_.resize(frames_.back().path_length);
    frames_.pop_back();
    leave_value();
  }

  std::span<Target> targets_;
  std::string path_;
  std::vector<Frame> frames_;
  bool has_start_ = false;
};

}  // namespace

std::vector<int> lines_of(std::string_view text, const std::vector<Spot>& spots) {
  std::map<std::size_t, std::vector<Target>> by_document;
  for (std::size_t i = 0; i < spots.size(); ++i) {
    std::string path = spots[i].place.prefix;
    if (!path.empty() && !spots[i].field.empty() && spots[i].field[0] != '[') path += '.';
    by_document[spots[i].place.document].push_back({path + spots[i].field, i, 0, 1});
  }
  std::vector<int> out(spots.size(), 1);
  ViewBuffer buffer(text);
  std::istream stream(&buffer);
  try {
    YAML::Parser parser(stream);  // JSON is YAML, so this serves both
    std::size_t document = 0;
    for (auto& [wanted, targets] : by_document) {
      std::sort(targets.begin(), targets.end(), [](const Target& a, const Target& b) { return a.path < b.path; });
      bool has_more = true;
      for (; has_more && document <= wanted; ++document) {
        Locator locator(document == wanted ? std::span<Target>(targets) : std::span<Target>());
        has_more = parser.HandleNextDocument(locator);
      }
      if (!has_more) break;
      for (const Target& target : targets) out[target.wanted] = target.line;
    }
  } catch (const Refused&) {
    return out;
  } catch (const YAML::Exception&) {
    return out;
  }
  return out;
}

int line_of(std::string_view text, const Place& place, std::string_view field) {
  return lines_of(text, {{place, std::string(field)}}).front();
}

}  // namespace fairlead::runtime
