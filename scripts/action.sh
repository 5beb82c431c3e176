#!/bin/sh
# What action.yml runs, in a checkout on a runner of GitHub Actions: a sweep (or logs that are
# read), the same of the base branch, the gate with its annotations, and a comment on the pull
# request. The variables are the inputs of the action. Exit statuses are those of `blowup check`.
set -eu
if ! command -v blowup > /dev/null; then
    make -C "$GITHUB_ACTION_PATH" build
    PATH="$GITHUB_ACTION_PATH/target/release:$PATH"
fi
mkdir -p "$OUT"
out=$(cd "$OUT" && pwd)
base=$out/base-branch
echo "results=$out/run" >> "$GITHUB_OUTPUT"

# Makes the results of the checkout in the working directory, in the folder $1.
results() {
    if [ -n "$LOGS" ]; then
        # Several paths stand in one input.
        # shellcheck disable=SC2086
        blowup read $LOGS --out "$1"
        return
    fi
    folder=$1
    set -- "$SPEC" --out "$folder"
    while IFS= read -r line; do
        [ -z "$line" ] || set -- "$@" --set "$line"
    done << END
$SET
END
    blowup sweep "$@"
}

results "$out/run"

if [ -z "$BASELINE" ] && [ -n "$BASE_SHA" ]; then
    git cat-file -e "$BASE_SHA^{commit}" 2> /dev/null || git fetch --quiet --depth 1 origin "$BASE_SHA"
    first=${LOGS:-$SPEC}
    if git cat-file -e "$BASE_SHA:${first%% *}" 2> /dev/null; then
        git worktree add --quiet --detach "$base" "$BASE_SHA"
        (cd "$base" && results "$out/base")
        git worktree remove --force "$base"
        BASELINE=$out/base
    else
        echo "::notice::the base branch has no \`${first%% *}\`, so there is nothing to compare with"
    fi
fi

set -- "$out/run"
[ -z "$BASELINE" ] || set -- "$@" --baseline "$BASELINE"
[ -z "$LOGS" ] || [ -z "$SPEC" ] || set -- "$@" --spec "$SPEC"
status=0
blowup check "$@" --github || status=$?
# Where there is nothing to check there is nothing to say.
[ "$status" -le 1 ] || exit "$status"
blowup check "$@" --json > "$out/check.json" || [ $? -eq 1 ]
python3 "$GITHUB_ACTION_PATH/scripts/comment.py" "$out/check.json" > "$out/comment.md"
cat "$out/comment.md" >> "$GITHUB_STEP_SUMMARY"

if [ "$COMMENT" = true ] && [ -n "$PULL_REQUEST" ]; then
    comments="repos/$GITHUB_REPOSITORY/issues"
    ours=".[] | select(.body | startswith(\"$(head -n 1 "$out/comment.md")\")) | .id"
    # The token of a pull request from a fork may not comment.
    if id=$(gh api --paginate "$comments/$PULL_REQUEST/comments" --jq "$ours"); then
        id=$(echo "$id" | head -n 1)
        if [ -n "$id" ]; then
            set -- --method PATCH "$comments/comments/$id"
        else
            set -- --method POST "$comments/$PULL_REQUEST/comments"
        fi
        gh api "$@" -F "body=@$out/comment.md" > /dev/null || id=failed
    else
        id=failed
    fi
    [ "$id" != failed ] || echo "::warning::the token may not comment; the summary of the job has the text"
fi
exit "$status"
