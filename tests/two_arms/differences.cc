#include "tests/two_arms/differences.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>

namespace sockbed::two_arms {
namespace {

// A cell without its blanks and code marks.
std::string Stripped(std::string_view cell) {
  const auto first = cell.find_first_not_of(" `");
  if (first == std::string_view::npos) return {};
  return std::string(cell.substr(first, cell.find_last_not_of(" `") - first + 1));
}

// The cells of "| a | b | c |"; none of another line.
std::vector<std::string> Cells(std::string_view line) {
  std::vector<std::string> cells;
  if (!line.starts_with("|")) return cells;
  line.remove_prefix(1);
  for (size_t bar; (bar = line.find('|')) != std::string_view::npos; line.remove_prefix(bar + 1)) {
    cells.push_back(Stripped(line.substr(0, bar)));
  }
  return cells;
}

}  // namespace

std::vector<Difference> ReadDifferences(const std::string& path) {
  std::vector<Difference> rows;
  std::ifstream file(path);
  std::string line, reason;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.starts_with("## ")) reason = line.substr(3);
    const std::vector<std::string> cells = Cells(line);
    if (cells.size() != 3 || cells[0] == "where" || cells[0].starts_with("--")) continue;
    rows.push_back({cells[0], cells[1], cells[2], reason, number});
  }
  return rows;
}

bool Matches(const Difference& difference, const std::string& where, const std::string& here,
             const std::string& there) {
  const auto fits = [](const std::string& pattern, const std::string& text) {
    return fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
  };
  return fits(difference.where, where) && fits(difference.here, here) &&
         fits(difference.there, there);
}

}  // namespace sockbed::two_arms
