"""The schemas, version by version. Add a version to change one; never edit an old one."""

# A lane is a group of events, or a single job. Messages are written once and deleted once: all that changes
# while a message is received and given back stands in its lane, so that no body is ever written twice, and the
# next one to receive is the first row of `lanes_by_due` whatever the backlog.
QUEUE = (
    (
        """
        CREATE TABLE messages (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            queue TEXT NOT NULL,
            lane TEXT NOT NULL,
            id TEXT NOT NULL,
            body BLOB NOT NULL,
            due REAL NOT NULL,
            UNIQUE (queue, lane, id)
        )
        """,
        "CREATE INDEX messages_by_lane ON messages (queue, lane)",
        """
        CREATE TABLE lanes (
            queue TEXT NOT NULL,
            name TEXT NOT NULL,
            head INTEGER NOT NULL,
            due REAL NOT NULL,
            held INTEGER NOT NULL DEFAULT 0,
            receives INTEGER NOT NULL DEFAULT 0,
            failures INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (queue, name)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX lanes_by_due ON lanes (queue, due, head)",
        """
        CREATE TABLE accepted (
            queue TEXT NOT NULL,
            lane TEXT NOT NULL,
            id TEXT NOT NULL,
            until REAL NOT NULL,
            UNIQUE (queue, lane, id)
        )
        """,
        "CREATE INDEX accepted_by_until ON accepted (queue, until)",
        """
        CREATE TABLE dead (
            queue TEXT NOT NULL,
            lane TEXT NOT NULL,
            id TEXT NOT NULL,
            body BLOB NOT NULL,
            reason TEXT NOT NULL,
            failures INTEGER NOT NULL,
            died REAL NOT NULL,
            UNIQUE (queue, lane, id)
        )
        """,
    ),
)

STORE = (
    (
        """
        CREATE TABLE documents (
            partition TEXT NOT NULL,
            key TEXT NOT NULL,
            version INTEGER NOT NULL,
            body TEXT NOT NULL,
            expires REAL,
            PRIMARY KEY (partition, key)
        )
        """,
        "CREATE INDEX documents_by_expiry ON documents (expires) WHERE expires IS NOT NULL",
    ),
)
