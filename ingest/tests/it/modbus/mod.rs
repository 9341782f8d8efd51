//! Modbus: maps, cases, the bus without IO, faults on real sockets, and servers that nobody here wrote.

mod bus;
mod cases;
mod faults;
mod foreign;
mod hints;
mod maps;
mod room;
mod script;
