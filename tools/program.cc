#include "tools/program.h"

#include <errno.h>
#include <sys/stat.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "tools/units.h"

namespace sockbed::tools {
namespace {

absl::StatusOr<int64_t> ParseInRange(const std::string& text, int64_t min, int64_t max,
                                     absl::string_view what) {
  const absl::StatusOr<int64_t> value = ParseInteger(text);
  if (value.ok() && *value >= min && *value <= max) return value;
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is no ", what, ": a whole number from ", min, " to ", max));
}

absl::StatusOr<int64_t> ParseFlag(const std::string& text) {
  if (text == "true") return 1;
  if (text == "false") return 0;
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is neither true nor false"));
}

absl::StatusOr<int64_t> ParseNumber(const ArgInfo& arg, const std::string& text) {
  switch (arg.type) {
    case ArgType::kCount: return ParseInRange(text, 1, 1'000'000'000, "count");
    case ArgType::kNumber: return ParseInRange(text, 0, 1'000'000'000, "number");
    case ArgType::kPort: return ParseInRange(text, 1, 65535, "port");
    case ArgType::kSize: return ParseSize(text);
    case ArgType::kDuration: return ParseDuration(text);
    case ArgType::kFlag: return ParseFlag(text);
    case ArgType::kText:
    case ArgType::kHost:
    case ArgType::kFile: break;
  }
  return absl::InternalError("no number");
}

}  // namespace

absl::StatusOr<std::string> ReadRealFile(const std::string& path) {
  const auto failed = [&] {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path));
  };
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return failed();
  if (S_ISDIR(info.st_mode)) {
    errno = EISDIR;
    return failed();
  }
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return failed();
  std::string contents;
  contents.reserve(static_cast<size_t>(info.st_size));
  char buffer[1 << 16];
  size_t n = 0;
  while ((n = std::fread(buffer, 1, sizeof(buffer), file)) > 0) contents.append(buffer, n);
  const bool error = std::ferror(file) != 0;
  std::fclose(file);
  if (error) return failed();
  return contents;
}

absl::Status ProgramArgs::Set(const ArgInfo& arg, const std::string& text) {
  texts_[arg.name] = text;
  switch (arg.type) {
    case ArgType::kText:
    case ArgType::kHost: return absl::OkStatus();
    case ArgType::kFile: {
      absl::StatusOr<std::string> contents = ReadRealFile(text);
      if (!contents.ok()) return contents.status();
      files_[arg.name] = std::make_shared<const std::string>(*std::move(contents));
      return absl::OkStatus();
    }
    default: break;
  }
  const absl::StatusOr<int64_t> number = ParseNumber(arg, text);
  if (!number.ok()) return number.status();
  numbers_[arg.name] = *number;
  return absl::OkStatus();
}

}  // namespace sockbed::tools
