# Reads the event file of one `bazel test` (JSON, an event per line) and the test.xml files that it
# names; prints what failed and why, what was skipped, and at the end "N passed, N failed".
# Set from outside: status, Bazel's own exit status.

# The value of the first "key":"value" in an event.
function text(event, key,    start, rest) {
  start = index(event, "\"" key "\":\"")
  if (!start) return ""
  rest = substr(event, start + length(key) + 4)
  return substr(rest, 1, index(rest, "\"") - 1)
}

function number(event, key,    start) {
  start = index(event, "\"" key "\":")
  return start ? substr(event, start + length(key) + 3) + 0 : 0
}

# The path of the output called `name` (test.log, test.xml) of a test result.
function output(event, name,    start) {
  start = index(event, "{\"name\":\"" name "\"")
  if (!start) return ""
  return substr(text(substr(event, start), "uri"), length("file://") + 1)
}

function attribute(tag, key,    start, rest) {
  start = index(tag, " " key "=\"")
  if (!start) return ""
  rest = substr(tag, start + length(key) + 3)
  rest = substr(rest, 1, index(rest, "\"") - 1)
  gsub(/&lt;/, "<", rest)
  gsub(/&gt;/, ">", rest)
  gsub(/&quot;/, "\"", rest)
  gsub(/&#x0A;/, " ", rest)
  gsub(/&amp;/, "\\&", rest)
  return rest
}

# Counts the cases of one test.xml; returns how many of them failed.
function count_cases(label, xml,    line, name, bad, counted, all) {
  while ((getline line < xml) > 0) {
    if (line ~ /<testcase /) {
      name = attribute(line, "classname") "." attribute(line, "name")
      counted = 0
      if (attribute(line, "result") == "suppressed") {
        skipped[++skips] = label " " name ": disabled"
        continue
      }
      ++all
    }
    if (line ~ /<skipped/ && !counted) {
      skipped[++skips] = label " " name ": " attribute(line, "message")
      counted = 1
      --all
    }
    if (line ~ /<(failure|error)[ >]/ && !counted) {
      counted = 1
      ++bad
    }
  }
  close(xml)
  cases += all
  return bad + 0
}

# The tail of a log, or of each failed case in it; a sanitizer's report is shown from its start.
function show_log(log_file,    line, n, kept, first, shown, i, inside) {
  while ((getline line < log_file) > 0) {
    if (line ~ /^\[  FAILED  \]/ && inside) {
      kept[++n] = line
      for (i = n > 32 ? n - 31 : 2; i <= n && shown < 150; ++i) { print "    " kept[i]; ++shown }
    }
    if (line ~ /^\[[ -]/) { inside = n = first = 0 }
    if (line ~ /^\[ RUN/) inside = 1
    if (line !~ /^\[[ -]/ || inside) kept[++n] = line
    if (!first && line ~ /ERROR: [A-Za-z]+Sanitizer|: runtime error: /) first = n
  }
  close(log_file)
  if (shown && !first) return
  if (!first) first = n > 40 ? n - 39 : 1
  for (i = first; i <= n && i < first + 40; ++i) print "    " kept[i]
}

function report_program(key,    label, bad, log_file) {
  label = label_of[key]
  if (!(label in seen)) ++programs
  seen[label] = 1
  bad = count_cases(label, xml_of[key])
  if (status_of[key] == "PASSED") return
  # A program may fail after its last case (a leak found at exit) or before it could say so.
  if (!bad) { ++cases; bad = 1 }
  failed += bad
  log_file = log_of[key]
  printf "\n%s %s", status_of[key] == "TIMEOUT" ? "TIMED OUT" : "FAILED", label
  if (shard_of[key] > 1 || (label, 2) in sharded) printf " (shard %d)", shard_of[key]
  sub(/.*\/testlogs\//, ".bazel/testlogs/", log_file)
  printf ", log: %s\n", log_file
  show_log(log_of[key])
}

/^\{"id":\{"targetConfigured":/ && /"testSize":/ {
  tests[++targets] = text($0, "label")
}

/^\{"id":\{"targetCompleted":/ {
  if ($0 ~ /"success":true/) built[text($0, "label")] = 1
}

# Later attempts at the same test come later and replace earlier ones.
/^\{"id":\{"testResult":/ {
  key = text($0, "label") SUBSEP number($0, "shard") SUBSEP number($0, "run")
  if (!(key in label_of)) order[++results] = key
  label_of[key] = text($0, "label")
  shard_of[key] = number($0, "shard")
  sharded[label_of[key], shard_of[key]] = 1
  status_of[key] = text($0, "status")
  log_of[key] = output($0, "test.log")
  xml_of[key] = output($0, "test.xml")
}

END {
  for (i = 1; i <= results; ++i) report_program(order[i])
  for (i = 1; i <= skips; ++i) print (i == 1 ? "\n" : "") "skipped: " skipped[i]
  for (i = 1; i <= targets; ++i) {
    if (tests[i] in built) continue
    print (unbuilt++ ? "" : "\n") "did not build: " tests[i]
    ++cases
    ++failed
  }
  if (status && !failed) {
    print status == 4 ? "\nno tests among the targets" : "\nBazel stopped with errors (see above)"
    ++cases
    ++failed
  }
  printf "\nprograms %d, cases %d, skipped %d\n", programs, cases + skips, skips
  printf "%d passed, %d failed\n", cases - failed, failed
  exit failed > 0
}
