#!/bin/sh
# Starts Alertmanager, which reads no environment: with the webhook of ALERT_WEBHOOK_URL, or quietly where there is none.
# Takes further options of Alertmanager.
set -eu
here=$(dirname "$0")
config=$here/quiet.yml
if [ -n "${ALERT_WEBHOOK_URL:-}" ]; then
  case $ALERT_WEBHOOK_URL in
    http://* | https://*) ;;
    *) echo "error: ALERT_WEBHOOK_URL should begin with http:// or https://; it does not." >&2 && exit 1 ;;
  esac
  umask 077
  printf '%s' "$ALERT_WEBHOOK_URL" > /tmp/alert_webhook
  config=$here/alertmanager.yml
fi
exec alertmanager --config.file="$config" "$@"
