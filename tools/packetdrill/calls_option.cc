// getsockopt and setsockopt: values as integers, structures or bytes.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstring>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/packetdrill/calls.h"
#include "tools/packetdrill/option_bytes.h"
#include "uapi/uapi.h"

namespace sockbed::packetdrill {
namespace {

constexpr size_t kValueMax = 4096;

// The bytes of a value, and for each whether the script says anything of it ("..." does not).
struct OptionValue {
  std::vector<uint8_t> bytes;
  std::vector<bool> said;
  bool open = false;  // more may follow

  void Add(const void* data, size_t size, bool is_said = true) {
    const auto* const p = static_cast<const uint8_t*>(data);
    bytes.insert(bytes.end(), p, p + size);
    said.insert(said.end(), size, is_said);
  }
  void AddInt(int value, bool is_said = true) { Add(&value, sizeof value, is_said); }
};

// An integer; of a structure's field that is not there: null.
absl::Status AddIntOf(const Expr* field, bool get, OptionValue* value) {
  if (field == nullptr) return CallError("the structure needs more fields");
  std::optional<int> number;
  absl::Status status = ReadOpenInt(*field, get, &number);
  if (status.ok()) value->AddInt(number.value_or(0), number.has_value());
  return status;
}

absl::Status AddTextOf(const Expr* field, size_t size, bool get, OptionValue* value) {
  std::vector<char> text(size);
  const bool said = !get || field == nullptr || field->kind != Expr::Kind::kEllipsis;
  if (field != nullptr && said) {
    if (field->kind != Expr::Kind::kString || field->text.size() >= size) {
      return CallError(absl::StrCat("field ", field->field, " takes a string below ", size,
                                    " bytes"));
    }
    std::copy(field->text.begin(), field->text.end(), text.begin());
  }
  value->Add(text.data(), size, said);
  return absl::OkStatus();
}

// "{tv_sec=1, tv_usec=500000}": of longs.
absl::Status AddTimeval(const std::vector<const Expr*>& fields, bool get, OptionValue* value) {
  for (const Expr* field : fields) {
    if (field == nullptr) return CallError("the structure needs tv_sec and tv_usec");
    const bool said = !get || field->kind != Expr::Kind::kEllipsis;
    const absl::StatusOr<int64_t> part = said ? ValueOf(*field) : int64_t{0};
    if (!part.ok()) return part.status();
    value->Add(&*part, sizeof *part, said);
  }
  static_assert(sizeof(timeval) == 2 * sizeof(int64_t));
  return absl::OkStatus();
}

// A structure, told apart by the name of its first field.
absl::Status ReadStruct(const Expr& structure, bool get, OptionValue* value) {
  const std::string first = structure.parts.empty() ? "" : structure.parts[0].field;
  std::vector<const Expr*> fields;
  const auto ints = [&](std::initializer_list<const char*> names) {
    absl::Status status = FieldsOf(structure, names, &fields);
    for (size_t i = 0; i < names.size() && status.ok(); ++i) {
      status = AddIntOf(fields[i], get, value);
    }
    return status;
  };
  if (first == "onoff") return ints({"onoff", "linger"});
  if (first == "function_set_name") {
    absl::Status s = FieldsOf(structure, {"function_set_name", "pcbcnt"}, &fields);
    if (s.ok()) s = AddTextOf(fields[0], 32, get, value);
    return s.ok() ? AddIntOf(fields[1], get, value) : s;
  }
  if (first == "af_name") {
    absl::Status s = FieldsOf(structure, {"af_name", "af_arg"}, &fields);
    if (s.ok()) s = AddTextOf(fields[0], 16, get, value);
    return s.ok() ? AddTextOf(fields[1], 240, get, value) : s;
  }
  if (first == "tv_sec") {
    absl::Status s = FieldsOf(structure, {"tv_sec", "tv_usec"}, &fields);
    return s.ok() ? AddTimeval(fields, get, value) : s;
  }
  if (first == "trr_flags") return ints({"trr_flags", "trr_code", "trr_pen"});
  if (first == "enable") {
    absl::Status s = FieldsOf(structure, {"enable", "psk"}, &fields);
    if (s.ok()) s = AddIntOf(fields[0], get, value);
    if (!s.ok()) return s;
    const Expr* const key = fields[1];
    if (key == nullptr || key->text.size() != 32) return CallError("psk takes 16 bytes");
    const std::vector<uint8_t> bytes = FromHex(key->text);
    value->Add(bytes.data(), bytes.size());
    return absl::OkStatus();
  }
  return CallError(absl::StrCat("a structure that this runner does not know: '", first, "'"));
}

absl::Status ReadValue(const Expr& expr, bool get, OptionValue* value) {
  switch (expr.kind) {
    case Expr::Kind::kArray: {
      if (expr.parts.size() != 1) return CallError("Bad type; expected: list of one integer");
      return AddIntOf(&expr.parts[0], get, value);
    }
    case Expr::Kind::kString:
      value->Add(expr.text.data(), expr.text.size());
      value->open = expr.open;
      return absl::OkStatus();
    case Expr::Kind::kStruct: return ReadStruct(expr, get, value);
    case Expr::Kind::kFunction: {
      const bool v4 = expr.text == "inet_addr";
      const std::string address = expr.parts.size() == 1 ? expr.parts[0].text : "";
      uint8_t bytes[sizeof(in6_addr)];
      if ((!v4 && expr.text != "inet6_addr") ||
          inet_pton(v4 ? AF_INET : AF_INET6, address.c_str(), bytes) != 1) {
        return CallError(absl::StrCat("no address: ", expr.text, "(\"", address, "\")"));
      }
      value->Add(bytes, v4 ? sizeof(in_addr) : sizeof(in6_addr));
      return absl::OkStatus();
    }
    default: return CallError("Bad type; expected: list, string or struct");
  }
}

absl::Status Names(const Call& call, int* level, int* name) {
  const absl::StatusOr<int> l = IntOf(call.arguments[1]);
  if (!l.ok()) return l.status();
  const absl::StatusOr<int> n = IntOf(call.arguments[2]);
  if (!n.ok()) return n.status();
  *level = *l;
  *name = *n;
  return absl::OkStatus();
}

std::string Shown(const std::vector<uint8_t>& bytes) {
  int number;
  if (bytes.size() != sizeof number) return ToHex(bytes);
  std::memcpy(&number, bytes.data(), sizeof number);
  return absl::StrCat(number);
}

absl::Status Compare(const OptionValue& expected, const std::vector<uint8_t>& actual) {
  bool same = actual.size() == expected.bytes.size() ||
              (expected.open && actual.size() > expected.bytes.size());
  for (size_t i = 0; same && i < expected.bytes.size(); ++i) {
    same = !expected.said[i] || expected.bytes[i] == actual[i];
  }
  if (same) return absl::OkStatus();
  return CallError(absl::StrCat("Bad getsockopt value: expected: ", Shown(expected.bytes),
                                " actual: ", Shown(actual)));
}

}  // namespace

absl::Status Calls::GetOption(const Call& call, PendingCall* pending) {
  int fd, level, name;
  if (absl::Status status = Live(call.arguments[0], &fd); !status.ok()) return status;
  if (absl::Status status = Names(call, &level, &name); !status.ok()) return status;
  OptionValue expected;
  const bool any = call.arguments[3].kind == Expr::Kind::kEllipsis;
  if (!any) {
    if (absl::Status s = ReadValue(call.arguments[3], true, &expected); !s.ok()) return s;
  }
  const Expr& length_list = call.arguments[4];
  std::optional<int64_t> length;
  if (length_list.kind == Expr::Kind::kArray && length_list.parts.size() == 1) {
    if (length_list.parts[0].kind != Expr::Kind::kEllipsis) {
      const absl::StatusOr<int64_t> given = ValueOf(length_list.parts[0]);
      if (!given.ok()) return given.status();
      length = *given;
    }
  } else if (absl::Status status = NeedEllipsis(length_list); !status.ok()) {
    return status;
  }
  if (length.value_or(0) < 0 || length.value_or(0) > static_cast<int64_t>(kValueMax)) {
    return CallError("a length beyond all measure");
  }
  auto actual = std::make_shared<std::vector<uint8_t>>(kValueMax);
  const auto room = static_cast<socklen_t>(length ? *length : static_cast<int64_t>(kValueMax));
  pending->body = [=] {
    socklen_t size = room;
    const int result = uapi::getsockopt(fd, level, name, actual->data(), &size);
    actual->resize(size);
    return int64_t{result};
  };
  pending->output = [actual, expected, any, length] {
    if (length && static_cast<int64_t>(actual->size()) != *length) {
      return CallError(
          absl::StrCat("Bad getsockopt length: expected: ", *length, " actual: ", actual->size()));
    }
    return any ? absl::OkStatus() : Compare(expected, *actual);
  };
  return absl::OkStatus();
}

absl::Status Calls::SetOption(const Call& call, PendingCall* pending) {
  int fd, level, name;
  if (absl::Status status = Live(call.arguments[0], &fd); !status.ok()) return status;
  if (absl::Status status = Names(call, &level, &name); !status.ok()) return status;
  OptionValue value;
  const Expr& given = call.arguments[3];
  const bool null = IsNull(given);
  if (!null) {
    if (absl::Status s = ReadValue(given, false, &value); !s.ok()) return s;
  }
  auto length = static_cast<socklen_t>(value.bytes.size());
  if (call.arguments[4].kind != Expr::Kind::kEllipsis) {
    const absl::StatusOr<int64_t> said = ValueOf(call.arguments[4]);
    if (!said.ok()) return said.status();
    if (*said < 0 || *said > static_cast<int64_t>(kValueMax)) {
      return CallError("a length beyond all measure");
    }
    length = static_cast<socklen_t>(*said);
  }
  value.bytes.resize(std::max<size_t>(value.bytes.size(), length));
  pending->body = [fd, level, name, null, length, bytes = value.bytes] {
    const void* const data = null ? nullptr : bytes.data();
    return int64_t{uapi::setsockopt(fd, level, name, data, length)};
  };
  return absl::OkStatus();
}

}  // namespace sockbed::packetdrill
