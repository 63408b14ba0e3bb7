#pragma once
/// Values from yaml-cpp's events, bounded. Internal to yaml.cpp.
#include <yaml-cpp/eventhandler.h>

#include <string>
#include <utility>
#include <vector>

#include "proto/runtime/yaml_common.h"
#include "proto/runtime/yaml_scalar.h"

namespace fairlead::runtime {

/// One for a whole file: the budget is the file's.
class Builder final : public YAML::EventHandler {
 public:
  Json take() { return std::exchange(root_, nullptr); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    // yaml-cpp does not get past a ',' outside of brackets: it finds an empty document there, again and again.
    if (mark.pos == document_at_) throw Refused{line_of_mark(mark), "a ',' stands outside of brackets: remove it, or put the text in quotes"};
    document_at_ = mark.pos;
    root_ = nullptr;
    frames_.clear();
    anchors_.clear();
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (wants_key()) throw Refused{line_of_mark(mark), "a key is empty: write a name before the colon"};
    add(mark, anchor, nullptr, charge(mark, 0));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const std::size_t cost = charge(mark, value.size());
    const bool is_plain = tag == "?";
    if (wants_key()) {
      begin_member(mark, value, is_plain);
      remember(mark, anchor, value, cost);
      return;
    }
    const bool is_text = tag == "!" || tag == "tag:yaml.org,2002:str" || tag == "tag:yaml.org,2002:binary";
    add(mark, anchor, is_text ? Json(value) : resolve_scalar(value), cost);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (wants_key()) throw Refused{line_of_mark(mark), "an alias cannot be a key: write the key itself"};
    if (anchor >= anchors_.size() || anchors_[anchor].cost == 0) {
      throw Refused{line_of_mark(mark), "an alias stands inside of what it refers to: remove it"};
    }
    const Anchor& found = anchors_[anchor];
    spend(mark, found.cost);
    add(mark, 0, found.value, found.cost);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    push(mark, anchor, Json::array());
  }
  void OnSequenceEnd() override { pop(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    push(mark, anchor, Json::object());
  }
  void OnMapEnd() override { pop(); }

 private:
  struct Frame {
    Json value;
    YAML::Mark mark;
    YAML::anchor_t anchor = 0;
    bool has_key = false;
    bool is_merge = false;  // the key is "<<"
    std::string key;
    std::vector<Json> merges;
  };
  struct Anchor {
    Json value;
    std::size_t cost = 0;  // 0: not complete
  };

  bool wants_key() const { return !frames_.empty() && frames_.back().value.is_object() && !frames_.back().has_key; }

  void spend(const YAML::Mark& mark, std::size_t cost) {
    spent_ += cost;
    if (spent_ > kMaxNodes) {
      throw Refused{line_of_mark(mark), "more than " + std::to_string(kMaxNodes) + " values, aliases counted: split the file"};
    }
  }
  /// Long strings count for more than one, or an alias to one would be a cheap way to much memory.
  std::size_t charge(const YAML::Mark& mark, std::size_t bytes) {
    const std::size_t cost = 1 + bytes / 64;
    // What stands in the file is bounded by its size; so only one for each value is charged here, all of it for aliases.
    spend(mark, 1);
    return cost;
  }
  void begin_member(const YAML::Mark& mark, const std::string& key, bool is_plain) {
    Frame& top = frames_.back();
    top.is_merge = is_plain && key == "<<";
    if (!top.is_merge && top.value.contains(key)) {
      throw Refused{line_of_mark(mark), "key \"" + key + "\" is there twice: remove one of the two"};
    }
    top.key = key;
    top.has_key = true;
    if (!top.is_merge) top.value[key] = nullptr;  // taken, also when the next key is the same
  }
  /// The copy that an anchor keeps is paid for too: anchors nest.
  void remember(const YAML::Mark& mark, YAML::anchor_t anchor, const Json& value, std::size_t cost) {
    if (anchor == 0) return;
    spend(mark, cost);
    if (anchors_.size() <= anchor) anchors_.resize(anchor + 1);
    anchors_[anchor] = {value, cost};
  }
  void add(const YAML::Mark& mark, YAML::anchor_t anchor, Json value, std::size_t cost) {
    remember(mark, anchor, value, cost);
    if (frames_.empty()) {
      root_ = std::move(value);
      return;
    }
    Frame& top = frames_.back();
    if (top.value.is_array()) {
      top.value.push_back(std::move(value));
      return;
    }
    top.has_key = false;
    if (top.is_merge) {
      if (!value.is_object() && !value.is_array()) throw Refused{line_of_mark(mark), "\"<<\" needs an object to merge"};
      if (value.is_array()) top.merges.insert(top.merges.end(), value.begin(), value.end());
      else top.merges.push_back(std::move(value));
      return;
    }
    top.value[top.key] = std::move(value);
  }
  void push(const YAML::Mark& mark, YAML::anchor_t anchor, Json value) {
    if (wants_key()) throw Refused{line_of_mark(mark), "a key is a list or an object: write a plain name"};
    if (frames_.size() >= kMaxDepth) {
      throw Refused{line_of_mark(mark), "more than " + std::to_string(kMaxDepth) + " levels deep"};
    }
    Frame frame;
    frame.value = std::move(value);
    frame.mark = mark;
    frame.anchor = anchor;
    spend(mark, 1);
    frames_.push_back(std::move(frame));
  }
  void pop() {
    Frame done = std::move(frames_.back());
    frames_.pop_back();
    for (const Json& merge : done.merges) {
      if (!merge.is_object()) throw Refused{line_of_mark(done.mark), "\"<<\" needs objects to merge"};
      for (const auto& [key, value] : merge.items()) {
        if (!done.value.contains(key)) done.value[key] = value;
      }
    }
    const std::size_t cost = done.anchor == 0 ? 1 : weight_of(done.value);  // asked for by remember() only
    add(done.mark, done.anchor, std::move(done.value), cost);
  }
  static std::size_t weight_of(const Json& value) {
    if (value.is_string()) return 1 + value.get_ref<const std::string&>().size() / 64;
    std::size_t sum = 1;
    if (value.is_structured()) {
      for (const Json& child : value) sum += weight_of(child);
    }
    return sum;
  }

  Json root_;
  std::vector<Frame> frames_;
  std::vector<Anchor> anchors_;
  std::size_t spent_ = 0;
  int document_at_ = -1;  // where the one that is being read begins
};

}  // namespace fairlead::runtime
