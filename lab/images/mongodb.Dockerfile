FROM rollback-gate-lab-base
COPY mongod /usr/local/bin/mongod
COPY mongodb.py /srv/mongodb.py
ENTRYPOINT ["python3", "/srv/mongodb.py"]
