// How records read: the directives of EventType::format.
#include <arpa/inet.h>

#include <cstring>
#include <optional>
#include <utility>

#include "kernel/sim/kassert.h"
#include "kernel/sim/trace.h"

namespace sockbed {
namespace {

constexpr std::array<const char*, static_cast<size_t>(Room::kCount)> kRoomNames = {
    "sim", "sched", "mbuf", "socket", "unix", "net",     "inet",
    "udp", "tcp",   "host", "uapi",   "bio",  "ssl", "program"};

// One piece of a format: text as it stands, or a value and the way to show it.
struct Piece {
  std::string_view text;
  int value = -1;        // 0 .. 2: an argument; 3: the object; -1: text
  std::string_view way;  // what follows the colon
};

// Cuts the first piece off `format`; nothing if a brace does not match or a directive is unknown.
std::optional<Piece> TakePiece(std::string_view* format) {
  const std::string_view all = *format;
  if (all.starts_with("{{") || all.starts_with("}}")) {
    *format = all.substr(2);
    return Piece{.text = all.substr(0, 1)};
  }
  if (all[0] == '}') return std::nullopt;
  if (all[0] != '{') {
    const std::string_view text = all.substr(0, all.find_first_of("{}"));
    *format = all.substr(text.size());
    return Piece{.text = text};
  }
  const size_t end = all.find('}');
  if (end == std::string_view::npos || end < 2 || end == 3) return std::nullopt;
  *format = all.substr(end + 1);
  const size_t which = std::string_view("012o").find(all[1]);
  if (which == std::string_view::npos || (end > 2 && all[2] != ':')) return std::nullopt;
  return Piece{.value = static_cast<int>(which), .way = end > 2 ? all.substr(3, end - 3) : ""};
}

const ValueTable* FindTable(const RoomTypes& types, std::string_view name) {
  for (const ValueTable& table : types.tables) {
    if (name == table.name) return &table;
  }
  return nullptr;
}

bool IsWay(const RoomTypes& types, std::string_view way) {
  if (way.empty()) return true;
  if (way[0] == '@' || way[0] == '|') return FindTable(types, way.substr(1)) != nullptr;
  if (way[0] == 'h' || way[0] == 'l') return IsWay(types, way.substr(1));
  return way.size() == 1 && std::string_view("xdsetai").find(way[0]) != std::string_view::npos;
}

// Cuts the first piece off `format`, which has come to `type`'s rest.
Piece NextPiece(const RoomTypes& types, const EventType& type, std::string_view* format) {
  const std::optional<Piece> piece = TakePiece(format);
  const bool pair = piece && piece->way == "I" && piece->value < 2;
  if (!piece || (!pair && !IsWay(types, piece->way))) {
    KPANIC(std::string("a trace format does not parse: ") + type.format);
  }
  return *piece;
}

std::string Hex(uint64_t value) {
  std::string digits;
  do {
    digits.insert(digits.begin(), "0123456789abcdef"[value & 0xf]);
    value >>= 4;
  } while (value != 0);
  return "0x" + digits;
}

// The characters that PackText packed.
std::string Unpacked(uint64_t value) {
  std::string text;
  for (; value != 0; value >>= 8) {
    const char c = static_cast<char>(value & 0xff);
    text += c >= ' ' && c <= '~' ? c : '.';
  }
  return text;
}

std::string ErrnoText(int64_t error) {
  if (error == 0) return "0";
  const char* name =
      error > 0 && error <= INT32_MAX ? strerrorname_np(static_cast<int>(error)) : nullptr;
  return name != nullptr ? name : std::to_string(error);
}

std::string AddressText(uint32_t address) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    text += std::to_string(address >> shift & 0xff);
    if (shift > 0) text += '.';
  }
  return text;
}

std::string EndpointText(uint64_t packed) {
  return AddressText(static_cast<uint32_t>(packed >> 32)) + ":" + std::to_string(packed & 0xffff);
}

// An IPv6 address out of two arguments. One of a link or an interface bears its zone, as kernels
// hold it, in its second group: it reads "fe80::1%2".
std::string Address6Text(uint64_t high, uint64_t low) {
  const bool scoped = high >> 54 == 0xfe80 >> 6 ||
                      (high >> 56 == 0xff && ((high >> 48 & 0xf) == 1 || (high >> 48 & 0xf) == 2));
  const uint64_t zone = scoped ? high >> 32 & 0xffff : 0;
  high &= ~(zone << 32);
  uint8_t bytes[16];
  for (int i = 0; i < 8; ++i) {
    bytes[i] = static_cast<uint8_t>(high >> (56 - 8 * i));
    bytes[8 + i] = static_cast<uint8_t>(low >> (56 - 8 * i));
  }
  char text[INET6_ADDRSTRLEN];
  std::string shown = inet_ntop(AF_INET6, bytes, text, sizeof text);
  return zone != 0 ? shown + "%" + std::to_string(zone) : shown;
}

std::string ValueText(const ValueTable& table, uint64_t value) {
  for (const ValueName& known : table.values) {
    if (known.value == value) return known.name;
  }
  return std::to_string(value);
}

// The flags that are set, joined by "|"; what the table does not name, in hexadecimal.
std::string FlagsText(const ValueTable& table, uint64_t value) {
  std::string text;
  for (const ValueName& known : table.values) {
    if (known.value == 0 || (value & known.value) != known.value) continue;
    if (!text.empty()) text += '|';
    text += known.name;
    value &= ~known.value;
  }
  if (value == 0 && !text.empty()) return text;
  if (value == 0) return "0";
  return (text.empty() ? text : text + "|") + Hex(value);
}

std::string Shown(const RoomTypes& types, uint64_t value, std::string_view way) {
  if (way.empty()) return std::to_string(value);
  const std::string_view rest = way.substr(1);
  switch (way[0]) {
    case 'x': return Hex(value);
    case 'd': return std::to_string(static_cast<int64_t>(value));
    case 's': return Unpacked(value);
    case 'e': return ErrnoText(static_cast<int64_t>(value));
    case 't': return SecondsText(static_cast<SimTime>(value));
    case 'a': return EndpointText(value);
    case 'i': return AddressText(static_cast<uint32_t>(value));
    case 'h': return Shown(types, value >> 32, rest);
    case 'l': return Shown(types, value & UINT32_MAX, rest);
    case '@': return ValueText(*FindTable(types, rest), value);
    default: return FlagsText(*FindTable(types, rest), value);
  }
}

void Pad(std::string* text, size_t width) {
  if (text->size() < width) text->append(width - text->size(), ' ');
}

std::string RightAligned(std::string text, size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

}  // namespace

std::string SecondsText(SimTime ns) {
  const uint64_t magnitude = ns < 0 ? -static_cast<uint64_t>(ns) : static_cast<uint64_t>(ns);
  std::string fraction = std::to_string(magnitude % kSecond);
  fraction.insert(0, 9 - fraction.size(), '0');
  return (ns < 0 ? "-" : "") + std::to_string(magnitude / kSecond) + "." + fraction;
}

void Trace::Describe(Room room, const RoomTypes& types) {
  RoomTypes& described = rooms_[static_cast<size_t>(room)];
  KASSERT(described.types.empty());
  described = types;
}

void Trace::CheckFormats() const {
  for (const RoomTypes& types : rooms_) {
    for (const EventType& type : types.types) {
      std::string_view format = type.format;
      while (!format.empty()) (void)NextPiece(types, type, &format);
    }
  }
}

std::string Trace::Format(const Record& record) const {
  std::string line = RightAligned(SecondsText(record.time), 14);
  line += " #" + std::to_string(record.id);
  Pad(&line, 24);
  const bool named = record.host < host_names_.size() && !host_names_[record.host].empty();
  line += named ? host_names_[record.host] : "h" + std::to_string(record.host);
  line += record.pid != 0 ? "." + std::to_string(record.pid) : "";
  Pad(&line, 36);
  line += ' ';
  line += kRoomNames[static_cast<size_t>(record.room)];
  Pad(&line, 44);
  line += ' ';
  const RoomTypes& types = rooms_[static_cast<size_t>(record.room)];
  if (record.type < types.types.size()) {
    const EventType& type = types.types[record.type];
    line += type.name;
    Pad(&line, 52);
    line += ' ';
    const uint64_t values[] = {record.args[0], record.args[1], record.args[2], record.object};
    std::string_view format = type.format;
    while (!format.empty()) {
      const Piece piece = NextPiece(types, type, &format);
      if (piece.value < 0) {
        line += piece.text;
      } else if (piece.way == "I") {
        line += Address6Text(values[piece.value], values[piece.value + 1]);
      } else {
        line += Shown(types, values[piece.value], piece.way);
      }
    }
  } else {
    line += "type " + std::to_string(record.type);
  }
  if (record.cause != 0) line += "  <#" + std::to_string(record.cause);
  return line;
}

}  // namespace sockbed
