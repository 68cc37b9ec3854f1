// The script: options, events, times.
#include "tools/packetdrill/parser.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "tools/packetdrill/parser_private.h"

namespace sockbed::packetdrill {
namespace {

constexpr int64_t kSecondsMax = int64_t{1} << 40;

}  // namespace

// --- Tokens and numbers. ---

bool Parser::Accept(char c) {
  if (!Peek().Is(c)) return false;
  Take();
  return true;
}

bool Parser::AcceptWord(const char* word) {
  if (!Peek().IsWord(word)) return false;
  Take();
  return true;
}

bool Parser::Expect(char c) {
  return Accept(c) || FailHere(absl::StrCat("expected '", std::string(1, c), "'"));
}

bool Parser::FailHere(const std::string& what) {
  const Token& token = Peek();
  std::string shown = token.spelling.substr(0, token.spelling.find('\n')).substr(0, 40);
  status_ =
      absl::InvalidArgumentError(absl::StrCat(path_, ":", token.place.line, ":", token.place.column,
                                              ": parse error at '", shown, "': ", what));
  return false;
}

bool Parser::FailMeaning(Place place, const std::string& what) {
  status_ = absl::InvalidArgumentError(
      absl::StrCat(path_, ":", place.line, ":", place.column, ": semantic error: ", what));
  return false;
}

bool Parser::TakeNumber(const char* what, int64_t least, int64_t most, Number* number) {
  const Token& token = Peek();
  if (token.kind != Kind::kInteger && token.kind != Kind::kHex) {
    return FailHere(absl::StrCat("expected a number: ", what));
  }
  if (token.number < least || token.number > most) {
    return FailMeaning(token.place, absl::StrCat(what, " must lie in ", least, " .. ", most,
                                                 ", not be ", token.text));
  }
  *number = {token.number, token.text};
  Take();
  return true;
}

// --- The script. ---

bool Parser::ParseScript(Script* script) {
  while (Peek().kind == Kind::kOption) {
    if (!TakeOption(script)) return false;
  }
  if (Peek().kind == Kind::kCommand) script->init = Command{Take().text};
  while (!AtEnd() && Peek().kind != Kind::kCommand) {
    if (Peek().kind == Kind::kOption) return FailHere("options stand before the first event");
    ScriptEvent event;
    if (!TakeEvent(&event)) return false;
    script->events.push_back(std::move(event));
  }
  if (script->events.empty()) return FailHere("a script needs an event");
  if (Peek().kind == Kind::kCommand) script->cleanup = Command{Take().text};
  if (!AtEnd()) return FailHere("nothing may follow the cleanup command");
  return CheckOrder(*script);
}

bool Parser::TakeOption(Script* script) {
  Option option;
  option.place = Peek().place;
  option.name = Take().text;
  if (Accept('=')) {
    const Token& value = Take();
    switch (value.kind) {
      case Kind::kInteger:
      case Kind::kHex:
      case Kind::kFloat:
      case Kind::kWord:
      case Kind::kString:
      case Kind::kIpv4:
      case Kind::kIpv6: break;
      default: --at_; return FailHere("not a value for an option");
    }
    option.value = value.text;
    option.spelling = value.spelling;
    if (Accept('=')) {  // NAME=VALUE
      absl::StrAppend(&*option.value, "=", Peek().spelling);
      absl::StrAppend(&option.spelling, "=", Take().spelling);
    } else if (Accept('/')) {  // ADDRESS/LENGTH
      absl::StrAppend(&*option.value, "/", Peek().spelling);
      absl::StrAppend(&option.spelling, "/", Take().spelling);
    }
  }
  script->options.push_back(std::move(option));
  return true;
}

bool Parser::TakeEvent(ScriptEvent* event) {
  event->place = Peek().place;
  if (!TakeTime(&event->time)) return false;
  const Place place = Peek().place;
  if (Peek().Is('<') || Peek().Is('>')) {
    Packet packet;
    if (!ParsePacket(&packet)) return false;
    event->action = std::move(packet);
  } else if (Peek().kind == Kind::kCommand) {
    event->action = Command{Take().text};
  } else if (Peek().kind == Kind::kCode) {
    event->action = Code{Peek().text, Peek().spelling};
    Take();
  } else if (Peek().kind == Kind::kEllipsis || Peek().kind == Kind::kWord) {
    Call call;
    if (Peek().kind == Kind::kEllipsis) {
      Take();
      call.returns_us.emplace();
      if (!TakeSeconds(&*call.returns_us, &call.returns_text)) return false;
      if (*call.returns_us < event->time.us) {
        return FailMeaning(place, "the call returns before it starts");
      }
    }
    if (!TakeCall(&call)) return false;
    event->action = std::move(call);
  } else {
    return FailHere("expected a packet, a call, a command or code");
  }
  const auto* packet = std::get_if<Packet>(&event->action);
  const bool outbound = packet != nullptr && !packet->inbound;
  if (!outbound && (event->time.kind == Time::Kind::kAny || event->time.window)) {
    return FailMeaning(event->place, "only an outbound packet may come in a range of time");
  }
  return true;
}

bool Parser::TakeTime(Time* time) {
  if (Accept('*')) {
    time->kind = Time::Kind::kAny;
    return true;
  }
  if (Accept('+')) time->kind = Time::Kind::kRelative;
  const Place place = Peek().place;
  if (!TakeSeconds(&time->us, &time->text)) return false;
  if (!Accept('~')) return true;
  if (time->kind == Time::Kind::kRelative && !Expect('+')) return false;
  time->window = true;
  if (!TakeSeconds(&time->end_us, &time->end_text)) return false;
  return time->end_us >= time->us || FailMeaning(place, "the range of time ends before it begins");
}

// Decimal seconds to microseconds, exactly; digits beyond the sixth are cut off.
bool Parser::TakeSeconds(int64_t* us, std::string* text) {
  const Token& token = Peek();
  if (token.kind != Kind::kInteger && token.kind != Kind::kFloat) {
    return FailHere("expected a time, in seconds");
  }
  if (token.text[0] == '-') return FailMeaning(token.place, "a time may not be negative");
  *text = token.text;
  const size_t point = text->find('.');
  const std::string whole = text->substr(0, point);
  std::string part = point == std::string::npos ? "" : text->substr(point + 1, 6);
  part.resize(6, '0');
  int64_t seconds = 0;
  const auto read = std::from_chars(whole.data(), whole.data() + whole.size(), seconds);
  if ((!whole.empty() && read.ec != std::errc()) || seconds > kSecondsMax) {
    return FailMeaning(token.place, "a time beyond all measure");
  }
  int64_t micros = 0;
  std::from_chars(part.data(), part.data() + part.size(), micros);
  *us = seconds * 1'000'000 + micros;
  Take();
  return true;
}

// Absolute times of neighbours may not run backwards.
bool Parser::CheckOrder(const Script& script) {
  for (size_t i = 1; i < script.events.size(); ++i) {
    const Time& before = script.events[i - 1].time;
    const Time& here = script.events[i].time;
    const bool both = before.kind == Time::Kind::kAbsolute && here.kind == Time::Kind::kAbsolute;
    if (both && here.us < before.us) {
      return FailMeaning(script.events[i].place, "the event lies before the one ahead of it");
    }
  }
  return true;
}

// --- Entry. ---

absl::StatusOr<Script> ParseScript(const std::string& text, const std::string& path,
                                   const Definitions& definitions) {
  absl::StatusOr<std::vector<Token>> tokens = Tokenize(text, path, definitions);
  if (!tokens.ok()) return tokens.status();
  Parser parser(*std::move(tokens), path);
  Script script;
  if (!parser.ParseScript(&script)) return parser.status();
  return script;
}

absl::StatusOr<Packet> ParsePacketText(const std::string& text) {
  absl::StatusOr<std::vector<Token>> tokens = Tokenize(text, "packet", {});
  if (!tokens.ok()) return tokens.status();
  Parser parser(*std::move(tokens), "packet");
  Packet packet;
  if (!parser.ParsePacket(&packet)) return parser.status();
  if (!parser.AtEnd()) {
    (void)parser.FailHere("nothing may follow the packet");
    return parser.status();
  }
  return packet;
}

}  // namespace sockbed::packetdrill
