#include "tests/tidy/tree.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "tests/tidy/source.h"

namespace sockbed::tidy {
namespace {

namespace fs = std::filesystem;

bool IsOutsideTree(const std::string& name) {
  if (name.starts_with('.')) return name != ".ci" && name != ".bazelrc";
  return name.starts_with("bazel-") || name.starts_with("run-out") || name.ends_with(".swp") ||
         name == "user.bazelrc" || name == "compile_commands.json";
}

std::string ReadText(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return text.find('\0') == text.npos ? text : "";
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? "" : path.substr(0, slash);
}

std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// The nearest folder at or above `folder` that holds `file`; "-" if there is none.
std::string NearestWith(const Files& files, std::string folder, const std::string& file) {
  while (!files.contains(folder.empty() ? file : folder + "/" + file)) {
    if (folder.empty()) return "-";
    folder = FolderOf(folder);
  }
  return folder;
}

// Glob as in BUILD files: * within a name, ** across folders.
bool Matches(std::string_view pattern, std::string_view path) {
  if (pattern.empty()) return path.empty();
  if (pattern == "**") return true;
  if (pattern.starts_with("**/")) {
    if (Matches(pattern.substr(3), path)) return true;
    const size_t slash = path.find('/');
    return slash != path.npos && Matches(pattern, path.substr(slash + 1));
  }
  if (pattern.front() == '*') {
    for (size_t n = 0; n <= path.size(); ++n) {
      if (Matches(pattern.substr(1), path.substr(n))) return true;
      if (n < path.size() && path[n] == '/') break;
    }
    return false;
  }
  return !path.empty() && pattern.front() == path.front() &&
         Matches(pattern.substr(1), path.substr(1));
}

// Every string literal of a BUILD file.
std::vector<std::string> Literals(const std::string& build) {
  std::vector<std::string> literals;
  for (const std::string& line : SplitLines(build)) {
    for (size_t at = line.find_first_of("\"#"); at != line.npos && line[at] == '"';) {
      const size_t end = std::min(line.find('"', at + 1), line.size());
      literals.push_back(line.substr(at + 1, end - at - 1));
      at = line.find_first_of("\"#", std::min(end + 1, line.size()));
    }
  }
  return literals;
}

// Whether a BUILD file names `path`, by itself, by a glob, or without its ending (in a loop).
bool Mentions(const std::vector<std::string>& literals, const std::string& path) {
  const std::string stem = path.substr(0, path.rfind('.'));
  return std::any_of(literals.begin(), literals.end(), [&](const std::string& literal) {
    const std::string_view name = std::string_view(literal).substr(literal.starts_with(':'));
    return name == path || name == stem || (name.find('*') != name.npos && Matches(name, path));
  });
}

// A room of the layers: what the arrows of tests/deps are drawn between.
bool IsRoom(const std::string& folder) {
  return (folder.starts_with("kernel/") && folder.find('/', 7) == folder.npos) ||
         folder == "uapi" || folder == "bio" || folder == "ssl";
}

// An include is a dependency: without its label Bazel may still find the header through others.
void CheckIncludes(const Files& files, const std::string& path, const std::string& text,
                   std::vector<Finding>* findings) {
  const std::string own = NearestWith(files, FolderOf(path), "BUILD");
  const std::vector<std::string> lines = SplitLines(text);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].starts_with("#include \"")) continue;
    const std::string header = lines[i].substr(10, lines[i].find('"', 10) - 10);
    const std::string package = NearestWith(files, FolderOf(header), "BUILD");
    if (!files.contains(header) || package == own) continue;
    const std::vector<std::string> labels = Literals(files.at(own + "/BUILD"));
    const bool named = std::any_of(labels.begin(), labels.end(), [&](const std::string& label) {
      return label == "//" + package || label.starts_with("//" + package + ":");
    });
    if (named) continue;
    findings->push_back({path, static_cast<int>(i + 1), "include",
                         "//" + package + " is no dependency in " + own + "/BUILD"});
  }
}

// Files that need no rule to be of use: Bazel's own, pages, and commands (no ending).
bool NeedsNoBuild(const std::string& name) {
  return name == "BUILD" || name.ends_with(".md") || name.ends_with(".BUILD") ||
         name.ends_with(".bzl") || name.find('.') == name.npos || name.starts_with('.');
}

void CheckPlace(const Files& files, const std::string& path, std::vector<Finding>* findings) {
  const std::string folder = FolderOf(path);
  const std::string name = NameOf(path);
  // A folder with a WORKSPACE of its own is another repository: a stand-in for Bazel.
  if (NearestWith(files, folder, "WORKSPACE") != "") return;
  if (name == "BUILD" && folder != "" && !files.contains(folder + "/README.md")) {
    findings->push_back({path, 1, "room", "a package has a README.md: one page, one picture"});
  }
  if (name == "BUILD" && IsRoom(folder)) {
    const auto arrows = files.find("tests/deps/BUILD");
    if (arrows == files.end() || !Mentions(Literals(arrows->second), folder)) {
      findings->push_back({path, 1, "arrow", "tests/deps/BUILD does not say what it may see"});
    }
  }
  if (!NeedsNoBuild(name)) {
    const std::string package = NearestWith(files, folder, "BUILD");
    const std::string build = package.empty() ? "BUILD" : package + "/BUILD";
    const std::string within = package.empty() ? path : path.substr(package.size() + 1);
    if (!Mentions(Literals(files.at(build)), within)) {
      findings->push_back({path, 1, "build", build + " does not mention it: add it or delete it"});
    }
  }
  for (const std::string_view word : {"util", "utils", "common", "helper", "helpers", "manager"}) {
    std::string words = name;
    std::replace(words.begin(), words.end(), '_', ' ');
    if (FindWord(words, word) == words.npos) continue;
    findings->push_back({path, 1, "name", std::string(word) + " says nothing: name what it holds"});
  }
}

}  // namespace

Files ReadTree(const fs::path& root) {
  Files files;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator();
       ++it) {
    if (IsOutsideTree(it->path().filename().string())) {
      it.disable_recursion_pending();
    } else if (it->is_regular_file()) {
      files[fs::relative(it->path(), root).string()] = ReadText(it->path());
    }
  }
  return files;
}

std::vector<Finding> CheckTree(const Files& files) {
  std::vector<Finding> findings;
  for (const auto& [path, text] : files) {
    std::string partner;
    if (path.ends_with(".cc")) {
      const auto header = files.find(path.substr(0, path.size() - 3) + ".h");
      if (header != files.end()) partner = header->second;
    }
    std::vector<Finding> own = CheckFile(path, text, partner);
    std::move(own.begin(), own.end(), std::back_inserter(findings));
    CheckPlace(files, path, &findings);
    if (path.ends_with(".cc") || path.ends_with(".h")) {
      CheckIncludes(files, path, text, &findings);
    }
  }
  return findings;
}

std::vector<Finding> Excuse(std::vector<Finding> findings, std::span<const Exception> exceptions) {
  for (const Exception& exception : exceptions) {
    const auto covers = [&exception](const Finding& finding) {
      return finding.path == exception.path && finding.rule == exception.rule;
    };
    int size = 0;
    for (const Finding& finding : findings) size += covers(finding) ? finding.size : 0;
    if (size > exception.size) continue;
    std::erase_if(findings, covers);
    if (size < exception.size) {
      findings.push_back(
          {std::string(exception.path), 1, std::string(exception.rule),
           "has shrunk: lower its exception to " + std::to_string(size) + ", or drop it at 0"});
    }
  }
  return findings;
}

}  // namespace sockbed::tidy
