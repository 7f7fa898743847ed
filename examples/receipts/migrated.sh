#!/bin/sh
# Exit status 0 if the column is there, 1 if it is not, 2 if that cannot be asked.
count=$(docker-compose -p "$RECEIPTS_PROJECT" exec -T database sh -c \
  "psql -h 127.0.0.1 -U receipts -tAc \"select count(*) from information_schema.columns
     where table_name = 'receipts' and column_name = 'currency'\" receipts") || exit 2
[ "$count" = 1 ]
