#!/usr/bin/env python3
"""Writes one record that is so many days old: old_record.py BOOTSTRAP TOPIC PARTITION DAYS HEX. Ends with 77 without
confluent-kafka."""
import sys
import time

try:
    import confluent_kafka
except ImportError as missing:
    sys.stderr.write(f"{missing} (pip install confluent-kafka)\n")
    sys.exit(77)

bootstrap, topic, partition, days, payload = sys.argv[1:]
producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "acks": "all"})
written = int((time.time() - float(days) * 24 * 3600) * 1000)
producer.produce(topic, key="old", value=bytes.fromhex(payload), partition=int(partition), timestamp=written)
sys.exit("the record was not written" if producer.flush(30) else 0)
