#include "controller/ctl/validate_command.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include "controller/ctl/config_reader.h"
#include "proto/runtime/folder_manifest.h"

namespace fairlead::ctl {
namespace {

namespace fs = std::filesystem;
using api::Severity;
using runtime::Json;

constexpr std::uintmax_t kMostBytes = 64 << 20;

/// By the name; of a file whose name does not say, by the first character: YAML documents rarely begin with a bracket.
runtime::Format format_of(const std::string& path, std::string_view text) {
  if (const auto format = runtime::format_of(path)) return *format;
  const auto first = text.find_first_not_of(" \t\r\n");
  const bool is_json = first != std::string_view::npos && (text[first] == '{' || text[first] == '[');
  return is_json ? runtime::Format::json : runtime::Format::yaml;
}

std::optional<std::string> read_stream(std::istream& in) {
  std::string text;
  char buffer[65536];
  while (in.read(buffer, sizeof buffer) || in.gcount() > 0) {
    text.append(buffer, static_cast<std::size_t>(in.gcount()));
    if (text.size() > kMostBytes) return std::nullopt;
  }
  if (in.bad()) return std::nullopt;
  return text;
}

class Files {
 public:
  Files(ConfigReader& reader, std::ostream& err) : reader_(reader), err_(err) {}
  bool has_failed() const { return has_failed_; }

  void read(const std::string& path) {
    if (path == "-") return take("standard input", read_stream(std::cin));
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (error) return fail(path, error.message());
    if (fs::is_directory(status)) read_folder(path);
    else read_file(path);
  }

 private:
  void read_folder(const std::string& folder) {
    std::error_code error;
    std::vector<std::string> found;
    for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
      const std::string name = at->path().filename().string();
      std::error_code ignored;
      if (name.starts_with('.')) at.disable_recursion_pending();
      else if (!at->is_directory(ignored) && runtime::format_of(name)) found.push_back(at->path().string());
    }
    if (error) fail(folder, error.message());
    std::sort(found.begin(), found.end());
    for (const std::string& path : found) {
      // A pipe that somebody left there would be waited for.
      const fs::file_type type = fs::status(path, error).type();
      if (type == fs::file_type::regular || type == fs::file_type::not_found) read_file(path);
      else fail(path, "is no regular file");
    }
  }

  void read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) return fail(path, "cannot be opened");
    take(path, read_stream(in));
  }

  void take(const std::string& path, std::optional<std::string> text) {
    if (!text) return fail(path, "cannot be read, or is larger than 64 MiB");
    const runtime::Format format = format_of(path, *text);
    reader_.read(path, *std::move(text), format);
  }

  void fail(const std::string& path, const std::string& what) {
    err_ << "fairleadctl: " << path << ": " << what << "\n";
    has_failed_ = true;
  }

  ConfigReader& reader_;
  std::ostream& err_;
  bool has_failed_ = false;
};

Json to_json(const Finding& f) {
  return {{"object", f.object()},
          {"kind", f.kind},
          {"namespace", f.name.ns},
          {"name", f.name.name},
          {"field", f.field},
          {"rule", api::name(f.rule)},
          {"reason", f.reason},
          {"severity", api::name(f.severity)},
          {"file", f.file},
          {"line", f.line},
          {"related", f.related},
          {"message", f.str()}};
}

void print_json(const Report& report, std::ostream& out) {
  Json all{{"faults", Json::array()}, {"warnings", Json::array()}};
  for (const Finding& f : report.findings) all[f.severity == Severity::warning ? "warnings" : "faults"].push_back(to_json(f));
  out << all.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

}  // namespace

int run_validate(const ValidateFlags& flags, std::ostream& out, std::ostream& err) {
  ConfigReader reader(flags.rules, flags.ns);
  Files files(reader, err);
  for (const std::string& path : flags.paths) files.read(path);
  const Report report = std::move(reader).finish();
  if (flags.is_json) {
    print_json(report, out);
  } else {
    for (const Finding& f : report.findings) out << f.str() << "\n";
  }
  if (!out.flush()) {
    err << "fairleadctl: the output cannot be written\n";
    return kUnreadable;
  }
  if (files.has_failed()) return kUnreadable;
  const auto is_fault = [](const Finding& f) { return f.severity != Severity::warning; };
  return std::any_of(report.findings.begin(), report.findings.end(), is_fault) ? kFaults : kNoFault;
}

}  // namespace fairlead::ctl
