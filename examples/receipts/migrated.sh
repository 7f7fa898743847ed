#!/bin/sh
# Exit status 0 if the column is there: old code does not use it, and its data would be lost.
exec docker-compose -p "$RECEIPTS_PROJECT" exec -T database sh -c \
  'psql -h 127.0.0.1 -U receipts -tAc "select currency from receipts limit 0" receipts'
