#include "tools/dns_zone.h"

#include <arpa/inet.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sockbed::tools {
namespace {

constexpr int kCnamesMax = 8;
constexpr uint32_t kDefaultTtl = 3600;

struct Word {
  std::string text;
  size_t column;  // from 1
};

std::vector<Word> WordsOf(absl::string_view line) {
  line = line.substr(0, line.find(';'));
  std::vector<Word> words;
  for (size_t i = 0; i < line.size();) {
    if (absl::ascii_isspace(static_cast<unsigned char>(line[i]))) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < line.size() && !absl::ascii_isspace(static_cast<unsigned char>(line[end]))) ++end;
    words.push_back({std::string(line.substr(i, end - i)), i + 1});
    i = end;
  }
  return words;
}

std::optional<DnsType> TypeNamed(const std::string& text) {
  if (absl::EqualsIgnoreCase(text, "A")) return DnsType::kA;
  if (absl::EqualsIgnoreCase(text, "AAAA")) return DnsType::kAaaa;
  if (absl::EqualsIgnoreCase(text, "CNAME")) return DnsType::kCname;
  if (absl::EqualsIgnoreCase(text, "PTR")) return DnsType::kPtr;
  return std::nullopt;
}

class Parser {
 public:
  explicit Parser(const std::string& path) : path_(path) {}

  absl::Status Line(absl::string_view line) {
    ++line_;
    std::vector<Word> words = WordsOf(line);
    if (words.empty()) return absl::OkStatus();
    if (words[0].text[0] == '$') return Directive(words);
    if (!absl::ascii_isspace(static_cast<unsigned char>(line[0]))) {
      owner_ = FullName(words[0].text);
      words.erase(words.begin());
    }
    return Record(words, line.size());
  }

  DnsZone Take() { return std::move(zone_); }

 private:
  absl::Status Fail(size_t column, absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ":", line_, ":", column, ": ", what));
  }

  // Without the last dot; a name without one is relative to $ORIGIN.
  std::string FullName(const std::string& text) const {
    if (text == "@") return origin_;
    if (text.back() == '.') return text.substr(0, text.size() - 1);
    return origin_.empty() ? text : absl::StrCat(text, ".", origin_);
  }

  absl::Status Directive(const std::vector<Word>& words) {
    if (words.size() != 2) return Fail(words[0].column, "a directive takes one value");
    if (words[0].text == "$ORIGIN") {
      origin_ = FullName(words[1].text);
    } else if (words[0].text != "$TTL") {
      return Fail(words[0].column, "unknown directive; there are $ORIGIN and $TTL");
    } else if (!absl::SimpleAtoi(words[1].text, &ttl_)) {
      return Fail(words[1].column, "a TTL is a number of seconds");
    }
    return absl::OkStatus();
  }

  // [ttl] [IN] type data, behind the owner's name.
  absl::Status Record(const std::vector<Word>& words, size_t line_size) {
    DnsRecord record{.name = owner_, .ttl = ttl_};
    size_t i = 0;
    if (uint32_t ttl; i < words.size() && absl::SimpleAtoi(words[i].text, &ttl)) {
      record.ttl = ttl;
      ++i;
    }
    if (i < words.size() && absl::EqualsIgnoreCase(words[i].text, "IN")) ++i;
    if (owner_.empty()) return Fail(1, "a record needs a name before it");
    if (words.size() != i + 2) {
      return Fail(i < words.size() ? words[i].column : line_size + 1,
                  "a record is: name [ttl] [IN] type value");
    }
    const std::optional<DnsType> type = TypeNamed(words[i].text);
    if (!type) return Fail(words[i].column, "unknown type; there are A, AAAA, CNAME and PTR");
    record.type = *type;
    const Word& value = words[i + 1];
    if (*type == DnsType::kCname || *type == DnsType::kPtr) {
      record.data = FullName(value.text);
    } else {
      const bool v4 = *type == DnsType::kA;
      record.data.resize(v4 ? 4 : 16);
      if (inet_pton(v4 ? AF_INET : AF_INET6, value.text.c_str(), record.data.data()) != 1) {
        return Fail(value.column, v4 ? "no IPv4 address" : "no IPv6 address");
      }
    }
    zone_.records.push_back(std::move(record));
    return absl::OkStatus();
  }

  const std::string path_;
  int line_ = 0;
  std::string origin_;
  std::string owner_;
  uint32_t ttl_ = kDefaultTtl;
  DnsZone zone_;
};

}  // namespace

DnsMessage DnsZone::Answer(const DnsMessage& query) const {
  DnsMessage answer = query;
  answer.response = answer.authoritative = true;
  answer.truncated = false;
  answer.answers.clear();
  constexpr DnsType kTypes[] = {DnsType::kA, DnsType::kAaaa, DnsType::kCname, DnsType::kPtr};
  const auto type = static_cast<DnsType>(query.type);
  if (std::ranges::find(kTypes, type) == std::end(kTypes)) {
    answer.code = DnsCode::kNotImp;
    return answer;
  }
  std::string name = query.question;
  for (int hops = 0; hops < kCnamesMax; ++hops) {
    const DnsRecord* alias = nullptr;
    bool known = false;
    for (const DnsRecord& record : records) {
      if (!SameDnsName(record.name, name)) continue;
      known = true;
      if (record.type == type) answer.answers.push_back(record);
      if (record.type == DnsType::kCname) alias = &record;
    }
    // The name asked for must exist; what an alias means may stand elsewhere.
    if (!known && hops == 0) answer.code = DnsCode::kNxDomain;
    if (alias == nullptr || type == DnsType::kCname) break;
    answer.answers.push_back(*alias);
    name = alias->data;
  }
  return answer;
}

absl::StatusOr<DnsZone> ParseDnsZone(const std::string& path, const std::string& text) {
  Parser parser(path);
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (const absl::Status status = parser.Line(line); !status.ok()) return status;
  }
  return parser.Take();
}

}  // namespace sockbed::tools
