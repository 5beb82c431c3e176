#!/bin/sh
# A Chromium for the tests of report.html: the one that is there, or Debian's, which root can
# install. Says so where there is none; the tests then tell that they were skipped, and fail where
# CI=true.
set -eu
[ -n "${BLOWUP_TEST_CHROMIUM:-}" ] && exit 0
command -v chromium >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -qq --yes --no-install-recommends chromium fonts-dejavu-core >/dev/null && exit 0
fi
echo "no chromium here: install it, or name one in BLOWUP_TEST_CHROMIUM, to test report.html" >&2
