#!/usr/bin/env python3
"""Devices whose hours are over their limit, and how long it takes until a consumer reads the event.

    kafka_events.py registry                          their outlets, as plume's registry has them (TOML)
    kafka_events.py measure INGEST BOOTSTRAP TOPIC    sends, listens on TOPIC (alerts), prints latencies
    kafka_events.py size BOOTSTRAP TOPIC              how many records a topic has, and their size on average
"""
import json
import socket
import sys
import threading
import time
from datetime import datetime, timedelta, timezone

DEVICES = 20
HOURS = 6
BEIJING = timezone(timedelta(hours=8))


def mn(device):
    return f"EE{device:022}"


def registry():
    for device in range(DEVICES):
        print(f'[[enterprise]]\nid = "EE{device}"\nname = "EE{device}"\n[[outlet]]\nid = "EE{device}:DA001"')
        print(f'enterprise = "EE{device}"\nnumber = "DA001"\n[[outlet.factor]]\ncode = "a21026"\nrange_high = "200"')
        print('[[outlet.factor.limit]]\nwindow = "hour"\nvalue = "35"\nsource = "permit"')
        print(f'[[source]]\nmn = "{mn(device)}"\noutlet = "EE{device}:DA001"\nminute_interval_min = 1')


def crc(segment):
    value = 0xFFFF
    for byte in segment:
        value = (value >> 8) ^ byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value


def packet(device, minute, value):
    text = (
        f"QN={minute:%Y%m%d%H%M}59000;ST=31;CN=2051;PW=123456;MN={mn(device)};Flag=5;"
        f"CP=&&DataTime={minute:%Y%m%d%H%M}00;a21026-Avg={value:.1f},a21026-Flag=N&&"
    )
    segment = text.encode()
    return b"##%04d%s%04X\r\n" % (len(segment), segment, crc(segment))


def talk(device, address):
    """Every other hour is over the limit; each packet waits for its answer."""
    host, port = address.rsplit(":", 1)
    link = socket.create_connection((host, int(port)))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    first = datetime.now(BEIJING).replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS + 1)
    heard = b""
    for number in range(HOURS * 60):
        level = 42 if number // 60 % 2 else 12
        link.sendall(packet(device, first + timedelta(minutes=number), level + number * 7 % 10 / 10))
        while b"\r\n" not in heard:
            more = link.recv(4096)
            if not more:
                sys.exit("the link ended")
            heard += more
        heard = heard.split(b"\r\n", 1)[1]


def measure(address, bootstrap, topic):
    import confluent_kafka

    settings = {"bootstrap.servers": bootstrap, "group.id": "bench", "isolation.level": "read_committed"}
    consumer = confluent_kafka.Consumer({**settings, "enable.auto.commit": False, "fetch.wait.max.ms": 5})
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in partitions])
    talks = [threading.Thread(target=talk, args=(device, address)) for device in range(DEVICES)]
    for thread in talks:
        thread.start()
    latencies, quiet_since = [], time.time()
    while any(thread.is_alive() for thread in talks) or time.time() - quiet_since < 5:
        message = consumer.poll(0.1)
        if message is None or message.error():
            continue
        quiet_since = time.time()
        judged = datetime.fromisoformat(json.loads(message.value())["time"]).timestamp()
        latencies.append((time.time() - judged) * 1000)
    latencies.sort()
    if not latencies:
        sys.exit("no event came")
    at = lambda share: latencies[min(len(latencies) - 1, int(len(latencies) * share))]
    print(f"{len(latencies)} events: p50 {at(0.5):.0f} ms, p90 {at(0.9):.0f} ms, p99 {at(0.99):.0f} ms")


def size(bootstrap, topic):
    import confluent_kafka

    settings = {"bootstrap.servers": bootstrap, "group.id": "bench", "auto.offset.reset": "earliest"}
    consumer = confluent_kafka.Consumer(settings)
    count, partitions = 0, consumer.list_topics(topic, timeout=30).topics[topic].partitions
    for number in partitions:
        low, high = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, number), timeout=30)
        count += high - low
    consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in partitions])
    sizes = [len(message.value()) for message in consumer.consume(20_000, timeout=10) if not message.error()]
    print(count, sum(sizes) // max(1, len(sizes)))


if __name__ == "__main__":
    {"registry": registry, "measure": measure, "size": size}[sys.argv[1]](*sys.argv[2:])
