"""Queues as sources: what they have in common, and what a worker may rely on.

Every queue here delivers a message at least once: again, whenever it is in doubt whether somebody
has dealt with it. The journal makes of that: nobody is sent twice whom the server may have had.

The way of a message
--------------------
1. It is taken, no more than there is room for, and parsed: one contact (a JSON object) or many (an
   array, or an object a line). What cannot be parsed is a rejected record with its raw text.
2. Its identity is written into the journal as soon as it is there, and then with the positions its
   contacts get, before anything of it is sent (`settling/arrivals.py`, `settling/messages.py`).
   The identity is what `enqueue` or another producer gave it, else what the broker calls it: entry
   id, stream sequence, partition and offset, message id. It counts together with a digest of what
   the message holds: names are given twice, and a queue that is made anew counts from the
   beginning.
3. Its contacts travel as those of a file do: mapped, packed, written ahead, sent, settled. While
   they wait, the broker is told in time that the message is still being worked on.
4. Once the outcome of every one of them is on disk, the message is acknowledged; never before.

What comes again
----------------
- The journal knows it: contacts with an outcome are not sent; those that were dispatched when the
  process died are unknown (`interrupted`); the others are sent. If nothing is left to be done, it
  is acknowledged.
- The journal knows that it was there, and no more: nothing of it was sent, and it is sent now.
- The journal does not know it, and the broker says that it was delivered before: some other worker
  had it, and may have sent it before it died. With `on_unknown = "hold"` its contacts are unknown,
  reason `redelivered`, and not sent; with "resend" they are. `source.shared = false` says that no
  other worker takes from the queue: then they are sent, for what this journal does not know was
  never dispatched.
- Neither: it is new.

Each worker has a run directory of its own, and its journal knows what this worker did. What one
worker did with a message, another learns from the broker's word alone. How good that word is:

    Redis, Valkey   exact: what is pending for this worker's own name was never another's. What
                    another left is claimed after `claim_idle_seconds`, under a name of its own
    Kafka           exact: before a message is passed on, it is committed up to where, and by
                    whom, the partition was taken; whoever is assigned it next reads that
    NATS, RabbitMQ, the broker says that it was delivered before, not to whom: what reached this
    SQS             worker is written down, and sent by it; what was still on its way to it in the
                    very moment it was killed is held, too

Whose a message is
------------------
A queue leaves what it gave out to a worker for a while. Who is stopped for longer (SIGSTOP, a lid
that is shut, a virtual machine that is paused) or cut off goes on with contacts whose messages
another one was given meanwhile. So nothing is sent but what is sure to be this worker's still
(`tenure.py`, `taking/fence.py`). What was said of a message, and how it is found out anew:

    Redis, Valkey   pending, not idle for `claim_idle_seconds`. Claimed anew where it has been idle
                    for longer than any other worker can have had it, which the server decides
    NATS, SQS       `ack_wait`, or the visibility timeout, has not passed since the server answered.
                    Later nothing can be found out: what comes again is this worker's again
    Kafka           a commit was not refused within the session, in the assignment it came by
    RabbitMQ        its channel is open; it answered within a minute

What is not sure is let go: its contacts stay `unprocessed`, are made anew if the queue gives the
message to this worker again, and are whoever's it gives it to otherwise. With `source.shared =
false` nobody else is there, and nothing is let go. The moment between the look and the request is
left (`taking/fence.py`).

A queue in this package is an asynchronous client and nothing more: it starts no task, is told when
to extend and to acknowledge (`taking.py`), and says by `QueueLostError` that it must be opened
anew.
"""
