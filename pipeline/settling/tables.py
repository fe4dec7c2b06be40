"""The journal's tables, and how those of an earlier format become those of this one.

What they mean together is told in `journal.py`.
"""

from __future__ import annotations

__all__ = ("APPLICATION_ID", "TABLES", "UPGRADES", "VERSION")

APPLICATION_ID = 0x4A504A31
"""`JPJ1`: SQLite's mark of whose file it is."""

VERSION = 8
"""The format's version: a program refuses what is later than its own."""

RETRIES = """
CREATE TABLE retry (                  -- a row a round, from 1
    round INTEGER PRIMARY KEY,
    outcome TEXT NOT NULL,            -- whose contacts are sent again, or "verified" (verdicts.py)
    began_at REAL NOT NULL,
    ended_at REAL                     -- NULL: not all of them yet; one row at most
);
CREATE TABLE overtaken (              -- accepted contacts that a retry has sent once more
    source INTEGER NOT NULL REFERENCES source,
    position INTEGER NOT NULL,
    round INTEGER NOT NULL,           -- what was accepted in earlier ones counts no more
    times INTEGER NOT NULL,           -- how many accepted outcomes that is
    PRIMARY KEY (source, position)
) WITHOUT ROWID;
"""

VERDICT = """
CREATE TABLE verdict (                -- accepted contacts, by what was found of them
    batch_id INTEGER NOT NULL,        -- of a batch, which may have been compacted since
    outcome TEXT NOT NULL,            -- entered, missing, pending
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    contacts INTEGER NOT NULL,
    spans TEXT NOT NULL               -- as in batch, of these contacts alone
);
CREATE INDEX verdicts_of ON verdict (batch_id);
"""

VERDICTS = f"""
CREATE TABLE verification (           -- one row, once it was asked who entered
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at REAL NOT NULL,
    told TEXT NOT NULL                -- JSON: what was found of the whole
);
{VERDICT}
CREATE TABLE absent (                 -- unknown contacts that certainly did not enter
    seq INTEGER PRIMARY KEY REFERENCES contact
);
"""

WRITTEN = """
CREATE TABLE written (                -- one row: how many transactions were committed (witness.py)
    transactions INTEGER NOT NULL
);
INSERT INTO written VALUES (0);
"""

MESSAGES = """
CREATE TABLE message (                -- what was taken of a queue (messages.py)
    source INTEGER NOT NULL REFERENCES source,
    identity TEXT NOT NULL,           -- by which the message is known when it comes again
    first INTEGER NOT NULL,           -- the position of its first contact
    records INTEGER NOT NULL,         -- how many positions it takes
    at REAL NOT NULL,
    acked REAL,                       -- when the queue was told to forget it
    doubt INTEGER NOT NULL,           -- 1: another worker had it before this one took it
    PRIMARY KEY (source, identity)
) WITHOUT ROWID;
"""

ARRIVALS = """
CREATE TABLE arrival (                -- messages that have no positions yet (arrivals.py)
    number INTEGER PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES source,
    at REAL NOT NULL,
    identities TEXT NOT NULL          -- JSON list
);
"""

PARTS = """
CREATE TABLE result_part (            -- a result file that was put aside at the end of its day
    name TEXT NOT NULL,               -- accepted, rejected, unknown
    seq INTEGER NOT NULL,             -- the last settlement or contact that may be in it
    after INTEGER NOT NULL,           -- the last that is in the file before it
    file TEXT NOT NULL UNIQUE,        -- accepted-2026-11-29.ndjson
    began REAL NOT NULL,              -- when the first contact in it was settled
    at REAL NOT NULL,                 -- when it was put aside
    bytes INTEGER NOT NULL,           -- -1: to be written anew
    crc INTEGER NOT NULL,             -- CRC-32 of these bytes
    contacts INTEGER,                 -- how many it alone tells of; NULL: the tables do as well
    PRIMARY KEY (name, seq)
) WITHOUT ROWID;
CREATE TABLE compacted (              -- batches that are in the tables no more: how many, by hour
    hour INTEGER PRIMARY KEY,         -- of their outcome, in hours since 1970
    batches INTEGER NOT NULL,
    accepted INTEGER NOT NULL         -- contacts
);
CREATE TABLE compacted_range (        -- the positions of their contacts, and of others done between
    source INTEGER NOT NULL REFERENCES source,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (source, first)
) WITHOUT ROWID;
CREATE TABLE compacted_batch (        -- those whose line does not tell all positions, or the round
    batch_id INTEGER PRIMARY KEY,
    round INTEGER NOT NULL,
    spans TEXT NOT NULL
);
"""

PLAINS = """
CREATE TABLE plain (                  -- what a source holds uncompressed, where known (plains.py)
    source INTEGER PRIMARY KEY REFERENCES source,
    size INTEGER NOT NULL,
    digest TEXT NOT NULL,
    checksum INTEGER,                 -- CRC-32; NULL: not all of it was read
    whole INTEGER NOT NULL,           -- 0: it is damaged or cut off behind that
    rungs TEXT NOT NULL               -- digests of its beginnings, forty digits each
);
"""

TABLES = """
CREATE TABLE run (                    -- one row: whose journal this is, and how far the run is
    id INTEGER PRIMARY KEY CHECK (id = 1),
    run_id TEXT NOT NULL,
    event_definition_key TEXT NOT NULL,
    rest_host TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    state TEXT NOT NULL,              -- as in summary.json
    exhausted INTEGER NOT NULL,       -- 1: completed, and the sources were read to their end
    detail TEXT,                      -- why the last leg ended as it did
    started_at REAL NOT NULL,         -- Unix seconds, as every time here
    ended_at REAL,
    resumptions INTEGER NOT NULL,
    requests INTEGER NOT NULL,        -- these four over all legs
    retries INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    seconds REAL NOT NULL
);
CREATE TABLE source (
    ordinal INTEGER PRIMARY KEY,      -- what positions refer to
    name TEXT NOT NULL,               -- the latest name of this content
    size INTEGER,
    digest TEXT NOT NULL,
    reading TEXT NOT NULL,            -- how it is cut into records: positions depend on it
    read INTEGER NOT NULL,            -- the highest position known to have been read
    mark_position INTEGER NOT NULL,   -- the newest mark
    mark_offset INTEGER NOT NULL
);
CREATE TABLE mark (                   -- one in about 50,000 positions: where a resume may begin
    source INTEGER NOT NULL REFERENCES source,
    position INTEGER NOT NULL,
    byte_offset INTEGER NOT NULL,
    PRIMARY KEY (source, position)
) WITHOUT ROWID;
CREATE TABLE batch (                  -- written ahead of the first byte, never changed
    batch_id INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL,
    round INTEGER NOT NULL,           -- 0: the run; n: the nth retry of its contacts
    contacts INTEGER NOT NULL,
    at REAL NOT NULL,
    spans TEXT NOT NULL,              -- as told in spans.py
    keys BLOB NOT NULL                -- JSON list of contact keys, in the order of the spans
);
CREATE TABLE settlement (             -- a batch's outcome; a batch without one is in flight
    seq INTEGER PRIMARY KEY,
    batch_id INTEGER NOT NULL UNIQUE REFERENCES batch,
    attempt INTEGER NOT NULL,
    outcome TEXT NOT NULL,            -- accepted, rejected, unknown
    contacts INTEGER NOT NULL,
    at REAL NOT NULL,
    event_instance_id TEXT,
    reason TEXT,
    detail TEXT
);
CREATE TABLE contact (                -- a row a contact, for the rejected and the unknown alone
    seq INTEGER PRIMARY KEY,
    outcome TEXT NOT NULL,
    source INTEGER NOT NULL REFERENCES source,
    position INTEGER NOT NULL,
    contact_key TEXT,
    stage TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    record TEXT NOT NULL,             -- JSON: the record as read, or the contact as sent
    batch_id INTEGER,
    attempt INTEGER,
    round INTEGER NOT NULL,           -- in which it was settled
    at REAL NOT NULL,
    superseded INTEGER                -- the later round whose outcome stands instead
);
CREATE UNIQUE INDEX one_outcome ON contact (source, position) WHERE superseded IS NULL;
CREATE TABLE result_file (            -- how far each file derived from the tables is written
    name TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL,           -- -1: to be written anew
    seq INTEGER NOT NULL,             -- the last settlement or contact that is in it
    crc INTEGER NOT NULL              -- CRC-32 of these bytes
);
"""

TABLES += RETRIES + VERDICTS + WRITTEN + MESSAGES + ARRIVALS + PARTS + PLAINS

UNTIED = f"""
ALTER TABLE verdict RENAME TO former_verdict;
DROP INDEX verdicts_of;
{VERDICT}
INSERT INTO verdict SELECT * FROM former_verdict ORDER BY rowid;
DROP TABLE former_verdict;
"""  # noqa: S608  # ours

UPGRADES = {
    1: """
ALTER TABLE run DROP COLUMN round;
ALTER TABLE contact ADD COLUMN round INTEGER NOT NULL DEFAULT 0;
ALTER TABLE result_file ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
UPDATE result_file SET bytes = -1, seq = 0;
"""
    + RETRIES,
    2: VERDICTS,
    3: WRITTEN,
    4: MESSAGES,
    5: UNTIED + PARTS,
    6: ARRIVALS,
    7: PLAINS,
}
"""What brings a journal of each earlier format to the next."""
