#!/usr/bin/env bash
# Feeds test_report.awk the events of a small invented test run, one of each outcome.
set -euo pipefail
cd "$TEST_TMPDIR"

event() {  # label shard status: a test result whose log and XML stand in $TEST_TMPDIR
  local base="$TEST_TMPDIR/${1#//*:}.$2"
  echo "{\"id\":{\"testResult\":{\"label\":\"$1\",\"run\":1,\"shard\":$2,\"attempt\":1}}," \
    "\"testResult\":{\"testActionOutput\":[{\"name\":\"test.log\",\"uri\":\"file://$base.log\"}," \
    "{\"name\":\"test.xml\",\"uri\":\"file://$base.xml\"}],\"status\":\"$3\"}}" |
      sed 's/, "/,"/g; s/, {/,{/g'
}

case_line() { echo "<testcase name=\"$1\" status=\"run\" result=\"$2\" classname=\"Pipe\">"; }

{
  for name in good bad crash unbuilt; do
    echo "{\"id\":{\"targetConfigured\":{\"label\":\"//a:$name\"}}," \
      "\"configured\":{\"testSize\":\"MEDIUM\"}}"
    [[ $name == unbuilt ]] || echo "{\"id\":{\"targetCompleted\":{\"label\":\"//a:$name\"}}," \
      "\"completed\":{\"success\":true}}"
  done
  event //a:good 1 PASSED
  event //a:good 2 PASSED
  event //a:bad 1 FAILED
  event //a:crash 1 FAILED
} >events

{ case_line Reads completed; case_line Writes skipped; } >good.1.xml
echo '<skipped message="no pipe here"/>' >>good.1.xml
case_line Closes completed >good.2.xml
{ case_line Wakes completed; echo '<failure message="x"/>'; } >bad.1.xml
echo '<failure message="y"/>' >>bad.1.xml
printf '%s\n' 'long ago' '[ RUN      ] Pipe.Wakes' 'pipe_test.cc:7: Failure' \
  '[  FAILED  ] Pipe.Wakes (0 ms)' >bad.1.log
printf '%s\n' '[ RUN      ] Pipe.Sleeps' 'KASSERT failed' >crash.1.log

cat >expected <<'END'

FAILED //a:bad, log: bad.1.log
    pipe_test.cc:7: Failure
    [  FAILED  ] Pipe.Wakes (0 ms)

FAILED //a:crash, log: crash.1.log
    [ RUN      ] Pipe.Sleeps
    KASSERT failed

skipped: //a:good Pipe.Writes: no pipe here

did not build: //a:unbuilt

programs 3, cases 6, skipped 1
2 passed, 3 failed
END

report="$TEST_SRCDIR/sockbed/tools/bazel/test_report.awk"
if awk -v status=1 -f "$report" events >raw; then
  echo "failures must make the exit status non-zero"
  exit 1
fi
sed "s,$TEST_TMPDIR/,," raw | diff expected -
