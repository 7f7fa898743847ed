FROM rollback-gate-lab-base
COPY nsqd.py mcp_server.py /srv/
