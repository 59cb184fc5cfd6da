// Cleans up after a script that a signal ends.

import { spawn } from "node:child_process";

/**
 * Ends a process and removes a folder when this script ends without doing so itself. The guard is a
 * process of its own, which sees its input close: handlers of signals would have to wait until a script
 * that runs command after command lets them. Kill it when nothing is left to clean up.
 */
export function guard({ process = "", folder = "" }) {
  const guardian = spawn(
    "sh",
    ["-c", 'read -r _; [ -z "$1" ] || kill -9 "$1"; rm -rf -- "$2"', "guard", String(process), folder],
    // Detached, so that Ctrl-C does not end it too.
    { stdio: ["pipe", "ignore", "ignore"], detached: true },
  );
  guardian.unref();
  guardian.stdin.unref();
  return guardian;
}
