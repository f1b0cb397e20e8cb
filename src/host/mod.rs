//! This computer: USB topology, permissions, drivers, who holds a device, kernel messages. Reads under a root that tests replace.
