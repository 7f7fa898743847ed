#!/bin/sh
# RabbitMQ with its management API.
set -e
echo '[rabbitmq_management].' > /tmp/enabled_plugins
printf 'loopback_users = none\ndisk_free_limit.absolute = 50MB\n' > /tmp/rabbitmq.conf
export HOME=/tmp RABBITMQ_ENABLED_PLUGINS_FILE=/tmp/enabled_plugins RABBITMQ_CONFIG_FILE=/tmp/rabbitmq.conf
export RABBITMQ_MNESIA_BASE=/tmp/mnesia RABBITMQ_LOG_BASE=/tmp RABBITMQ_NODENAME=queue@localhost RABBITMQ_PID_FILE=/tmp/pid
export RABBITMQ_FEATURE_FLAGS_FILE=/tmp/feature_flags RABBITMQ_GENERATED_CONFIG_DIR=/tmp RABBITMQ_CONF_ENV_FILE=/tmp/none
exec /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server
