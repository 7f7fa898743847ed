#!/bin/sh
# PostgreSQL with its table, made anew at each start.
set -e
bin=$(echo /usr/lib/postgresql/*/bin)
echo "$PGPASSWORD" > /tmp/password
"$bin/initdb" -D /tmp/data -U thumbnails --auth=scram-sha-256 --pwfile=/tmp/password -E UTF8 --locale=C > /dev/null
echo 'host all all all scram-sha-256' >> /tmp/data/pg_hba.conf
alone() { "$bin/postgres" --single -D /tmp/data "$1" > /dev/null; }
echo 'create database thumbnails' | alone postgres
echo 'create table thumbnails (id text primary key, created_at timestamptz default now(), sharpness float, passes int)' |
  alone thumbnails
exec "$bin/postgres" -D /tmp/data -h 0.0.0.0 -k /tmp
