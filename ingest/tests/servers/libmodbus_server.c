/* A Modbus server by libmodbus, for the tests of the poller.
 *
 * Usage: libmodbus_server tcp | libmodbus_server rtu DEVICE
 *
 * tcp prints `listening PORT` (a free one of loopback), rtu `listening 0`. The registers are those of pymodbus_server.py.
 * One master at a time, as small devices have it; ends when its standard input does, or is killed.
 */
#include <modbus/modbus.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Most significant word first. */
static void put(uint16_t *words, uint64_t bits, int count) {
  for (int i = 0; i < count; i++)
    words[i] = (uint16_t)(bits >> (16 * (count - 1 - i)));
}

static void fill(modbus_mapping_t *map) {
  uint16_t *input = map->tab_input_registers;
  float so2 = 21.5f, o2 = 6.25f;
  double flow = 250.125;
  uint32_t bits;
  uint64_t long_bits;
  memcpy(&bits, &so2, sizeof bits);
  put(&input[100], bits, 2);
  memcpy(&bits, &o2, sizeof bits);
  put(&input[102], bits, 2);
  input[104] = 42;
  input[105] = (uint16_t)-40;
  memcpy(&long_bits, &flow, sizeof long_bits);
  put(&input[106], long_bits, 4);
  map->tab_input_bits[3] = 1;
}

static void serve(modbus_t *context, modbus_mapping_t *map) {
  uint8_t query[MODBUS_MAX_ADU_LENGTH];
  for (;;) {
    int length = modbus_receive(context, query);
    if (length > 0)
      modbus_reply(context, query, length, map);
    else if (length < 0)
      return;
  }
}

int main(int argc, char **argv) {
  modbus_mapping_t *map = modbus_mapping_new(8, 8, 8, 128);
  if (argc < 2 || !map)
    return 2;
  fill(map);
  if (strcmp(argv[1], "rtu") == 0 && argc > 2) {
    modbus_t *context = modbus_new_rtu(argv[2], 19200, 'N', 8, 1);
    modbus_set_slave(context, 1);
    if (modbus_connect(context) < 0) {
      perror("connect");
      return 1;
    }
    puts("listening 0");
    fflush(stdout);
    for (;;)
      serve(context, map);
  }
  modbus_t *context = modbus_new_tcp("127.0.0.1", 0);
  int listener = modbus_tcp_listen(context, 1);
  struct sockaddr_in address;
  socklen_t size = sizeof address;
  if (listener < 0 || getsockname(listener, (struct sockaddr *)&address, &size) < 0) {
    perror("listen");
    return 1;
  }
  printf("listening %d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    if (modbus_tcp_accept(context, &listener) < 0)
      return 1;
    serve(context, map);
    modbus_close(context);
  }
}
