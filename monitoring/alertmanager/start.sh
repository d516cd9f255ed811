#!/bin/sh
# Starts Alertmanager: with the webhook whose address the secret holds, or quietly where the secret is empty or missing.
# Takes further options of Alertmanager.
set -eu
here=$(dirname "$0")
if grep -q '[^[:space:]]' /run/secrets/alert_webhook 2>/dev/null; then
  config=$here/alertmanager.yml
else
  config=$here/quiet.yml
fi
exec alertmanager --config.file="$config" "$@"
