#!/bin/sh
# PostgreSQL with its table, made anew at each start; and the migration that the change needs.
set -e
bin=$(echo /usr/lib/postgresql/*/bin)
echo "$PGPASSWORD" > /tmp/password
"$bin/initdb" -D /tmp/data -U receipts --auth=scram-sha-256 --pwfile=/tmp/password -E UTF8 --locale=C > /dev/null
echo 'host all all all scram-sha-256' >> /tmp/data/pg_hba.conf
alone() { "$bin/postgres" --single -D /tmp/data "$1" > /dev/null; }
echo 'create database receipts' | alone postgres
echo 'create table receipts (id text primary key, created_at timestamptz default now(), confidence float)' |
  alone receipts
echo 'alter table receipts add column currency text' | alone receipts
exec "$bin/postgres" -D /tmp/data -h 0.0.0.0 -k /tmp
