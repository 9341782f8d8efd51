#!/usr/bin/env python3
"""Reads a topic to its end with confluent-kafka, committed records only, and prints one JSON object a record.

    reader.py BOOTSTRAP TOPIC [SCHEMA]

With SCHEMA (a JSON Schema) every value must be JSON that satisfies it. Ends with 77 where a library is missing.
"""
import json
import sys

try:
    import confluent_kafka
    import jsonschema
except ImportError as missing:
    sys.stderr.write(f"{missing} (pip install confluent-kafka jsonschema)\n")
    sys.exit(77)

bootstrap, topic, *schema = sys.argv[1:]
check = None
if schema:
    with open(schema[0], encoding="utf-8") as file:
        check = jsonschema.Draft202012Validator(json.load(file))
consumer = confluent_kafka.Consumer(
    {
        "bootstrap.servers": bootstrap,
        "group.id": f"{topic}.reader",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "enable.auto.commit": False,
    }
)
partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
consumer.assign([confluent_kafka.TopicPartition(topic, number, confluent_kafka.OFFSET_BEGINNING) for number in partitions])
open_ends = set(partitions)
while open_ends:
    message = consumer.poll(30)
    if message is None:
        sys.exit(f"nothing came of {sorted(open_ends)} within 30 s")
    error = message.error()
    if error is None:
        text = message.value().decode()
        if check is not None:
            check.validate(json.loads(text))
        place = {"partition": message.partition(), "offset": message.offset()}
        print(json.dumps({**place, "key": message.key().decode(), "value": text}))
    elif error.code() == confluent_kafka.KafkaError._PARTITION_EOF:
        open_ends.discard(message.partition())
    elif not error.retriable():
        sys.exit(str(error))
consumer.close()
