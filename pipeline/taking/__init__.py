"""Taking: messages of a queue become contacts, and are acknowledged once all is on disk.

What that guarantees is told in `intake/queues/__init__.py`. The taker stands where a file has its
encoder, and has contacts made in the workshop; the holder keeps what was taken until it is done
with.
"""
