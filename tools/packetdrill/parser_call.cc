// System calls and their expressions.
#include <array>

#include "absl/strings/str_cat.h"
#include "tools/packetdrill/parser_private.h"

namespace sockbed::packetdrill {
namespace {

constexpr int kDepthMax = 64;

}  // namespace

bool Parser::TakeCall(Call* call) {
  call->place = Peek().place;
  if (Peek().kind != Kind::kWord) return FailHere("expected the name of a system call");
  call->name = Take().text;
  if (!Expect('(')) return false;
  if (!TakeList(')', false, &call->arguments)) return false;
  if (!Expect('=') || !TakeExpr(&call->result)) return false;
  if (Peek().kind == Kind::kWord) call->errno_name = Take().text;
  return TakeNote(&call->note);
}

// Free text in parentheses, kept as its tokens.
bool Parser::TakeNote(std::optional<std::string>* note) {
  if (!Accept('(')) return true;
  note->emplace();
  while (!Peek().Is(')')) {
    if (AtEnd()) return FailHere("a note without ')'");
    if (!(*note)->empty()) **note += ' ';
    **note += Take().spelling;
  }
  Take();
  return true;
}

bool Parser::TakeList(char close, bool fields, std::vector<Expr>* list) {
  if (Accept(close)) return true;
  do {
    Expr& element = list->emplace_back();
    if (!(fields ? TakeField(&element) : TakeExpr(&element))) return false;
  } while (Accept(','));
  return Expect(close);
}

// "name=value", "name(n)=value", or a value alone.
bool Parser::TakeField(Expr* element) {
  const bool plain = Peek().kind == Kind::kWord && Peek(1).Is('=');
  const bool sized = Peek().kind == Kind::kWord && Peek(1).Is('(') &&
                     (Peek(2).kind == Kind::kInteger || Peek(2).kind == Kind::kEllipsis) &&
                     Peek(3).Is(')') && Peek(4).Is('=');
  std::string field;
  std::vector<Expr> size;
  if (plain || sized) {
    field = Take().text;
    if (sized) {
      Take();
      if (!TakeExpr(&size.emplace_back()) || !Expect(')')) return false;
    }
    if (!Expect('=')) return false;
  }
  if (!TakeExpr(element)) return false;
  element->field = std::move(field);
  element->field_size = std::move(size);
  return true;
}

bool Parser::TakeExpr(Expr* expr) {
  if (++depth_ > kDepthMax) return FailHere("an expression nested too deeply");
  if (!TakeTerm(expr)) return false;
  if (Peek().Is('|')) {
    Expr all;
    all.kind = Expr::Kind::kOr;
    all.place = expr->place;
    all.parts.push_back(std::move(*expr));
    while (Accept('|')) {
      if (!TakeTerm(&all.parts.emplace_back())) return false;
    }
    *expr = std::move(all);
  }
  --depth_;
  return true;
}

bool Parser::TakeTerm(Expr* expr) {
  using K = Expr::Kind;
  const Token& token = Peek();
  expr->place = token.place;
  switch (token.kind) {
    case Kind::kEllipsis: Take(); return true;
    case Kind::kInteger:
    case Kind::kHex:
      expr->kind = K::kInteger;
      expr->number = token.number;
      expr->text = Take().text;
      return true;
    case Kind::kString:
      expr->kind = K::kString;
      while (Peek().kind == Kind::kString) {
        absl::StrAppend(&expr->spelling, expr->spelling.empty() ? "" : " ", Peek().spelling);
        expr->text += Take().text;
      }
      expr->open = Peek().kind == Kind::kEllipsis;
      if (expr->open) Take();
      return true;
    case Kind::kWord:
      expr->kind = K::kWord;
      expr->text = Take().text;
      if (Accept('(')) {
        expr->kind = K::kFunction;
        return TakeList(')', false, &expr->parts);
      }
      if (Peek().Is('=')) {
        Take();
        expr->kind = K::kAssign;
        return TakeExpr(&expr->parts.emplace_back());
      }
      return true;
    default: break;
  }
  if (token.Is('[')) {
    Take();
    expr->kind = K::kArray;
    return TakeList(']', false, &expr->parts);
  }
  if (token.Is('{')) {
    Take();
    expr->kind = K::kStruct;
    return TakeList('}', true, &expr->parts);
  }
  return FailHere("expected a value");
}

}  // namespace sockbed::packetdrill
